package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// How many messages of a run stand at each status is kept in run_counts, ghosts apart, and changes in the statement that
// changes the messages: asking costs the same for a run of a million as for one of ten, and no index needs to hold a status,
// so that an outcome touches no index. A run's numbers are spread over slots by the connection that writes, and added up
// when they are read: one slot's may be negative. A statement takes the rows of its slot in the order of the runs.

// counting counts messages that changed, given as moves: one row a message with its run, and its status before and after. It
// follows that CTE, and runs whether it is read or not.
const counting = `, counted AS (INSERT INTO run_counts AS c (run_id, slot, queued, sent, delivered, bounced, failed, unknown, cancelled, expired)
		SELECT run_id, pg_backend_pid() & 63, sum(CASE 'queued' WHEN after THEN n WHEN before THEN -n ELSE 0 END),
			sum(CASE 'sent' WHEN after THEN n WHEN before THEN -n ELSE 0 END), sum(CASE 'delivered' WHEN after THEN n WHEN before THEN -n ELSE 0 END),
			sum(CASE 'bounced' WHEN after THEN n WHEN before THEN -n ELSE 0 END), sum(CASE 'failed' WHEN after THEN n WHEN before THEN -n ELSE 0 END),
			sum(CASE 'unknown' WHEN after THEN n WHEN before THEN -n ELSE 0 END), sum(CASE 'cancelled' WHEN after THEN n WHEN before THEN -n ELSE 0 END),
			sum(CASE 'expired' WHEN after THEN n WHEN before THEN -n ELSE 0 END)
		FROM (SELECT run_id, before, after, count(*) AS n FROM moves WHERE before <> after GROUP BY run_id, before, after) m GROUP BY run_id ORDER BY run_id
		` + addingCounts + `)`

// addingCounts adds to what a slot has.
const addingCounts = `ON CONFLICT (run_id, slot) DO UPDATE SET queued = c.queued + EXCLUDED.queued, sent = c.sent + EXCLUDED.sent,
			delivered = c.delivered + EXCLUDED.delivered, bounced = c.bounced + EXCLUDED.bounced, failed = c.failed + EXCLUDED.failed,
			unknown = c.unknown + EXCLUDED.unknown, cancelled = c.cancelled + EXCLUDED.cancelled, expired = c.expired + EXCLUDED.expired,
			ghosts = c.ghosts + EXCLUDED.ghosts`

// noteQueued counts new messages of runs, and notes the customers of ghosts among them as changed: the others are seen once
// they are sent.
func (tx *Tx) noteQueued(ctx context.Context, messages []campaigns.Message) error {
	type added struct{ queued, ghosts int64 }
	counts := map[campaigns.ID]added{}
	var haunted []int64
	for i := range messages {
		m := &messages[i]
		n := counts[m.RunID]
		if m.Ghost {
			n.ghosts++
			haunted = append(haunted, m.No)
		} else {
			n.queued++
		}
		counts[m.RunID] = n
	}
	var runs []campaigns.ID
	var queued, ghosts []int64
	for run, n := range counts {
		runs, queued, ghosts = append(runs, run), append(queued, n.queued), append(ghosts, n.ghosts)
	}
	_, err := tx.exec(ctx, "counting messages", `WITH noted AS (INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $4::smallint FROM unnest($5::bigint[]) no)
		INSERT INTO run_counts AS c (run_id, slot, queued, ghosts)
		SELECT run_id, pg_backend_pid() & 63, queued, ghosts FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS q(run_id, queued, ghosts) ORDER BY run_id
		`+addingCounts, runs, queued, ghosts, changedMessages, haunted)
	return err
}

// MessageCounts are how many messages stand at each status, ghosts apart; what is being sent counts as queued. Statuses where
// none stands are left out.
type MessageCounts map[campaigns.MessageStatus]int64

// Of adds up some of them.
func (c MessageCounts) Of(statuses ...campaigns.MessageStatus) (n int64) {
	for _, status := range statuses {
		n += c[status]
	}
	return n
}

// countedStatuses are the columns of run_counts that are statuses, in their order in addedUp.
func countedStatuses() []campaigns.MessageStatus {
	return []campaigns.MessageStatus{campaigns.MessageQueued, campaigns.MessageSent, campaigns.MessageDelivered, campaigns.MessageBounced,
		campaigns.MessageFailed, campaigns.MessageUnknown, campaigns.MessageCancelled, campaigns.MessageExpired, campaigns.MessageGhost}
}

const addedUp = `sum(queued)::bigint AS queued, sum(sent)::bigint AS sent, sum(delivered)::bigint AS delivered, sum(bounced)::bigint AS bounced,
	sum(failed)::bigint AS failed, sum(unknown)::bigint AS unknown, sum(cancelled)::bigint AS cancelled, sum(expired)::bigint AS expired, sum(ghosts)::bigint AS ghosts`

// runCounts are a run's counts as they are read; ghosts among them.
type runCounts struct {
	run    campaigns.ID
	counts MessageCounts
}

func scanRunCounts(row pgx.CollectableRow) (runCounts, error) {
	c := runCounts{counts: MessageCounts{}}
	var n [9]int64
	err := row.Scan(&c.run, &n[0], &n[1], &n[2], &n[3], &n[4], &n[5], &n[6], &n[7], &n[8])
	for i, status := range countedStatuses() {
		if n[i] != 0 {
			c.counts[status] = n[i]
		}
	}
	return c, err
}

// MessagesOf counts the messages of runs; those that have none are left out.
func (tx *Tx) MessagesOf(ctx context.Context, runs []campaigns.ID) (map[campaigns.ID]MessageCounts, error) {
	found, err := many(ctx, tx, "message counts", `SELECT run_id, `+addedUp+` FROM run_counts WHERE run_id = ANY($1) GROUP BY run_id`, scanRunCounts, runs)
	of := make(map[campaigns.ID]MessageCounts, len(found))
	for _, c := range found {
		delete(c.counts, campaigns.MessageGhost)
		of[c.run] = c.counts
	}
	return of, err
}

// countedAnew are the columns of run_counts, counted from the messages themselves.
const countedAnew = `count(*) FILTER (WHERE status = 'queued' AND NOT ghost) AS queued, count(*) FILTER (WHERE status = 'sent' AND NOT ghost) AS sent,
	count(*) FILTER (WHERE status = 'delivered' AND NOT ghost) AS delivered, count(*) FILTER (WHERE status = 'bounced' AND NOT ghost) AS bounced,
	count(*) FILTER (WHERE status = 'failed' AND NOT ghost) AS failed, count(*) FILTER (WHERE status = 'unknown' AND NOT ghost) AS unknown,
	count(*) FILTER (WHERE status = 'cancelled' AND NOT ghost) AS cancelled, count(*) FILTER (WHERE status = 'expired' AND NOT ghost) AS expired,
	count(*) FILTER (WHERE ghost) AS ghosts`

// RebuildCounts counts the messages of runs anew, mends what was kept, and says of how many runs it was wrong. Outcomes may
// come meanwhile: both are read in one snapshot, and what they differ by is added. Who else counts anew waits: the same
// difference must not be added twice.
func (tx *Tx) RebuildCounts(ctx context.Context, runs []campaigns.ID) (int64, error) {
	if _, err := tx.exec(ctx, "waiting to count messages anew", `SELECT pg_advisory_xact_lock(hashtext('run_counts'))`); err != nil {
		return 0, err
	}
	return tx.exec(ctx, "counting messages anew", `WITH apart AS (SELECT run_id, `+addedUp+` FROM (
				SELECT run_id, `+countedAnew+` FROM messages WHERE run_id = ANY($1) GROUP BY run_id
				UNION ALL SELECT run_id, -queued, -sent, -delivered, -bounced, -failed, -unknown, -cancelled, -expired, -ghosts FROM run_counts WHERE run_id = ANY($1)) both_ways
			GROUP BY run_id)
		INSERT INTO run_counts AS c (run_id, slot, queued, sent, delivered, bounced, failed, unknown, cancelled, expired, ghosts)
		SELECT run_id, 0, queued, sent, delivered, bounced, failed, unknown, cancelled, expired, ghosts FROM apart
		WHERE (queued, sent, delivered, bounced, failed, unknown, cancelled, expired, ghosts) <> (0, 0, 0, 0, 0, 0, 0, 0, 0) ORDER BY run_id
		`+addingCounts, runs)
}

// RunIDs lists the runs after one in the order of their ids, up to limit.
func (tx *Tx) RunIDs(ctx context.Context, after campaigns.ID, limit int) ([]campaigns.ID, error) {
	return many(ctx, tx, "runs", `SELECT id FROM runs WHERE id > $1 ORDER BY id LIMIT $2`, pgx.RowTo[campaigns.ID], after, limit)
}

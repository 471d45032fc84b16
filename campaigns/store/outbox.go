package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// The outbox holds what is due, in lanes. A node leases a lane of a channel, so that two nodes never look at the same
// rows; before the first byte leaves, a batch is marked as being sent by one guarded statement; the outcome deletes the
// row. A row that was marked and whose lane's lease is over belongs to a node that died: its outcome is unknown.

// runsOfLane finds the runs that have something queued in a lane of the channel $1, one step of the index each: there may
// be thousands of open runs of triggered campaigns, and few have anything in one lane.
const runsOfLane = `WITH RECURSIVE present(run_id) AS (
	(SELECT o.run_id FROM outbox o WHERE o.channel_id = $1 AND o.lane = %[1]s AND o.sending_at IS NULL ORDER BY o.run_id LIMIT 1)
	UNION ALL SELECT (SELECT o.run_id FROM outbox o WHERE o.channel_id = $1 AND o.lane = %[1]s AND o.sending_at IS NULL AND o.run_id > p.run_id
		ORDER BY o.run_id LIMIT 1) FROM present p WHERE p.run_id IS NOT NULL)`

// ClaimLane leases the lane of a channel that has waited longest among those with messages due; -1 when there is none.
func (tx *Tx) ClaimLane(ctx context.Context, channel string, owner campaigns.ID, until time.Time) (int16, error) {
	var lane int16
	err := tx.tx.QueryRow(ctx, `UPDATE lanes SET owner = $2, lease_until = $3, claimed_at = $4 WHERE channel_id = $1 AND lease_until <= $4 AND lane = (
			SELECT lane FROM lanes l WHERE channel_id = $1 AND lease_until <= $4 AND EXISTS (
				`+fmt.Sprintf(runsOfLane, "l.lane")+` SELECT 1 FROM present JOIN runs r ON r.id = present.run_id
				CROSS JOIN LATERAL (SELECT 1 FROM outbox o WHERE o.channel_id = $1 AND o.lane = l.lane AND o.run_id = r.id
					AND o.due_at <= $4 AND o.sending_at IS NULL LIMIT 1) due
				WHERE r.status IN ('queueing', 'sending') AND NOT r.paused AND r.held IS NULL) AND `+notStopped+` AND `+notStale(4)+`
			ORDER BY claimed_at, lane LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING lane`, channel, owner, until, tx.Now).Scan(&lane)
	if errors.Is(err, pgx.ErrNoRows) {
		return -1, nil
	}
	if err != nil {
		return -1, fmt.Errorf("claiming a lane: %w", err)
	}
	return lane, nil
}

// RenewLanes keeps what an owner has leased of a channel.
func (tx *Tx) RenewLanes(ctx context.Context, channel string, owner campaigns.ID, until time.Time) error {
	_, err := tx.exec(ctx, "renewing lanes", `UPDATE lanes SET lease_until = $3 WHERE channel_id = $1 AND owner = $2 AND lease_until < $3`, channel, owner, until)
	return err
}

// ReleaseLane ends a lease early.
func (tx *Tx) ReleaseLane(ctx context.Context, channel string, lane int16, owner campaigns.ID) error {
	_, err := tx.exec(ctx, "releasing a lane", `UPDATE lanes SET lease_until = 'epoch', owner = NULL WHERE channel_id = $1 AND lane = $2 AND owner = $3`, channel, lane, owner)
	return err
}

// ClaimMessages marks up to limit due messages of a leased lane as being sent and gives them: an equal share of each run,
// so that a small one is not stuck behind a large one. It renews the lease, and gives nothing when the lease was lost.
func (tx *Tx) ClaimMessages(ctx context.Context, channel string, lane int16, owner campaigns.ID, until time.Time, limit int) ([]campaigns.Message, error) {
	held, err := tx.exec(ctx, "renewing a lane", `UPDATE lanes SET lease_until = $4 WHERE channel_id = $1 AND lane = $2 AND owner = $3 AND lease_until > $5`,
		channel, lane, owner, until, tx.Now)
	if err != nil || held == 0 {
		return nil, err
	}
	ids, err := many(ctx, tx, "due messages", fmt.Sprintf(runsOfLane, "$2::smallint")+` SELECT due.message_id FROM present JOIN runs r ON r.id = present.run_id CROSS JOIN LATERAL (
			SELECT o.message_id, row_number() OVER (ORDER BY o.due_at, o.message_id) AS rank FROM outbox o
			WHERE o.channel_id = $1 AND o.lane = $2 AND o.run_id = r.id AND o.due_at <= $3 AND o.sending_at IS NULL
			ORDER BY o.due_at, o.message_id LIMIT $4) due
		WHERE r.status IN ('queueing', 'sending') AND NOT r.paused AND r.held IS NULL AND `+notStopped+` AND `+notStale(3)+` ORDER BY due.rank LIMIT $4`, pgx.RowTo[campaigns.ID], channel, lane, tx.Now, limit)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	months := make([]time.Time, len(ids))
	for i, id := range ids {
		months[i] = campaigns.TimeOf(id)
	}
	return many(ctx, tx, "claimed messages", `WITH marked AS (
			UPDATE outbox SET sending_at = $3, owner = $4, attempts = attempts + 1
			WHERE lane = $1 AND message_id = ANY($2) AND sending_at IS NULL RETURNING message_id, no, attempts, closes_at, moved)
		SELECT m.id, m.no, '', m.campaign_id, m.run_id, m.version, m.variant, m.ghost, m.channel, m.channel_id, m.template_id, m.template_revision,
			coalesce(m.address, ''), m.vars, coalesce(m.code, ''), m.status, marked.attempts, '', m.history, m.content_hash, m.content, m.queued_at, m.not_after, m.finished_at,
			coalesce(m.planned_at, m.queued_at), m.exempt, marked.closes_at, marked.moved, coalesce(m.language, '')
		FROM marked JOIN unnest($2::uuid[], $5::timestamptz[]) AS at(id, queued_at) ON at.id = marked.message_id
		JOIN messages m ON m.no = marked.no AND m.queued_at = at.queued_at AND m.id = marked.message_id`, scanClaimed, lane, ids, tx.Now, owner, months)
}

func scanClaimed(row pgx.CollectableRow) (campaigns.Message, error) {
	var m campaigns.Message
	var closes *time.Time
	err := row.Scan(&m.ID, &m.No, &m.CustomerID, &m.CampaignID, &m.RunID, &m.Version, &m.Variant, &m.Ghost, &m.Channel, &m.ChannelID, &m.TemplateID,
		&m.TemplateRevision, &m.Address, &m.Vars, &m.Code, &m.Status, &m.Attempts, &m.ProviderID, &m.History, &m.ContentHash, &m.Content, &m.QueuedAt, &m.NotAfter,
		&m.FinishedAt, &m.PlannedAt, &m.Exempt, &closes, &m.Moved, &m.Language)
	if closes != nil {
		m.ClosesAt = *closes
	}
	return m, err
}

// A Result is what became of one attempt to send. RetryAt is set when it is to be tried again. Replanned says that this is
// because it was planned anew, for the Message's PlannedAt and until its ClosesAt: that was no attempt.
type Result struct {
	Message   campaigns.Message
	Status    campaigns.MessageStatus
	Detail    string
	RetryAt   time.Time
	Replanned bool
}

// FinishMessages records results in two statements: a final one ends the message and leaves the outbox, a temporary one
// waits for RetryAt. A message that was given up as unknown meanwhile takes its real outcome.
func (tx *Tx) FinishMessages(ctx context.Context, lane int16, owner campaigns.ID, results []Result) error {
	f := newFinish(tx.Now, results)
	batch := &pgx.Batch{}
	batch.Queue(`DELETE FROM outbox WHERE lane = $1 AND message_id = ANY($2) AND owner = $3`, lane, f.final, owner)
	if len(f.again) > 0 {
		batch.Queue(`UPDATE outbox o SET sending_at = NULL, owner = NULL, due_at = r.due, attempts = r.attempts, moved = o.moved OR r.moved,
				closes_at = CASE WHEN r.moved THEN r.closes ELSE o.closes_at END
			FROM unnest($2::uuid[], $3::timestamptz[], $5::smallint[], $6::boolean[], $7::timestamptz[]) AS r(id, due, attempts, moved, closes)
			WHERE o.lane = $1 AND o.message_id = r.id AND o.owner = $4`, lane, f.again, f.due, owner, f.tries, f.moved, f.closes)
	}
	batch.Queue(`WITH done AS (
			UPDATE messages m SET status = r.status, attempts = r.attempts, provider_id = NULLIF(r.provider, ''), content_hash = r.hash, content = r.content::jsonb,
				finished_at = CASE WHEN r.status <> 'queued' THEN $1::timestamptz END, history = m.history || r.step::jsonb,
				planned_at = coalesce(r.planned, m.planned_at), segments = NULLIF(r.segments, 0)
			FROM unnest($2::bigint[], $3::timestamptz[], $4::uuid[], $5::text[], $6::smallint[], $7::text[], $8::bytea[], $9::text[], $10::text[], $12::timestamptz[], $13::smallint[])
				AS r(no, queued_at, id, status, attempts, provider, hash, content, step, planned, segments)
			WHERE m.no = r.no AND m.queued_at = r.queued_at AND m.id = r.id AND (m.status = 'queued' OR (m.status = 'unknown' AND r.status <> 'queued')) RETURNING m.no)
		INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $11 FROM done`,
		tx.Now, f.nos, f.queued, f.ids, f.statuses, f.attempts, f.providers, f.hashes, f.contents, f.steps, changedMessages, f.planned, f.segments)
	if err := tx.tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("recording outcomes: %w", err)
	}
	return nil
}

// finish is results by column, as unnest takes them.
type finish struct {
	final, again        []campaigns.ID
	due, queued         []time.Time
	nos                 []int64
	ids                 []campaigns.ID
	attempts, tries     []int16 // of all; of those again
	statuses, providers []string
	hashes              [][]byte
	contents            []*string
	steps               []string
	segments            []int16
	planned             []*time.Time // of those planned anew
	moved               []bool       // of those again: planned anew
	closes              []*time.Time // likewise
}

func newFinish(now time.Time, results []Result) *finish {
	f := &finish{}
	for i := range results {
		r := &results[i]
		m := &r.Message
		status, detail, planned := r.Status, r.Detail, (*time.Time)(nil)
		if r.RetryAt.IsZero() {
			f.final = append(f.final, m.ID)
		} else {
			status, detail = campaigns.MessageQueued, fmt.Sprintf("attempt %d: %s; next at %s", m.Attempts, r.Detail, r.RetryAt.UTC().Format(time.RFC3339))
			f.again, f.due, f.tries = append(f.again, m.ID), append(f.due, r.RetryAt), append(f.tries, int16(m.Attempts))
			f.moved, f.closes = append(f.moved, r.Replanned), append(f.closes, nullTime(m.ClosesAt))
		}
		if r.Replanned {
			detail, planned = fmt.Sprintf("planned anew for %s: %s", r.RetryAt.UTC().Format(time.RFC3339), r.Detail), &m.PlannedAt
		}
		f.planned, f.segments = append(f.planned, planned), append(f.segments, int16(m.Segments))
		step := campaigns.Change{At: now.Truncate(time.Second), Status: status, Detail: strings.ToValidUTF8(strings.ReplaceAll(detail, "\x00", ""), "\uFFFD")}
		f.nos, f.queued, f.ids = append(f.nos, m.No), append(f.queued, m.QueuedAt), append(f.ids, m.ID)
		f.statuses, f.attempts, f.providers = append(f.statuses, string(status)), append(f.attempts, int16(m.Attempts)), append(f.providers, m.ProviderID)
		f.hashes, f.contents, f.steps = append(f.hashes, m.ContentHash), append(f.contents, jsonText(m.Content)), append(f.steps, *jsonText(step))
	}
	return f
}

// jsonText is a value as JSON; nil for an absent map.
func jsonText(value any) *string {
	if parts, is := value.(map[string]string); is && parts == nil {
		return nil
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return nil // plain maps and structs of text always encode
	}
	text := string(encoded)
	return &text
}

// LoseMessages makes unknown what a dead node was sending: marked rows of lanes whose lease is over. It gives how many.
func (tx *Tx) LoseMessages(ctx context.Context) (int64, error) {
	return tx.exec(ctx, "finding what a dead node was sending", `WITH lost AS (
			DELETE FROM outbox o USING lanes l WHERE o.sending_at IS NOT NULL AND l.channel_id = o.channel_id AND l.lane = o.lane
				AND (l.lease_until <= $1 OR l.owner IS DISTINCT FROM o.owner)
			RETURNING o.message_id, o.no, o.attempts, o.sending_at),
		unknown AS (UPDATE messages m SET status = 'unknown', finished_at = $1, attempts = lost.attempts, history = history || jsonb_build_array(
			jsonb_build_object('at', lost.sending_at, 'status', 'sending'),
			jsonb_build_object('at', $1::timestamptz, 'status', 'unknown', 'detail', 'the node that was sending it died before it recorded an answer'))
		FROM lost WHERE m.id = lost.message_id AND m.no = lost.no AND m.status = 'queued' RETURNING m.no)
		INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $2::smallint FROM unknown`, tx.Now, changedMessages)
}

package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// The outbox holds what is due, in lanes. A node leases a lane of a channel, so that two nodes never look at the same
// rows; before the first byte leaves, a batch is marked as being sent by one guarded statement; the outcome deletes the
// row. A row that was marked and whose lane's lease is over belongs to a node that died: its outcome is unknown.

// sendable finds the runs that have anything queued and may send, one step of the index each: there may be thousands of
// open runs of triggered campaigns, and few have anything queued. $1 is the time.
const sendable = `WITH RECURSIVE present(run_id) AS (
	(SELECT o.run_id FROM outbox o WHERE o.sending_at IS NULL ORDER BY o.run_id LIMIT 1)
	UNION ALL SELECT (SELECT o.run_id FROM outbox o WHERE o.sending_at IS NULL AND o.run_id > p.run_id ORDER BY o.run_id LIMIT 1)
		FROM present p WHERE p.run_id IS NOT NULL),
	sendable AS MATERIALIZED (SELECT r.id FROM present JOIN runs r ON r.id = present.run_id
		WHERE r.status IN ('queueing', 'sending') AND NOT r.paused AND r.held IS NULL AND ` + notStopped + ` AND %s)`

// IsDue says whether anything waits that may be sent now, on any channel. Of each run it looks at the first message of each
// lane: that costs the same however much is queued. One statement.
func (tx *Tx) IsDue(ctx context.Context) (is bool, err error) {
	err = tx.tx.QueryRow(ctx, fmt.Sprintf(sendable, notStale(1))+`SELECT EXISTS (SELECT FROM sendable s CROSS JOIN LATERAL (
		WITH RECURSIVE firsts(channel_id, lane, due_at) AS (
			(SELECT channel_id, lane, due_at FROM outbox WHERE run_id = s.id AND sending_at IS NULL ORDER BY channel_id, lane, due_at LIMIT 1)
			UNION ALL SELECT next.* FROM firsts f CROSS JOIN LATERAL (SELECT o.channel_id, o.lane, o.due_at FROM outbox o WHERE o.run_id = s.id
				AND o.sending_at IS NULL AND (o.channel_id, o.lane) > (f.channel_id, f.lane) ORDER BY o.channel_id, o.lane, o.due_at LIMIT 1) next)
		SELECT FROM firsts WHERE due_at <= $1) due)`, tx.Now).Scan(&is)
	if err != nil {
		return false, fmt.Errorf("looking for what is due: %w", err)
	}
	return is, nil
}

// ClaimLanes leases up to so many lanes of a channel that have messages due: those that have waited longest.
func (tx *Tx) ClaimLanes(ctx context.Context, channel string, owner campaigns.ID, until time.Time, most int) ([]int16, error) {
	return many(ctx, tx, "lanes", fmt.Sprintf(sendable, notStale(1))+`, chosen AS MATERIALIZED (
			SELECT lane FROM lanes l WHERE channel_id = $2 AND lease_until <= $1 AND EXISTS (SELECT 1 FROM sendable s
				CROSS JOIN LATERAL (SELECT 1 FROM outbox o WHERE o.run_id = s.id AND o.channel_id = $2 AND o.lane = l.lane
					AND o.due_at <= $1 AND o.sending_at IS NULL LIMIT 1) due)
			ORDER BY claimed_at, lane LIMIT $5 FOR UPDATE SKIP LOCKED)
		UPDATE lanes SET owner = $3, lease_until = $4, claimed_at = $1 FROM chosen WHERE channel_id = $2 AND lanes.lane = chosen.lane
		RETURNING lanes.lane`, pgx.RowTo[int16], tx.Now, channel, owner, until, most)
}

// RenewLanes keeps lanes of a channel that an owner has leased.
func (tx *Tx) RenewLanes(ctx context.Context, channel string, lanes []int16, owner campaigns.ID, until time.Time) error {
	_, err := tx.exec(ctx, "renewing lanes", `UPDATE lanes SET lease_until = $4 WHERE channel_id = $1 AND lane = ANY($2) AND owner = $3 AND lease_until < $4`,
		channel, lanes, owner, until)
	return err
}

// ReleaseLanes ends leases early. Lanes of which nothing was taken keep their turn.
func (tx *Tx) ReleaseLanes(ctx context.Context, channel string, lanes []int16, owner campaigns.ID, taken bool) error {
	_, err := tx.exec(ctx, "releasing lanes", `UPDATE lanes SET lease_until = 'epoch', owner = NULL, claimed_at = CASE WHEN $4 THEN claimed_at ELSE 'epoch' END
		WHERE channel_id = $1 AND lane = ANY($2) AND owner = $3`, channel, lanes, owner, taken)
	return err
}

// claimMessages marks and reads in one statement. The leases are renewed first, which also asks, under their lock, whether they are
// still this owner's; what is due is looked for in those alone and met again by its place in the table, so that it costs the
// same however much is queued. Rows that somebody marked meanwhile fail the mark's own condition. A message's partition
// follows from the time in its id, as campaigns.TimeOf reads it. $1 is the time.
const claimMessages = sendable + `, held AS (UPDATE lanes SET lease_until = $4 WHERE channel_id = $2 AND lane = ANY($3) AND owner = $5 AND lease_until > $1 RETURNING lane),
	due AS MATERIALIZED (SELECT due.place FROM sendable s CROSS JOIN LATERAL (
		SELECT o.place, row_number() OVER (ORDER BY l.lane, o.due_at) AS rank FROM (SELECT lane FROM held ORDER BY lane) l
		CROSS JOIN LATERAL (SELECT ctid AS place, due_at FROM outbox WHERE run_id = s.id AND channel_id = $2 AND lane = l.lane AND due_at <= $1
			AND sending_at IS NULL ORDER BY due_at LIMIT $6) o ORDER BY rank LIMIT $6) due ORDER BY due.rank LIMIT $6),
	marked AS (UPDATE outbox SET sending_at = $1, owner = $5, attempts = attempts + 1
		WHERE ctid = ANY(ARRAY(SELECT place FROM due)) AND sending_at IS NULL RETURNING message_id, no, attempts, closes_at, moved)
	SELECT m.id, m.no, '', m.campaign_id, m.run_id, m.version, m.variant, m.ghost, m.channel, m.channel_id, m.template_id, m.template_revision,
		coalesce(m.address, ''), m.vars, coalesce(m.code, ''), m.status, marked.attempts, '', m.history, m.content_hash, m.content, m.queued_at, m.not_after, m.finished_at,
		coalesce(m.planned_at, m.queued_at), m.exempt, marked.closes_at, marked.moved, coalesce(m.language, ''), $1::timestamptz, m.resent
	FROM marked JOIN messages m ON m.no = marked.no AND m.id = marked.message_id AND m.queued_at = 'epoch'::timestamptz
		+ ('x' || left(translate(marked.message_id::text, '-', ''), 12))::bit(48)::bigint * interval '1 millisecond'`

// ClaimMessages marks up to limit due messages of leased lanes as being sent and gives them: an equal share of each run, so
// that a small one is not stuck behind a large one, from as few lanes as that allows. It renews the leases, and gives
// nothing of a lane whose lease was lost.
func (tx *Tx) ClaimMessages(ctx context.Context, channel string, lanes []int16, owner campaigns.ID, until time.Time, limit int) ([]campaigns.Message, error) {
	return many(ctx, tx, "claimed messages", fmt.Sprintf(claimMessages, notStale(1)), scanClaimed, tx.Now, channel, lanes, until, owner, limit)
}

func scanClaimed(row pgx.CollectableRow) (campaigns.Message, error) {
	var m campaigns.Message
	var closes *time.Time
	err := row.Scan(&m.ID, &m.No, &m.CustomerID, &m.CampaignID, &m.RunID, &m.Version, &m.Variant, &m.Ghost, &m.Channel, &m.ChannelID, &m.TemplateID,
		&m.TemplateRevision, &m.Address, varsColumn{&m.Vars}, &m.Code, &m.Status, &m.Attempts, &m.ProviderID, historyColumn{&m.History}, &m.ContentHash, &m.Content, &m.QueuedAt, &m.NotAfter,
		&m.FinishedAt, &m.PlannedAt, &m.Exempt, &closes, &m.Moved, &m.Language, &m.SendingAt, &m.Resent)
	if closes != nil {
		m.ClosesAt = *closes
	}
	return m, err
}

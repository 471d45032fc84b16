package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// The outbox holds what is due, in lanes. A node leases a lane of a channel, so that two nodes never look at the same
// rows; before the first byte leaves, a batch is marked as being sent by one guarded statement; the outcome deletes the
// row. A row that was marked and whose lane's lease is over belongs to a node that died: its outcome is unknown.

// ClaimLane leases the lane of a channel that has waited longest among those with messages due; -1 when there is none.
func (tx *Tx) ClaimLane(ctx context.Context, channel string, owner campaigns.ID, until time.Time) (int16, error) {
	var lane int16
	err := tx.tx.QueryRow(ctx, `UPDATE lanes SET owner = $2, lease_until = $3, claimed_at = $4 WHERE channel_id = $1 AND lease_until <= $4 AND lane = (
			SELECT lane FROM lanes l WHERE channel_id = $1 AND lease_until <= $4 AND EXISTS (
				SELECT 1 FROM runs r CROSS JOIN LATERAL (SELECT 1 FROM outbox o WHERE o.channel_id = $1 AND o.lane = l.lane AND o.run_id = r.id
					AND o.due_at <= $4 AND o.sending_at IS NULL LIMIT 1) due
				WHERE r.status IN ('queueing', 'sending') AND NOT r.paused)
			ORDER BY claimed_at, lane LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING lane`, channel, owner, until, tx.Now).Scan(&lane)
	if errors.Is(err, pgx.ErrNoRows) {
		return -1, nil
	}
	if err != nil {
		return -1, fmt.Errorf("claiming a lane: %w", err)
	}
	return lane, nil
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
	ids, err := many(ctx, tx, "due messages", `SELECT due.message_id FROM runs r CROSS JOIN LATERAL (
			SELECT o.message_id, row_number() OVER (ORDER BY o.due_at, o.message_id) AS rank FROM outbox o
			WHERE o.channel_id = $1 AND o.lane = $2 AND o.run_id = r.id AND o.due_at <= $3 AND o.sending_at IS NULL
			ORDER BY o.due_at, o.message_id LIMIT $4) due
		WHERE r.status IN ('queueing', 'sending') AND NOT r.paused ORDER BY due.rank LIMIT $4`, pgx.RowTo[campaigns.ID], channel, lane, tx.Now, limit)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	months := make([]time.Time, len(ids))
	for i, id := range ids {
		months[i] = campaigns.TimeOf(id)
	}
	return many(ctx, tx, "claimed messages", `WITH marked AS (
			UPDATE outbox SET sending_at = $3, owner = $4, attempts = attempts + 1
			WHERE lane = $1 AND message_id = ANY($2) AND sending_at IS NULL RETURNING message_id, no, attempts)
		SELECT m.id, m.no, '', m.campaign_id, m.run_id, m.version, m.variant, m.ghost, m.channel, m.channel_id, m.template_id, m.template_revision,
			coalesce(m.address, ''), m.vars, coalesce(m.code, ''), m.status, marked.attempts, '', m.history, m.content_hash, m.content, m.queued_at, m.finished_at
		FROM marked JOIN unnest($2::uuid[], $5::timestamptz[]) AS at(id, queued_at) ON at.id = marked.message_id
		JOIN messages m ON m.no = marked.no AND m.queued_at = at.queued_at AND m.id = marked.message_id`, scanMessage, lane, ids, tx.Now, owner, months)
}

// A Result is what became of one attempt to send. RetryAt is set when it is to be tried again.
type Result struct {
	Message campaigns.Message
	Status  campaigns.MessageStatus
	Detail  string
	RetryAt time.Time
}

// FinishMessages records results: a final one ends the message and leaves the outbox, a temporary one waits for RetryAt. A
// message that was given up as unknown meanwhile takes its real outcome.
func (tx *Tx) FinishMessages(ctx context.Context, lane int16, owner campaigns.ID, results []Result) error {
	batch := &pgx.Batch{}
	for i := range results {
		r := &results[i]
		m := &r.Message
		if !r.RetryAt.IsZero() {
			batch.Queue(`UPDATE outbox SET sending_at = NULL, owner = NULL, due_at = $3 WHERE lane = $1 AND message_id = $2 AND owner = $4`, lane, m.ID, r.RetryAt, owner)
			batch.Queue(`UPDATE messages SET attempts = $4, history = history || $5::jsonb WHERE no = $1 AND queued_at = $2 AND id = $3`,
				m.No, m.QueuedAt, m.ID, m.Attempts, steps(tx.Now, "queued", fmt.Sprintf("attempt %d: %s; next at %s", m.Attempts, r.Detail, r.RetryAt.UTC().Format(time.RFC3339))))
			continue
		}
		batch.Queue(`DELETE FROM outbox WHERE lane = $1 AND message_id = $2 AND (owner = $3 OR owner IS NULL)`, lane, m.ID, owner)
		batch.Queue(`UPDATE messages SET status = $4, attempts = $5, provider_id = $6, content_hash = $7, content = $8, finished_at = $9, history = history || $10::jsonb
			WHERE no = $1 AND queued_at = $2 AND id = $3 AND status IN ('queued', 'unknown')`, m.No, m.QueuedAt, m.ID, string(r.Status), m.Attempts,
			nullText(m.ProviderID), m.ContentHash, m.Content, tx.Now, steps(tx.Now, r.Status, r.Detail))
		batch.Queue(`INSERT INTO changes (xid, no, kind) VALUES (pg_current_xact_id(), $1, $2)`, m.No, changedMessages)
	}
	if err := tx.tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("recording outcomes: %w", err)
	}
	return nil
}

// LoseMessages makes unknown what a dead node was sending: marked rows of lanes whose lease is over. It gives how many.
func (tx *Tx) LoseMessages(ctx context.Context) (int64, error) {
	return tx.exec(ctx, "finding what a dead node was sending", `WITH lost AS (
			DELETE FROM outbox o USING lanes l WHERE o.sending_at IS NOT NULL AND l.channel_id = o.channel_id AND l.lane = o.lane
				AND (l.lease_until <= $1 OR l.owner IS DISTINCT FROM o.owner)
			RETURNING o.message_id, o.no, o.attempts, o.sending_at)
		UPDATE messages m SET status = 'unknown', finished_at = $1, attempts = lost.attempts, history = history || jsonb_build_array(
			jsonb_build_object('at', lost.sending_at, 'status', 'sending'),
			jsonb_build_object('at', $1::timestamptz, 'status', 'unknown', 'detail', 'the node that was sending it died before it recorded an answer'))
		FROM lost WHERE m.id = lost.message_id AND m.no = lost.no AND m.status = 'queued'`, tx.Now)
}

func steps(at time.Time, status campaigns.MessageStatus, detail string) []campaigns.Change {
	return []campaigns.Change{{At: at.Truncate(time.Second), Status: status, Detail: detail}}
}

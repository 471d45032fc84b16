package store

import (
	"context"
	"fmt"
	"slices"
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

// ClaimMessages marks up to limit due messages of leased lanes as being sent and gives them: an equal share of each run, so
// that a small one is not stuck behind a large one, from as few lanes as that allows. It renews the leases, and gives
// nothing of a lane whose lease was lost.
func (tx *Tx) ClaimMessages(ctx context.Context, channel string, lanes []int16, owner campaigns.ID, until time.Time, limit int) ([]campaigns.Message, error) {
	held, err := many(ctx, tx, "leases", `UPDATE lanes SET lease_until = $4 WHERE channel_id = $1 AND lane = ANY($2) AND owner = $3 AND lease_until > $5 RETURNING lane`,
		pgx.RowTo[int16], channel, lanes, owner, until, tx.Now)
	if err != nil || len(held) == 0 {
		return nil, err
	}
	slices.Sort(held)
	ids, err := many(ctx, tx, "due messages", fmt.Sprintf(sendable, notStale(1))+` SELECT due.message_id FROM sendable s CROSS JOIN LATERAL (
			SELECT o.message_id, row_number() OVER (ORDER BY l.turn, o.due_at) AS rank FROM unnest($3::smallint[]) WITH ORDINALITY AS l(lane, turn)
			CROSS JOIN LATERAL (SELECT message_id, due_at FROM outbox WHERE run_id = s.id AND channel_id = $2 AND lane = l.lane AND due_at <= $1
				AND sending_at IS NULL ORDER BY due_at LIMIT $4) o ORDER BY rank LIMIT $4) due ORDER BY due.rank LIMIT $4`,
		pgx.RowTo[campaigns.ID], tx.Now, channel, held, limit)
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	months := make([]time.Time, len(ids))
	for i, id := range ids {
		months[i] = campaigns.TimeOf(id)
	}
	return many(ctx, tx, "claimed messages", `WITH marked AS (
			UPDATE outbox SET sending_at = $3, owner = $4, attempts = attempts + 1
			WHERE lane = ANY($1) AND message_id = ANY($2) AND sending_at IS NULL RETURNING message_id, no, attempts, closes_at, moved)
		SELECT m.id, m.no, '', m.campaign_id, m.run_id, m.version, m.variant, m.ghost, m.channel, m.channel_id, m.template_id, m.template_revision,
			coalesce(m.address, ''), m.vars, coalesce(m.code, ''), m.status, marked.attempts, '', m.history, m.content_hash, m.content, m.queued_at, m.not_after, m.finished_at,
			coalesce(m.planned_at, m.queued_at), m.exempt, marked.closes_at, marked.moved, coalesce(m.language, ''), $3::timestamptz, m.resent
		FROM marked JOIN unnest($2::uuid[], $5::timestamptz[]) AS at(id, queued_at) ON at.id = marked.message_id
		JOIN messages m ON m.no = marked.no AND m.queued_at = at.queued_at AND m.id = marked.message_id`, scanClaimed, held, ids, tx.Now, owner, months)
}

func scanClaimed(row pgx.CollectableRow) (campaigns.Message, error) {
	var m campaigns.Message
	var closes *time.Time
	err := row.Scan(&m.ID, &m.No, &m.CustomerID, &m.CampaignID, &m.RunID, &m.Version, &m.Variant, &m.Ghost, &m.Channel, &m.ChannelID, &m.TemplateID,
		&m.TemplateRevision, &m.Address, &m.Vars, &m.Code, &m.Status, &m.Attempts, &m.ProviderID, &m.History, &m.ContentHash, &m.Content, &m.QueuedAt, &m.NotAfter,
		&m.FinishedAt, &m.PlannedAt, &m.Exempt, &closes, &m.Moved, &m.Language, &m.SendingAt, &m.Resent)
	if closes != nil {
		m.ClosesAt = *closes
	}
	return m, err
}

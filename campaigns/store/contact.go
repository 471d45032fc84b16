package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// A Contact is a message that caps count: sent, unknown or queued ahead, a ghost's too; not one that is exempt.
type Contact struct {
	No      int64
	Message campaigns.ID
	Channel string
	At      time.Time // planned
	Moved   bool      // it was planned later than its tick and waits or is in hand: caps are asked again when it is claimed
}

// Contacts lists the contacts of customers that are planned between two instants, both included.
func (tx *Tx) Contacts(ctx context.Context, nos []int64, from, to time.Time) ([]Contact, error) {
	since, err := tx.queuedSince(ctx, from)
	if err != nil {
		return nil, err
	}
	return many(ctx, tx, "contacts", `SELECT m.no, m.id, m.channel, m.planned_at, o.moved IS NOT NULL FROM messages m
			LEFT JOIN outbox o ON m.status = 'queued' AND o.lane = m.no & $5 AND o.message_id = m.id AND o.moved
		WHERE m.no = ANY($1) AND m.queued_at >= $2 AND m.planned_at BETWEEN $3 AND $4
		AND NOT m.exempt AND m.status NOT IN ('cancelled', 'expired', 'failed') ORDER BY m.planned_at, m.id`,
		func(row pgx.CollectableRow) (Contact, error) {
			var c Contact
			err := row.Scan(&c.No, &c.Message, &c.Channel, &c.At, &c.Moved)
			return c, err
		}, nos, since, from, to, campaigns.Lanes-1)
}

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
}

// Contacts lists the contacts of customers that are planned between two instants, both included.
func (tx *Tx) Contacts(ctx context.Context, nos []int64, from, to time.Time) ([]Contact, error) {
	since, err := tx.queuedSince(ctx, from)
	if err != nil {
		return nil, err
	}
	return many(ctx, tx, "contacts", `SELECT no, id, channel, planned_at FROM messages WHERE no = ANY($1) AND queued_at >= $2 AND planned_at BETWEEN $3 AND $4
		AND NOT exempt AND status NOT IN ('cancelled', 'expired', 'failed') ORDER BY planned_at, id`,
		func(row pgx.CollectableRow) (Contact, error) {
			var c Contact
			err := row.Scan(&c.No, &c.Message, &c.Channel, &c.At)
			return c, err
		}, nos, since, from, to)
}

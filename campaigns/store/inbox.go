package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// ClaimInbox leases a channel's mailbox when it is due and nobody else reads it, and gives what was wrong with it last time.
func (tx *Tx) ClaimInbox(ctx context.Context, channel string, owner campaigns.ID, until time.Time) (wrong string, claimed bool, err error) {
	err = tx.tx.QueryRow(ctx, `INSERT INTO inboxes AS i (channel_id, owner, lease_until, due_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (channel_id) DO UPDATE SET owner = excluded.owner, lease_until = excluded.lease_until WHERE i.lease_until <= $4 AND i.due_at <= $4
		RETURNING coalesce(i.error, '')`, channel, owner, until, tx.Now).Scan(&wrong)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("claiming a mailbox: %w", err)
	}
	return wrong, true, nil
}

// FinishInbox ends a lease: what was found, what was wrong, and when the mailbox is due again.
func (tx *Tx) FinishInbox(ctx context.Context, channel string, owner campaigns.ID, found campaigns.Inbox, due time.Time) error {
	_, err := tx.exec(ctx, "letting a mailbox go", `UPDATE inboxes SET owner = NULL, lease_until = $3, due_at = $4, looked_at = $3, reports = reports + $5,
		others = others + $6, error = NULLIF($7, '') WHERE channel_id = $1 AND owner = $2`, channel, owner, tx.Now, due, found.Reports, found.Others, kept(found.Error))
	return err
}

// Inboxes are the mailboxes that were read so far, by channel.
func (tx *Tx) Inboxes(ctx context.Context) (map[string]campaigns.Inbox, error) {
	type read struct {
		channel string
		inbox   campaigns.Inbox
	}
	found, err := many(ctx, tx, "mailboxes", `SELECT channel_id, looked_at, reports, others, coalesce(error, '') FROM inboxes WHERE looked_at IS NOT NULL`,
		func(row pgx.CollectableRow) (r read, err error) {
			err = row.Scan(&r.channel, &r.inbox.LookedAt, &r.inbox.Reports, &r.inbox.Others, &r.inbox.Error)
			return r, err
		})
	inboxes := make(map[string]campaigns.Inbox, len(found))
	for _, r := range found {
		inboxes[r.channel] = r.inbox
	}
	return inboxes, err
}

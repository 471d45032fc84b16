package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

const channelColumns = `SELECT id, name, kind, settings, revision, created_at, changed_at FROM channels`

func scanChannel(row pgx.CollectableRow) (campaigns.Channel, error) {
	var c campaigns.Channel
	err := row.Scan(&c.ID, &c.Name, &c.Kind, &c.Settings, &c.Revision, &c.CreatedAt, &c.ChangedAt)
	return c, err
}

// Channels lists all channels by id, secrets included: the API takes them out.
func (tx *Tx) Channels(ctx context.Context) ([]campaigns.Channel, error) {
	return many(ctx, tx, "channels", channelColumns+` ORDER BY id`, scanChannel)
}

// Channel reads one.
func (tx *Tx) Channel(ctx context.Context, id string) (campaigns.Channel, error) {
	return one(ctx, tx, "channel", id, channelColumns+` WHERE id = $1`, scanChannel, id)
}

// LockChannel reads one for update.
func (tx *Tx) LockChannel(ctx context.Context, id string) (campaigns.Channel, error) {
	return one(ctx, tx, "channel", id, channelColumns+` WHERE id = $1 FOR UPDATE`, scanChannel, id)
}

// CreateChannel keeps a new channel and makes its lanes.
func (tx *Tx) CreateChannel(ctx context.Context, c *campaigns.Channel) error {
	c.CreatedAt, c.ChangedAt, c.Revision = tx.Now, tx.Now, 1
	_, err := tx.exec(ctx, "creating a channel", `INSERT INTO channels (id, name, kind, settings, created_at, changed_at)
		VALUES ($1, $2, $3, $4, $5, $5)`, c.ID, c.Name, c.Kind, c.Settings, tx.Now)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, "making lanes", `INSERT INTO lanes (channel_id, lane, lease_until, claimed_at)
		SELECT $1, lane, 'epoch', 'epoch' FROM generate_series(0, $2::int - 1) lane`, c.ID, campaigns.Lanes)
	return err
}

// SaveChannel writes name and settings.
func (tx *Tx) SaveChannel(ctx context.Context, c *campaigns.Channel) error {
	c.ChangedAt, c.Revision = tx.Now, c.Revision+1
	_, err := tx.exec(ctx, "saving a channel", `UPDATE channels SET name = $2, settings = $3, revision = $4, changed_at = $5 WHERE id = $1`,
		c.ID, c.Name, c.Settings, c.Revision, tx.Now)
	return err
}

package store

import (
	"context"

	"beckon/campaigns"
)

const channelColumns = `SELECT id, name, kind, settings, revision, created_at, changed_at, sealed FROM channels`

// Channels lists all channels by id, secrets included: the API takes them out.
func (tx *Tx) Channels(ctx context.Context) ([]campaigns.Channel, error) {
	return many(ctx, tx, "channels", channelColumns+` ORDER BY id`, tx.scanChannel)
}

// Channel reads one.
func (tx *Tx) Channel(ctx context.Context, id string) (campaigns.Channel, error) {
	return one(ctx, tx, "channel", id, channelColumns+` WHERE id = $1`, tx.scanChannel, id)
}

// LockChannel reads one for update.
func (tx *Tx) LockChannel(ctx context.Context, id string) (campaigns.Channel, error) {
	return one(ctx, tx, "channel", id, channelColumns+` WHERE id = $1 FOR UPDATE`, tx.scanChannel, id)
}

// CreateChannel keeps a new channel, its secrets sealed, and makes its lanes.
func (tx *Tx) CreateChannel(ctx context.Context, c *campaigns.Channel) error {
	c.CreatedAt, c.ChangedAt, c.Revision = tx.Now, tx.Now, 1
	settings := c.Settings
	sealed, err := tx.store.seal.close(c.ID, &settings)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, "creating a channel", `INSERT INTO channels (id, name, kind, settings, sealed, created_at, changed_at)
		VALUES ($1, $2, $3, $4, $5, $6, $6)`, c.ID, c.Name, c.Kind, settings, sealed, tx.Now)
	if err != nil {
		return err
	}
	if _, err = tx.exec(ctx, "making a provider's state", `INSERT INTO providers (channel_id) VALUES ($1)`, c.ID); err != nil {
		return err
	}
	_, err = tx.exec(ctx, "making lanes", `INSERT INTO lanes (channel_id, lane, lease_until, claimed_at)
		SELECT $1, lane, 'epoch', 'epoch' FROM generate_series(0, $2::int - 1) lane`, c.ID, campaigns.Lanes)
	return err
}

// SaveChannel writes name and settings.
func (tx *Tx) SaveChannel(ctx context.Context, c *campaigns.Channel) error {
	c.ChangedAt, c.Revision = tx.Now, c.Revision+1
	settings := c.Settings
	sealed, err := tx.store.seal.close(c.ID, &settings)
	if err != nil {
		return err
	}
	_, err = tx.exec(ctx, "saving a channel", `UPDATE channels SET name = $2, settings = $3, sealed = $4, revision = $5, changed_at = $6 WHERE id = $1`,
		c.ID, c.Name, settings, sealed, c.Revision, tx.Now)
	return err
}

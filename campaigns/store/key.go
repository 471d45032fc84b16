package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

const keyColumns = `SELECT id, name, hint, scopes, created_at, expires_at, last_used_at, hash FROM api_keys`

func scanKey(row pgx.CollectableRow) (campaigns.Key, error) {
	var k campaigns.Key
	err := row.Scan(&k.ID, &k.Name, &k.Hint, &k.Scopes, &k.CreatedAt, &k.ExpiresAt, &k.LastUsedAt, &k.Hash)
	return k, err
}

// Keys lists all keys, the newest first.
func (tx *Tx) Keys(ctx context.Context) ([]campaigns.Key, error) {
	return many(ctx, tx, "keys", keyColumns+` ORDER BY id DESC`, scanKey)
}

// KeyByHash finds the key that a secret opens.
func (tx *Tx) KeyByHash(ctx context.Context, hash []byte) (campaigns.Key, error) {
	return one(ctx, tx, "key", "…", keyColumns+` WHERE hash = $1`, scanKey, hash)
}

// CreateKey keeps a new key.
func (tx *Tx) CreateKey(ctx context.Context, k *campaigns.Key) error {
	_, err := tx.exec(ctx, "creating a key", `INSERT INTO api_keys (id, name, hash, hint, scopes, created_at, expires_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`, k.ID, k.Name, k.Hash, k.Hint, k.Scopes, k.CreatedAt, k.ExpiresAt)
	return err
}

// DeleteKey ends a key at once.
func (tx *Tx) DeleteKey(ctx context.Context, id campaigns.ID) error {
	n, err := tx.exec(ctx, "deleting a key", `DELETE FROM api_keys WHERE id = $1`, id)
	if err == nil && n == 0 {
		return campaigns.NotFound("key", id.String())
	}
	return err
}

// TouchKey notes that a key was used, at most once a minute.
func (tx *Tx) TouchKey(ctx context.Context, id campaigns.ID) error {
	_, err := tx.exec(ctx, "noting a key's use", `UPDATE api_keys SET last_used_at = $2
		WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $3)`, id, tx.Now, tx.Now.Add(-time.Minute))
	return err
}

// AnyKey says whether there is a key at all.
func (tx *Tx) AnyKey(ctx context.Context) (bool, error) {
	var any bool
	err := tx.tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM api_keys)`).Scan(&any)
	return any, err
}

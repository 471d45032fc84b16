package store

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Suppressed says which of the address hashes of a channel are never to be sent to.
func (tx *Tx) Suppressed(ctx context.Context, channel string, hashes [][]byte) (map[string]bool, error) {
	return tx.hashes(ctx, "suppressions", `SELECT hash FROM suppressions WHERE channel = $1 AND hash = ANY($2)`, channel, hashes)
}

// Shared says which of the address hashes of a channel belong to more than one customer.
func (tx *Tx) Shared(ctx context.Context, channel string, hashes [][]byte) (map[string]bool, error) {
	return tx.hashes(ctx, "shared addresses", `SELECT hash FROM addresses WHERE channel = $1 AND hash = ANY($2) GROUP BY hash HAVING count(*) > 1`, channel, hashes)
}

func (tx *Tx) hashes(ctx context.Context, what, sql, channel string, hashes [][]byte) (map[string]bool, error) {
	found, err := many(ctx, tx, what, sql, pgx.RowTo[[]byte], channel, hashes)
	set := make(map[string]bool, len(found))
	for _, hash := range found {
		set[string(hash)] = true
	}
	return set, err
}

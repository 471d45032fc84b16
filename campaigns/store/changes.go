package store

import "context"

// Kinds of change that an image of the customers follows.
const (
	changedProfile   = 1
	changedPurchases = 2
	changedEvents    = 3
	changedPoints    = 4
	changedMessages  = 5
	changedCoupons   = 6
)

// noteChanges writes what changed in the transaction that changed it. Where one statement can do both, the statement
// carries an INSERT of its own instead.
func (tx *Tx) noteChanges(ctx context.Context, kind int, nos ...int64) error {
	_, err := tx.exec(ctx, "noting changes", `INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $1 FROM unnest($2::bigint[]) no`, kind, nos)
	return err
}

// TrimChanges deletes changes that no node follows any more: those below the horizon of the slowest follower, and all
// that are settled when nobody follows.
func (tx *Tx) TrimChanges(ctx context.Context) (int64, error) {
	return tx.exec(ctx, "trimming changes", `DELETE FROM changes WHERE xid <
		COALESCE((SELECT min(follows) FROM nodes WHERE follows IS NOT NULL), pg_snapshot_xmin(pg_current_snapshot()))`)
}

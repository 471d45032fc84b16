package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// Kinds of change that an image of the customers follows.
const (
	changedProfile   = 1
	changedPurchases = 2
	changedEvents    = 3
	changedPoints    = 4
	changedMessages  = 5
	changedCoupons   = 6
)

// followersLive is how long a node that follows the changes may be silent before they are trimmed without it.
const followersLive = 10 * time.Minute

// A Changed customer, with the kinds of change as bits, and how many notes of it there were.
type Changed struct {
	No    int64
	Kinds int64
	Notes int64
}

// Profile says whether the customer came, went or was edited.
func (c Changed) Profile() bool { return c.Kinds&(1<<changedProfile) != 0 }

// Figures says whether what is derived from purchases and points changed.
func (c Changed) Figures() bool { return c.Kinds&(1<<changedPurchases|1<<changedPoints) != 0 }

// History says whether rows of a history changed.
func (c Changed) History(name string) bool {
	kinds := map[string]int{"purchases": changedPurchases, "items": changedPurchases, "lots": changedPoints, "events": changedEvents,
		"messages": changedMessages, "coupons": changedCoupons, "redemptions": changedCoupons}
	return c.Kinds&(1<<kinds[name]) != 0
}

// IsFigure says whether a column of customers is one that changes with purchases and points.
func IsFigure(column string) bool {
	switch column {
	case "purchase_count", "total_spend", "first_purchase_at", "last_purchase_at", "lifetime_points":
		return true
	}
	return false
}

// noteChanges writes what changed in the transaction that changed it. Where one statement can do both, the statement
// carries an INSERT of its own instead.
func (tx *Tx) noteChanges(ctx context.Context, kind int, nos ...int64) error {
	if len(nos) == 0 {
		return nil
	}
	_, err := tx.exec(ctx, "noting changes", `INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $1 FROM unnest($2::bigint[]) no`, kind, nos)
	return err
}

// A row of changes is of one customer or, where a statement changes many, of all of them at once.

// ChangesSince gives whom the transactions changed that were not visible at a position and are visible now, in order of
// no. Of notes it reads at most one more than notesMax: then the list is not whole.
func (tx *Tx) ChangesSince(ctx context.Context, p Position, notesMax int64) (changed []Changed, notes int64, err error) {
	changed, err = many(ctx, tx, "changes", `SELECT no, bit_or(1::bigint << kind) AS kinds, count(*) AS notes
		FROM (SELECT coalesce(many.no, one.no) AS no, kind FROM changes one LEFT JOIN LATERAL unnest(one.nos) AS many(no) ON true
			WHERE xid >= $1::xid8 AND NOT pg_visible_in_snapshot(xid, $2::pg_snapshot) LIMIT $3) c GROUP BY no ORDER BY no`,
		pgx.RowToStructByPos[Changed], p.xmin(), p.String(), notesMax+1)
	for _, c := range changed {
		notes += c.Notes
	}
	return changed, notes, err
}

// TrimChanges deletes changes that no node follows any more: those below the horizon of the slowest follower, and all
// that are settled when nobody follows. A follower that was silent for ten minutes loses its place in the same
// transaction, so that it finds out and loads anew; after a day it is forgotten.
func (tx *Tx) TrimChanges(ctx context.Context) (int64, error) {
	if _, err := tx.exec(ctx, "forgetting nodes", `DELETE FROM nodes WHERE seen_at < $1`, tx.Now.Add(-24*time.Hour)); err != nil {
		return 0, err
	}
	if _, err := tx.exec(ctx, "leaving a node behind", `UPDATE nodes SET follows = NULL WHERE follows IS NOT NULL AND seen_at < $1`, tx.Now.Add(-followersLive)); err != nil {
		return 0, err
	}
	return tx.exec(ctx, "trimming changes", `DELETE FROM changes WHERE xid <
		COALESCE((SELECT min(follows) FROM nodes WHERE follows IS NOT NULL), pg_snapshot_xmin(pg_current_snapshot()))`)
}

// Follow registers a node, committed before its first snapshot is taken: from now on the changes are kept that it has
// still to read.
func (s *Store) Follow(ctx context.Context, node campaigns.ID, name string) error {
	return s.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "registering a node", `INSERT INTO nodes (id, name, started_at, seen_at, follows)
			VALUES ($1, $2, $3, $3, pg_snapshot_xmin(pg_current_snapshot()))
			ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, follows = excluded.follows`, node, name, tx.Now)
		return err
	})
}

// MoveOn says that a node has read all that was visible at a position. false: it had lost its place, and must load anew.
func (s *Store) MoveOn(ctx context.Context, node campaigns.ID, p Position) (kept bool, err error) {
	err = s.Update(ctx, func(tx *Tx) error {
		n, err := tx.exec(ctx, "moving a node on", `UPDATE nodes SET seen_at = $2, follows = greatest(follows, $3::xid8) WHERE id = $1 AND follows IS NOT NULL`,
			node, tx.Now, p.xmin())
		kept = n > 0
		return err
	})
	return kept, err
}

// Leave says that a node follows no more.
func (s *Store) Leave(ctx context.Context, node campaigns.ID) error {
	return s.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "leaving", `DELETE FROM nodes WHERE id = $1`, node)
		return err
	})
}

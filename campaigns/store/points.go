package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// Lots lists a customer's points, those that lapse first at the top and those that never lapse at the end.
func (tx *Tx) Lots(ctx context.Context, no int64) ([]campaigns.Lot, error) {
	return many(ctx, tx, "lots", `SELECT l.lot_id, COALESCE(c.id, ''), l.points, l.earned_on, l.active_from, l.last_valid_on, COALESCE(e.reason, ''), l.remaining
		FROM lots l LEFT JOIN customers c ON c.no = l.no LEFT JOIN entries e ON e.no = l.no AND e.entry_id = l.lot_id
		WHERE l.no = $1 ORDER BY l.last_valid_on NULLS LAST, l.earned_on, l.lot_id`,
		func(row pgx.CollectableRow) (campaigns.Lot, error) {
			var l campaigns.Lot
			err := row.Scan(&l.EntryID, &l.CustomerID, &l.Points, &l.EarnedOn, &l.ActiveFrom, &l.LastValidOn, &l.Reason, &l.Remaining)
			return l, err
		}, no)
}

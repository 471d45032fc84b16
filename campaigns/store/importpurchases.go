package store

import (
	"context"
	"fmt"

	"beckon/campaigns"
)

// PurchaseStage are the staged columns of purchases after key and row: a row is what stands together of one order in the
// file, and rows its number of the file's rows, which follow each other.
func PurchaseStage() []StageColumn {
	return []StageColumn{{"rows", "integer"}, {"order_hash", "integer"}, {"order_id", "text"}, {"customer_id", "text"},
		{"at", "timestamptz"}, {"store", "text"}, {"amount", "bigint"}, {"lines", "purchase_line[]"}}
}

// refuseOrders takes out the orders that cannot be kept whole: those with a rejected row, those whose rows name different
// customers, and those with too many lines. A half order would lose money for ever.
func (m *Merge) refuseOrders(ctx context.Context, tx *Tx) (int64, error) {
	bad := stageName(m.id, badPart)
	if m.state.Rows[badPart] == 0 {
		if _, err := tx.exec(ctx, "making a list of bad orders", fmt.Sprintf(`CREATE UNLOGGED TABLE IF NOT EXISTS %s (order_id text, row bigint, message text)`, bad)); err != nil {
			return 0, err
		}
	}
	if m.Slices() == 0 {
		return 0, nil
	}
	// The two hashes are four bytes each: this runs over all rows of the file, and the texts are compared only where it matters.
	torn, err := tx.exec(ctx, "looking for torn orders", fmt.Sprintf(`INSERT INTO %s (order_id, row, message)
		SELECT order_id, min(row), CASE WHEN sum(rows) > $1 THEN 'the order has more than ' || $1 || ' lines' ELSE 'rows of this order name different customers' END
		FROM %s s WHERE order_hash IN (SELECT order_hash FROM %s h GROUP BY order_hash HAVING min(key) <> max(key) OR sum(rows) > $1)
		GROUP BY order_id HAVING sum(rows) > $1 OR count(DISTINCT COALESCE(customer_id, '')) > 1`,
		bad, m.all("order_hash, order_id, row, rows, customer_id"), m.all("order_hash, key, rows")), campaigns.LinesMax)
	if err != nil || m.state.Rows[badPart]+torn == 0 {
		return 0, err
	}
	rejected, err := tx.exec(ctx, "refusing orders", fmt.Sprintf(`INSERT INTO import_rejects (import_id, row, field, message)
		SELECT $1, r, 'order_id', b.message FROM (SELECT DISTINCT ON (order_id) order_id, message FROM %s ORDER BY order_id, row) b
		JOIN %s s USING (order_id), generate_series(s.row, s.row + s.rows - 1) r ON CONFLICT DO NOTHING`, bad, m.all("order_id, row, rows")), m.id)
	if err != nil {
		return 0, err
	}
	for part := 0; part <= stageParts; part++ {
		if m.state.Rows[part] == 0 {
			continue
		}
		if _, err := tx.exec(ctx, "taking out bad orders", fmt.Sprintf(`DELETE FROM %s WHERE order_id IN (SELECT order_id FROM %s)`, stageName(m.id, part), bad)); err != nil {
			return 0, err
		}
	}
	return rejected, nil
}

// mergePurchases writes the orders of a slice that are new, with their customers' figures, in one statement.
func (m *Merge) mergePurchases(ctx context.Context, tx *Tx, from string) (MergeCounts, error) {
	written, all, err := tx.counted(ctx, `WITH f AS MATERIALIZED (`+ordersOf(from, ", min(at) AS at, min(store) AS store, sum(amount)::bigint AS amount, purchase_lines(lines) AS lines")+`),
		fresh AS (INSERT INTO orders (order_id, no) SELECT order_id, no FROM f ORDER BY order_id ON CONFLICT DO NOTHING RETURNING order_id),
		bought AS (INSERT INTO purchases (no, order_id, at, store, amount, lines)
			SELECT f.no, f.order_id, f.at, f.store, f.amount, f.lines FROM f JOIN fresh USING (order_id) ORDER BY f.no, f.order_id),
		new AS MATERIALIZED (SELECT f.no, f.at, f.amount, f.rows, f.customer_id IS NOT NULL AS known FROM f JOIN fresh USING (order_id)),
		figures AS (INSERT INTO customer_figures AS f (no, purchase_count, total_spend, first_purchase_at, last_purchase_at)
			SELECT no, count(*), sum(amount)::bigint, min(at), max(at) FROM new WHERE known GROUP BY no ORDER BY no `+addFigures+` RETURNING no),
		noted AS (INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $1::smallint FROM figures)
		SELECT COALESCE((SELECT sum(rows) FROM new), 0)::bigint, COALESCE((SELECT sum(rows) FROM f), 0)::bigint`, changedPurchases)
	if err != nil {
		return MergeCounts{}, err
	}
	return m.settle(ctx, tx, written, all, fmt.Sprintf(`SELECT $1, r, 'order_id', 'the order exists already, with another customer'
		FROM (%s) f JOIN orders o USING (order_id) JOIN %s s USING (order_id), generate_series(s.row, s.row + s.rows - 1) r WHERE o.no <> f.no`,
		ordersOf(from, ""), from))
}

// ordersOf puts the pieces of each order of a slice together. A guest's order that exists keeps its number; a new one
// gets one of its own.
func ordersOf(from, more string) string {
	return fmt.Sprintf(`SELECT g.*, CASE WHEN g.customer_id IS NOT NULL THEN i.no
			ELSE COALESCE((SELECT o.no FROM orders o WHERE o.order_id = g.order_id), nextval('customer_nos')) END AS no
		FROM (SELECT order_id, min(customer_id) AS customer_id, sum(rows) AS rows%s
			FROM (SELECT * FROM %s s ORDER BY order_id, row) s GROUP BY order_id) g
		LEFT JOIN customer_ids i ON i.id = g.customer_id`, more, from)
}

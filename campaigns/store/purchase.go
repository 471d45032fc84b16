package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"beckon/campaigns"
)

// lineComposite is a line as the type purchase_line: its fields in order.
type lineComposite struct {
	SKU, Brand, Category *string
	Qty                  int32
	Amount               int64
}

func composites(lines []campaigns.Line) []lineComposite {
	kept := make([]lineComposite, len(lines))
	for i, l := range lines {
		kept[i] = lineComposite{textOrMissing(l.SKU), textOrMissing(l.Brand), textOrMissing(l.Category), l.Qty, l.Amount}
	}
	return kept
}

func linesOf(kept []lineComposite) []campaigns.Line {
	lines := make([]campaigns.Line, len(kept))
	for i, l := range kept {
		lines[i] = campaigns.Line{SKU: textOrEmpty(l.SKU), Brand: textOrEmpty(l.Brand), Category: textOrEmpty(l.Category), Qty: l.Qty, Amount: l.Amount}
	}
	return lines
}

// CreatePurchases keeps orders and the figures of who bought; created says of each whether it is new. An order_id that
// exists stays as it is. Customers that are unknown get a stub, guests a number without a profile. The purchases are
// expected to be checked.
//
// Why orders come first: an order_id that two tills post at once is decided by that table's key, and the loser does
// nothing else. Rows are taken in the order of their keys, so that transactions never wait for each other in a ring.
func (tx *Tx) CreatePurchases(ctx context.Context, purchases []campaigns.Purchase) (created []bool, err error) {
	created = make([]bool, len(purchases))
	order := make([]int, 0, len(purchases))
	for i := range purchases {
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(purchases[a].OrderID, purchases[b].OrderID) })
	order = slices.CompactFunc(order, func(a, b int) bool { return purchases[a].OrderID == purchases[b].OrderID })
	nos, err := tx.claimOrders(ctx, purchases, order)
	if err != nil {
		return nil, err
	}
	order = slices.DeleteFunc(order, func(i int) bool { return nos[purchases[i].OrderID] == 0 })
	for _, i := range order {
		created[i], purchases[i].No = true, nos[purchases[i].OrderID]
	}
	return created, tx.writePurchases(ctx, purchases, order)
}

// claimOrders writes the order_ids that are new and gives the number of whom each belongs to. When all customers are
// known, which a till's almost always are, that is one statement.
func (tx *Tx) claimOrders(ctx context.Context, purchases []campaigns.Purchase, order []int) (map[string]int64, error) {
	var orders, ids, guests []string
	for _, i := range order {
		if p := &purchases[i]; p.CustomerID == "" {
			guests = append(guests, p.OrderID)
		} else {
			orders, ids = append(orders, p.OrderID), append(ids, p.CustomerID)
		}
	}
	nos := make(map[string]int64, len(order))
	claim := func(sql string, args ...any) error {
		rows, err := tx.tx.Query(ctx, sql, args...)
		if err != nil {
			return fmt.Errorf("claiming orders: %w", err)
		}
		var id string
		var no int64
		if _, err = pgx.ForEachRow(rows, []any{&id, &no}, func() error { nos[id] = no; return nil }); err != nil {
			return fmt.Errorf("claiming orders: %w", err)
		}
		return nil
	}
	const claimKnown = `INSERT INTO orders (order_id, no) SELECT o.order_id, c.no FROM unnest($1::text[], $2::text[]) o(order_id, id)
		JOIN customer_ids c ON c.id = o.id ORDER BY o.order_id ON CONFLICT DO NOTHING RETURNING order_id, no`
	if len(orders) > 0 {
		if err := claim(claimKnown, orders, ids); err != nil {
			return nil, err
		}
	}
	if len(nos) < len(orders) { // repeats, or customers never seen
		if _, err := tx.EnsureCustomers(ctx, ids); err != nil {
			return nil, err
		}
		if err := claim(claimKnown, orders, ids); err != nil {
			return nil, err
		}
	}
	if len(guests) > 0 {
		err := claim(`INSERT INTO orders (order_id, no) SELECT order_id, nextval('customer_nos') FROM unnest($1::text[]) order_id
			WHERE NOT EXISTS (SELECT FROM orders o WHERE o.order_id = order_id.order_id) ON CONFLICT DO NOTHING RETURNING order_id, no`, guests)
		if err != nil {
			return nil, err
		}
	}
	return nos, nil
}

// writePurchases writes the purchases at the given places with their figures and changes, in one round trip.
func (tx *Tx) writePurchases(ctx context.Context, purchases []campaigns.Purchase, order []int) error {
	if len(order) == 0 {
		return nil
	}
	var batch pgx.Batch
	var nos, amounts []int64
	var times []time.Time
	var told []Signal
	for _, i := range order {
		p := &purchases[i]
		amount, ok := p.Total()
		if !ok {
			return campaigns.Invalid("lines", "add up to more than can be kept")
		}
		p.Amount, p.At = amount, wholeSecond(p.At)
		batch.Queue(`INSERT INTO purchases (no, order_id, at, store, amount, lines, coupon_codes) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			p.No, p.OrderID, p.At, textOrMissing(p.Store), amount, composites(p.Lines), p.CouponCodes)
		if p.CustomerID != "" {
			nos, amounts, times = append(nos, p.No), append(amounts, amount), append(times, p.At)
			told = append(told, Signal{No: p.No, Key: p.OrderID, At: p.At})
		}
	}
	if len(nos) > 0 { // of guests, who have no profile, there are no figures and nothing to follow
		batch.Queue(`INSERT INTO customer_figures AS f (no, purchase_count, total_spend, first_purchase_at, last_purchase_at)
			SELECT no, count(*), sum(amount), min(at), max(at) FROM unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) b(no, amount, at)
			GROUP BY no ORDER BY no `+addFigures, nos, amounts, times)
		batch.Queue(`INSERT INTO changes (xid, no, kind) SELECT DISTINCT pg_current_xact_id(), no, $1::smallint FROM unnest($2::bigint[]) no`, changedPurchases, nos)
		tx.queueSignals(&batch, campaigns.TriggerPurchase, told)
	}
	return tooLarge(tx.sendBatch(ctx, "keeping purchases", &batch))
}

// addFigures adds the figures of new purchases to a customer's.
const addFigures = `ON CONFLICT (no) DO UPDATE SET purchase_count = f.purchase_count + excluded.purchase_count,
	total_spend = f.total_spend + excluded.total_spend, first_purchase_at = LEAST(f.first_purchase_at, excluded.first_purchase_at),
	last_purchase_at = GREATEST(f.last_purchase_at, excluded.last_purchase_at)`

// sendBatch runs queued statements in one round trip.
func (tx *Tx) sendBatch(ctx context.Context, doing string, batch *pgx.Batch) error {
	if err := tx.tx.SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

// tooLarge turns PostgreSQL's overflow of a sum into something that the sender of the amounts can mend.
func tooLarge(err error) error {
	var e *pgconn.PgError
	if errors.As(err, &e) && e.Code == "22003" {
		invalid := campaigns.Invalid("amount", "would make the customer's total larger than can be kept")
		invalid.Err = err
		return invalid
	}
	return err
}

const purchaseColumns = `SELECT p.no, p.order_id, COALESCE(c.id, ''), p.at, COALESCE(p.store, ''), p.amount, p.refunded, p.void, p.lines, p.coupon_codes
	FROM purchases p LEFT JOIN customers c ON c.no = p.no WHERE `

func scanPurchase(row pgx.CollectableRow) (*campaigns.Purchase, error) {
	p := &campaigns.Purchase{}
	var lines []lineComposite
	err := row.Scan(&p.No, &p.OrderID, &p.CustomerID, &p.At, &p.Store, &p.Amount, &p.Refunded, &p.Void, &lines, &p.CouponCodes)
	p.Lines = linesOf(lines)
	return p, err
}

// Purchase reads one by its order_id.
func (tx *Tx) Purchase(ctx context.Context, orderID string) (*campaigns.Purchase, error) {
	return one(ctx, tx, "purchase", orderID, purchaseColumns+`p.order_id = $1 AND p.no = (SELECT o.no FROM orders o WHERE o.order_id = $1)`, scanPurchase, orderID)
}

// Purchases lists a customer's, the latest first, void ones included: those before the given time and order_id.
func (tx *Tx) Purchases(ctx context.Context, no int64, before time.Time, beforeOrder string, limit int) ([]*campaigns.Purchase, error) {
	return many(ctx, tx, "purchases", purchaseColumns+`p.no = $1 AND (p.at, p.order_id) < ($2, $3) ORDER BY p.at DESC, p.order_id DESC LIMIT $4`,
		scanPurchase, no, before, beforeOrder, limit)
}

// RebuildFigures works out the figures of the customers in a range of numbers anew from what they are derived from, and
// says how many were different. Purchases that are posted meanwhile are waited for or come after: each figure's row is
// locked before the rows it is derived from are read.
func (tx *Tx) RebuildFigures(ctx context.Context, fromNo, toNo int64) (int64, error) {
	for _, step := range []string{
		`INSERT INTO customer_figures (no) SELECT no FROM customers WHERE no BETWEEN $1 AND $2 ORDER BY no ON CONFLICT DO NOTHING`,
		`SELECT no FROM customer_figures WHERE no BETWEEN $1 AND $2 ORDER BY no FOR UPDATE`,
	} {
		if _, err := tx.exec(ctx, "locking figures", step, fromNo, toNo); err != nil {
			return 0, err
		}
	}
	return tx.exec(ctx, "rebuilding figures", `WITH derived AS (
			SELECT c.no, COALESCE(p.n, 0) AS n, COALESCE(p.spend, 0) AS spend, p.first_at, p.last_at, COALESCE(l.points, 0) AS points
			FROM customers c
			LEFT JOIN (SELECT no, count(*) FILTER (WHERE NOT void) AS n, sum(amount - refunded)::bigint AS spend,
				min(at) FILTER (WHERE NOT void) AS first_at, max(at) FILTER (WHERE NOT void) AS last_at
				FROM purchases WHERE no BETWEEN $1 AND $2 GROUP BY no) p ON p.no = c.no
			LEFT JOIN (SELECT no, sum(points - reversed)::bigint AS points FROM lots WHERE no BETWEEN $1 AND $2 GROUP BY no) l ON l.no = c.no
			WHERE c.no BETWEEN $1 AND $2),
		mended AS (
			UPDATE customer_figures f SET purchase_count = d.n, total_spend = d.spend, first_purchase_at = d.first_at,
				last_purchase_at = d.last_at, lifetime_points = d.points
			FROM derived d WHERE f.no = d.no AND (f.purchase_count, f.total_spend, f.first_purchase_at, f.last_purchase_at, f.lifetime_points)
				IS DISTINCT FROM (d.n, d.spend, d.first_at, d.last_at, d.points)
			RETURNING f.no)
		INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $3::smallint FROM mended`, fromNo, toNo, changedPurchases)
}

package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// CreateRefund takes back some lines of an order or all that is left, and fills in the lines with their amounts and the
// sum. The same refund_id again changes nothing and gives what was taken back the first time (created is false). More
// than was bought is Invalid; so is the whole of an order of which nothing is left.
func (tx *Tx) CreateRefund(ctx context.Context, r *campaigns.Refund) (created bool, err error) {
	p, err := one(ctx, tx, "purchase", r.OrderID, purchaseColumns+
		`p.order_id = $1 AND p.no = (SELECT o.no FROM orders o WHERE o.order_id = $1) FOR UPDATE OF p`, scanPurchase, r.OrderID)
	if err != nil {
		return false, err
	}
	made, err := tx.exec(ctx, "claiming a refund", `INSERT INTO refund_ids (refund_id, no) VALUES ($1, $2) ON CONFLICT DO NOTHING`, r.RefundID, p.No)
	if err != nil {
		return false, err
	}
	if made == 0 {
		return false, tx.repeatRefund(ctx, r)
	}
	if r.At.IsZero() {
		r.At = tx.Now
	}
	r.At = wholeSecond(r.At)
	earlier, err := tx.refundedLines(ctx, p)
	if err != nil {
		return false, err
	}
	if p.Void {
		return false, campaigns.Invalid("order_id", "nothing is left of order %q: it was refunded already", p.OrderID)
	}
	lines, void, err := r.Take(p, earlier)
	if err != nil {
		return false, err
	}
	r.Lines, r.Amount = lines, 0
	for _, l := range lines {
		r.Amount += l.Amount
	}
	return true, tx.writeRefund(ctx, r, p, p.Left(append(earlier, lines...), void), void)
}

// repeatRefund reads what a refund_id took back the first time.
func (tx *Tx) repeatRefund(ctx context.Context, r *campaigns.Refund) error {
	var order string
	var lines []lineComposite
	err := tx.tx.QueryRow(ctx, `SELECT order_id, at, lines, amount FROM refunds WHERE refund_id = $1
		AND no = (SELECT no FROM refund_ids WHERE refund_id = $1)`, r.RefundID).Scan(&order, &r.At, &lines, &r.Amount)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("reading a refund: %w", err)
	}
	if order != r.OrderID {
		return campaigns.Conflict("the refund %q belongs to another order", r.RefundID)
	}
	r.Lines = linesOf(lines)
	return nil
}

func (tx *Tx) refundedLines(ctx context.Context, p *campaigns.Purchase) ([]campaigns.Line, error) {
	all, err := many(ctx, tx, "refunds", `SELECT lines FROM refunds WHERE no = $1 AND order_id = $2`, pgx.RowTo[[]lineComposite], p.No, p.OrderID)
	var lines []campaigns.Line
	for _, kept := range all {
		lines = append(lines, linesOf(kept)...)
	}
	return lines, err
}

// writeRefund writes the refund, what is left of the order, the customer's figures and the change. A void order leaves
// the count, and the first and the last purchase are found anew: in a second statement, which sees what those committed
// who held the figures' lock before.
func (tx *Tx) writeRefund(ctx context.Context, r *campaigns.Refund, p *campaigns.Purchase, left []campaigns.Line, void bool) error {
	var batch pgx.Batch
	batch.Queue(`INSERT INTO refunds (no, refund_id, order_id, at, lines, amount) VALUES ($1, $2, $3, $4, $5, $6)`,
		p.No, r.RefundID, r.OrderID, r.At, composites(r.Lines), r.Amount)
	batch.Queue(`UPDATE purchases SET refunded = refunded + $3, void = $4, net_lines = $5 WHERE no = $1 AND order_id = $2`, p.No, p.OrderID, r.Amount, void, composites(left))
	if void {
		batch.Queue(`UPDATE customer_figures SET total_spend = total_spend - $2, purchase_count = purchase_count - 1 WHERE no = $1`, p.No, r.Amount)
		batch.Queue(`UPDATE customer_figures SET
			first_purchase_at = (SELECT min(at) FROM purchases WHERE no = $1 AND NOT void),
			last_purchase_at = (SELECT max(at) FROM purchases WHERE no = $1 AND NOT void) WHERE no = $1`, p.No)
	} else {
		batch.Queue(`UPDATE customer_figures SET total_spend = total_spend - $2 WHERE no = $1`, p.No, r.Amount)
	}
	batch.Queue(`INSERT INTO changes (xid, no, kind) VALUES (pg_current_xact_id(), $1, $2)`, p.No, changedPurchases)
	if p.CustomerID != "" {
		tx.queueSignals(&batch, campaigns.TriggerRefund, []Signal{{No: p.No, Key: r.RefundID, At: r.At}})
	}
	return tooLarge(tx.sendBatch(ctx, "keeping a refund", &batch))
}

// Refunds lists what came back of a purchase, the first first.
func (tx *Tx) Refunds(ctx context.Context, no int64, orderID string) ([]campaigns.Refund, error) {
	return many(ctx, tx, "refunds", `SELECT refund_id, order_id, at, lines, amount FROM refunds WHERE no = $1 AND order_id = $2 ORDER BY at, refund_id`,
		func(row pgx.CollectableRow) (campaigns.Refund, error) {
			var r campaigns.Refund
			var lines []lineComposite
			err := row.Scan(&r.RefundID, &r.OrderID, &r.At, &lines, &r.Amount)
			r.Lines = linesOf(lines)
			return r, err
		}, no, orderID)
}

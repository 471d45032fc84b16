package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// A KeptRedemption is a redemption as it was answered, with the hash of the request that made it.
type KeptRedemption struct {
	RequestHash []byte
	Redemption  campaigns.Redemption
}

// A RedemptionContext is all that pricing a redemption needs, read in one round trip. Kept is nil for a new order, and
// CustomerNo 0 for a guest.
type RedemptionContext struct {
	Kept       *KeptRedemption
	CustomerNo int64
	Coupons    []IssuedCoupon
	Workspace  campaigns.Workspace
}

// RedemptionContext reads what is known about an order, its customer and the codes shown. The order is read last: when the
// same order is redeemed meanwhile, whoever sees its coupon used sees the order too.
func (tx *Tx) RedemptionContext(ctx context.Context, order, customer string, codes []string) (*RedemptionContext, error) {
	batch := &pgx.Batch{}
	batch.Queue(`SELECT no FROM customer_ids WHERE id = $1`, customer)
	batch.Queue(workspaceQuery)
	for _, code := range codes { // one each: PostgreSQL keeps the plan of such a query, and of one over a list it does not
		batch.Queue(couponQuery+` = $1`, code)
	}
	batch.Queue(`SELECT r.request_hash, r.answer FROM redemption_orders o JOIN redemptions r ON r.no = o.no AND r.order_id = o.order_id WHERE o.order_id = $1`, order)
	answers := tx.tx.SendBatch(ctx, batch)
	defer answers.Close()
	found := &RedemptionContext{}
	if err := answers.QueryRow().Scan(&found.CustomerNo); err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, fmt.Errorf("finding a customer: %w", err)
	}
	if err := answers.QueryRow().Scan(&found.Workspace, &found.Workspace.Revision); err != nil {
		return nil, fmt.Errorf("reading the workspace: %w", err)
	}
	for range codes {
		rows, err := answers.Query()
		if err != nil {
			return nil, fmt.Errorf("reading coupons: %w", err)
		}
		coupons, err := pgx.CollectRows(rows, scanCoupon)
		if err != nil {
			return nil, fmt.Errorf("reading coupons: %w", err)
		}
		found.Coupons = append(found.Coupons, coupons...)
	}
	var kept KeptRedemption
	switch err := answers.QueryRow().Scan(&kept.RequestHash, &kept.Redemption); {
	case err == nil:
		found.Kept = &kept
	case !errors.Is(err, pgx.ErrNoRows):
		return nil, fmt.Errorf("reading a redemption: %w", err)
	}
	if customer != "" && found.CustomerNo == 0 && found.Kept == nil {
		return nil, campaigns.Invalid("customer_id", "%q is not known: send the customer first", customer)
	}
	return found, nil
}

// ErrOrderTaken says that another request redeemed the same order at this moment: read it and answer what it answered.
var ErrOrderTaken = errors.New("the order was redeemed meanwhile")

// CreateRedemption commits a redemption: the order, each coupon's use and each offer's use are one guarded statement each,
// and what cannot be had rolls all of it back, naming the limit. slot is where the counters are tried first.
func (tx *Tx) CreateRedemption(ctx context.Context, r *campaigns.Redemption, requestHash []byte, limited map[campaigns.ID]bool, slot int) error {
	batch := &pgx.Batch{}
	batch.Queue(`INSERT INTO redemption_orders (order_id, no) VALUES ($1, $2) ON CONFLICT DO NOTHING`, r.OrderID, r.No)
	for _, a := range r.Applied {
		batch.Queue(`UPDATE coupons SET uses = uses + 1, used_at = $3 WHERE no = $1 AND code = $2 AND uses < uses_max`, r.No, a.Code, r.At)
	}
	for _, a := range r.Applied {
		if limited[a.OfferID] {
			batch.Queue(countUse, a.OfferID, slot)
		}
	}
	batch.Queue(`INSERT INTO redemptions (no, order_id, id, at, created_at, request_hash, discount, answer) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT DO NOTHING`, r.No, r.OrderID, r.ID, r.At, tx.Now, requestHash, r.Discount, r)
	for _, a := range r.Applied {
		batch.Queue(`INSERT INTO redemption_offers (no, order_id, offer_id, code, at, discount, campaign_id, message_id)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`, r.No, r.OrderID, a.OfferID, a.Code, r.At, a.Discount, a.CampaignID, a.MessageID)
	}
	batch.Queue(`INSERT INTO changes (xid, no, kind) VALUES (pg_current_xact_id(), $1, $2)`, r.No, changedCoupons)
	for _, a := range r.Applied {
		tx.queueSignals(batch, campaigns.TriggerCouponRedeemed, []Signal{{No: r.No, Key: a.Code + " " + r.OrderID, At: wholeSecond(r.At)}})
	}
	answers := tx.tx.SendBatch(ctx, batch)
	defer answers.Close()
	return readRedemption(answers, r, limited)
}

// countUse takes one use from the slot given, else from the first of the others that nobody holds; when all are held by
// redemptions that have not committed yet, it waits for one of them. So the last use is found wherever it is left, and an
// offer is used up only when every slot is.
const countUse = `UPDATE counters SET used = used + 1 WHERE offer_id = $1 AND used < max AND slot = COALESCE(
	(SELECT slot FROM counters WHERE offer_id = $1 AND used < max ORDER BY slot <> $2, slot LIMIT 1 FOR UPDATE SKIP LOCKED),
	(SELECT slot FROM counters WHERE offer_id = $1 AND used < max ORDER BY slot <> $2, slot LIMIT 1 FOR UPDATE))`

func readRedemption(answers pgx.BatchResults, r *campaigns.Redemption, limited map[campaigns.ID]bool) error {
	tag, err := answers.Exec()
	if err != nil {
		return fmt.Errorf("booking a redemption: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrOrderTaken
	}
	for _, a := range r.Applied {
		if tag, err = answers.Exec(); err != nil {
			return fmt.Errorf("using a coupon: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return limitReached("per_code", "the code "+a.Code+" is used up")
		}
	}
	for _, a := range r.Applied {
		if !limited[a.OfferID] {
			continue
		}
		if tag, err = answers.Exec(); err != nil {
			return fmt.Errorf("counting a use: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return limitReached("total", "the offer is used up")
		}
	}
	for range 2 + len(r.Applied) {
		if _, err = answers.Exec(); err != nil {
			return fmt.Errorf("booking a redemption: %w", err)
		}
	}
	return nil
}

func limitReached(limit, message string) error {
	e := campaigns.Conflict("%s", message)
	e.Limit = limit
	return e
}

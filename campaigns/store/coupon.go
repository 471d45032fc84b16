package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// NextSerials takes n serials for unique codes; none is ever given twice.
func (tx *Tx) NextSerials(ctx context.Context, n int) ([]int64, error) {
	if n == 0 {
		return nil, nil
	}
	return many(ctx, tx, "code serials", `SELECT nextval('code_serials') FROM generate_series(1, $1::int)`, pgx.RowTo[int64], n)
}

// IssueCoupons keeps codes that customers were given.
func (tx *Tx) IssueCoupons(ctx context.Context, coupons []campaigns.Coupon) error {
	if len(coupons) == 0 {
		return nil
	}
	_, err := tx.tx.CopyFrom(ctx, pgx.Identifier{"codes"}, []string{"code", "no"}, pgx.CopyFromSlice(len(coupons), func(i int) ([]any, error) {
		return []any{coupons[i].Code, coupons[i].No}, nil
	}))
	if err != nil {
		return fmt.Errorf("keeping codes: %w", err)
	}
	columns := []string{"no", "code", "offer_id", "offer_revision", "campaign_id", "run_id", "message_id", "issued_at", "expires_at", "uses_max"}
	_, err = tx.tx.CopyFrom(ctx, pgx.Identifier{"coupons"}, columns, pgx.CopyFromSlice(len(coupons), func(i int) ([]any, error) {
		c := &coupons[i]
		return []any{c.No, c.Code, c.OfferID, c.OfferRevision, c.CampaignID, c.RunID, c.MessageID, tx.Now, c.ExpiresAt, c.UsesMax}, nil
	}))
	if err != nil {
		return fmt.Errorf("issuing coupons: %w", err)
	}
	nos, told := make([]int64, len(coupons)), make([]Signal, len(coupons))
	for i := range coupons {
		nos[i], told[i] = coupons[i].No, Signal{No: coupons[i].No, Key: coupons[i].Code, At: wholeSecond(tx.Now)}
	}
	if err := tx.signal(ctx, campaigns.TriggerCouponIssued, told...); err != nil {
		return err
	}
	return tx.noteChanges(ctx, changedCoupons, nos...)
}

// An IssuedCoupon is a coupon with the terms it was issued under and the offer's present status. Limited says whether the
// offer's uses are limited now, under whatever terms the coupon was issued.
type IssuedCoupon struct {
	campaigns.Coupon
	Offer   campaigns.Offer
	Limited bool
}

const couponQuery = `SELECT cp.no, coalesce(c.id, ''), cp.code, cp.offer_id, cp.offer_revision, cp.campaign_id, cp.run_id, cp.message_id, cp.issued_at,
		cp.expires_at, cp.uses, cp.uses_max, cp.used_at, o.status, r.definition,
		EXISTS (SELECT FROM counters k WHERE k.offer_id = cp.offer_id AND k.slot = 0)
	FROM codes JOIN coupons cp ON cp.no = codes.no AND cp.code = codes.code LEFT JOIN customers c ON c.no = cp.no
	JOIN offers o ON o.id = cp.offer_id JOIN offer_revisions r ON r.offer_id = cp.offer_id AND r.revision = cp.offer_revision
	WHERE codes.code`

func scanCoupon(row pgx.CollectableRow) (IssuedCoupon, error) {
	var c IssuedCoupon
	err := row.Scan(&c.No, &c.CustomerID, &c.Code, &c.OfferID, &c.OfferRevision, &c.CampaignID, &c.RunID, &c.MessageID, &c.IssuedAt,
		&c.ExpiresAt, &c.Uses, &c.UsesMax, &c.UsedAt, &c.Offer.Status, &c.Offer.OfferDefinition, &c.Limited)
	c.Offer.ID, c.Offer.Revision = c.OfferID, c.OfferRevision
	return c, err
}

// Coupons reads issued coupons by their codes, as kept (folded); unknown codes are left out.
func (tx *Tx) Coupons(ctx context.Context, codes []string) ([]IssuedCoupon, error) {
	return many(ctx, tx, "coupons", couponQuery+` = ANY($1)`, scanCoupon, codes)
}

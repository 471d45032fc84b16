package store

import (
	"bytes"
	"context"
	"maps"
	"slices"

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

// IssueCoupons keeps codes that customers were given, and counts the uses that they promise.
func (tx *Tx) IssueCoupons(ctx context.Context, coupons []campaigns.Coupon) error {
	if len(coupons) == 0 {
		return nil
	}
	codes, rows, nos, uses := newCopyRows(len(coupons), 2), newCopyRows(len(coupons), 10), make([]int64, len(coupons)), map[campaigns.ID]int64{}
	for i := range coupons {
		c := &coupons[i]
		codes.begin()
		codes.Text(c.Code)
		codes.Int8(c.No)
		rows.begin()
		rows.Int8(c.No)
		rows.Text(c.Code)
		rows.id(c.OfferID)
		rows.Int4(int32(c.OfferRevision))
		rows.idOrNull(c.CampaignID)
		rows.idOrNull(c.RunID)
		rows.idOrNull(c.MessageID)
		rows.micros(tx.Now)
		if c.ExpiresAt == nil {
			rows.Null()
		} else {
			rows.micros(*c.ExpiresAt)
		}
		rows.Int4(int32(c.UsesMax))
		nos[i] = c.No
		uses[c.OfferID] += c.UsesMax
	}
	if err := tx.copyIn(ctx, "keeping codes", "codes", "code, no", codes); err != nil {
		return err
	}
	columns := "no, code, offer_id, offer_revision, campaign_id, run_id, message_id, issued_at, expires_at, uses_max"
	if err := tx.copyIn(ctx, "issuing coupons", "coupons", columns, rows); err != nil {
		return err
	}
	offers := slices.SortedFunc(maps.Keys(uses), func(a, b campaigns.ID) int { return bytes.Compare(a[:], b[:]) })
	for _, offer := range offers { // in one order, so that no two transactions wait for each other
		_, err := tx.exec(ctx, "counting codes", `INSERT INTO offer_issues (offer_id, uses) VALUES ($1, $2)
			ON CONFLICT (offer_id) DO UPDATE SET uses = offer_issues.uses + EXCLUDED.uses`, offer, uses[offer])
		if err != nil {
			return err
		}
	}
	told := make([]Signal, len(coupons))
	for i := range coupons {
		told[i] = Signal{No: coupons[i].No, Key: coupons[i].Code, At: wholeSecond(tx.Now)}
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

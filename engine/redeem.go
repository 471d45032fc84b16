package engine

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/offers"
)

// Redeemed is what a till is told.
type Redeemed struct {
	campaigns.Redemption
	Repeated bool // the order was redeemed before: this is the answer of then
}

// Redeem prices a basket with the codes shown and commits the use of what applies. Its identity is the order: the same
// request again gets the same answer, on any node. A code that does not apply is a conflict unless partial.
func (e *Engine) Redeem(ctx context.Context, order string, basket campaigns.Basket, partial bool) (*Redeemed, error) {
	if err := e.checkRedemption(order, &basket); err != nil {
		return nil, err
	}
	hash := basketHash(order, &basket, partial)
	var answer *Redeemed
	for range 3 {
		err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
			answer, err = e.redeem(ctx, tx, order, &basket, partial, hash)
			return err
		})
		if !errors.Is(err, store.ErrOrderTaken) {
			return answer, err
		}
	}
	return nil, campaigns.Conflict("the order %q is being redeemed by another request: try again", order)
}

func (e *Engine) checkRedemption(order string, basket *campaigns.Basket) error {
	var checks campaigns.Checks
	checks.Add(campaigns.CheckID("order_id", order))
	checks.Add(basket.Check(e.store.Now()))
	checks.Require(len(basket.Codes) > 0, "codes", "is empty: show the code of a coupon")
	return checks.Err()
}

func (e *Engine) redeem(ctx context.Context, tx *store.Tx, order string, basket *campaigns.Basket, partial bool, hash []byte) (*Redeemed, error) {
	folded := make([]string, 0, len(basket.Codes))
	for _, code := range basket.Codes {
		if plain, err := offers.Fold(code); err == nil {
			folded = append(folded, plain)
		}
	}
	known, err := tx.RedemptionContext(ctx, order, basket.CustomerID, folded)
	if err != nil {
		return nil, err
	}
	if known.Kept != nil {
		if string(known.Kept.RequestHash) != string(hash) {
			return nil, campaigns.Conflict("the order %q was redeemed with another basket or other codes", order)
		}
		return &Redeemed{Redemption: known.Kept.Redemption, Repeated: true}, nil
	}
	answer, limited, err := price(tx, known.Workspace.Digits(), order, basket, known)
	if err != nil {
		return nil, err
	}
	if len(answer.Applied) == 0 || (len(answer.NotApplied) > 0 && !partial) {
		return nil, notApplicable(answer.NotApplied)
	}
	return answer, tx.CreateRedemption(ctx, &answer.Redemption, hash, limited, int(answer.No%campaigns.OfferSlots))
}

// notApplicable names the first code that did not apply; when it is used up, the limit too.
func notApplicable(reasons []campaigns.NotApplied) error {
	first := reasons[0]
	conflict := campaigns.Conflict("the code %q cannot be used: %s", first.Code, first.Reason)
	if first.Reason == "used up" {
		conflict.Limit = "per_code"
	}
	return conflict
}

// A pricing is a basket, what is known about its codes, and the instant that decides what is valid.
type pricing struct {
	basket *campaigns.Basket
	known  *store.RedemptionContext
	at     time.Time
	digits int
}

// price decides which coupon applies. Offers of this form combine with nothing, so the best for the customer is the one
// with the largest discount; ties go to the code shown first.
func price(tx *store.Tx, digits int, order string, basket *campaigns.Basket, known *store.RedemptionContext) (*Redeemed, map[campaigns.ID]bool, error) {
	at := tx.Now
	if basket.At != nil {
		at = *basket.At
	}
	r := &Redeemed{Redemption: campaigns.Redemption{ID: campaigns.NewID(tx.Now), OrderID: order, No: known.CustomerNo, At: at, CreatedAt: tx.Now}}
	amounts := make([]int64, len(basket.Lines))
	for i, line := range basket.Lines {
		amounts[i] = int64(line.Qty) * line.UnitPrice
		r.Subtotal += amounts[i]
		r.Lines = append(r.Lines, campaigns.PricedLine{Amount: amounts[i]})
	}
	best, err := (&pricing{basket, known, at, digits}).best(r)
	if err != nil || best == nil {
		return r, nil, err
	}
	r.No = best.No
	r.Discount, r.Total = best.discount, r.Subtotal-best.discount
	r.Applied = []campaigns.Applied{{OfferID: best.OfferID, Code: best.Code, Discount: best.discount, CampaignID: best.CampaignID, MessageID: best.MessageID}}
	for i, share := range offers.Split(best.discount, amounts) {
		r.Lines[i].Discount = share
		if share > 0 {
			r.Lines[i].Offers = []campaigns.LineDiscount{{OfferID: best.OfferID, Discount: share}}
		}
	}
	return r, map[campaigns.ID]bool{best.OfferID: best.Limited}, nil
}

// a pricedCoupon is a coupon that can be used, with what it would take off.
type pricedCoupon struct {
	store.IssuedCoupon
	discount int64
}

func (p *pricing) best(r *Redeemed) (*pricedCoupon, error) {
	byCode := map[string]store.IssuedCoupon{}
	for _, c := range p.known.Coupons {
		byCode[c.Code] = c
	}
	var best *pricedCoupon
	seen := map[string]bool{}
	for _, shown := range p.basket.Codes {
		folded, err := offers.Fold(shown)
		if err == nil && seen[folded] {
			continue
		}
		seen[folded] = true
		coupon, known := byCode[folded]
		if err != nil || !known {
			r.NotApplied = append(r.NotApplied, campaigns.NotApplied{Code: shown, Reason: "not a code that can be used"})
			continue
		}
		discount, err := discountOf(&coupon.Offer, r.Subtotal, p.digits)
		if err != nil {
			return nil, err
		}
		priced := &pricedCoupon{coupon, discount}
		reason := coupon.CouponProblem(&coupon.Offer, p.known.CustomerNo, p.at)
		if reason == "" && priced.discount == 0 {
			reason = "there is nothing to take off"
		}
		switch {
		case reason != "":
			r.NotApplied = append(r.NotApplied, campaigns.NotApplied{Code: coupon.Code, OfferID: &coupon.OfferID, Reason: reason})
		case best == nil || priced.discount > best.discount:
			if best != nil {
				r.NotApplied = append(r.NotApplied, campaigns.NotApplied{Code: best.Code, OfferID: &best.OfferID, Reason: "does not combine with " + coupon.Code})
			}
			best = priced
		default:
			r.NotApplied = append(r.NotApplied, campaigns.NotApplied{Code: coupon.Code, OfferID: &coupon.OfferID, Reason: "does not combine with " + best.Code})
		}
	}
	return best, nil
}

func basketHash(order string, basket *campaigns.Basket, partial bool) []byte {
	text, err := json.Marshal(struct {
		Order   string
		Basket  *campaigns.Basket
		Partial bool
	}{order, basket, partial})
	if err != nil {
		return nil // a basket is plain values: it always encodes
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

// discountOf is what an offer takes off an order of so many minor units; its definition was checked when it was saved.
func discountOf(o *campaigns.Offer, subtotal int64, digits int) (int64, error) {
	effect := offers.Effect{Kind: offers.Kind(o.Effect.Kind)}
	var err error
	switch effect.Kind {
	case offers.PercentOff:
		effect.PercentHundredths, err = campaigns.ParseMoney(string(o.Effect.Value), 2)
	case offers.AmountOff:
		effect.AmountMinor, err = campaigns.ParseMoney(string(o.Effect.Value), digits)
	}
	if err == nil && o.Effect.Max != "" {
		effect.MaxMinor, err = campaigns.ParseMoney(string(o.Effect.Max), digits)
	}
	if err != nil {
		return 0, err
	}
	return effect.Discount(subtotal, subtotal), nil
}

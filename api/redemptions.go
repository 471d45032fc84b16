package api

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// redemptionRequest is a basket that is paid for, with the codes shown.
type redemptionRequest struct {
	OrderID      string       `json:"order_id" doc:"the same order again is answered as the first time"`
	CustomerID   string       `json:"customer_id,omitempty"`
	At           *time.Time   `json:"at,omitempty" doc:"the sale's time, which decides what is valid; now when it is left out"`
	Lines        []basketLine `json:"lines"`
	Codes        []string     `json:"codes,omitempty"`
	AllowPartial bool         `json:"allow_partial,omitempty" doc:"use the codes that apply, although others do not"`
}

type basketLine struct {
	SKU       string `json:"sku,omitempty"`
	Brand     string `json:"brand,omitempty"`
	Category  string `json:"category,omitempty"`
	Qty       int32  `json:"qty"`
	UnitPrice money  `json:"unit_price"`
}

// redemptionBody is the basket priced, and what was used.
type redemptionBody struct {
	ID           campaigns.ID     `json:"id"`
	OrderID      string           `json:"order_id"`
	At           time.Time        `json:"at"`
	Subtotal     string           `json:"subtotal"`
	Discount     string           `json:"discount"`
	Total        string           `json:"total"`
	PointsEarned int64            `json:"points_earned"`
	Lines        []pricedLine     `json:"lines" nullable:"false"`
	Applied      []appliedOffer   `json:"applied" nullable:"false"`
	NotApplied   []notAppliedCode `json:"not_applied" nullable:"false"`
	Gifts        []gift           `json:"gifts" nullable:"false"`
}

// gift is something that is put into the basket for nothing.
type gift struct {
	SKU string `json:"sku"`
	Qty int32  `json:"qty"`
}

type pricedLine struct {
	Amount   string         `json:"amount"`
	Discount string         `json:"discount"`
	Net      string         `json:"net"`
	Offers   []lineDiscount `json:"offers" nullable:"false"`
}

type lineDiscount struct {
	OfferID  campaigns.ID `json:"offer_id"`
	Discount string       `json:"discount"`
}

type appliedOffer struct {
	OfferID  campaigns.ID `json:"offer_id"`
	Code     string       `json:"code,omitempty"`
	Discount string       `json:"discount"`
	Points   int64        `json:"points"`
}

type notAppliedCode struct {
	OfferID *campaigns.ID `json:"offer_id,omitempty"`
	Code    string        `json:"code,omitempty"`
	Reason  string        `json:"reason"`
}

func (s *Server) redeem(ctx context.Context, in *struct{ Body redemptionRequest }) (*kept[redemptionBody], error) {
	var w *campaigns.Workspace
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		w, err = tx.Workspace(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	basket, err := in.Body.basket(w.Digits())
	if err != nil {
		return nil, err
	}
	answer, err := s.engine.Redeem(ctx, in.Body.OrderID, basket, in.Body.AllowPartial)
	if err != nil {
		return nil, err
	}
	out := &kept[redemptionBody]{Status: http.StatusCreated, Body: redemptionOf(answer, w.Digits())}
	if answer.Repeated {
		out.Status = http.StatusOK
	}
	return out, nil
}

func (r *redemptionRequest) basket(digits int) (campaigns.Basket, error) {
	var checks campaigns.Checks
	b := campaigns.Basket{CustomerID: r.CustomerID, At: r.At, Codes: r.Codes}
	for i, l := range r.Lines {
		price := l.UnitPrice.minor(&checks, fmt.Sprintf("lines[%d].unit_price", i), digits)
		b.Lines = append(b.Lines, campaigns.BasketLine{SKU: l.SKU, Brand: l.Brand, Category: l.Category, Qty: l.Qty, UnitPrice: price})
	}
	for i, code := range r.Codes {
		checks.Add(campaigns.CheckID(fmt.Sprintf("codes[%d]", i), code))
	}
	return b, checks.Err()
}

func redemptionOf(r *engine.Redeemed, digits int) redemptionBody {
	text := func(minor int64) string { return campaigns.FormatMoney(minor, digits) }
	b := redemptionBody{ID: r.ID, OrderID: r.OrderID, At: r.At, Subtotal: text(r.Subtotal), Discount: text(r.Discount), Total: text(r.Total),
		Lines: []pricedLine{}, Applied: []appliedOffer{}, NotApplied: []notAppliedCode{}, Gifts: []gift{}}
	for _, l := range r.Lines {
		line := pricedLine{Amount: text(l.Amount), Discount: text(l.Discount), Net: text(l.Amount - l.Discount), Offers: []lineDiscount{}}
		for _, o := range l.Offers {
			line.Offers = append(line.Offers, lineDiscount{o.OfferID, text(o.Discount)})
		}
		b.Lines = append(b.Lines, line)
	}
	for _, a := range r.Applied {
		b.Applied = append(b.Applied, appliedOffer{OfferID: a.OfferID, Code: shownCode(a.Code), Discount: text(a.Discount)})
	}
	for _, n := range r.NotApplied {
		b.NotApplied = append(b.NotApplied, notAppliedCode{n.OfferID, n.Code, n.Reason})
	}
	return b
}

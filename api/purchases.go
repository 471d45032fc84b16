package api

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// LineEdit is one position of an order; amount is the line's total as paid.
type LineEdit struct {
	SKU      string `json:"sku,omitempty"`
	Brand    string `json:"brand,omitempty"`
	Category string `json:"category,omitempty"`
	Qty      int32  `json:"qty" doc:"0 with an amount is a fee or a correction"`
	Amount   money  `json:"amount"`
}

// PurchaseEdit is an order as a till sends it.
type PurchaseEdit struct {
	OrderID     string     `json:"order_id,omitempty" doc:"required"`
	CustomerID  string     `json:"customer_id,omitempty" doc:"left out for a guest"`
	At          *time.Time `json:"at,omitempty" doc:"required: when it was bought"`
	Store       string     `json:"store,omitempty"`
	Currency    string     `json:"currency,omitempty" doc:"the workspace's; another is refused"`
	Lines       []LineEdit `json:"lines,omitempty" doc:"required"`
	CouponCodes []string   `json:"coupon_codes,omitempty" maxItems:"20"`
}

type purchasesRequest struct {
	PurchaseEdit
	Items []PurchaseEdit `json:"items,omitempty" maxItems:"1000" doc:"many purchases instead of one: all are kept, or none"`
}

// purchaseBody is an order as it is kept.
type purchaseBody struct {
	OrderID     string       `json:"order_id"`
	CustomerID  string       `json:"customer_id,omitempty"`
	At          time.Time    `json:"at"`
	Store       string       `json:"store,omitempty"`
	Currency    string       `json:"currency"`
	Lines       []lineBody   `json:"lines" nullable:"false"`
	CouponCodes []string     `json:"coupon_codes,omitempty"`
	Amount      string       `json:"amount" doc:"what was paid"`
	Refunded    string       `json:"refunded" doc:"what came back of it"`
	Void        bool         `json:"void" doc:"all of it came back"`
	Refunds     []refundBody `json:"refunds,omitempty"`
	Created     *bool        `json:"created,omitempty" doc:"false when the order was kept before"`
}

type lineBody struct {
	SKU      string `json:"sku,omitempty"`
	Brand    string `json:"brand,omitempty"`
	Category string `json:"category,omitempty"`
	Qty      int32  `json:"qty"`
	Amount   string `json:"amount"`
}

// purchasesAnswer is the purchase, or for many which of them are new.
type purchasesAnswer struct {
	*purchaseBody
	Items   []keptOrder `json:"items,omitempty"`
	Written *int        `json:"written,omitempty" doc:"of many: how many are new"`
}

// Schema is a purchase or a list: they have no field in common that both require.
func (purchasesAnswer) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{OneOf: []*huma.Schema{r.Schema(reflect.TypeFor[purchaseBody](), true, ""), r.Schema(reflect.TypeFor[keptOrders](), true, "")}}
}

type keptOrders struct {
	Items   []keptOrder `json:"items" nullable:"false"`
	Written int         `json:"written"`
}

type keptOrder struct {
	OrderID string `json:"order_id"`
	Created bool   `json:"created"`
}

// kept is an answer that is 201 for something new and 200 for a repeat.
type kept[T any] struct {
	Status int
	Body   T
}

func (s *Server) createPurchases(ctx context.Context, in *struct{ Body purchasesRequest }) (*kept[purchasesAnswer], error) {
	many := in.Body.Items != nil
	out := &kept[purchasesAnswer]{Status: http.StatusOK}
	return out, s.store.Update(ctx, func(tx *store.Tx) error {
		w, err := tx.Workspace(ctx)
		if err != nil {
			return err
		}
		purchases, err := in.Body.purchases(w, tx.Now)
		if err != nil {
			return err
		}
		isNew, err := tx.CreatePurchases(ctx, purchases)
		if err != nil {
			return err
		}
		written := count(isNew)
		if written > 0 {
			out.Status = http.StatusCreated
			if err := tx.Audit(ctx, actor(ctx), "create", "purchase", purchases[0].OrderID, nil, map[string]int{"written": written}); err != nil {
				return err
			}
		}
		if !many {
			out.Body.purchaseBody, err = keptPurchase(ctx, tx, &purchases[0], isNew[0], w)
			return err
		}
		out.Body.Written, out.Body.Items = &written, make([]keptOrder, len(purchases))
		for i := range purchases {
			out.Body.Items[i] = keptOrder{purchases[i].OrderID, isNew[i]}
		}
		return nil
	})
}

// keptPurchase is a new purchase as it was written, or the one that was kept under its order_id before.
func keptPurchase(ctx context.Context, tx *store.Tx, p *campaigns.Purchase, isNew bool, w *campaigns.Workspace) (b *purchaseBody, err error) {
	if b = purchaseOf(p, w); !isNew {
		b, err = readPurchase(ctx, tx, p.OrderID, w)
	}
	b.Created = &isNew
	return b, err
}

func count(set []bool) (n int) {
	for _, is := range set {
		if is {
			n++
		}
	}
	return n
}

// purchases are the request's, checked; the fields of what is wrong begin with items[i]. when there are many.
func (b *purchasesRequest) purchases(w *campaigns.Workspace, now time.Time) ([]campaigns.Purchase, error) {
	var checks campaigns.Checks
	if b.Items == nil {
		p, err := b.PurchaseEdit.purchase(w, now)
		return []campaigns.Purchase{p}, err
	}
	checks.Require(b.OrderID == "" && b.Lines == nil, "items", "stand alone: send one purchase or items, not both")
	checks.Require(len(b.Items) > 0, "items", "is empty")
	purchases := make([]campaigns.Purchase, len(b.Items))
	for i := range b.Items {
		var err error
		purchases[i], err = b.Items[i].purchase(w, now)
		checks.Under(fmt.Sprintf("items[%d].", i), err)
	}
	return purchases, checks.Err()
}

func (e *PurchaseEdit) purchase(w *campaigns.Workspace, now time.Time) (campaigns.Purchase, error) {
	var checks campaigns.Checks
	p := campaigns.Purchase{OrderID: e.OrderID, CustomerID: e.CustomerID, Store: e.Store, CouponCodes: e.CouponCodes}
	if e.At != nil {
		p.At = *e.At
	}
	for i, l := range e.Lines {
		amount := l.Amount.minor(&checks, fmt.Sprintf("lines[%d].amount", i), w.Digits())
		p.Lines = append(p.Lines, campaigns.Line{SKU: l.SKU, Brand: l.Brand, Category: l.Category, Qty: l.Qty, Amount: amount})
	}
	checks.Require(e.Currency == "" || e.Currency == w.Currency, "currency", "should be %s, the workspace's", w.Currency)
	for i, code := range e.CouponCodes {
		checks.Add(campaigns.CheckID(fmt.Sprintf("coupon_codes[%d]", i), code))
	}
	checks.Add(p.Check(now))
	return p, checks.Err()
}

func (s *Server) purchase(ctx context.Context, in *byOrder) (*some[*purchaseBody], error) {
	out := &some[*purchaseBody]{}
	return out, s.store.View(ctx, func(tx *store.Tx) error {
		w, err := tx.Workspace(ctx)
		if err != nil {
			return err
		}
		out.Body, err = readPurchase(ctx, tx, in.OrderID, w)
		return err
	})
}

func readPurchase(ctx context.Context, tx *store.Tx, order string, w *campaigns.Workspace) (*purchaseBody, error) {
	p, err := tx.Purchase(ctx, order)
	if err != nil {
		return &purchaseBody{}, err
	}
	refunds, err := tx.Refunds(ctx, p.No, order)
	b := purchaseOf(p, w)
	for i := range refunds {
		b.Refunds = append(b.Refunds, refundOf(&refunds[i], w))
	}
	return b, err
}

func purchaseOf(p *campaigns.Purchase, w *campaigns.Workspace) *purchaseBody {
	return &purchaseBody{OrderID: p.OrderID, CustomerID: p.CustomerID, At: p.At, Store: p.Store, Currency: w.Currency, Lines: linesOf(p.Lines, w),
		CouponCodes: p.CouponCodes, Amount: campaigns.FormatMoney(p.Amount, w.Digits()), Refunded: campaigns.FormatMoney(p.Refunded, w.Digits()), Void: p.Void}
}

func linesOf(lines []campaigns.Line, w *campaigns.Workspace) []lineBody {
	bodies := make([]lineBody, len(lines))
	for i, l := range lines {
		bodies[i] = lineBody{SKU: l.SKU, Brand: l.Brand, Category: l.Category, Qty: l.Qty, Amount: campaigns.FormatMoney(l.Amount, w.Digits())}
	}
	return bodies
}

package api

import (
	"context"
	"net/http"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

type byOrder struct {
	OrderID string `path:"order_id"`
}

type refundRequest struct {
	OrderID string `path:"order_id"`
	Body    struct {
		RefundID string       `json:"refund_id" doc:"the same refund_id twice is one refund"`
		At       *time.Time   `json:"at,omitempty" doc:"now when it is left out"`
		Lines    []refundLine `json:"lines,omitempty" doc:"all that is left when it is left out"`
	}
}

type refundLine struct {
	SKU string `json:"sku"`
	Qty int32  `json:"qty"`
}

// refundBody is what came back of an order, with what was paid for it.
type refundBody struct {
	RefundID string     `json:"refund_id"`
	OrderID  string     `json:"order_id"`
	At       time.Time  `json:"at"`
	Lines    []lineBody `json:"lines" nullable:"false"`
	Amount   string     `json:"amount"`
	Created  *bool      `json:"created,omitempty" doc:"false when the refund was kept before"`
}

func (s *Server) createRefund(ctx context.Context, in *refundRequest) (*kept[refundBody], error) {
	out := &kept[refundBody]{Status: http.StatusOK}
	return out, s.store.Update(ctx, func(tx *store.Tx) error {
		refund := in.refund()
		if err := refund.Check(tx.Now); err != nil {
			return err
		}
		w, err := tx.Workspace(ctx)
		if err != nil {
			return err
		}
		isNew, err := tx.CreateRefund(ctx, &refund)
		if err != nil {
			return err
		}
		out.Body = refundOf(&refund, w)
		out.Body.Created = &isNew
		if !isNew {
			return nil
		}
		out.Status = http.StatusCreated
		return tx.Audit(ctx, actor(ctx), "refund", "purchase", in.OrderID, nil, out.Body)
	})
}

func (in *refundRequest) refund() campaigns.Refund {
	r := campaigns.Refund{RefundID: in.Body.RefundID, OrderID: in.OrderID}
	if in.Body.At != nil {
		r.At = *in.Body.At
	}
	for _, l := range in.Body.Lines {
		r.Lines = append(r.Lines, campaigns.Line{SKU: l.SKU, Qty: l.Qty})
	}
	return r
}

func refundOf(r *campaigns.Refund, w *campaigns.Workspace) refundBody {
	return refundBody{RefundID: r.RefundID, OrderID: r.OrderID, At: r.At, Lines: linesOf(r.Lines, w), Amount: campaigns.FormatMoney(r.Amount, w.Digits())}
}

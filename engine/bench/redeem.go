package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
	"beckon/engine/offers"
)

const (
	redeemRows      = 6_000
	redeemClients   = 32
	redeemCustomers = 1_000
	redeemColdMax   = 200
	redeemBar       = 0.35
	redeemHotBar    = 0.60
)

// A till is a shop whose customers hold coupons.
type till struct {
	*ground
	store     *store.Store
	engine    *engine.Engine
	n         int
	customers []int64 // their numbers, by the number in their id
	hot       campaigns.Offer
	cold      []campaigns.Offer
	redeemed  int64 // so far
}

// A show is one customer at the till with a code and an order of their own.
type show struct{ order, customer, code string }

// measureRedeem compares redemptions of unique codes, many offers with a limit each, with the simplest writing
// transaction that PostgreSQL's own pgbench has; and redemptions of one hot offer with those of the many.
func measureRedeem(ctx context.Context, g *ground) ([]Row, error) {
	t, err := newTill(ctx, g, g.rows(redeemRows))
	if err != nil {
		return nil, err
	}
	defer t.store.Close()
	if err := g.preparePgbench(ctx); err != nil {
		return nil, err
	}
	many := func(ctx context.Context, _ int) (float64, error) { return t.serve(ctx, t.cold, t.n) }
	hot := func(ctx context.Context, _ int) (float64, error) { return t.serve(ctx, []campaigns.Offer{t.hot}, t.n) }
	if _, err := t.serve(ctx, t.cold, min(t.n, 32*redeemClients)); err != nil { // each connection plans its statements once
		return nil, err
	}
	measured, err := g.alternate(ctx, "redeem", g.pgbench, many, hot)
	if err != nil {
		return nil, err
	}
	return []Row{
		measured.row("redemptions of unique codes", "commits/s", 1, 0, redeemBar),
		measured.row("redemptions of one hot offer", "commits/s", 2, 1, redeemHotBar),
	}, nil
}

func newTill(ctx context.Context, g *ground, n int) (*till, error) {
	s, err := g.shop(ctx, "redeem", redeemClients)
	if err != nil {
		return nil, err
	}
	t := &till{ground: g, store: s, engine: engine.New(s, engine.Options{}), n: n}
	people := min(n, redeemCustomers)
	if err = g.people(ctx, s, people); err == nil {
		t.customers, err = numbers(ctx, s, people)
	}
	if err == nil {
		err = t.define(ctx, min(redeemColdMax, people))
	}
	if err != nil {
		s.Close()
		return nil, err
	}
	return t, nil
}

// define makes the hot offer and so many cold ones.
func (t *till) define(ctx context.Context, cold int) error {
	return t.store.Update(ctx, func(tx *store.Tx) error {
		limit := int64(100_000_000)
		for i := range cold + 1 {
			o := campaigns.Offer{Status: campaigns.OfferLive, OfferDefinition: campaigns.OfferDefinition{Name: fmt.Sprintf("Offer %d", i),
				Effect: campaigns.Effect{Kind: "percent_off", Value: "10"}, Limits: campaigns.OfferLimits{Total: &limit}}}
			if err := tx.CreateOffer(ctx, &o); err != nil {
				return err
			}
			t.cold = append(t.cold, o)
		}
		t.hot, t.cold = t.cold[0], t.cold[1:]
		return nil
	})
}

// issue gives out n coupons of the offers, turn by turn.
func (t *till) issue(ctx context.Context, from []campaigns.Offer, n int) (shows []show, err error) {
	key, err := t.store.Secret(ctx, "codes")
	if err != nil {
		return nil, err
	}
	cipher, err := offers.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return shows, t.store.Update(ctx, func(tx *store.Tx) error {
		serials, err := tx.NextSerials(ctx, n)
		if err != nil {
			return err
		}
		coupons := make([]campaigns.Coupon, n)
		shows = make([]show, n)
		for i, serial := range serials {
			customer, offer, code := i%len(t.customers), &from[i%len(from)], cipher.Code(serial)
			coupons[i] = campaigns.Coupon{No: t.customers[customer], Code: strings.ReplaceAll(code, "-", ""), OfferID: offer.ID,
				OfferRevision: offer.Revision, UsesMax: 1}
			shows[i] = show{order: fmt.Sprintf("order-%d", serial), customer: customerID(customer), code: code}
		}
		return tx.IssueCoupons(ctx, coupons)
	})
}

// serve issues n coupons and redeems them by 32 clients at once, and gives the redemptions a second.
func (t *till) serve(ctx context.Context, from []campaigns.Offer, n int) (float64, error) {
	shows, err := t.issue(ctx, from, n)
	if err != nil {
		return 0, err
	}
	if err := t.do(ctx, "CHECKPOINT"); err != nil {
		return 0, err
	}
	var next atomic.Int64
	var clients sync.WaitGroup
	failed := make([]error, redeemClients)
	start := t.Clock()
	for i := range redeemClients {
		clients.Go(func() {
			for failed[i] == nil {
				at := next.Add(1) - 1
				if at >= int64(len(shows)) {
					return
				}
				failed[i] = t.redeem(ctx, shows[at])
			}
		})
	}
	clients.Wait()
	took := t.Clock().Sub(start)
	t.redeemed += int64(n)
	if err := errors.Join(failed...); err != nil {
		return 0, err
	}
	return float64(n) / took.Seconds(), t.kept(ctx)
}

func (t *till) redeem(ctx context.Context, s show) error {
	basket := campaigns.Basket{CustomerID: s.customer, Codes: []string{s.code}, Lines: []campaigns.BasketLine{
		{SKU: "coat-1", Brand: "North", Category: "coats", Qty: 1, UnitPrice: 39900},
		{SKU: "scarf-7", Brand: "North", Category: "scarves", Qty: 2, UnitPrice: 5900}}}
	answer, err := t.engine.Redeem(ctx, s.order, basket, false)
	if err == nil && answer.Discount != 5170 {
		err = fmt.Errorf("the order %s got %d off, not 5170", s.order, answer.Discount)
	}
	return err
}

// kept says whether every redemption so far is there, and counted once by its offer.
func (t *till) kept(ctx context.Context) error {
	for _, sql := range []string{"SELECT count(*) FROM redemptions", "SELECT count(*) FROM redemption_orders",
		"SELECT count(*) FROM coupons WHERE uses = 1", "SELECT sum(used)::bigint FROM counters"} {
		n, err := t.count(ctx, "redeem", sql)
		if err != nil {
			return err
		}
		if n != t.redeemed {
			return fmt.Errorf("%s gives %d after %d redemptions", sql, n, t.redeemed)
		}
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
	"beckon/engine/shop"
)

// A demoPlay is a demo under way.
type demoPlay struct {
	say       func(format string, args ...any)
	seed      uint64
	shop      *shop.Shop
	clock     *demoClock
	workspace campaigns.Workspace
	store     *store.Store
	engine    *engine.Engine
	life      *shop.Life
	campaigns []*demoCampaign
	dayCount  int
	started   time.Time
	phases    []demoPhase
	posted    int64 // purchases of the simulated days
	redeemed  int64 // of them with a coupon
}

// A demoPhase is one part of the demo and how long it took.
type demoPhase struct {
	Name          string  `json:"name"`
	Seconds       float64 `json:"seconds"`
	Count         int64   `json:"count,omitempty"`
	Of            string  `json:"of,omitempty"`
	RowsPerSecond float64 `json:"rows_per_second,omitempty"`
}

func (p *demoPlay) phase(name string, began time.Time, count int64, of string) {
	took := time.Since(began).Seconds()
	done := demoPhase{Name: name, Seconds: took, Count: count, Of: of}
	if count > 0 {
		done.RowsPerSecond = float64(count) / took
	}
	p.phases = append(p.phases, done)
	p.say("  %s", done)
}

// String is a line of the table.
func (d demoPhase) String() string {
	if d.Count == 0 {
		return fmt.Sprintf("%-28s %6.1f s", d.Name, d.Seconds)
	}
	return fmt.Sprintf("%-28s %6.1f s  %10s %s, %s/s", d.Name, d.Seconds, grouped(d.Count), d.Of, grouped(int64(d.RowsPerSecond)))
}

// all loads the shop, lets the days pass and gives the table.
func (p *demoPlay) all(ctx context.Context) (*demoTable, error) {
	if err := p.load(ctx); err != nil {
		return nil, err
	}
	if _, err := p.engine.House(ctx); err != nil { // the audit log's month
		return nil, err
	}
	p.campaigns = demoCampaigns(p.workspace.Zone)
	for _, c := range p.campaigns {
		if err := c.launch(ctx, p.store, p.engine); err != nil {
			return nil, fmt.Errorf("launching %s: %w", c.definition.Name, err)
		}
		p.life.Expect(c.definition.Name, c.effect)
	}
	if err := p.days(ctx); err != nil {
		return nil, err
	}
	began := time.Now()
	table, err := p.table(ctx)
	p.phase("reports worked out", began, 0, "")
	if table != nil {
		table.Phases, table.Seconds = p.phases, time.Since(p.started).Seconds()
	}
	return table, err
}

// load brings the shop's past in as files, as any shop's would be.
func (p *demoPlay) load(ctx context.Context) error {
	p.say("loading a shop of %s customers, seed %d", grouped(int64(p.shop.Customers())), p.seed)
	for _, file := range []struct {
		kind, of string
		write    func(io.Writer) error
	}{{campaigns.ImportCustomers, "rows", p.shop.WriteCustomers}, {campaigns.ImportPurchases, "rows", p.shop.WritePurchases}, {campaigns.ImportPoints, "rows", p.shop.WritePoints}} {
		if err := p.bringIn(ctx, file.kind, file.write); err != nil {
			return fmt.Errorf("loading %s: %w", file.kind, err)
		}
	}
	began := time.Now()
	p.life = p.shop.Live()
	p.phase("the coming days decided", began, 0, "")
	return nil
}

func (p *demoPlay) bringIn(ctx context.Context, kind string, write func(io.Writer) error) error {
	began, said := time.Now(), time.Now()
	from, to := io.Pipe()
	go func() { to.CloseWithError(write(to)) }()
	options := campaigns.ImportOptions{Kind: kind, Format: "csv"}
	done, err := engine.Import(ctx, p.store, campaigns.NewID(p.store.Now()), options, from, func(i campaigns.Import) {
		if time.Since(said) > time.Second {
			said = time.Now()
			p.say("  %s: %s, %s rows read, %s written", kind, i.Phase, grouped(i.RowsRead), grouped(i.RowsWritten))
		}
	})
	from.CloseWithError(err)
	if err == nil && done.RowsRejected > 0 {
		err = fmt.Errorf("%d rows were rejected", done.RowsRejected)
	}
	p.phase(kind+" loaded", began, done.RowsRead, "rows")
	return err
}

// days lets the clock run: from one tick of a campaign to the next, and to the end of each day, when the till posts what
// was bought.
func (p *demoPlay) days(ctx context.Context) error {
	began, said := time.Now(), time.Now()
	sent := int64(0)
	for day := 1; ; {
		next, tick, err := p.next()
		if err != nil {
			return err
		}
		if next.After(p.shop.End()) {
			break
		}
		p.clock.set(next)
		if tick == nil {
			if err := p.closeShop(ctx); err != nil {
				return err
			}
			day++
			continue
		}
		n, err := p.tick(ctx, tick)
		if err != nil {
			return err
		}
		sent += n
		if time.Since(said) > time.Second {
			said = time.Now()
			p.say("  day %d of %d: %s messages sent, %s purchases posted", day, p.dayCount, grouped(sent), grouped(p.posted))
		}
	}
	p.clock.set(p.shop.End())
	p.phase("simulated days", began, sent, "messages")
	return nil
}

// next is the soonest tick of a campaign, or the coming end of a day with nil.
func (p *demoPlay) next() (time.Time, *demoCampaign, error) {
	now := p.clock.Now()
	soonest := time.Date(now.Year(), now.Month(), now.Day(), shop.CloseHour, 0, 0, 0, now.Location())
	if !soonest.After(now) {
		soonest = soonest.AddDate(0, 0, 1)
	}
	var whose *demoCampaign
	for _, c := range p.campaigns {
		tick, err := c.definition.Schedule.Next(now)
		if err != nil {
			return now, nil, err
		}
		if tick = tick.In(now.Location()); tick.Before(soonest) {
			soonest, whose = tick, c
		}
	}
	return soonest, whose, nil
}

// tick lets a campaign run and hands its messages to the simulated customers.
func (p *demoPlay) tick(ctx context.Context, c *demoCampaign) (sent int64, err error) {
	if err := p.engine.Settle(ctx); err != nil {
		return 0, err
	}
	var messages []campaigns.Message
	err = p.store.View(ctx, func(tx *store.Tx) error {
		runs, err := tx.Runs(ctx, c.campaign.ID, time.Time{}, 1)
		if err != nil || len(runs) == 0 {
			return err
		}
		if !runs[0].Occurrence.Equal(tx.Now) || runs[0].Status != campaigns.Done {
			return fmt.Errorf("the run of %s is %s %s", runs[0].Occurrence, runs[0].Status, runs[0].Reason)
		}
		sent = runs[0].Messages[string(campaigns.MessageSent)]
		messages, err = tx.Messages(ctx, store.MessageFilter{Run: runs[0].ID, Limit: shop.CustomersMax})
		return err
	})
	if err == nil {
		err = p.life.Deliver(c.definition.Name, c.campaign.Period(p.clock.Now()), messages)
	}
	return sent, err
}

// postMax is the most purchases that the till posts at once.
const postMax = 2000

// closeShop redeems the day's coupons and posts its purchases.
func (p *demoPlay) closeShop(ctx context.Context) error {
	orders := p.life.Orders(p.clock.Now())
	purchases := make([]campaigns.Purchase, 0, len(orders))
	for i := range orders {
		o := &orders[i]
		if o.Code == "" {
			purchases = append(purchases, o.Purchase)
			continue
		}
		redeemed, err := p.engine.Redeem(ctx, o.OrderID, o.Basket(), false)
		if err != nil {
			return fmt.Errorf("redeeming %s: %w", o.OrderID, err)
		}
		p.redeemed++
		purchases = append(purchases, o.Discounted(&redeemed.Redemption))
	}
	p.posted += int64(len(purchases))
	for len(purchases) > 0 {
		n := min(len(purchases), postMax)
		err := p.store.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.CreatePurchases(ctx, purchases[:n])
			return err
		})
		if err != nil {
			return err
		}
		purchases = purchases[n:]
	}
	return nil
}

package engine_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// triggered makes and launches a campaign that an event starts. It is transactional, so that nothing but its trigger
// decides who gets it and when.
func (w *world) triggered(t campaigns.Trigger, change func(d *campaigns.Definition)) campaigns.Campaign {
	w.Helper()
	return w.campaign(func(d *campaigns.Definition) {
		d.Kind, d.Purpose, d.Trigger = campaigns.Triggered, "transactional", &t
		if change != nil {
			change(d)
		}
	})
}

// happens posts an event of a customer, under an id, at the clock's time.
func (w *world) happens(customer, name, id string) {
	w.Helper()
	w.happensAt(customer, name, id, w.clock.Now())
}

func (w *world) happensAt(customer, name, id string, at time.Time) {
	w.Helper()
	_, err := w.store.CreateEvents(w.ctx, []campaigns.Event{{EventID: id, CustomerID: customer, Name: name, At: at}})
	w.must(err)
}

func (w *world) buys(customer, order string) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		_, err := tx.CreatePurchases(w.ctx, []campaigns.Purchase{{OrderID: order, CustomerID: customer, At: tx.Now, Lines: []campaigns.Line{{SKU: "a", Qty: 1, Amount: 10000}}}})
		return err
	})
}

// writes changes a customer, who may be new, as PUT does.
func (w *world) writes(customer string, change func(c *campaigns.Customer)) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		if _, err := tx.EnsureCustomers(w.ctx, []string{customer}); err != nil {
			return err
		}
		c, err := tx.LockCustomer(w.ctx, customer)
		if err != nil {
			return err
		}
		change(c)
		return tx.SaveCustomer(w.ctx, c)
	})
}

// got counts the messages of a campaign to a customer.
func (w *world) got(c campaigns.Campaign, customer string) (n int) {
	w.Helper()
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		if m.CustomerID == customer {
			n++
		}
	}
	return n
}

func (w *world) wants(c campaigns.Campaign, customer string, n int) {
	w.Helper()
	if got := w.got(c, customer); got != n {
		w.Errorf("%s got %d messages of %s, want %d", customer, got, c.Name, n)
	}
}

func (w *world) signals() (n int) {
	w.Helper()
	w.view(func(tx *store.Tx) error {
		all, err := tx.Signals(w.ctx, []int16{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, 100000)
		n = len(all)
		return err
	})
	return n
}

func TestAPurchaseStartsACampaignForWhoMatchesItsRule(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(3, nil)
	c := w.triggered(campaigns.Trigger{Event: "purchase"}, func(d *campaigns.Definition) { d.Rule = "purchase_count == 2" })
	w.buys("c0", "o1")
	w.buys("c1", "o2")
	w.buys("c1", "o3")
	w.settle()
	w.wants(c, "c0", 0)
	w.wants(c, "c1", 2) // both are decided when the count is two
	w.wants(c, "c2", 0)
	run := w.runs(c.ID)[0]
	if run.Kind != campaigns.RunTrigger || run.Status != campaigns.Sending || run.Audience != 2 || run.Gates["passed"] != 2 || run.Messages["sent"] != 2 {
		t.Errorf("run %+v", run)
	}
	if n := w.signals(); n != 0 {
		t.Errorf("%d signals are left", n)
	}
}

// TestWhatHappenedBeforeTheLaunchStartsNothing: a till that catches up tells of old baskets.
func TestWhatHappenedBeforeTheLaunchStartsNothing(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(2, nil)
	c := w.triggered(campaigns.Trigger{Event: "visit"}, func(*campaigns.Definition) {})
	w.happensAt("c0", "visit", "yesterday", w.clock.Now().Add(-24*time.Hour))
	w.happensAt("c1", "visit", "by a clock that is behind", w.clock.Now().Add(-time.Minute))
	w.settle()
	w.wants(c, "c0", 0)
	w.wants(c, "c1", 1)
}

// Parcelvoy entered one person four times.
func TestFourIdenticalEventsEnterOnceAndFourDifferentOnesWithinTheLimit(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(1, nil)
	day := campaigns.Day
	each := w.triggered(campaigns.Trigger{Event: "visit"}, func(d *campaigns.Definition) { d.Name = "each" })
	limits := map[string]campaigns.Entry{"once": {Limit: "once"}, "a month": {OncePer: "month"}, "cool-down": {Every: &day}, "for": {OnceFor: `name`}}
	limited := map[string]campaigns.Campaign{}
	for name, entry := range limits {
		limited[name] = w.triggered(campaigns.Trigger{Event: "visit"}, func(d *campaigns.Definition) { d.Name, d.Entry = name, &entry })
	}
	for range 4 {
		w.happens("c0", "visit", "same")
		w.settle()
		w.clock.Advance(time.Minute)
	}
	w.wants(each, "c0", 1)
	for i := range 4 { // in one batch
		w.happens("c0", "visit", fmt.Sprint("other ", i))
	}
	w.settle()
	w.wants(each, "c0", 5)
	for _, c := range limited {
		w.wants(c, "c0", 1)
		if run := w.runs(c.ID)[0]; run.Gates["entry"] != 4 || run.Gates["passed"] != 1 || run.Audience != 5 {
			t.Errorf("%s: gates %v", c.Name, run.Gates)
		}
	}
	w.clock.Advance(25 * time.Hour)
	w.happens("c0", "visit", "tomorrow")
	w.settle()
	w.wants(each, "c0", 6)
	w.wants(limited["cool-down"], "c0", 2)
	w.wants(limited["once"], "c0", 1)
}

func TestCampaignsThatOneEventStartsCountEachOthersMessagesForCaps(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(3, nil)
	caps := []campaigns.Cap{{Channel: campaigns.AnyChannel, Max: 2, Window: campaigns.Day}}
	var all []campaigns.Campaign
	for i := range 4 {
		all = append(all, w.triggered(campaigns.Trigger{Event: "visit"}, func(d *campaigns.Definition) {
			none := 0.0
			d.Name, d.Purpose, d.Caps, d.Holdout = fmt.Sprint("campaign ", i), "marketing", &caps, &none
		}))
	}
	customers := []string{"c0", "c1", "c2"}
	for _, c := range customers { // in one batch
		w.happens(c, "visit", "of "+c)
	}
	w.settle()
	passed, capped := int64(0), int64(0)
	for _, c := range all {
		run := w.runs(c.ID)[0]
		passed, capped = passed+run.Gates["passed"], capped+run.Gates["cap"]
	}
	if passed != 6 || capped != 6 {
		t.Errorf("%d passed and %d are capped, want 6 and 6", passed, capped)
	}
	for _, customer := range customers {
		got := 0
		for _, c := range all {
			got += w.got(c, customer)
		}
		if got != 2 {
			t.Errorf("%s got %d messages", customer, got)
		}
	}
}

func TestWhatNobodyWaitsForLeavesNoSignal(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(2, nil)
	w.happens("c0", "visit", "before")
	c := w.triggered(campaigns.Trigger{Event: "visit"}, nil)
	w.happens("c0", "other", "e1")
	w.buys("c0", "o1")
	if n := w.signals(); n != 0 {
		t.Errorf("%d signals that nobody waits for", n)
	}
	w.happens("c1", "visit", "e2")
	if n := w.signals(); n != 1 {
		t.Errorf("%d signals", n)
	}
	_, err := w.engine.MoveCampaign(w.ctx, "test", c.ID, 0, campaigns.Cancel)
	w.must(err)
	w.settle()
	w.happens("c1", "visit", "e3")
	if n := w.signals(); n != 0 {
		t.Errorf("%d signals for a cancelled campaign", n)
	}
	w.wants(c, "c0", 0)
	w.wants(c, "c1", 0)
}

func TestEveryBuiltInTriggerStartsItsCampaignOnce(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(1, nil)
	byEvent := map[string]campaigns.Campaign{}
	for _, event := range campaigns.TriggerEvents() {
		trigger := campaigns.Trigger{Event: event}
		switch event {
		case campaigns.TriggerSegmentEntered:
			continue
		case campaigns.TriggerCustomerUpdated:
			trigger.Attribute = "city"
		}
		byEvent[event] = w.triggered(trigger, func(d *campaigns.Definition) { d.Name = event })
	}
	offer := campaigns.Offer{Status: campaigns.OfferLive, OfferDefinition: campaigns.OfferDefinition{Name: "o", Effect: campaigns.Effect{Kind: "percent_off", Value: "10"}}}
	w.update(func(tx *store.Tx) error { return tx.CreateOffer(w.ctx, &offer) })
	once := w.campaign(func(d *campaigns.Definition) { d.OfferID = &offer.ID })
	w.settle()
	code := w.messages(store.MessageFilter{Campaign: once.ID})[0].Code
	_, err := w.engine.Redeem(w.ctx, "order-1", campaigns.Basket{CustomerID: "c0", Codes: []string{code}, Lines: []campaigns.BasketLine{{SKU: "a", Qty: 1, UnitPrice: 10000}}}, false)
	w.must(err)
	w.buys("c0", "o1")
	w.update(func(tx *store.Tx) error {
		_, err := tx.CreateRefund(w.ctx, &campaigns.Refund{RefundID: "r1", OrderID: "o1"})
		return err
	})
	for range 2 { // the second changes nothing
		w.update(func(tx *store.Tx) error {
			c, err := tx.LockCustomer(w.ctx, "c0")
			if err != nil {
				return err
			}
			city, name := "Chengdu", "Somebody"
			c.City, c.Name = &city, &name
			if err := tx.SaveCustomer(w.ctx, c); err != nil {
				return err
			}
			return tx.AddConsent(w.ctx, c.No, campaigns.Consent{Channel: campaigns.SMS, Granted: true, At: w.clock.Now(), Source: "test"})
		})
	}
	w.settle()
	for event, c := range byEvent {
		if event != campaigns.TriggerCustomerCreated {
			w.wants(c, "c0", 1)
		}
	}
	w.writes("new", func(c *campaigns.Customer) {
		name, email, city := "New", "new@example.com", "Xi'an"
		c.Name, c.Email, c.City = &name, &email, &city
	})
	w.settle()
	w.wants(byEvent[campaigns.TriggerCustomerCreated], "new", 1)
	w.wants(byEvent[campaigns.TriggerCustomerUpdated], "new", 0)
	w.writes("new", func(c *campaigns.Customer) { c.Tags = []string{"vip"} })
	w.settle()
	w.wants(byEvent[campaigns.TriggerCustomerUpdated], "new", 0) // another attribute
}

func TestAnAbandonedBasketIsRemindedOfOnceAfterItsLastChangeUnlessItWasBought(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(3, nil)
	after := campaigns.Duration(2 * time.Hour)
	c := w.triggered(campaigns.Trigger{Event: "cart.updated", After: &after, Unless: "purchase"}, nil)
	for _, customer := range []string{"c0", "c1", "c2"} {
		w.happens(customer, "cart.updated", customer+" first")
	}
	w.settle()
	w.clock.Advance(time.Hour)
	w.happens("c1", "cart.updated", "c1 second")
	w.buys("c2", "o1")
	w.settle()
	w.clock.Advance(59 * time.Minute)
	w.settle()
	w.wants(c, "c0", 0)
	w.clock.Advance(time.Minute)
	w.settle()
	w.wants(c, "c0", 1)
	w.wants(c, "c1", 0)
	w.wants(c, "c2", 0)
	w.clock.Advance(time.Hour)
	w.happens("c1", "cart.updated", "c1 third") // in the very second in which the wait would be over
	w.settle()
	w.wants(c, "c1", 0)
	w.clock.Advance(2 * time.Hour)
	w.settle()
	w.wants(c, "c1", 1)
	w.wants(c, "c2", 0)
	w.clock.Advance(48 * time.Hour)
	w.settle()
	for _, customer := range []string{"c0", "c1"} {
		w.wants(c, customer, 1)
	}
}

func TestEventsWhileACampaignIsPausedEnterWhenItGoesOnIfTheyAreStillOfUse(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(2, nil)
	c := w.triggered(campaigns.Trigger{Event: "visit"}, func(d *campaigns.Definition) { d.ValidFor = new(campaigns.Duration); *d.ValidFor = campaigns.Day })
	move := func(m campaigns.Move) {
		_, err := w.engine.MoveCampaign(w.ctx, "test", c.ID, 0, m)
		w.must(err)
	}
	move(campaigns.Pause)
	w.happens("c0", "visit", "old")
	w.settle()
	w.clock.Advance(20 * time.Hour)
	w.happens("c1", "visit", "new 1")
	w.happens("c1", "visit", "new 2")
	w.settle()
	w.clock.Advance(10 * time.Hour)
	w.settle()
	if len(w.runs(c.ID)) != 0 {
		t.Error("somebody entered a paused campaign")
	}
	move(campaigns.Resume)
	w.settle()
	w.wants(c, "c0", 0)
	w.wants(c, "c1", 2)
}

func TestEnteringASegmentIsMeasuredFromTheLaunch(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(4, func(i int, c *campaigns.Customer) {
		if i == 0 {
			c.Tags = []string{"vip"}
		}
	})
	_, err := w.engine.CreateSegment(w.ctx, "test", campaigns.SegmentDefinition{Name: "VIP", Rule: `"vip" in tags`})
	w.must(err)
	c := w.triggered(campaigns.Trigger{Event: campaigns.TriggerSegmentEntered, Segment: "VIP"}, nil)
	tag := func(customer string, tags ...string) {
		w.writes(customer, func(c *campaigns.Customer) { c.Tags = tags })
		w.clock.Advance(61 * time.Second)
		w.settle()
	}
	w.settle()
	w.wants(c, "c0", 0)
	tag("c1", "vip")
	w.wants(c, "c1", 1)
	tag("c1")
	tag("c1", "vip")
	w.wants(c, "c1", 2)
	tag("c0")
	tag("c0", "vip")
	w.wants(c, "c0", 1)
	w.wants(c, "c2", 0)
}

func TestOneRunADayOfTheCampaignsZoneEndsWithItsDay(t *testing.T) {
	w := newWorld(t, "2026-11-21T22:00:00+08:00")
	w.customers(1, nil)
	c := w.triggered(campaigns.Trigger{Event: "visit"}, nil)
	for i := range 4 {
		w.happens("c0", "visit", fmt.Sprint(i))
		w.settle()
		w.clock.Advance(time.Hour)
	}
	w.settle()
	runs := w.runs(c.ID)
	if len(runs) != 2 || runs[1].Status != campaigns.Done || runs[0].Status != campaigns.Sending || runs[0].Gates["passed"] != 2 || runs[1].Gates["passed"] != 2 {
		t.Fatalf("runs %+v", runs)
	}
	if want := time.Date(2026, 11, 21, 16, 0, 0, 0, time.UTC); !runs[0].Occurrence.Equal(want) || !runs[1].OpenUntil.Equal(want) {
		t.Errorf("the second day begins at %s, the first ends at %s", runs[0].Occurrence, runs[1].OpenUntil)
	}
	w.view(func(tx *store.Tx) error {
		got, err := tx.Campaign(w.ctx, c.ID)
		if got.Status != campaigns.Active || got.NextRunAt != nil {
			t.Errorf("campaign %+v", got)
		}
		return err
	})
}

func TestAnEventThatIsOlderThanItsMessageIsOfUseStartsNothing(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(2, nil)
	c := w.triggered(campaigns.Trigger{Event: "visit"}, nil)
	w.clock.Advance(2 * 366 * 24 * time.Hour)
	w.happensAt("c0", "visit", "last year", w.clock.Now().AddDate(-1, 0, 0))
	w.happensAt("c1", "visit", "yesterday", w.clock.Now().AddDate(0, 0, -1))
	w.settle()
	w.wants(c, "c0", 0)
	w.wants(c, "c1", 1)
}

func TestATillWhoseClockRunsAheadIsSeenByTheRule(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(1, nil)
	c := w.triggered(campaigns.Trigger{Event: "visit"}, func(d *campaigns.Definition) { d.Rule = `any(events, .name == "visit")` })
	w.happensAt("c0", "visit", "ahead", w.clock.Now().Add(30*time.Second))
	w.settle()
	w.wants(c, "c0", 1)
}

func TestACrashBetweenClaimAndCommitLosesNoneAndDoublesNone(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	const n = 300
	w.customers(n, nil)
	c := w.triggered(campaigns.Trigger{Event: "visit"}, nil)
	for i := range n {
		w.happens(fmt.Sprintf("c%d", i), "visit", fmt.Sprint("e", i))
	}
	crashes := 0
	for delay := time.Millisecond; ; delay += 3 * time.Millisecond {
		ctx, cancel := context.WithTimeout(w.ctx, delay)
		_, err := w.engine.Trigger(ctx)
		cancel()
		if err == nil {
			break
		}
		if !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			t.Fatal(err)
		}
		crashes++
	}
	if crashes < 3 {
		t.Errorf("only %d were interrupted", crashes)
	}
	w.settle()
	for i := range n {
		w.wants(c, fmt.Sprintf("c%d", i), 1)
	}
	if run := w.runs(c.ID)[0]; run.Gates["passed"] != n || run.Audience != n {
		t.Errorf("gates %v", run.Gates)
	}
}

func TestTwoNodesDecideEachEventOnce(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	const n = 400
	w.customers(n, nil)
	half := 0.3
	a := w.triggered(campaigns.Trigger{Event: "visit"}, func(d *campaigns.Definition) { d.Holdout = &half })
	b := w.triggered(campaigns.Trigger{Event: "visit"}, func(d *campaigns.Definition) { d.Entry = &campaigns.Entry{Limit: "once"} })
	for i := range n {
		w.happens(fmt.Sprintf("c%d", i), "visit", fmt.Sprint("e", i))
		w.happens(fmt.Sprintf("c%d", i), "visit", fmt.Sprint("f", i))
	}
	errs := make(chan error)
	nodes := []*engine.Engine{w.engine, engine.New(w.store, engine.Options{}), engine.New(w.store, engine.Options{})}
	for _, node := range nodes {
		go func() { _, err := node.Trigger(w.ctx); errs <- err }()
	}
	for range nodes {
		w.must(<-errs)
	}
	w.settle()
	run := w.runs(a.ID)[0]
	if run.Audience != 2*n || run.Gates["passed"]+run.Gates["holdout"] != 2*n || run.Messages["sent"] != run.Gates["passed"] || run.Gates["holdout"]%2 != 0 {
		t.Errorf("gates %v, messages %v", run.Gates, run.Messages)
	}
	if run = w.runs(b.ID)[0]; run.Gates["passed"] != n || run.Gates["entry"] != n {
		t.Errorf("gates %v", run.Gates)
	}
}

func TestALaunchedCampaignThatBreaksIsPausedAndHoldsUpNoOther(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(1, nil)
	broken, well := w.triggered(campaigns.Trigger{Event: "visit"}, nil), w.triggered(campaigns.Trigger{Event: "visit"}, nil)
	w.update(func(tx *store.Tx) error {
		c, err := tx.LockCampaign(w.ctx, broken.ID)
		if err != nil {
			return err
		}
		c.Rule = "gone == 1" // as after a name of the language went
		if err := tx.SaveCampaignVersion(w.ctx, &c); err != nil {
			return err
		}
		c.LiveVersion = c.Version
		return tx.SaveCampaignState(w.ctx, &c)
	})
	w.happens("c0", "visit", "e")
	w.settle()
	w.wants(well, "c0", 1)
	w.view(func(tx *store.Tx) error {
		c, err := tx.Campaign(w.ctx, broken.ID)
		if c.Status != campaigns.Paused {
			t.Errorf("the broken campaign is %s", c.Status)
		}
		return err
	})
}

func TestATriggerThatCannotWorkIsRefused(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	hour := campaigns.Duration(time.Hour)
	for field, d := range map[string]campaigns.Definition{
		"trigger":           {},
		"trigger.event":     {Trigger: &campaigns.Trigger{Event: "tier.changed"}},
		"trigger.attribute": {Trigger: &campaigns.Trigger{Event: campaigns.TriggerCustomerUpdated, Attribute: "total_spend"}},
		"trigger.segment":   {Trigger: &campaigns.Trigger{Event: campaigns.TriggerSegmentEntered, Segment: "Nobody"}},
		"trigger.unless":    {Trigger: &campaigns.Trigger{Event: "visit", After: &hour, Unless: campaigns.TriggerCustomerUpdated}},
		"rule":              {Rule: "percentile(total_spend) > 90", Trigger: &campaigns.Trigger{Event: "visit"}},
	} {
		none := 0.0
		d.Name, d.Kind, d.Holdout = "x", campaigns.Triggered, &none
		if d.Rule == "" {
			d.Rule = "true"
		}
		d.Variants = []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: w.template("Hi", "Hi")}}
		_, err := w.engine.CreateCampaign(w.ctx, "test", d)
		var wrong *campaigns.Error
		if !errors.As(err, &wrong) || len(wrong.Problems) == 0 || wrong.Problems[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

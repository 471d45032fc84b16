package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

func (w *world) report(campaign campaigns.ID) *engine.Report {
	w.Helper()
	report, err := w.engine.Report(w.ctx, campaign)
	w.must(err)
	return report
}

// due adds up the customers who are due, over all arms.
func due(r *engine.Report) (n int64) {
	for _, arm := range r.Metrics[0].Arms {
		n += arm.Due
	}
	return n
}

func TestWhoCannotBeSentOneVariantIsDueInNoArm(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(300, func(i int, c *campaigns.Customer) {
		if i < 100 {
			c.Name = nil
		}
	})
	named, plain := w.template("Hello", "Hi {{ customer.name }}"), w.template("Hello", "Hi")
	c := w.campaign(func(d *campaigns.Definition) {
		half := 0.5
		d.Holdout, d.Variants = &half, []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: plain},
			{Name: "B", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: named}}
	})
	w.settle()
	run, arms := w.runs(c.ID)[0], w.report(c.ID).Metrics[0].Arms
	if len(arms) != 3 || due(w.report(c.ID)) != 200 || run.Gates["template"]+run.GhostGates["template"] != 100 {
		t.Errorf("200 can be sent both variants: %+v, gates %v, ghosts' %v", arms, run.Gates, run.GhostGates)
	}
}

func TestAnOfferThatIsOverStopsEveryArm(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(60, nil)
	o := campaigns.Offer{Status: campaigns.OfferLive, OfferDefinition: campaigns.OfferDefinition{Name: "Ten off", Effect: campaigns.Effect{Kind: "percent_off", Value: "10"}}}
	w.update(func(tx *store.Tx) error { return tx.CreateOffer(w.ctx, &o) })
	plain, later := w.template("Hello", "Hi"), w.clock.Now().Add(time.Hour)
	c := w.campaign(func(d *campaigns.Definition) {
		third := 0.34
		d.At, d.Holdout, d.Variants = &later, &third, []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: plain},
			{Name: "B", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: plain, OfferID: &o.ID}}
	})
	o.Status = campaigns.OfferPaused
	w.update(func(tx *store.Tx) error { return tx.SaveOffer(w.ctx, &o) })
	w.clock.Advance(time.Hour)
	w.settle()
	run := w.runs(c.ID)[0]
	if due(w.report(c.ID)) != 0 || run.Gates["code"]+run.GhostGates["code"] != 60 || run.Gates["passed"] != 0 {
		t.Errorf("gates %v, ghosts' %v", run.Gates, run.GhostGates)
	}
}

// assign keeps arms as a run would have drawn them: of each arm, the given numbers of customers who are due and who are not.
func (w *world) assign(c campaigns.Campaign, arms map[string][2]int) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		var all []store.Assignment
		at := tx.Now.Truncate(time.Second)
		for arm, n := range arms {
			for i := range n[0] + n[1] {
				a := store.Assignment{No: int64(len(all) + 1), Arm: arm}
				if i < n[0] {
					a.DueAt = &at
				}
				all = append(all, a)
			}
		}
		return tx.SaveAssignments(w.ctx, &campaigns.Run{ID: campaigns.NewID(tx.Now), CampaignID: c.ID, Version: c.Version}, "", all)
	})
}

// heldOut makes a campaign with a holdout that does not run by itself.
func (w *world) heldOut(share float64) campaigns.Campaign {
	w.Helper()
	return w.campaign(func(d *campaigns.Definition) {
		later := w.clock.Now().Add(1000 * time.Hour)
		d.Holdout, d.At = &share, &later
	})
}

func TestArmsThatAreDueInOtherSharesThanTheyWereDrawnGetNoLift(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	c := w.heldOut(0.5)
	w.assign(c, map[string][2]int{"A": {200, 0}, "holdout": {100, 100}})
	w.clock.Advance(15 * 24 * time.Hour)
	if r := w.report(c.ID); r.SampleRatio.OK || r.SampleRatio.P == nil || r.Metrics[0].Lifts[0].Refused.Reason != "sample_ratio" {
		t.Errorf("half of those held out are not due: %+v, %+v", r.SampleRatio, r.Metrics[0].Lifts[0])
	}
}

func TestAHoldoutFinerThanABucketIsHeldAgainstTheBucketThatIsDrawn(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	c := w.heldOut(0.000_001)
	w.assign(c, map[string][2]int{"A": {1999, 0}, "holdout": {1, 0}})
	if r := w.report(c.ID); !r.SampleRatio.OK {
		t.Errorf("one of 2000 is held out, of a bucket of one in 10000: %+v", r.SampleRatio)
	}
}

func TestAnArmThatTheCampaignNoLongerHasWithholdsTheVerdict(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00Z")
	d := campaigns.Definition{Name: "Elsewhere", Kind: campaigns.Imported, Metrics: []campaigns.Metric{{Name: "bought", Of: "purchase", Kind: "rate"}},
		Arms: []campaigns.Arm{{Name: "holdout", Weight: 1}, {Name: "A", Weight: 1}, {Name: "B", Weight: 1}}, Goal: campaigns.Goal{Metric: "bought"}}
	c, err := w.engine.CreateCampaign(w.ctx, "test", d)
	w.must(err)
	file := "customer_id,arm,at\nx,holdout,2026-01-01T00:00:00Z\ny,A,2026-01-01T00:00:00Z\nz,B,2026-01-01T00:00:00Z\n"
	w.bringIn(campaigns.ImportOptions{Kind: campaigns.ImportAssignments, Format: "csv", CampaignID: &c.ID}, file, 3)
	d.Arms = d.Arms[:2]
	_, err = w.engine.EditCampaign(w.ctx, "test", c.ID, 0, d)
	w.must(err)
	r := w.report(c.ID)
	if r.SampleRatio.OK || !strings.Contains(r.SampleRatio.Detail, "arm B") || r.Metrics[0].Lifts[1].Refused.Reason != "sample_ratio" {
		t.Errorf("%+v", r)
	}
}

func TestBeforeAWindowHasEndedTheLiftIsImmature(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	c := w.heldOut(0.5)
	w.assign(c, map[string][2]int{"A": {200, 0}, "holdout": {200, 0}})
	if refused := w.report(c.ID).Metrics[0].Lifts[0].Refused; refused == nil || refused.Reason != "immature" {
		t.Errorf("%+v", refused)
	}
}

func TestAGoalOfRedemptionSaysThatPurchasesAreCompared(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	c := w.campaign(func(d *campaigns.Definition) { half := 0.5; d.Holdout, d.Goal.Metric = &half, "redemption" })
	if m := w.report(c.ID).Metrics[0]; !m.Primary || m.Of != "purchase" || !strings.Contains(m.Note, "redemption") {
		t.Errorf("%+v", m)
	}
}

func TestMoneyOfFewBuyersCarriesAWordOfCaution(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(60, nil)
	half := 0.5
	c := w.campaign(func(d *campaigns.Definition) { d.Holdout = &half })
	w.settle()
	for _, m := range w.report(c.ID).Metrics {
		if warned := strings.Contains(m.Note, "only 0 of those held out bought"); warned != (m.Name == "revenue") {
			t.Errorf("%s says %q", m.Name, m.Note)
		}
	}
}

func TestAMetricIsNotNamedLikeOneThatEveryReportHas(t *testing.T) {
	d := campaigns.Definition{Name: "Mine", Kind: campaigns.Once, Rule: "true", Holdout: new(float64), Metrics: []campaigns.Metric{{Name: "conversion", Of: "event:visit", Kind: "rate"}}}
	d.Defaults()
	if err := d.Check(); err == nil || !strings.Contains(err.Error(), "reported of every campaign") {
		t.Errorf("%v", err)
	}
}

func TestANumberTypedInForManyCustomersMakesNoArmOfThem(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(200, func(i int, c *campaigns.Customer) {
		own, shops := fmt.Sprintf("+8613800%06d", i/2), "+8613800138000"
		if c.Phone = &own; i >= 100 {
			c.Phone = &shops
		}
	})
	c := w.campaign(func(d *campaigns.Definition) { half := 0.5; d.Holdout = &half })
	w.settle()
	arms, shops := map[int64]string{}, map[string]int{}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		if arms[m.No] = m.Variant; m.No > 100 {
			shops[m.Variant]++
		}
	}
	if len(shops) != 2 || shops["holdout"] < 25 || shops["holdout"] > 75 {
		t.Errorf("the arms of a hundred with the shop's number: %v", shops)
	}
	for no := int64(1); no < 100; no += 2 {
		if arms[no] != arms[no+1] {
			t.Errorf("customers %d and %d share a number: %s, %s", no, no+1, arms[no], arms[no+1])
		}
	}
}

package engine_test

import (
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

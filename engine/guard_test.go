package engine_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

func storeFilter(c campaigns.ID) store.MessageFilter { return store.MessageFilter{Campaign: c} }

// heldThenResumed checks that a run is held for a reason with all the words, lets it go on, and gives it when it is over.
func (w *world) heldThenResumed(c campaigns.ID, held string, words ...string) campaigns.Run {
	w.Helper()
	run := w.runs(c)[0]
	if run.Held != held {
		w.Fatalf("held by %q (%s), want %q: %v", run.Held, run.Reason, held, run.Messages)
	}
	for _, word := range append(words, "POST /v1/runs/"+run.ID.String()+"/resume") {
		if !strings.Contains(run.Reason, word) {
			w.Errorf("the reason %q does not say %q", run.Reason, word)
		}
	}
	before := run.Messages["sent"]
	w.clock.Advance(time.Second)
	w.settle()
	if run = w.runs(c)[0]; run.Messages["sent"] != before {
		w.Errorf("a held run went on sending: %v", run.Messages)
	}
	_, err := w.engine.ResumeRun(w.ctx, "test", run.ID)
	w.must(err)
	w.settle()
	return w.runs(c)[0]
}

func TestAnAudienceThatGrewTooMuchIsHeldAndTheFirstRunIsNot(t *testing.T) {
	w := newWorld(t, "2026-11-21T08:59:00+08:00")
	w.customers(200, func(i int, c *campaigns.Customer) {
		if i >= 20 {
			city := "Beijing"
			c.City = &city
		}
	})
	shown := w.every("0 * * * *", "Asia/Shanghai", nil)
	small := w.campaign(func(d *campaigns.Definition) {
		d.Kind, d.Schedule, d.Rule = campaigns.Recurring, &campaigns.Schedule{Cron: "0 * * * *", Zone: "Asia/Shanghai"}, `city == nil`
	})
	w.clock.Advance(time.Minute)
	w.settle()
	if run := w.runs(small.ID)[0]; run.Messages["sent"] != 20 || w.runs(shown.ID)[0].Held != "" {
		t.Fatalf("the first run: %+v", run)
	}
	w.update(func(tx *store.Tx) error { // an import that lost a column
		for i := 20; i < 100; i++ {
			c, err := tx.Customer(w.ctx, fmt.Sprintf("c%d", i))
			if err != nil {
				return err
			}
			c.City = nil
			if err := tx.SaveCustomer(w.ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	w.clock.Advance(time.Hour)
	w.settle()
	run := w.heldThenResumed(small.ID, campaigns.HeldAudience, "audience of 100", "3 times the 20", "2026-11-21 09:00")
	if run.Messages["sent"] != 100 || run.Status != campaigns.Done {
		t.Errorf("resumed: %+v", run)
	}
	w.clock.Advance(time.Hour)
	w.settle()
	if run = w.runs(small.ID)[0]; run.Held != "" || run.Messages["sent"] != 100 {
		t.Errorf("the run after it is measured by the one before: %+v", run)
	}
}

func TestARunWaitsWhenItsOfferWouldNotLast(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(20, nil) // for whom it lasts, when the campaigns are launched
	total := int64(30)
	o := campaigns.Offer{Status: campaigns.OfferLive, OfferDefinition: campaigns.OfferDefinition{Name: "Ten", Effect: campaigns.Effect{Kind: "percent_off", Value: "10"}, Limits: campaigns.OfferLimits{Total: &total}}}
	w.update(func(tx *store.Tx) error { return tx.CreateOffer(w.ctx, &o) })
	enough := w.campaign(func(d *campaigns.Definition) {
		quarter := 0.25
		d.OfferID, d.Holdout = &o.ID, &quarter
		d.Variants[0].TemplateID = w.template("Hi", "{{ code }}")
	})
	short := w.campaign(func(d *campaigns.Definition) {
		d.OfferID = &o.ID
		d.Variants[0].TemplateID = w.template("Hi", "{{ code }}")
	})
	w.customers(20, func(i int, c *campaigns.Customer) {
		email := fmt.Sprintf("later%d@example.com", i)
		c.ID, c.Email = fmt.Sprint("later", i), &email
	})
	w.settle()
	if run := w.runs(enough.ID)[0]; run.Held != "" || run.Status != campaigns.Done {
		t.Errorf("three quarters of 40 are 30: %+v", run)
	}
	if run := w.heldThenResumed(short.ID, campaigns.HeldCodes, "30 more times", "about 40 of 40"); run.Status != campaigns.Done {
		t.Errorf("resumed: %+v", run)
	}
}

func TestATemplateThatCannotBePrintedForTooManyHoldsTheRun(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(200, func(i int, c *campaigns.Customer) {
		if i%2 == 0 {
			c.Name = nil
		}
	})
	c := w.campaign(func(*campaigns.Definition) {})
	w.settle()
	run := w.heldThenResumed(c.ID, campaigns.HeldTemplate, "100 of the first 200", "20 %")
	if run.Messages["sent"] != 100 || run.Gates["template"] != 100 || run.Status != campaigns.Done {
		t.Errorf("resumed: %+v", run)
	}
}

func TestTooManyFailuresHoldTheRestOfARun(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	channel := w.smtpChannel(in)
	n := 0
	in.refuse = func(string) error {
		if n++; n%5 == 0 {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such user"}
		}
		return nil
	}
	w.customers(400, nil)
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].ChannelID = channel })
	w.queued()
	first, cancel := context.WithCancel(w.ctx)
	limit := in.refuse
	in.refuse = func(to string) error {
		if n == 200 { // the step of the guard comes while the other half waits
			cancel()
		}
		return limit(to)
	}
	if _, err := w.engine.Send(first); err != nil && first.Err() == nil {
		t.Fatal(err)
	}
	in.refuse = limit
	if held, err := w.engine.Guard(w.ctx); held != 1 || err != nil {
		t.Fatalf("%d runs held (%v)", held, err)
	}
	run := w.runs(c.ID)[0]
	if run.Messages["failed"] < 10 || run.Messages["queued"] == 0 || run.Messages["sent"]+run.Messages["failed"] < 100 {
		t.Errorf("held with %v", run.Messages)
	}
	run = w.heldThenResumed(c.ID, campaigns.HeldFailures, "10 %", "failed")
	if run.Messages["sent"]+run.Messages["failed"] != 400 || run.Status != campaigns.Done {
		t.Errorf("resumed: %+v", run)
	}
	for to, n := range in.received() {
		if n != 1 {
			t.Errorf("%s got %d", to, n)
		}
	}
}

func TestAGuardOfTheCampaignReplacesTheWorkspaces(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(150, func(i int, c *campaigns.Customer) {
		if i%2 == 0 {
			c.Name = nil
		}
	})
	most := 0.6
	c := w.campaign(func(d *campaigns.Definition) { d.Guards = &campaigns.Guards{Template: &most} })
	w.settle()
	if run := w.runs(c.ID)[0]; run.Held != "" || run.Messages["sent"] != 75 {
		t.Errorf("run %+v", run)
	}
}

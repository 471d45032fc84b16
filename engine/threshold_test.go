package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// TestAGuardLetsARunGoOnAtItsRateAndHoldsItOneMessageAbove has the ends told by receipts while the last messages wait.
func TestAGuardLetsARunGoOnAtItsRateAndHoldsItOneMessageAbove(t *testing.T) {
	rate := func(set func(g *campaigns.Guards, most *float64), most float64) *campaigns.Guards {
		loose := 1.0
		g := &campaigns.Guards{Failures: &loose, Bounces: &loose, Complaints: &loose}
		set(g, &most)
		return g
	}
	failures := func(g *campaigns.Guards, most *float64) { g.Failures = most }
	bounces := func(g *campaigns.Guards, most *float64) { g.Bounces = most }
	complaints := func(g *campaigns.Guards, most *float64) { g.Complaints = most }
	for _, c := range []struct {
		held    string
		guards  *campaigns.Guards
		receipt campaigns.Receipt
		ended   int
		allowed int // at the rate exactly
	}{
		{campaigns.HeldFailures, rate(failures, 0.1), campaigns.Receipt{Status: campaigns.MessageFailed}, 100, 10},
		{campaigns.HeldBounces, rate(bounces, 0.07), campaigns.Receipt{Status: campaigns.MessageBounced}, 100, 7},
		{campaigns.HeldComplaints, rate(complaints, 0.01), campaigns.Receipt{Complaint: true}, 100, 1},
		{campaigns.HeldFailures, rate(failures, 0.03), campaigns.Receipt{Status: campaigns.MessageFailed}, 700, 21},
		{campaigns.HeldBounces, rate(bounces, 0.03), campaigns.Receipt{Status: campaigns.MessageBounced}, 700, 21},
		{campaigns.HeldComplaints, rate(complaints, 0.001), campaigns.Receipt{Complaint: true}, 1000, 1},
	} {
		t.Run(fmt.Sprint(c.held, " among ", c.ended), func(t *testing.T) {
			w := newWorld(t, "2026-11-21T10:00:00+08:00")
			w.customers(c.ended+10, nil)
			of := w.campaign(func(d *campaigns.Definition) { d.Guards, d.Pace = c.guards, &campaigns.Pace{PerHour: 3600} })
			w.queued()
			w.clock.Advance(time.Duration(c.ended-1) * time.Second)
			w.settle()
			sent := w.messages(store.MessageFilter{Campaign: of.ID, Status: campaigns.MessageSent, Limit: 2000})
			if len(sent) != c.ended {
				t.Fatalf("%d were sent, want %d", len(sent), c.ended)
			}
			tell := func(from, to int) {
				var receipts []campaigns.Receipt
				for _, m := range sent[from:to] {
					r := c.receipt
					r.MessageID, r.No = m.ID, m.No
					receipts = append(receipts, r)
				}
				w.must(w.engine.Receive(w.ctx, campaigns.Catcher, receipts))
				_, err := w.engine.Receipts(w.ctx)
				w.must(err)
			}
			tell(0, c.allowed)
			if held, err := w.engine.Guard(w.ctx); held != 0 || err != nil {
				t.Fatalf("%d of %d hold the run (%v): %s", c.allowed, c.ended, err, w.runs(of.ID)[0].Reason)
			}
			tell(c.allowed, c.allowed+1)
			if held, err := w.engine.Guard(w.ctx); held != 1 || err != nil {
				t.Fatalf("%d of %d hold %d runs (%v)", c.allowed+1, c.ended, held, err)
			}
			w.heldThenResumed(of.ID, c.held, fmt.Sprintf("%d of the first %d", c.allowed+1, c.ended))
			w.clock.Advance(time.Minute)
			w.settle()
			if run := w.runs(of.ID)[0]; run.Held != "" || run.Status != campaigns.Done || run.Messages["queued"] != 0 {
				t.Errorf("resumed: %s, held by %q, %v", run.Status, run.Held, run.Messages)
			}
		})
	}
}

// TestAFewBadEndsHoldNothing: a share of less than a hundred says little.
func TestAFewBadEndsHoldNothing(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(110, nil)
	of := w.campaign(func(d *campaigns.Definition) { d.Pace = &campaigns.Pace{PerHour: 3600} })
	w.queued()
	w.clock.Advance(98 * time.Second)
	w.settle()
	for _, m := range w.messages(store.MessageFilter{Campaign: of.ID, Status: campaigns.MessageSent}) {
		w.must(w.engine.Receive(w.ctx, campaigns.Catcher, []campaigns.Receipt{{MessageID: m.ID, No: m.No, Status: campaigns.MessageFailed}}))
	}
	w.settle()
	if run := w.runs(of.ID)[0]; run.Held != "" || run.Messages["failed"] != 99 {
		t.Fatalf("held by %q, %v", run.Held, run.Messages)
	}
	w.clock.Advance(time.Second)
	w.settle()
	if run := w.runs(of.ID)[0]; run.Held != campaigns.HeldFailures {
		t.Errorf("with the hundredth it is held by %q, %v", run.Held, run.Messages)
	}
}

func TestAGuardThatWasWaivedHidesNoOther(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(130, nil)
	tenth := 0.1
	of := w.campaign(func(d *campaigns.Definition) {
		d.Guards, d.Pace = &campaigns.Guards{Failures: &tenth, Bounces: &tenth}, &campaigns.Pace{PerHour: 3600}
	})
	w.queued()
	w.clock.Advance(99 * time.Second)
	w.settle()
	sent := w.messages(store.MessageFilter{Campaign: of.ID, Status: campaigns.MessageSent})
	for i, status := range []campaigns.MessageStatus{campaigns.MessageFailed, campaigns.MessageBounced} {
		for _, m := range sent[i*20 : i*20+20] {
			w.must(w.engine.Receive(w.ctx, campaigns.Catcher, []campaigns.Receipt{{MessageID: m.ID, No: m.No, Status: status}}))
		}
	}
	for _, held := range []string{campaigns.HeldFailures, campaigns.HeldBounces} {
		_, err := w.engine.Receipts(w.ctx)
		w.must(err)
		_, err = w.engine.Guard(w.ctx)
		w.must(err)
		run := w.runs(of.ID)[0]
		if run.Held != held {
			t.Fatalf("held by %q (%s), want %q: %v", run.Held, run.Reason, held, run.Messages)
		}
		_, err = w.engine.ResumeRun(w.ctx, "test", run.ID)
		w.must(err)
	}
	w.clock.Advance(time.Minute)
	w.settle()
	if run := w.runs(of.ID)[0]; run.Held != "" || run.Status != campaigns.Done {
		t.Errorf("resumed twice: %+v", run)
	}
}

// TestAnAudienceIsHeldAgainstTheCountThatWasApproved for small and larger ones; those under ten harm nobody.
func TestAnAudienceIsHeldAgainstTheCountThatWasApproved(t *testing.T) {
	for _, c := range []struct {
		approved, later int
		held            bool
	}{{2, 9, false}, {3, 9, false}, {3, 10, true}, {40, 120, false}, {40, 121, true}} {
		t.Run(fmt.Sprintf("%d after %d", c.later, c.approved), func(t *testing.T) {
			w := newWorld(t, "2026-11-09T09:30:00+08:00")
			w.customers(c.approved, nil)
			w.settings(func(ws *campaigns.Workspace) { ws.Approvals = true })
			none := 0.0
			of, err := w.engine.CreateCampaign(w.ctx, "ann", campaigns.Definition{Name: "Reviewed", Kind: campaigns.Once, Rule: "true", Holdout: &none, Author: "key-ann",
				Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: w.template("Hi", "Hi")}}})
			w.must(err)
			_, err = w.engine.SubmitCampaign(w.ctx, campaigns.Actor{ID: "key-ann", Name: "ann"}, of.ID, 1)
			w.must(err)
			_, err = w.engine.ApproveCampaign(w.ctx, campaigns.Actor{ID: "key-bob", Name: "bob"}, of.ID, 1, "")
			w.must(err)
			w.customers(c.later-c.approved, func(i int, c *campaigns.Customer) {
				email := fmt.Sprintf("later%d@example.com", i)
				c.ID, c.Email = fmt.Sprint("later", i), &email
			})
			w.move(of.ID, campaigns.Launch)
			w.settle()
			run := w.runs(of.ID)[0]
			if !c.held {
				if run.Held != "" || run.Messages["sent"] != int64(c.later) {
					t.Errorf("held by %q: %s, %v", run.Held, run.Reason, run.Messages)
				}
				return
			}
			run = w.heldThenResumed(of.ID, campaigns.HeldAudience, fmt.Sprintf("3 times the %d counted at approval", c.approved))
			if run.Messages["sent"] != int64(c.later) || run.Status != campaigns.Done {
				t.Errorf("resumed: %+v", run)
			}
		})
	}
}

func TestATemplateMayFailForItsShareExactly(t *testing.T) {
	for _, failing := range []int{20, 21} {
		w := newWorld(t, "2026-11-21T10:00:00+08:00")
		w.customers(100, func(i int, c *campaigns.Customer) {
			if i < failing {
				c.Name = nil
			}
		})
		of := w.campaign(func(*campaigns.Definition) {})
		w.settle()
		run := w.runs(of.ID)[0]
		if failing == 20 && (run.Held != "" || run.Messages["sent"] != 80) {
			t.Errorf("20 of 100 at 20 %%: held by %q, %v", run.Held, run.Messages)
		}
		if failing == 21 && (run.Held != campaigns.HeldTemplate || !strings.Contains(run.Reason, "21 of the first 100")) {
			t.Errorf("21 of 100 at 20 %%: held by %q: %s", run.Held, run.Reason)
		}
	}
}

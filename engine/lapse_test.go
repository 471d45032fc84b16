package engine_test

import (
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// couponed is a campaign over n customers that gives each a coupon of an offer with so many uses, sent through an inbox.
func couponed(w *world, in *inbox, n int, uses int64) (campaigns.Campaign, campaigns.ID) {
	w.Helper()
	days := 3
	o := campaigns.Offer{Status: campaigns.OfferLive, OfferDefinition: campaigns.OfferDefinition{Name: "Ten off", DaysAfterIssue: &days,
		Effect: campaigns.Effect{Kind: "percent_off", Value: "10"}, Limits: campaigns.OfferLimits{Total: &uses}}}
	w.update(func(tx *store.Tx) error { return tx.CreateOffer(w.ctx, &o) })
	naming(w, in, 1, nil)
	w.customers(n, nil)
	return w.campaign(func(d *campaigns.Definition) {
		loose := 1.0
		d.OfferID, d.Guards, d.Variants[0].ChannelID = &o.ID, &campaigns.Guards{Failures: &loose}, "mail"
		d.Variants[0].TemplateID = w.template("{{ offer.value }} off", "Show {{ code }} at the till")
	}), o.ID
}

// promised is how many uses of a limited offer could still be given out.
func (w *world) promised(offer campaigns.ID) (left int64) {
	w.Helper()
	w.view(func(tx *store.Tx) (err error) { left, _, err = tx.Room(w.ctx, offer, false); return err })
	return left
}

// states counts the coupons by their state as rules see it.
func (w *world) states() map[string]int {
	w.Helper()
	found := map[string]int{}
	w.view(func(tx *store.Tx) error {
		at := -1
		for i, name := range store.HistoryFields("coupons") {
			if name == "state" {
				at = i
			}
		}
		return tx.EachRow(w.ctx, store.Span{To: 1 << 40}, "coupons", tx.Now, func(_ int64, values []any) error {
			found[values[at].(string)]++
			return nil
		})
	})
	return found
}

func TestTheCouponOfAMessageThatNobodyGetsLapsesAtOnce(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	in.refuse = func(to string) error {
		if strings.HasPrefix(to, "c1@") {
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 2, 2}, Message: "mailbox full"}
		}
		return nil
	}
	c, offer := couponed(w, in, 4, 10)
	w.settle()
	if states, left := w.states(), w.promised(offer); states["open"] != 3 || states["lapsed"] != 1 || left != 7 {
		t.Fatalf("after a refusal: %v, %d uses left; run %+v", states, left, w.runs(c.ID)[0])
	}
	if _, err := w.engine.Redeem(w.ctx, "o1", basket("c1", w.of("c1").Code, 5000), false); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("the coupon of a message that failed is taken: %v", err)
	}
	late := w.of("c2")
	w.receive(campaigns.Receipt{ProviderID: late.ProviderID, Status: campaigns.MessageFailed})
	if states, left := w.states(), w.promised(offer); states["open"] != 2 || left != 8 {
		t.Errorf("after a receipt: %v, %d uses left", states, left)
	}
	w.clock.Advance(time.Hour)
	w.receive(campaigns.Receipt{ProviderID: late.ProviderID, Status: campaigns.MessageDelivered})
	if states, left := w.states(), w.promised(offer); states["open"] != 3 || left != 7 {
		t.Errorf("after it arrived all the same: %v, %d uses left", states, left)
	}
	_, err := w.engine.Redeem(w.ctx, "o2", basket("c2", late.Code, 5000), false)
	w.must(err)
	w.clock.Advance(4 * 24 * time.Hour)
	if states := w.states(); states["open"] != 0 || states["used"] != 1 {
		t.Errorf("after the offer's days: %v", states)
	}
}

func TestTheCouponsOfAStoppedRunLapseAndTheirUsesAreGivenOutAgain(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	c, offer := couponed(w, newInbox(t), 20, 20)
	w.queued()
	if states, left := w.states(), w.promised(offer); states["open"] != 20 || left != 0 {
		t.Fatalf("queued: %v, %d uses left", states, left)
	}
	stopped := w.runs(c.ID)[0].ID
	_, err := w.engine.StopRun(w.ctx, "test", stopped)
	w.must(err)
	if states, left := w.states(), w.promised(offer); states["lapsed"] != 20 || left != 20 {
		t.Errorf("stopped: %v, %d uses left", states, left)
	}
	w.clock.Advance(time.Second)
	_, err = w.engine.Resend(w.ctx, "test", stopped, campaigns.Remainder{})
	w.must(err)
	w.settle()
	if states, left := w.states(), w.promised(offer); states["lapsed"] != 20 || states["open"] != 20 || left != 0 {
		t.Errorf("sent again: %v, %d uses left, run %+v", states, left, w.runs(c.ID)[0])
	}
}

func TestGhostsOfARunThatNeverWentCountForNoCap(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.settings(func(s *campaigns.Workspace) {
		s.Caps = []campaigns.Cap{{Channel: campaigns.Email, Max: 1, Window: campaigns.Day}}
	})
	w.customers(200, nil)
	half := 0.5
	c := w.campaign(func(d *campaigns.Definition) { d.Holdout = &half })
	w.queued()
	_, err := w.engine.StopRun(w.ctx, "test", w.runs(c.ID)[0].ID)
	w.must(err)
	report, err := w.engine.Report(w.ctx, c.ID)
	w.must(err)
	if run := w.runs(c.ID)[0]; run.Gates["holdout"] == 0 || report.Delivery["ghost"] != run.Gates["holdout"] || report.Delivery["cancelled"] != run.Messages["cancelled"] {
		t.Errorf("delivery %v, run %+v", report.Delivery, run)
	}
	w.clock.Advance(time.Minute)
	other := w.campaign(func(d *campaigns.Definition) { d.Name = "Other" })
	w.settle()
	if run := w.runs(other.ID)[0]; run.Gates["cap"] != 0 || run.Messages["sent"] != 200 {
		t.Errorf("gates %v, messages %v", run.Gates, run.Messages)
	}
}

func TestGhostsWhoseTurnHadComeBeforeTheRunWasStoppedCountForCaps(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.settings(func(s *campaigns.Workspace) {
		s.Caps = []campaigns.Cap{{Channel: campaigns.Email, Max: 1, Window: campaigns.Day}}
	})
	w.customers(60, nil)
	half := 0.5
	c := w.campaign(func(d *campaigns.Definition) { d.Holdout, d.Pace = &half, &campaigns.Pace{PerHour: 10} })
	w.queued()
	w.clock.Advance(2 * time.Hour)
	w.settle()
	_, err := w.engine.StopRun(w.ctx, "test", w.runs(c.ID)[0].ID)
	w.must(err)
	sent, stand := w.runs(c.ID)[0].Messages["sent"], int64(0)
	dropped := 0
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		switch {
		case m.Ghost && m.Status == campaigns.MessageGhost:
			stand++
		case m.Ghost:
			dropped++
		}
	}
	if stand == 0 || dropped <= int(stand) { // two hours of six
		t.Errorf("%d ghosts stand, %d are cancelled", stand, dropped)
	}
	other := w.campaign(func(d *campaigns.Definition) { d.Name = "Other" })
	w.settle()
	if run := w.runs(other.ID)[0]; sent == 0 || run.Gates["cap"] != sent+stand || run.Messages["sent"] != 60-sent-stand {
		t.Errorf("%d were sent, %d ghosts stand; gates %v, messages %v", sent, stand, run.Gates, run.Messages)
	}
}

func TestTheCouponOfAMessageThatBouncedLapses(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	_, offer := couponed(w, newInbox(t), 3, 10)
	w.settle()
	w.receive(campaigns.Receipt{ProviderID: w.of("c1").ProviderID, Status: campaigns.MessageDelivered})
	_, err := w.engine.Redeem(w.ctx, "o1", basket("c2", w.of("c2").Code, 5000), false)
	w.must(err)
	for i := range 3 { // one that was sent, one that was delivered, one whose coupon was used: that one arrived
		w.receive(campaigns.Receipt{ProviderID: w.of("c" + string(rune('0'+i))).ProviderID, Status: campaigns.MessageBounced})
	}
	if states, left := w.states(), w.promised(offer); states["open"] != 0 || states["lapsed"] != 2 || states["used"] != 1 || left != 9 {
		t.Errorf("%v, %d uses left", states, left)
	}
}

// TestTheCouponOfAMessageThatIsCancelledLapsesWhateverCancelsIt takes each way in which a message may be cancelled or be too late.
func TestTheCouponOfAMessageThatIsCancelledLapsesWhateverCancelsIt(t *testing.T) {
	for name, end := range map[string]func(w *world, c campaigns.Campaign){
		"its address is suppressed": func(w *world, _ campaigns.Campaign) {
			w.update(func(tx *store.Tx) error {
				return tx.Suppress(w.ctx, &campaigns.Suppression{Channel: campaigns.Email, Address: "c0@example.com", Reason: "test"})
			})
		},
		"consent is withdrawn": func(w *world, _ campaigns.Campaign) {
			w.update(func(tx *store.Tx) error {
				return tx.AddConsent(w.ctx, w.no("c0"), campaigns.Consent{Channel: campaigns.Email, At: tx.Now, Source: "test"})
			})
		},
		"its useful time is over": func(w *world, c campaigns.Campaign) { w.clock.Advance(c.UsefulTime() + time.Minute) },
		"its campaign is cancelled": func(w *world, c campaigns.Campaign) {
			_, err := w.engine.MoveCampaign(w.ctx, "test", c.ID, 0, campaigns.Cancel)
			w.must(err)
		},
		"its run is stopped": func(w *world, c campaigns.Campaign) {
			_, err := w.engine.StopRun(w.ctx, "test", w.runs(c.ID)[0].ID)
			w.must(err)
		},
		"what was due in a gap is skipped": func(w *world, c campaigns.Campaign) {
			w.update(func(tx *store.Tx) error {
				_, err := tx.CancelDue(w.ctx, w.runs(c.ID)[0].ID, "skipped")
				return err
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "2026-11-21T10:00:00+08:00")
			c, offer := couponed(w, newInbox(t), 1, 10)
			w.queued()
			end(w, c)
			w.settle()
			if states, left := w.states(), w.promised(offer); states["open"] != 0 || left != 10 {
				t.Errorf("%s: %v, %d uses left", w.of("c0").Status, states, left)
			}
		})
	}
}

func TestGhostsOfWhatWasDueInAGapCountForNoCap(t *testing.T) {
	w := newWorld(t, "2026-11-21T08:59:00+08:00")
	w.settings(func(s *campaigns.Workspace) {
		s.Caps = []campaigns.Cap{{Channel: campaigns.Email, Max: 1, Window: campaigns.Day}}
	})
	w.customers(200, nil)
	half := 0.5
	c := w.campaign(func(d *campaigns.Definition) {
		d.Holdout, d.Pace, d.Late = &half, &campaigns.Pace{PerHour: 100}, &campaigns.Late{Policy: campaigns.LateSkip}
	})
	w.clock.Advance(time.Minute)
	w.beat()
	w.queued()
	for range 3 { // a part of it goes, then nobody works for an hour
		w.clock.Advance(9 * time.Minute)
		w.beat()
		w.settle()
	}
	gone := w.runs(c.ID)[0].Messages["sent"]
	w.clock.Advance(time.Hour)
	w.restart()
	run, ghosts := w.runs(c.ID)[0], map[bool]int64{}
	if gone == 0 || run.Messages["cancelled"] == 0 || run.Messages["queued"] == 0 {
		t.Fatalf("the gap decides of a part: %v", run.Messages)
	}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		if m.Ghost {
			ghosts[m.Status == campaigns.MessageCancelled]++
		}
	}
	if ghosts[true] == 0 || ghosts[false] == 0 {
		t.Errorf("%d ghosts were cancelled, %d stand", ghosts[true], ghosts[false])
	}
	none := 0.0
	other := w.campaign(func(d *campaigns.Definition) { d.Name, d.Holdout = "Other", &none })
	w.steps(w.engine.Tick, w.engine.Select, w.engine.Queue)
	if now := w.runs(other.ID)[0]; now.Gates["passed"] != run.Messages["cancelled"]+ghosts[true] {
		t.Errorf("%d messages and %d ghosts were cancelled; gates %v", run.Messages["cancelled"], ghosts[true], now.Gates)
	}
}

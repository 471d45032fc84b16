package engine_test

import (
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// last is the last line of the history of a customer's newest message, of one campaign or of any.
func (w *world) last(customer string, of ...campaigns.ID) (campaigns.MessageStatus, string) {
	w.Helper()
	var m campaigns.Message
	w.view(func(tx *store.Tx) error {
		c, err := tx.Customer(w.ctx, customer)
		if err != nil {
			return err
		}
		filter := store.MessageFilter{No: c.No, Limit: 1}
		if len(of) > 0 {
			filter.Campaign = of[0]
		}
		found, err := tx.Messages(w.ctx, filter)
		if len(found) == 1 {
			m = found[0]
		}
		return err
	})
	if len(m.History) == 0 {
		w.Fatalf("%s has no message", customer)
	}
	return m.Status, m.History[len(m.History)-1].Detail
}

func TestAReminderIsCancelledBySpendingInTheMeantime(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(4, nil)
	segment := campaigns.Segment{SegmentDefinition: campaigns.SegmentDefinition{Name: "quiet", Rule: "purchase_count == 0"}}
	w.update(func(tx *store.Tx) error { return tx.CreateSegment(w.ctx, &segment) })
	c := w.campaign(func(d *campaigns.Definition) { d.Still = `segment("quiet") && none(purchases, .amount > 100)` })
	w.queued()
	w.clock.Advance(time.Minute)
	w.update(func(tx *store.Tx) error {
		_, err := tx.CreatePurchases(w.ctx, []campaigns.Purchase{{OrderID: "o1", CustomerID: "c2", At: tx.Now.Add(-time.Second), Lines: []campaigns.Line{{SKU: "a", Qty: 1, Amount: 50000}}}})
		return err
	})
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Messages["sent"] != 3 || run.Messages["cancelled"] != 1 {
		t.Errorf("messages %v", run.Messages)
	}
	if status, detail := w.last("c2"); status != campaigns.MessageCancelled || !strings.HasPrefix(detail, "no longer matches: segment(") {
		t.Errorf("c2's message is %s: %s", status, detail)
	}
}

// closeAt plans all that is queued for now and until an instant, through the hands of a worker.
func (w *world) closeAt(at time.Time) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		owner := campaigns.NewID(tx.Now)
		for {
			lanes, err := tx.ClaimLanes(w.ctx, campaigns.Catcher, owner, tx.Now.Add(time.Second), 8)
			if err != nil || len(lanes) == 0 {
				return err
			}
			messages, err := tx.ClaimMessages(w.ctx, campaigns.Catcher, lanes, owner, tx.Now.Add(time.Second), 1000)
			if err != nil {
				return err
			}
			var results []store.Result
			for _, m := range messages {
				m.Attempts, m.PlannedAt, m.ClosesAt = m.Attempts-1, tx.Now, at
				results = append(results, store.Result{Message: m, RetryAt: tx.Now.Add(time.Second), Replanned: true})
			}
			if err := tx.FinishMessages(w.ctx, owner, results); err != nil {
				return err
			}
			if err := tx.ReleaseLanes(w.ctx, campaigns.Catcher, lanes, owner, true); err != nil {
				return err
			}
		}
	})
}

// closing is a campaign queued at 20:59 whose messages should be gone when the quiet hours begin, but whose turn comes late.
func closing(t *testing.T, change func(*campaigns.Definition)) (*world, campaigns.Campaign) {
	w := newWorld(t, "2026-11-21T20:59:00+08:00")
	w.welcoming()
	zones := []string{"Asia/Shanghai", "America/New_York", "Not/AZone"}
	w.customers(3, func(i int, c *campaigns.Customer) { c.Timezone = &zones[i] })
	c := w.campaign(change)
	w.queued()
	w.closeAt(time.Date(2026, 11, 21, 13, 0, 0, 0, time.UTC))
	return w, c
}

func TestAMessageWhoseTurnComesInTheCustomersQuietHoursIsPlannedForTheirMorning(t *testing.T) {
	w, c := closing(t, func(*campaigns.Definition) {})
	w.clock.Set(time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC)) // 22:30 in Shanghai, 09:30 in New York
	w.settle()
	run := w.runs(c.ID)[0]
	if status, detail := w.last("c0"); status != campaigns.MessageQueued || !strings.HasPrefix(detail, "planned anew for 2026-11-22T01:00:00Z") {
		t.Errorf("Shanghai's is %s: %s", status, detail)
	}
	if status, _ := w.last("c1"); status != campaigns.MessageSent || run.Messages["sent"] != 1 {
		t.Errorf("New York's is %s, messages %v", status, run.Messages)
	}
	if status, detail := w.last("c2"); status != campaigns.MessageQueued { // the workspace's zone
		t.Errorf("the one of an unknown zone is %s: %s", status, detail)
	}
	w.clock.Set(time.Date(2026, 11, 22, 1, 0, 1, 0, time.UTC))
	w.settle()
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		if m.Status != campaigns.MessageSent || m.Attempts != 1 {
			t.Errorf("in the morning %s of %s has %d attempts", m.Status, m.CustomerID, m.Attempts)
		}
	}
}

func TestAMessageIsNotPlannedAnewWhileItsCustomersMessagesAreCounted(t *testing.T) {
	w, _ := closing(t, func(*campaigns.Definition) {})
	w.clock.Set(time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC))
	sent := make(chan error, 1)
	w.update(func(tx *store.Tx) error { // somebody who queues for them
		if err := tx.LockSlices(w.ctx, []int64{1, 2, 3}); err != nil {
			return err
		}
		go func() { _, err := w.engine.Send(w.ctx); sent <- err }()
		select {
		case err := <-sent:
			t.Errorf("messages were planned anew while caps were counted (%v)", err)
			sent <- err
		case <-time.After(time.Second):
		}
		return nil
	})
	w.must(<-sent)
	if status, _ := w.last("c0"); status != campaigns.MessageQueued {
		t.Errorf("Shanghai's is %s", status)
	}
}

func TestAMessageThatWouldBeOfNoUseInTheMorningExpires(t *testing.T) {
	w, c := closing(t, func(d *campaigns.Definition) { short := campaigns.Duration(3 * time.Hour); d.ValidFor = &short })
	w.clock.Set(time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC))
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["expired"] != 2 || run.Messages["sent"] != 1 {
		t.Errorf("messages %v", run.Messages)
	}
}

func TestABlackoutDeclaredAfterQueueingHoldsWhatIsNotTransactional(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.welcoming()
	w.customers(2, nil)
	marketing := w.campaign(func(*campaigns.Definition) {})
	receipt := w.campaign(func(d *campaigns.Definition) { d.Purpose, d.Holdout = "transactional", nil })
	for range 2 {
		w.queued()
	}
	w.settings(func(space *campaigns.Workspace) {
		space.Blackouts = []campaigns.Blackout{{From: "2026-11-20", To: "2026-11-22"}}
	})
	w.settle()
	if run := w.runs(receipt.ID)[0]; run.Messages["sent"] != 2 {
		t.Errorf("transactional: %v", run.Messages)
	}
	if run := w.runs(marketing.ID)[0]; run.Messages["queued"] != 2 {
		t.Errorf("marketing: %v", run.Messages)
	}
	if _, detail := w.last("c0", marketing.ID); !strings.Contains(detail, "2026-11-23T01:00:00Z") {
		t.Errorf("planned for %s", detail)
	}
	w.clock.Set(time.Date(2026, 11, 23, 0, 59, 0, 0, time.UTC)) // still quiet at 08:59 of the day after
	w.settle()
	if run := w.runs(marketing.ID)[0]; run.Messages["sent"] != 0 {
		t.Errorf("before nine: %v", run.Messages)
	}
	w.clock.Set(time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC))
	w.settle()
	if run := w.runs(marketing.ID)[0]; run.Messages["sent"] != 2 {
		t.Errorf("after it: %v", run.Messages)
	}
}

func TestAMovedMessageGivesWayToWhatWasSentMeanwhile(t *testing.T) {
	w, moved := closing(t, func(*campaigns.Definition) {})
	w.clock.Set(time.Date(2026, 11, 21, 14, 30, 0, 0, time.UTC))
	w.settle()
	w.settings(func(space *campaigns.Workspace) { space.Caps = []campaigns.Cap{} })
	none := []campaigns.Cap{}
	w.clock.Set(time.Date(2026, 11, 22, 0, 30, 0, 0, time.UTC)) // 08:30 in Shanghai: another campaign, of no caps and no quiet hours
	other := w.campaign(func(d *campaigns.Definition) {
		d.Caps, d.QuietHours, d.Rule = &none, &campaigns.QuietHours{From: "00:00", To: "00:00"}, `id == "c0"`
	})
	w.settle()
	if run := w.runs(other.ID)[0]; run.Messages["sent"] != 1 {
		t.Fatalf("the other campaign: %v", run.Messages)
	}
	w.settings(func(space *campaigns.Workspace) {
		space.Caps = []campaigns.Cap{{Channel: campaigns.AnyChannel, Max: 1, Window: campaigns.Day}}
	})
	w.clock.Set(time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC))
	w.settle()
	if status, detail := w.last("c0", moved.ID); status != campaigns.MessageCancelled || !strings.HasPrefix(detail, "cap: at most 1 on any in 1d") {
		t.Errorf("c0's is %s: %s", status, detail)
	}
	if run := w.runs(moved.ID)[0]; run.Messages["sent"] != 2 {
		t.Errorf("the others': %v", run.Messages)
	}
}

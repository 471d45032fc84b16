package engine_test

import (
	"maps"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// chosen makes and selects what is due, and queues nothing.
func (w *world) chosen() {
	w.Helper()
	w.steps(w.engine.Tick)
	for {
		worked, err := w.engine.Select(w.ctx)
		w.must(err)
		if worked == 0 {
			return
		}
	}
}

func TestASmallAudienceIsQueuedWhenItIsSelectedAndEndsAtTheSameGates(t *testing.T) {
	gates := map[bool]map[string]int64{}
	for _, apart := range []bool{false, true} {
		w := newWorld(t, "2026-11-21T10:00:00+08:00")
		w.customers(60, func(i int, c *campaigns.Customer) {
			if i%7 == 0 {
				c.EmailConsent = new(bool)
			}
			if i%5 == 0 {
				c.Name = nil
			}
		})
		messages := int64(30)
		c := w.campaign(func(d *campaigns.Definition) { d.Budget = &campaigns.Budget{Messages: &messages} })
		if apart {
			w.engine.QueueApart()
		}
		w.chosen()
		run := w.runs(c.ID)[0]
		if want := map[bool]campaigns.RunStatus{false: campaigns.Sending, true: campaigns.Queueing}[apart]; run.Status != want || run.Audience != 60 {
			t.Fatalf("queued apart %v: %s with an audience of %d", apart, run.Status, run.Audience)
		}
		if !apart && (run.Messages["queued"] != 30 || run.Gates["eligible"] != 0 || run.QueuedAt == nil || run.Reason != "the budget of 30 messages was reached") {
			t.Errorf("at once: %v, gates %v, %q", run.Messages, run.Gates, run.Reason)
		}
		w.settle()
		run = w.runs(c.ID)[0]
		if run.Status != campaigns.Done || run.Messages["sent"] != 30 || run.Audience != 60 {
			t.Errorf("queued apart %v: %s, %v", apart, run.Status, run.Messages)
		}
		run.Gates["template"] += run.Gates["budget"] // who comes first is drawn for each campaign
		delete(run.Gates, "budget")
		gates[apart] = run.Gates
	}
	if !maps.Equal(gates[false], gates[true]) {
		t.Errorf("at once %v, apart %v", gates[false], gates[true])
	}
}

func TestASmallAudienceWaitsForAHigherPriorityOfItsMinute(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(5, nil)
	low := w.campaign(func(*campaigns.Definition) {})
	w.steps(w.engine.Tick, w.engine.Select)
	first := w.runs(low.ID)[0]
	if first.Status != campaigns.Sending {
		t.Fatalf("alone it is %s", first.Status)
	}
	w.clock.Advance(time.Minute)
	high := w.campaign(func(d *campaigns.Definition) { d.Priority = 5 })
	again := w.campaign(func(*campaigns.Definition) {})
	w.steps(w.engine.Tick)
	other := campaigns.NewID(w.clock.Now())
	w.update(func(tx *store.Tx) error { // another node has the higher one in hand
		run, err := tx.ClaimSelection(w.ctx, other, tx.Now.Add(engine.Lease))
		if err == nil && run.CampaignID != high.ID {
			t.Errorf("the lower priority is selected first")
		}
		return err
	})
	w.chosen()
	if run := w.runs(again.ID)[0]; run.Status != campaigns.Queueing || run.Gates["eligible"] != 5 {
		t.Errorf("beside a higher priority it is %s: %v", run.Status, run.Gates)
	}
	w.settle()
	if run := w.runs(again.ID)[0]; run.Gates["eligible"] != 5 {
		t.Errorf("it was queued first: %v", run.Gates)
	}
	w.clock.Advance(engine.Lease + time.Second) // that node is dead
	w.settle()
	for _, c := range []campaigns.ID{high.ID, again.ID} {
		if run := w.runs(c)[0]; run.Status != campaigns.Done || run.Gates["passed"]+run.Gates["cap"] != 5 {
			t.Errorf("in the end: %s, %v", run.Status, run.Gates)
		}
	}
}

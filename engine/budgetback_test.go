package engine_test

import (
	"testing"
	"time"

	"beckon/campaigns"
)

func TestWhatWasCancelledGivesTheBudgetBack(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.settings(func(s *campaigns.Workspace) { s.Caps = nil })
	w.customers(120, nil)
	most := int64(100)
	c := w.campaign(func(d *campaigns.Definition) { d.Budget = &campaigns.Budget{Messages: &most} })
	w.steps(w.engine.Tick, w.engine.Select, w.engine.Queue)
	of := w.runs(c.ID)[0].ID
	_, err := w.engine.StopRun(w.ctx, "test", of)
	w.must(err)
	for range 2 {
		_, err = w.engine.Resend(w.ctx, "test", of, campaigns.Remainder{Statuses: []campaigns.MessageStatus{campaigns.MessageCancelled}, Gates: []campaigns.Gate{campaigns.GateBudget}})
		w.must(err)
		w.clock.Advance(time.Second)
		w.settle()
	}
	sent := int64(0)
	for _, run := range w.runs(c.ID) {
		sent += run.Messages["sent"]
	}
	if sent != most {
		t.Errorf("%d of a budget of %d were sent", sent, most)
	}
}

package engine_test

import (
	"testing"
	"time"

	"beckon/campaigns"
)

func TestOtherSharesOfTheArmsAreHeldAgainstThePeriodThatWasDrawnByThem(t *testing.T) {
	w := newWorld(t, "2026-11-21T08:30:00+08:00")
	w.settings(func(s *campaigns.Workspace) { s.Caps = nil })
	w.customers(600, nil)
	half, tenth := 0.5, 0.1
	c := w.campaign(func(d *campaigns.Definition) { daily(d); d.Holdout = &half })
	w.clock.Advance(time.Hour)
	w.settle()
	w.edit(c.ID, func(d *campaigns.Definition) { d.Holdout = &tenth })
	w.move(c.ID, campaigns.Launch)
	if r := w.report(c.ID); len(r.Metrics[0].Arms) != 2 || r.Metrics[0].Arms[0].Assigned+r.Metrics[0].Arms[1].Assigned != 600 || !r.SampleRatio.OK {
		t.Errorf("before anybody is drawn by the new shares the old ones are reported: %+v, %+v", r.Metrics[0].Arms, r.SampleRatio)
	}
	w.day()
	w.clock.Advance(15 * 24 * time.Hour)
	r := w.report(c.ID)
	arms := r.Metrics[0].Arms
	if !r.SampleRatio.OK || len(arms) != 2 || arms[0].Assigned+arms[1].Assigned != 600 || arms[0].Assigned > 100 {
		t.Errorf("drawn by halves, then by a tenth: %+v, %+v", r.SampleRatio, arms)
	}
}

package engine_test

import (
	"testing"
	"time"

	"beckon/campaigns"
)

func TestACoolDownOfDaysLetsNextWeeksTickInWhenTheClocksGoForward(t *testing.T) {
	w := newWorld(t, "2027-03-22T08:00:00+01:00") // a Monday; clocks go forward on the 28th
	w.settings(func(s *campaigns.Workspace) { s.Caps = nil })
	w.customers(3, nil)
	week := 7 * campaigns.Day
	c := w.campaign(func(d *campaigns.Definition) {
		d.Kind, d.Schedule = campaigns.Recurring, &campaigns.Schedule{Cron: "0 10 * * 1", Zone: "Europe/Berlin"}
		d.Entry = &campaigns.Entry{Every: &week}
	})
	w.clock.Advance(3 * time.Hour)
	w.settle()
	w.clock.Advance(7 * 24 * time.Hour)
	w.settle()
	for _, run := range w.runs(c.ID) {
		if run.Gates["passed"] != 3 {
			t.Errorf("the run of %s: %v", run.Occurrence, run.Gates)
		}
	}
}

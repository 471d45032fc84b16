package engine_test

import (
	"fmt"
	"testing"
	"time"

	"beckon/campaigns"
)

// What a slow pace planned for months ahead counts for caps when its day comes.
func TestACapHoldsAgainstWhatAPacePlannedMonthsAgo(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.settings(func(s *campaigns.Workspace) {
		s.QuietHours, s.Caps = nil, []campaigns.Cap{{Channel: campaigns.Email, Max: 1, Window: campaigns.Day}}
	})
	w.customers(2000, nil)
	slow := w.campaign(func(d *campaigns.Definition) { d.Name, d.Pace = "slow", &campaigns.Pace{PerHour: 1} })
	w.steps(w.engine.Tick, w.engine.Select, w.engine.Queue)
	late := ""
	w.clock.Set(time.Date(2027, 2, 10, 2, 0, 0, 0, time.UTC))
	for customer, at := range w.due(slow.ID) {
		if at.Sub(w.clock.Now()).Abs() < 2*time.Hour {
			late = customer
		}
	}
	w.must(w.store.EnsureMonths(w.ctx, "audit", w.clock.Now(), w.clock.Now()))
	quick := w.campaign(func(d *campaigns.Definition) {
		d.Name, d.Rule = "quick", fmt.Sprintf("name == %q", "Customer "+late[1:])
	})
	w.steps(w.engine.Tick, w.engine.Select, w.engine.Queue)
	if run := w.runs(quick.ID)[0]; run.Gates["cap"] != 1 {
		t.Errorf("%s gets one within two hours: %v", late, run.Gates)
	}
}

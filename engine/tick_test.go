package engine_test

import (
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/engine"
)

// every makes a recurring campaign with a late policy and no entry limit.
func (w *world) every(cron, zone string, late *campaigns.Late) campaigns.Campaign {
	w.Helper()
	return w.campaign(func(d *campaigns.Definition) {
		d.Kind, d.Schedule, d.Late = campaigns.Recurring, &campaigns.Schedule{Cron: cron, Zone: zone}, late
	})
}

func TestMissedTicksFollowTheLatePolicyAndLeaveOneLine(t *testing.T) {
	policies := map[string]struct {
		late    campaigns.Late
		made    int
		missed  string
		stopped int
	}{
		"skip":                {campaigns.Late{Policy: campaigns.LateSkip, Grace: campaigns.Day}, 0, "5 ticks from 2026-11-21T01:00:00Z to 2026-11-21T05:00:00Z", 1},
		"once":                {campaigns.Late{Policy: campaigns.LateOnce, Grace: 2 * campaigns.Day}, 1, "4 ticks from 2026-11-21T01:00:00Z to 2026-11-21T04:00:00Z", 1},
		"each":                {campaigns.Late{Policy: campaigns.LateEach, Grace: 2 * campaigns.Day}, 5, "", 0},
		"each within 2h":      {campaigns.Late{Policy: campaigns.LateEach, Grace: campaigns.Duration(2 * time.Hour)}, 2, "3 ticks from 2026-11-21T01:00:00Z to 2026-11-21T03:00:00Z", 1},
		"once within half 1h": {campaigns.Late{Policy: campaigns.LateOnce, Grace: campaigns.Duration(20 * time.Minute)}, 0, "5 ticks", 1},
	}
	for name, p := range policies {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "2026-11-21T08:30:00+08:00")
			w.customers(2, nil)
			c := w.every("0 * * * *", "Asia/Shanghai", &p.late)
			w.clock.Advance(5 * time.Hour) // to 13:30: 9, 10, 11, 12 and 13 o'clock were missed
			w.settle()
			made, stopped := 0, 0
			for _, run := range w.runs(c.ID) {
				switch run.Status {
				case campaigns.Done:
					made++
				case campaigns.Stopped:
					stopped++
					if !strings.Contains(run.Reason, p.missed) {
						t.Errorf("the reason is %q, it should name %s", run.Reason, p.missed)
					}
				}
			}
			if made != p.made || stopped != p.stopped {
				t.Errorf("%d runs were made up and %d lines written, want %d and %d", made, stopped, p.made, p.stopped)
			}
			w.clock.Advance(31 * time.Minute)
			w.settle()
			if latest := w.runs(c.ID)[0]; latest.Status != campaigns.Done || latest.Occurrence.UTC().Format(time.TimeOnly) != "06:00:00" {
				t.Errorf("after that the latest run is %+v", latest)
			}
		})
	}
}

func TestAYearAwayLeavesNoTrailOfAYear(t *testing.T) {
	w := newWorld(t, "2025-11-21T08:30:00+08:00")
	w.customers(2, nil)
	c := w.every("* * * * *", "Asia/Shanghai", &campaigns.Late{Policy: campaigns.LateOnce, Grace: campaigns.Duration(time.Hour)})
	w.clock.Set(time.Date(2026, 11, 21, 1, 0, 30, 0, time.UTC))
	w.settle()
	runs := w.runs(c.ID)
	if len(runs) != 2 || runs[0].Status != campaigns.Done || !strings.Contains(runs[1].Reason, "more than 1000 ticks from 2025-11-21T00:31:00Z to 2026-11-21T00:59:00Z") {
		t.Errorf("%d runs: %+v", len(runs), runs)
	}
}

func TestATickInTheSpringGapRunsAtTheFirstInstantAfterIt(t *testing.T) {
	w := newWorld(t, "2026-03-07T12:00:00-05:00")
	w.customers(1, nil)
	c := w.every("30 2 * * *", "America/New_York", nil)
	w.clock.Set(time.Date(2026, 3, 8, 6, 59, 59, 0, time.UTC))
	w.settle()
	if n := len(w.runs(c.ID)); n != 0 {
		t.Fatalf("%d runs a second before the gap", n)
	}
	w.clock.Set(time.Date(2026, 3, 8, 7, 0, 0, 0, time.UTC)) // 03:00 EDT; 02:30 never was
	w.settle()
	w.clock.Set(time.Date(2026, 3, 8, 7, 45, 0, 0, time.UTC))
	w.settle()
	runs := w.runs(c.ID)
	if len(runs) != 1 || !runs[0].Occurrence.Equal(time.Date(2026, 3, 8, 7, 0, 0, 0, time.UTC)) || runs[0].Messages["sent"] != 1 {
		t.Errorf("runs %+v", runs)
	}
}

func TestATickInTheRepeatedHourOfAutumnRunsOnce(t *testing.T) {
	w := newWorld(t, "2026-10-31T12:00:00-04:00")
	w.customers(1, nil)
	c := w.every("30 1 * * *", "America/New_York", nil)
	for at := time.Date(2026, 11, 1, 5, 0, 0, 0, time.UTC); at.Before(time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)); at = at.Add(5 * time.Minute) {
		w.clock.Set(at)
		w.settle()
	}
	runs := w.runs(c.ID)
	if len(runs) != 1 || !runs[0].Occurrence.Equal(time.Date(2026, 11, 1, 5, 30, 0, 0, time.UTC)) {
		t.Errorf("runs %+v", runs)
	}
}

func TestARunByHandTakesItsPlaceBesideTheScheduleAndEntryLimitsHold(t *testing.T) {
	w := newWorld(t, "2026-11-21T08:30:00+08:00")
	w.customers(3, nil)
	c := w.campaign(func(d *campaigns.Definition) {
		d.Kind, d.Schedule, d.Priority = campaigns.Recurring, &campaigns.Schedule{Cron: "0 9 * * *", Zone: "Asia/Shanghai"}, 7
		d.Entry = &campaigns.Entry{OncePer: "day"}
	})
	run, err := w.engine.RunNow(w.ctx, "test", c.ID)
	w.must(err)
	if run.Kind != campaigns.RunManual || run.Priority != 7 || !run.Occurrence.Equal(w.store.Now()) {
		t.Errorf("run %+v", run)
	}
	w.settle()
	w.clock.Advance(31 * time.Minute)
	w.settle()
	runs := w.runs(c.ID)
	if len(runs) != 2 || runs[1].Messages["sent"] != 3 || runs[0].Kind != campaigns.RunTick || runs[0].Gates["entry"] != 3 {
		t.Errorf("runs %+v", runs)
	}
	_, err = w.engine.MoveCampaign(w.ctx, "test", c.ID, 0, campaigns.Pause)
	w.must(err)
	if _, err := w.engine.RunNow(w.ctx, "test", c.ID); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("a paused campaign ran: %v", err)
	}
}

func TestTwoNodesMakeOneRunOfATickThatWasMissed(t *testing.T) {
	w := newWorld(t, "2026-11-21T08:30:00+08:00")
	w.customers(20, nil)
	c := w.every("0 * * * *", "Asia/Shanghai", &campaigns.Late{Policy: campaigns.LateEach, Grace: campaigns.Day})
	w.clock.Advance(4 * time.Hour)
	nodes := []*engine.Engine{w.engine, engine.New(w.store, engine.Options{}), engine.New(w.store, engine.Options{})}
	errs := make(chan error, len(nodes))
	for _, node := range nodes {
		go func() { errs <- node.Settle(w.ctx) }()
	}
	for range nodes {
		w.must(<-errs)
	}
	w.clock.Advance(time.Minute)
	w.settle()
	sent := int64(0)
	for _, run := range w.runs(c.ID) {
		sent += run.Messages["sent"]
	}
	if n := len(w.runs(c.ID)); n != 4 || sent != 80 {
		t.Errorf("%d runs sent %d messages", n, sent)
	}
}

package engine_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// steps calls some of the engine's steps once each.
func (w *world) steps(do ...func(context.Context) (int, error)) {
	w.Helper()
	for _, step := range do {
		_, err := step(w.ctx)
		w.must(err)
	}
}

// due is when each customer's message of a campaign waits to be sent, by the customer's id, ghosts apart.
func (w *world) due(c campaigns.ID) map[string]time.Time {
	w.Helper()
	due := map[string]time.Time{}
	for _, m := range w.messages(store.MessageFilter{Campaign: c, Limit: 10000}) {
		w.view(func(tx *store.Tx) error {
			full, err := tx.Message(w.ctx, m.ID)
			if !m.Ghost {
				due[m.CustomerID] = full.DueAt
			}
			return err
		})
	}
	return due
}

func TestElevenAtNightAndHalfPastMidnightDoNotBothPassOneADay(t *testing.T) {
	w := newWorld(t, "2026-11-21T23:00:00+08:00")
	w.welcoming()
	w.settings(func(s *campaigns.Workspace) { s.QuietHours = nil })
	w.customers(4, nil)
	always := func(d *campaigns.Definition) {}
	w.campaign(always)
	w.settle()
	w.clock.Advance(90 * time.Minute)
	second := w.campaign(always)
	w.settle()
	if run := w.runs(second.ID)[0]; run.Gates["cap"] != 4 || run.Status != campaigns.Done {
		t.Errorf("half past midnight: %v", run.Gates)
	}
	w.clock.Advance(22*time.Hour + 30*time.Minute)
	third := w.campaign(always)
	w.settle()
	if run := w.runs(third.ID)[0]; run.Gates["passed"] != 4 {
		t.Errorf("a day after the first: %v", run.Gates)
	}
}

func TestACapLooksAheadAndCountsGhostsAndServiceAndNothingExempt(t *testing.T) {
	w := newWorld(t, "2026-11-21T20:00:00+08:00")
	w.welcoming()
	w.customers(40, nil)
	half := 0.5
	ahead := w.campaign(func(d *campaigns.Definition) { // tomorrow at ten
		d.Holdout, d.SendAt = &half, &campaigns.SendAt{Local: "10:00"}
	})
	w.settle()
	if run := w.runs(ahead.ID)[0]; run.Gates["passed"]+run.Gates["holdout"] != 40 || run.Gates["holdout"] == 0 || run.Messages["queued"] != run.Gates["passed"] {
		t.Fatalf("ahead: %v", run)
	}
	for id, at := range w.due(ahead.ID) {
		if !at.Equal(time.Date(2026, 11, 22, 2, 0, 0, 0, time.UTC)) {
			t.Errorf("%s is planned for %s", id, at)
		}
	}
	tonight := w.campaign(func(*campaigns.Definition) {})
	w.steps(w.engine.Tick, w.engine.Select, w.engine.Queue)
	if run := w.runs(tonight.ID)[0]; run.Gates["cap"] != 40 {
		t.Errorf("tonight, before what is planned for tomorrow, ghosts' messages included: %v", run.Gates)
	}
	retried := w.campaign(func(d *campaigns.Definition) { d.Capped = &campaigns.Capped{RetryFor: 2 * campaigns.Day} })
	w.steps(w.engine.Tick, w.engine.Select, w.engine.Queue)
	for id, at := range w.due(retried.ID) {
		if !at.Equal(time.Date(2026, 11, 23, 2, 0, 0, 0, time.UTC)) {
			t.Errorf("%s is tried again at %s", id, at)
		}
	}
	if run := w.runs(retried.ID)[0]; run.Gates["passed"] != 40 {
		t.Errorf("retried: %v", run.Gates)
	}
	for _, purpose := range []string{"service", "transactional"} {
		c := w.campaign(func(d *campaigns.Definition) { d.Purpose = purpose })
		w.steps(w.engine.Tick, w.engine.Select, w.engine.Queue)
		if run := w.runs(c.ID)[0]; run.Gates["passed"] != 40 {
			t.Errorf("%s: %v", purpose, run.Gates)
		}
	}
}

func TestWhoIsStoppedAtACapMayEnterAnotherTime(t *testing.T) {
	w := newWorld(t, "2026-11-21T08:00:00+08:00")
	w.welcoming()
	w.customers(3, nil)
	c := w.campaign(func(d *campaigns.Definition) {
		d.Kind, d.Schedule = campaigns.Recurring, &campaigns.Schedule{Cron: "0 9 * * *", Zone: "Asia/Shanghai"}
		d.Entry = &campaigns.Entry{Limit: "once"}
	})
	first := w.campaign(func(d *campaigns.Definition) { d.QuietHours = &campaigns.QuietHours{From: "00:00", To: "00:00"} })
	w.settle()
	w.clock.Advance(time.Hour)
	w.settle()
	if run := w.runs(first.ID)[0]; run.Gates["passed"] != 3 {
		t.Fatalf("first: %v", run.Gates)
	}
	for range 3 {
		w.clock.Advance(24 * time.Hour)
		w.settle()
	}
	passed, capped, entry := int64(0), int64(0), int64(0)
	for _, run := range w.runs(c.ID) {
		passed, capped, entry = passed+run.Gates["passed"], capped+run.Gates["cap"], entry+run.Gates["entry"]
	}
	if passed != 3 || capped != 3 || entry != 6 {
		t.Errorf("passed %d, capped %d, entry %d", passed, capped, entry)
	}
}

func TestABudgetIsSpentToTheLastMessageByTwoRunsAtOnceAndSaysSo(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(120, nil)
	w.settings(func(s *campaigns.Workspace) { s.Caps = nil })
	budget, share := int64(100), 0.2
	c := w.campaign(func(d *campaigns.Definition) {
		d.Kind, d.Schedule = campaigns.Recurring, &campaigns.Schedule{Cron: "* * * * *", Zone: "Asia/Shanghai"}
		d.Budget, d.Holdout = &campaigns.Budget{Messages: &budget}, &share
	})
	for range 2 {
		w.clock.Advance(time.Minute)
		w.steps(w.engine.Tick, w.engine.Select, w.engine.Select)
	}
	other := engine.New(w.store, engine.Options{})
	failed := make(chan error, 2)
	for _, e := range []*engine.Engine{w.engine, other} {
		go func() { _, err := e.Queue(w.ctx); failed <- err }()
	}
	w.must(<-failed)
	w.must(<-failed)
	w.settle()
	passed, said := int64(0), 0
	for _, run := range w.runs(c.ID) {
		passed += run.Gates["passed"]
		if run.Audience != 120 || run.Status != campaigns.Done {
			t.Errorf("run %+v", run)
		}
		if run.Gates["budget"] > 0 && run.Reason == "the budget of 100 messages was reached" {
			said++
		}
	}
	if passed != 100 || said == 0 {
		t.Errorf("%d messages, %d runs say why", passed, said)
	}
}

func TestMessagesCostWhatTheirSegmentsCost(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(10, func(i int, c *campaigns.Customer) {
		yes, phone := true, fmt.Sprintf("+86138000000%02d", i)
		c.Phone, c.SMSConsent = &phone, &yes
	})
	sms := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: "s", Channel: campaigns.SMS, Parts: map[string]string{"text": strings.Repeat("a", 170)}}}
	w.update(func(tx *store.Tx) error {
		if err := tx.CreateTemplate(w.ctx, &sms); err != nil {
			return err
		}
		return tx.CreateChannel(w.ctx, &campaigns.Channel{ID: "dear", Name: "Dear", Kind: "catcher", Settings: campaigns.ChannelSettings{CostPerSegment: "0.045", CostPerMessage: "0.000001"}})
	})
	c := w.campaign(func(d *campaigns.Definition) {
		d.Variants = []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: "dear", TemplateID: sms.ID}}
		d.Budget = &campaigns.Budget{Cost: "0.45"} // two segments each: four fit, five cost a trifle too much
	})
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Gates["passed"] != 4 || run.Gates["budget"] != 6 || run.Reason != "the budget of 0.45 CNY was reached" {
		t.Errorf("gates %v, %q", run.Gates, run.Reason)
	}
}

func TestNoMoreCodesAreIssuedThanAnOfferHasUses(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.settings(func(s *campaigns.Workspace) { s.Caps = nil })
	c := w.offered(30, func(o *campaigns.OfferDefinition) { most := int64(20); o.Limits.Total = &most })
	if run := w.runs(c)[0]; run.Gates["passed"] != 20 || run.Gates["code"] != 10 {
		t.Errorf("gates %v", run.Gates)
	}
	w.limit(c, 25) // from now on, also for campaigns that froze the offer before
	w.view(func(tx *store.Tx) error {
		campaign, err := tx.Campaign(w.ctx, c)
		if err != nil {
			return err
		}
		uses, limited, err := tx.Room(w.ctx, *campaign.OfferID, false)
		if uses != 5 || !limited {
			t.Errorf("room for %d, limited: %v", uses, limited)
		}
		return err
	})
}

func TestAVariableThatIsNotPrintedMayBeMissing(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(6, func(i int, c *campaigns.Customer) {
		city := "Shanghai"
		if c.City = &city; i < 3 {
			c.City = nil
		}
	})
	branch := w.template("Hi", `{% if customer.city == "Shanghai" %}Near {{ customer.city }}{% else %}Hello{% endif %}`)
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].TemplateID = branch })
	w.settle()
	if run := w.runs(c.ID)[0]; run.Gates["passed"] != 6 {
		t.Errorf("gates %v", run.Gates)
	}
	w.clock.Advance(24 * time.Hour)
	plain := w.template("Hi", `Near {{ customer.city }}`)
	c = w.campaign(func(d *campaigns.Definition) { d.Variants[0].TemplateID = plain })
	w.settle()
	if run := w.runs(c.ID)[0]; run.Gates["passed"] != 3 || run.Gates["template"] != 3 {
		t.Errorf("gates %v", run.Gates)
	}
}

func TestWhoIsNeverHeldOutIsSentToAndInNoArm(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(60, func(i int, c *campaigns.Customer) {
		if tier := "gold"; i < 20 {
			c.Tier = &tier
		}
	})
	half := 0.5
	c := w.campaign(func(d *campaigns.Definition) { d.Holdout, d.NeverHoldOut = &half, `tier == "gold"` })
	w.settle()
	got := map[string]bool{}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		got[m.CustomerID] = !m.Ghost
	}
	for i := range 20 {
		if !got[fmt.Sprintf("c%d", i)] {
			t.Errorf("c%d was held out", i)
		}
	}
	report, err := w.engine.Report(w.ctx, c.ID)
	w.must(err)
	assigned := int64(0)
	for _, arm := range report.Metrics[0].Arms {
		assigned += arm.Assigned
	}
	if assigned != 40 {
		t.Errorf("%d are in an arm", assigned)
	}
}

func TestOfRunsInOneMinuteTheHigherPriorityGoesFirstAndOthersTakeTurns(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.welcoming()
	w.customers(30, nil)
	low := w.campaign(func(d *campaigns.Definition) { d.Name = "low" })
	high := w.campaign(func(d *campaigns.Definition) { d.Name, d.Priority = "high", 5 })
	w.settle()
	if a, b := w.runs(high.ID)[0], w.runs(low.ID)[0]; a.Gates["passed"] != 30 || b.Gates["cap"] != 30 {
		t.Errorf("high %v, low %v", a.Gates, b.Gates)
	}
}

// TestASmallCampaignGoesThroughWhileALargeOneIsQueued counts the turns that a small run waits.
func TestASmallCampaignGoesThroughWhileALargeOneIsQueued(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.settings(func(s *campaigns.Workspace) { s.Caps = nil })
	w.customers(700, nil)
	large := w.campaign(func(d *campaigns.Definition) { d.Name = "large" })
	w.selected(large.ID) // in parts of 32: more than two turns' worth
	w.steps(w.engine.Queue)
	if run := w.runs(large.ID)[0]; run.Gates["passed"] == 0 || run.Status != campaigns.Queueing {
		t.Fatalf("one turn: %v, %s", run.Gates, run.Status)
	}
	small := w.campaign(func(d *campaigns.Definition) { d.Name, d.Rule = "small", `id == "c3"` })
	w.steps(w.engine.Tick, w.engine.Select, w.engine.Queue)
	if run := w.runs(small.ID)[0]; run.Status != campaigns.Sending || run.Gates["passed"] != 1 {
		t.Errorf("the small one waits: %s, %v", run.Status, run.Gates)
	}
	w.settle()
	if run := w.runs(large.ID)[0]; run.Gates["passed"] != 700 || run.Messages["sent"] != 700 {
		t.Errorf("the large one: %v, %v", run.Gates, run.Messages)
	}
}

func TestAPausedRunQueuesNothingMoreAndGoesOnWithTheRemainder(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(600, nil)
	c := w.campaign(func(*campaigns.Definition) {})
	w.selected(c.ID)
	w.steps(w.engine.Queue)
	_, err := w.engine.MoveCampaign(w.ctx, "test", c.ID, 0, campaigns.Pause)
	w.must(err)
	before := w.runs(c.ID)[0].Gates["passed"]
	w.settle()
	if run := w.runs(c.ID)[0]; run.Gates["passed"] != before || before == 0 || before == 600 {
		t.Fatalf("%d were queued before the pause, %v after", before, run.Gates)
	}
	_, err = w.engine.MoveCampaign(w.ctx, "test", c.ID, 0, campaigns.Resume)
	w.must(err)
	w.settle()
	if run := w.runs(c.ID)[0]; run.Gates["passed"] != 600 || run.Messages["sent"] != 600 || run.Status != campaigns.Done {
		t.Errorf("%v, %v, %s", run.Gates, run.Messages, run.Status)
	}
}

// TestTwoRunsAtOnceNeverBreakACap lets two nodes queue several campaigns to the same customers at once.
func TestTwoRunsAtOnceNeverBreakACap(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(300, nil)
	nodes := []*engine.Engine{w.engine, engine.New(w.store, engine.Options{}), engine.New(w.store, engine.Options{})}
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		if round++; round > 12 {
			return // each is a few campaigns
		}
		w.clock.Advance(48 * time.Hour)
		most := rapid.IntRange(1, 2).Draw(rt, "max")
		w.settings(func(s *campaigns.Workspace) {
			s.Caps = []campaigns.Cap{{Channel: campaigns.AnyChannel, Max: most, Window: campaigns.Day}}
		})
		var all []campaigns.ID
		share := rapid.SampledFrom([]float64{0, 0.3}).Draw(rt, "holdout")
		for i := range 4 {
			all = append(all, w.campaign(func(d *campaigns.Definition) { d.Name, d.Holdout = fmt.Sprint(round, " ", i), &share }).ID)
		}
		w.steps(w.engine.Tick, w.engine.Select, w.engine.Select, w.engine.Select, w.engine.Select)
		failed := make(chan error, len(nodes))
		for _, node := range nodes {
			go func() {
				for {
					worked, err := node.Queue(w.ctx)
					if worked == 0 || err != nil {
						failed <- err
						return
					}
				}
			}()
		}
		for range nodes {
			w.must(<-failed)
		}
		per := map[int64]int{}
		for _, id := range all {
			for _, m := range w.messages(store.MessageFilter{Campaign: id}) {
				per[m.No]++
			}
		}
		if n := slices.Max(slices.Collect(maps.Values(per))); n != most || len(per) != 300 {
			rt.Fatalf("%d customers, one has %d messages, the cap is %d", len(per), n, most)
		}
	})
}

func TestAPacedRunIsPlannedToTheHourOverQuietNights(t *testing.T) {
	w := newWorld(t, "2026-11-21T20:00:00+08:00")
	w.welcoming()
	w.customers(30, nil)
	c := w.campaign(func(d *campaigns.Definition) { d.Pace = &campaigns.Pace{PerHour: 10} })
	w.steps(w.engine.Tick, w.engine.Select, w.engine.Queue)
	hours := map[string]int{}
	for _, at := range w.due(c.ID) {
		hours[at.In(time.FixedZone("", 8*3600)).Format("02 15h")]++
	}
	if want := map[string]int{"21 20h": 10, "22 09h": 10, "22 10h": 10}; !maps.Equal(hours, want) {
		t.Errorf("planned %v", hours)
	}
}

func TestQuietHoursAreReadFromTheCustomersOwnClock(t *testing.T) {
	w := newWorld(t, "2026-11-21T22:00:00+08:00")
	w.welcoming()
	zones := []string{"Asia/Shanghai", "Europe/Berlin", "nowhere", "America/New_York"}
	w.customers(4, func(i int, c *campaigns.Customer) { c.Timezone = &zones[i] })
	w.settings(func(s *campaigns.Workspace) {
		s.Blackouts = []campaigns.Blackout{{From: "2026-11-21", To: "2026-11-21", Name: "closed"}}
	})
	c := w.campaign(func(*campaigns.Definition) {})
	w.steps(w.engine.Tick, w.engine.Select, w.engine.Queue)
	want := map[string]string{"c0": "2026-11-22T09:00+08:00", "c1": "2026-11-22T00:00+08:00", "c2": "2026-11-22T09:00+08:00", "c3": "2026-11-22T00:00+08:00"}
	for id, at := range w.due(c.ID) {
		if got := at.In(time.FixedZone("", 8*3600)).Format("2006-01-02T15:04-07:00"); got != want[id] {
			t.Errorf("%s is planned for %s, want %s", id, got, want[id])
		}
	}
}

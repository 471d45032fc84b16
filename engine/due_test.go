package engine

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
)

// TestEveryTickUpToNowIsRunMissedOrNext: whatever the schedule, the policy and the absence, no tick is lost and none is
// run twice; none is run that is too late, and a skipped one is named.
func TestEveryTickUpToNowIsRunMissedOrNext(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		schedule := &campaigns.Schedule{
			Cron: rapid.SampledFrom([]string{"* * * * *", "*/7 * * * *", "0 * * * *", "30 2 * * *", "0 9 * * 1", "15 1 1 * *"}).Draw(t, "cron"),
			Zone: rapid.SampledFrom([]string{"Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"}).Draw(t, "zone"),
		}
		late := campaigns.Late{Policy: rapid.SampledFrom([]string{campaigns.LateSkip, campaigns.LateOnce, campaigns.LateEach}).Draw(t, "policy"),
			Grace: campaigns.Duration(time.Duration(rapid.IntRange(1, 2*24*60).Draw(t, "grace")) * time.Minute)}
		launched := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 300*24*60).Draw(t, "launched")) * time.Minute)
		first, err := schedule.Next(launched)
		if err != nil {
			t.Fatal(err)
		}
		now := first.Add(time.Duration(rapid.IntRange(0, 26*3600).Draw(t, "absence")) * time.Second)
		var ticks []time.Time
		for tick := first; !tick.After(now); {
			ticks = append(ticks, tick)
			if tick, err = schedule.Next(tick); err != nil {
				t.Fatal(err)
			}
		}
		walkTicks(t, schedule, late, ticks, now)
	})
}

// walkTicks ticks until nothing is due and holds what became of the ticks against the list of them.
func walkTicks(t *rapid.T, schedule *campaigns.Schedule, late campaigns.Late, ticks []time.Time, now time.Time) {
	c := &campaigns.Campaign{NextRunAt: &ticks[0], Definition: campaigns.Definition{Kind: campaigns.Recurring, Schedule: schedule}}
	ran, gone := 0, 0
	for c.NextRunAt != nil && !c.NextRunAt.After(now) {
		d, err := dueNow(c, late, now)
		if err != nil {
			t.Fatal(err)
		}
		if d.missed.n > 0 {
			if !d.missed.from.Equal(ticks[gone+ran]) {
				t.Fatalf("missed from %s, but the first is %s", d.missed.from, ticks[gone+ran])
			}
			gone += len(between(ticks, d.missed.from, d.missed.to))
			if d.missed.n <= countedMax && d.missed.n != len(between(ticks, d.missed.from, d.missed.to)) {
				t.Fatalf("missed %+v, that are %d", d.missed, len(between(ticks, d.missed.from, d.missed.to)))
			}
		}
		if d.run != nil {
			if !d.run.Equal(ticks[gone+ran]) || now.Sub(*d.run) > worth(late) {
				t.Fatalf("ran %s at %s with %+v, next in the list is %s", d.run, now, late, ticks[gone+ran])
			}
			ran++
		}
		if d.run == nil && d.missed.n == 0 || d.next == nil {
			t.Fatalf("nothing was decided: %+v", d)
		}
		c.NextRunAt = d.next
	}
	if ran+gone != len(ticks) || (late.Policy != campaigns.LateEach && ran > 1) {
		t.Fatalf("of %d ticks %d ran and %d were missed", len(ticks), ran, gone)
	}
	worthwhile := len(between(ticks, now.Add(-worth(late)), now))
	if late.Policy == campaigns.LateEach && ran != worthwhile || late.Policy != campaigns.LateEach && ran != min(worthwhile, 1) {
		t.Fatalf("%d ran of %d that were not too late", ran, worthwhile)
	}
}

func between(ticks []time.Time, from, to time.Time) (found []time.Time) {
	for _, tick := range ticks {
		if !tick.Before(from) && !tick.After(to) {
			found = append(found, tick)
		}
	}
	return found
}

// TestWhatIsPlannedForAnOpenTimeIsOpenThenAndNoLaterThanItMust walks minute by minute beside opens and closes.
func TestWhatIsPlannedForAnOpenTimeIsOpenThenAndNoLaterThanItMust(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		load := func(label string) *time.Location {
			zone, err := time.LoadLocation(rapid.SampledFrom([]string{"Asia/Shanghai", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"}).Draw(t, label))
			if err != nil {
				t.Fatal(err)
			}
			return zone
		}
		clock := func(label string) campaigns.ClockTime {
			return campaigns.ClockTime(time.Date(2026, 1, 1, 0, rapid.IntRange(0, 24*60-1).Draw(t, label), 0, 0, time.UTC).Format("15:04"))
		}
		zone, shop, quiet := load("zone"), load("shop"), &campaigns.QuietHours{From: clock("from"), To: clock("to")}
		var blackouts []campaigns.Blackout
		at := time.Date(2026, time.Month(rapid.IntRange(1, 12).Draw(t, "month")), rapid.IntRange(1, 28).Draw(t, "day"), 0, rapid.IntRange(0, 24*60).Draw(t, "minute"), 0, 0, time.UTC)
		if rapid.Bool().Draw(t, "blackout") {
			day := at.In(shop).Format(time.DateOnly)
			blackouts = []campaigns.Blackout{{From: day, To: day}}
		}
		isQuiet := func(at time.Time) bool {
			text := campaigns.ClockTime(at.In(zone).Format("15:04"))
			in := quiet.From <= text && text < quiet.To
			if quiet.From > quiet.To {
				in = text >= quiet.From || text < quiet.To
			}
			return in || len(blackouts) > 0 && at.In(shop).Format(time.DateOnly) == blackouts[0].From
		}
		want := at
		for isQuiet(want) && want.Before(at.Add(96*time.Hour)) {
			want = want.Add(time.Minute)
		}
		q := campaigns.NewHours(quiet, blackouts, shop)
		got := q.Open(at, zone)
		if !got.Equal(want) {
			t.Fatalf("%+v opens at %s from %s on, want %s", q, got, at, want)
		}
		for shut := got; shut.Before(q.Closes(got, zone)); shut = shut.Add(time.Minute) {
			if isQuiet(shut) {
				t.Fatalf("%+v closes at %s, but is quiet at %s already", q, q.Closes(got, zone), shut)
			}
		}
	})
}

func TestARunThatIsLateByMinutesIsSentNowAndNotAtTheClockTimeOfTheNextDay(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	tick := time.Date(2026, 11, 21, 10, 0, 0, 0, shanghai)
	now := tick.Add(2 * onTime)
	p := &plan{campaign: campaigns.Campaign{Definition: campaigns.Definition{SendAt: &campaigns.SendAt{Local: "10:00"}}}}
	run := &campaigns.Run{Occurrence: tick}
	b := &batch{plan: p, run: run, walk: &walk{start: p.startAt(run, now), slots: map[*time.Location]slot{}}}
	for zone, want := range map[*time.Location]time.Time{shanghai: now, newYork: time.Date(2026, 11, 21, 10, 0, 0, 0, newYork)} {
		if got := b.slotIn(zone).planned; !got.Equal(want) {
			t.Errorf("in %s it is planned for %s, want %s", zone, got, want)
		}
	}
}

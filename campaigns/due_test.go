package campaigns_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
)

// drawZone draws a zone, of those with and without changes of the clocks.
func drawZone(t *rapid.T, label string) *time.Location {
	names := []string{"America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Asia/Shanghai", "Europe/Berlin", "Africa/Cairo", "Pacific/Apia", "UTC"}
	zone, err := time.LoadLocation(rapid.SampledFrom(names).Draw(t, label))
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

// TestHoursOpenAtTheFirstMinuteThatAClockOnTheWallAllows walks minute by minute through days with and without changes of
// the clocks, leap days included.
func TestHoursOpenAtTheFirstMinuteThatAClockOnTheWallAllows(t *testing.T) {
	starts := []time.Time{time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC), time.Date(2026, 10, 31, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 4, 0, 0, 0, 0, time.UTC),
		time.Date(2026, 10, 3, 0, 0, 0, 0, time.UTC), time.Date(2028, 2, 28, 0, 0, 0, 0, time.UTC), time.Date(2026, 3, 28, 0, 0, 0, 0, time.UTC), time.Date(2026, 4, 23, 0, 0, 0, 0, time.UTC)}
	rapid.Check(t, func(t *rapid.T) {
		zone, shop := drawZone(t, "zone"), drawZone(t, "shop")
		clock := rapid.Custom(func(t *rapid.T) campaigns.ClockTime {
			m := rapid.IntRange(0, 1439).Draw(t, "minute")
			return campaigns.ClockTime(fmt.Sprintf("%02d:%02d", m/60, m%60))
		})
		quiet := &campaigns.QuietHours{From: clock.Draw(t, "from"), To: clock.Draw(t, "to")}
		start := rapid.SampledFrom(starts).Draw(t, "start").Add(time.Duration(rapid.IntRange(0, 2*1440).Draw(t, "offset")) * time.Minute)
		var blackouts []campaigns.Blackout
		if rapid.Bool().Draw(t, "black") {
			day := start.AddDate(0, 0, rapid.IntRange(-1, 2).Draw(t, "black day"))
			blackouts = []campaigns.Blackout{{From: day.Format(time.DateOnly), To: day.AddDate(0, 0, rapid.IntRange(0, 1).Draw(t, "black days")).Format(time.DateOnly)}}
		}
		hours := campaigns.NewHours(quiet, blackouts, shop)
		closed := func(at time.Time) bool {
			face, day := at.In(zone).Format("15:04"), at.In(shop).Format(time.DateOnly)
			from, to := string(quiet.From), string(quiet.To)
			isQuiet := from < to && from <= face && face < to || from > to && (from <= face || face < to)
			return isQuiet || len(blackouts) > 0 && blackouts[0].From <= day && day <= blackouts[0].To
		}
		want := start
		for closed(want) {
			want = want.Add(time.Minute)
		}
		open := hours.Open(start, zone)
		if !open.Equal(want) || hours.IsOpen(start, zone) == closed(start) {
			t.Fatalf("%s opens at %s, want %s", start.In(zone), open.In(zone), want.In(zone))
		}
		end := open
		for !closed(end) && end.Sub(open) < 4*24*time.Hour {
			end = end.Add(time.Minute)
		}
		closes := hours.Closes(open, zone)
		if closed(end) && !closes.Equal(end) {
			t.Fatalf("%s closes at %s, want %s", open.In(zone), closes.In(zone), end.In(zone))
		}
	})
}

func TestALocalClockTimeIsTheFirstOneFromTheTickOn(t *testing.T) {
	at := func(zone, text string) time.Time {
		location, _ := time.LoadLocation(zone)
		parsed, err := time.ParseInLocation("2006-01-02 15:04", text, location)
		if err != nil {
			t.Fatal(err)
		}
		return parsed
	}
	for _, c := range []struct{ zone, clock, from, want string }{
		{"Asia/Shanghai", "10:00", "2026-11-21 10:00", "2026-11-21 10:00"}, {"Asia/Shanghai", "10:00", "2026-11-21 10:01", "2026-11-22 10:00"},
		{"Asia/Kathmandu", "00:00", "2028-02-28 00:01", "2028-02-29 00:00"}, {"America/New_York", "02:30", "2026-03-07 12:00", "2026-03-08 03:00"},
		{"Australia/Lord_Howe", "02:15", "2026-10-03 12:00", "2026-10-04 02:30"},
	} {
		if got := campaigns.ClockTime(c.clock).Next(at(c.zone, c.from), at(c.zone, c.from).Location()); !got.Equal(at(c.zone, c.want)) {
			t.Errorf("%s after %s in %s is %s, want %s", c.clock, c.from, c.zone, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		zone := drawZone(t, "zone")
		from := time.Date(2026, 1, 1, 0, rapid.IntRange(0, 3*365*1440).Draw(t, "minute"), 0, 0, time.UTC)
		next := campaigns.ClockTime("09:00").Next(from, zone)
		want := from
		for want.In(zone).Format("15:04") != "09:00" {
			want = want.Add(time.Minute)
		}
		if !next.Equal(want) {
			t.Fatalf("nine after %s is %s, want %s", from.In(zone), next.In(zone), want.In(zone))
		}
	})
}

func TestAPaceNeverPutsMoreThanItsNumberIntoAnyHourAndNothingIntoQuietHours(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := drawZone(t, "zone")
		hours := campaigns.NewHours(&campaigns.QuietHours{From: "21:00", To: "09:00"}, nil, zone)
		pace := &campaigns.Pace{PerHour: int64(rapid.IntRange(1, 50).Draw(t, "per hour"))}
		start := time.Date(2026, 3, 1, 0, rapid.IntRange(0, 60*1440).Draw(t, "start"), 0, 0, time.UTC)
		var slots []time.Time
		last := time.Time{}
		for range 3 { // a run goes on in another part, and on another node
			p := campaigns.NewPacer(pace, hours, zone, start, 0, last)
			for range rapid.IntRange(1, 100).Draw(t, "part") {
				slot := p.Slot(start)
				if !hours.IsOpen(slot, zone) {
					t.Fatalf("%s is quiet", slot.In(zone))
				}
				if !slot.Equal(p.Slot(start)) {
					t.Fatal("a slot that was not taken is offered again")
				}
				p.Take(slot)
				slots = append(slots, slot)
			}
			last = p.Last()
		}
		for i, slot := range slots {
			if n := int64(i) - pace.PerHour; n >= 0 && slot.Sub(slots[n]) < time.Hour {
				t.Fatalf("%d messages from %s to %s", pace.PerHour+1, slots[n], slot)
			}
		}
	})
}

func TestARunThatIsSpreadEndsInItsTime(t *testing.T) {
	shanghai, _ := time.LoadLocation("Asia/Shanghai")
	hours := campaigns.NewHours(&campaigns.QuietHours{From: "21:00", To: "09:00"}, nil, shanghai)
	over := 2 * campaigns.Day
	start := time.Date(2026, 11, 21, 9, 0, 0, 0, shanghai)
	p := campaigns.NewPacer(&campaigns.Pace{SpreadOver: &over}, hours, shanghai, start, 24, time.Time{})
	for i := range 24 { // one an hour in the twelve open hours of each day
		slot := p.Slot(start)
		if want := start.Add(time.Duration(i%12)*time.Hour + time.Duration(i/12)*24*time.Hour); !slot.Equal(want) {
			t.Fatalf("slot %d is %s, want %s", i, slot, want)
		}
		p.Take(slot)
	}
	held := start.AddDate(0, 0, 5)
	if a := p.Slot(held); !a.Equal(held) {
		t.Errorf("after a hold it goes on at %s", a)
	} else if p.Take(a); !p.Slot(held).Equal(held.Add(time.Hour)) {
		t.Errorf("and then in one go: %s", p.Slot(held))
	}
}

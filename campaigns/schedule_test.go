package campaigns_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
)

func next(t *testing.T, cron, zone, after string) string {
	t.Helper()
	at, err := time.Parse(time.RFC3339, after)
	if err != nil {
		t.Fatal(err)
	}
	s := campaigns.Schedule{Cron: cron, Zone: zone}
	tick, err := s.Next(at)
	if err != nil {
		t.Fatal(err)
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	return tick.In(location).Format(time.RFC3339)
}

func TestTicksFollowTheZonesClock(t *testing.T) {
	for _, c := range []struct{ name, cron, zone, after, want string }{
		{"a gap runs at the first instant after it", "30 2 * * *", "America/New_York", "2026-03-07T12:00:00-05:00", "2026-03-08T03:00:00-04:00"},
		{"the day after the gap is as ever", "30 2 * * *", "America/New_York", "2026-03-08T03:00:00-04:00", "2026-03-09T02:30:00-04:00"},
		{"a repeated hour runs once, the first time", "30 1 * * *", "America/New_York", "2026-10-31T12:00:00-04:00", "2026-11-01T01:30:00-04:00"},
		{"and not again the second time", "30 1 * * *", "America/New_York", "2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"},
		{"nor when the service starts in between", "30 1 * * *", "America/New_York", "2026-11-01T01:10:00-05:00", "2026-11-02T01:30:00-05:00"},
		{"a gap at midnight", "0 0 * * *", "Africa/Cairo", "2026-04-23T12:00:00+02:00", "2026-04-24T01:00:00+03:00"},
		{"a gap at midnight in the south", "0 0 * * *", "America/Santiago", "2026-09-05T12:00:00-04:00", "2026-09-06T01:00:00-03:00"},
		{"an overlap at midnight in the south", "30 23 * * *", "America/Santiago", "2026-04-04T12:00:00-03:00", "2026-04-04T23:30:00-03:00"},
		{"half an hour of gap", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T12:00:00+10:30", "2026-10-04T02:30:00+11:00"},
		{"no change of clocks", "0 9 * * *", "Asia/Shanghai", "2026-11-21T09:00:00+08:00", "2026-11-22T09:00:00+08:00"},
		{"Sunday is 0", "0 9 * * 0", "Asia/Shanghai", "2026-11-21T12:00:00+08:00", "2026-11-22T09:00:00+08:00"},
		{"and 7", "0 9 * * 7", "Asia/Shanghai", "2026-11-21T12:00:00+08:00", "2026-11-22T09:00:00+08:00"},
		{"Saturday to Sunday", "0 9 * * 6-7", "Asia/Shanghai", "2026-11-22T12:00:00+08:00", "2026-11-28T09:00:00+08:00"},
		{"29 February", "0 9 29 2 *", "UTC", "2026-11-21T12:00:00Z", "2028-02-29T09:00:00Z"},
		{"the first of the month", "0 10 1 * *", "Asia/Shanghai", "2026-11-21T12:00:00+08:00", "2026-12-01T10:00:00+08:00"},
	} {
		if got := next(t, c.cron, c.zone, c.after); got != c.want {
			t.Errorf("%s: %s in %s after %s is %s, want %s", c.name, c.cron, c.zone, c.after, got, c.want)
		}
	}
}

func TestLinesThatCannotBeMeantAreRefused(t *testing.T) {
	for _, s := range []campaigns.Schedule{
		{Cron: "0 0 31 2 *", Zone: "UTC"}, {Cron: "@every 0s", Zone: "UTC"}, {Cron: "0 0 9 * * *", Zone: "UTC"}, {Cron: "TZ=UTC", Zone: "UTC"},
		{Cron: "TZ=UTC 0 9 * * *", Zone: "UTC"}, {Cron: "0 9 * * 8", Zone: "UTC"}, {Cron: "61 * * * *", Zone: "UTC"}, {Cron: "", Zone: "UTC"},
		{Cron: "0 9 * * *", Zone: ""}, {Cron: "0 9 * * *", Zone: "Local"}, {Cron: "0 9 * * *", Zone: "Asia/Nowhere"},
	} {
		if err := s.Check(); campaigns.CodeOf(err) != campaigns.CodeInvalid {
			t.Errorf("%+v: %v", s, err)
		}
	}
}

func TestTheWrongFieldOfALineIsNamed(t *testing.T) {
	for line, words := range map[string]string{"61 * * * *": "the minute should be 0 to 59", "0 24 * * *": "the hour should be 0 to 23", "0 9 0 * *": "the day should be 1 to 31",
		"0 9 * Maytember *": "the month should be 1 to 12", "0 9 * * 8": "the weekday should be 0 to 7", "*/0 * * * *": "the minute should be", "a b c d e": "the minute should be",
		"0 9 * * 5-1": "the weekday should be"} {
		err := (&campaigns.Schedule{Cron: line, Zone: "UTC"}).Check()
		if err == nil || !strings.Contains(err.Error(), words) || strings.Contains(err.Error(), "strconv") {
			t.Errorf("%s: %v", line, err)
		}
	}
}

func TestTicksAlwaysComeLaterAndNeverTwice(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		zone := rapid.SampledFrom([]string{"America/New_York", "Africa/Cairo", "America/Santiago", "Australia/Lord_Howe", "Asia/Shanghai", "Europe/London", "Asia/Kathmandu"}).Draw(r, "zone")
		cron := rapid.SampledFrom([]string{"30 1 * * *", "0 0 * * *", "*/15 * * * *", "30 2 * * *", "0 3 1 * *", "5 1-3 * * 0"}).Draw(r, "cron")
		at := time.Unix(rapid.Int64Range(1_700_000_000, 1_900_000_000).Draw(r, "after"), 0)
		s := campaigns.Schedule{Cron: cron, Zone: zone}
		location, err := time.LoadLocation(zone)
		if err != nil {
			r.Fatal(err)
		}
		seen := map[string]bool{}
		for range 50 {
			tick, err := s.Next(at)
			if err != nil || !tick.After(at) {
				r.Fatalf("after %s comes %s (%v)", at, tick, err)
			}
			wall := tick.In(location).Format("2006-01-02 15:04")
			if seen[wall] {
				r.Fatalf("%s runs twice", wall)
			}
			seen[wall] = true
			at = tick
		}
	})
}

func TestMoneyIsReadAndWrittenExactly(t *testing.T) {
	for text, want := range map[string]int64{"199.90": 19990, "0.01": 1, "-5": -500, "1.5": 150, "92233720368547758.07": 9223372036854775807, "1.500": 150} {
		if got, err := campaigns.ParseMoney(text, 2); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "1.", ".5", "1.005", "1e3", "1,50", "--1", "92233720368547758.08", "NaN", "1 2"} {
		if got, err := campaigns.ParseMoney(text, 2); err == nil {
			t.Errorf("%q was read as %d", text, got)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		minor, digits := rapid.Int64Min(-1<<62).Draw(r, "minor"), rapid.IntRange(0, 3).Draw(r, "digits")
		if got, err := campaigns.ParseMoney(campaigns.FormatMoney(minor, digits), digits); err != nil || got != minor {
			r.Fatalf("%d with %d digits is written %q and read as %d (%v)", minor, digits, campaigns.FormatMoney(minor, digits), got, err)
		}
	})
}

func TestACampaignMovesOnlyAsItsLifeAllows(t *testing.T) {
	allowed := map[campaigns.Status][]campaigns.Move{
		campaigns.Draft: {campaigns.Launch, campaigns.Cancel, campaigns.Archive}, campaigns.Scheduled: {campaigns.Pause, campaigns.Cancel, campaigns.Start, campaigns.Complete},
		campaigns.Active: {campaigns.Pause, campaigns.Cancel, campaigns.Start, campaigns.Complete}, campaigns.Paused: {campaigns.Resume, campaigns.Cancel},
		campaigns.Completed: {campaigns.Archive}, campaigns.Cancelled: {campaigns.Archive}, campaigns.Archived: {},
	}
	all := []campaigns.Move{campaigns.Launch, campaigns.Pause, campaigns.Resume, campaigns.Cancel, campaigns.Archive, campaigns.Start, campaigns.Complete}
	for status, moves := range allowed {
		for _, move := range all {
			c := campaigns.Campaign{Status: status}
			err := c.Move(move)
			may := false
			for _, m := range moves {
				may = may || m == move
			}
			if (err == nil) != may {
				t.Errorf("%s from %s: %v", move, status, err)
			}
			if err != nil && campaigns.CodeOf(err) != campaigns.CodeConflict {
				t.Errorf("%s from %s: %v is no conflict", move, status, err)
			}
			if err != nil && (!strings.Contains(err.Error(), "cannot be ") || strings.Contains(err.Error(), "cannot be :")) {
				t.Errorf("%s from %s does not read well: %v", move, status, err)
			}
		}
	}
}

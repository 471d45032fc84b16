package rules

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestDatesAreTheCalendarOfPackageTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Date(rapid.OneOf(rapid.Int32(), rapid.Int32Range(-800_000, 800_000)).Draw(t, "d"))
		want := time.Unix(int64(d)*secondsPerDay, 0).UTC()
		if d.Year() != want.Year() || d.Month() != want.Month() || d.Day() != want.Day() || d.Weekday()%7 != int(want.Weekday()) {
			t.Errorf("%v is %v", d, want)
		}
		if MakeDate(d.Year(), d.Month(), d.Day()) != d || daysFromCivil(d.Year(), d.Month(), d.Day()) != int64(d) {
			t.Errorf("%v does not come back", d)
		}
		if year := d.Year(); year >= 0 && year <= 9999 {
			if parsed, err := ParseDate(d.String()); err != nil || parsed != d {
				t.Errorf("%v is read as %v, %v", d, parsed, err)
			}
		}
	})
}

func TestDateOfIsTheDayOnTheZonesCalendar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := someInstant(t).normal()
		year, month, day := at.Now.In(at.Zone).Date()
		if got := DateOf(at.Now, at.Zone); got != MakeDate(year, month, day) {
			t.Errorf("%v in %v is %v", at.Now, at.Zone, got)
		}
	})
}

func TestDatesOutsideTheirRangeAreItsEnds(t *testing.T) {
	if MakeDate(math.MaxInt, 1, 1) != math.MaxInt32 || MakeDate(math.MinInt, 1, 1) != math.MinInt32 {
		t.Error("a date wraps round")
	}
	for _, text := range []string{"2026-02-30", "2026-2-3", "", "20260131", "2026-01-31T00:00", "0x7e-01-01"} {
		if d, err := ParseDate(text); err == nil {
			t.Errorf("%q is %v", text, d)
		}
	}
	far := Instant{Now: time.Unix(math.MaxInt64, 0)}
	if Date(math.MinInt32).String() == "" || far.normal().Now.Unix() != lastSecond {
		t.Error("extreme times")
	}
	mustCompile(t, `birthday_in(3) && age(today) > 3 && days_since(now) > 5`).Matches(Record{"birthday": Date(math.MaxInt32)}, Instant{Now: time.Unix(math.MinInt64, 0)})
}

func TestWideSumsOverflowOnlyInTotal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(someInt()).Draw(t, "parts")
		items := make([]any, len(parts))
		for i, n := range parts {
			items[i] = n
		}
		total, _ := sumInts(items)
		want := new(oracle).aggregate("sum", bigs(parts), scalar(Int))
		if plainEqual := (&oracle{}).same(plain(total), scalar(Int), want, scalar(Int)); !plainEqual {
			t.Errorf("%v add up to %v, not %v", parts, total, want)
		}
	})
}

func bigs(parts []int64) []any {
	out := make([]any, len(parts))
	for i, n := range parts {
		out[i] = plain(n)
	}
	return out
}

func TestBirthdaysOfOneDayAreThoseOfEachBirthday(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		today := Date(rapid.Int32().Draw(r, "today"))
		all := NewAnniversaries(today)
		for range 20 {
			birthday := Date(rapid.OneOf(rapid.Int32(), rapid.Int32Range(0, 1500)).Draw(r, "birthday"))
			want, wantOK := nextBirthday(birthday, today)
			if got, ok := all.Next(birthday); got != want || ok != wantOK {
				r.Fatalf("born %d, today %d: %d (%v), want %d (%v)", birthday, today, got, ok, want, wantOK)
			}
		}
	})
}

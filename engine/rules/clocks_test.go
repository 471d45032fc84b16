package rules

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestOffsetsAreWhatTheClocksShow(t *testing.T) {
	for _, name := range []string{"Asia/Shanghai", "America/New_York", "Africa/Cairo", "Australia/Lord_Howe", "Europe/Dublin"} {
		z := zone(t, name)
		from, offset := Offsets(z)
		rapid.Check(t, func(t *rapid.T) {
			at := rapid.Int64Range(firstChange, lastChange).Draw(t, "at")
			i := len(from) - 1
			for from[i] > at {
				i--
			}
			if offset[i] != offsetAt(at, z) {
				t.Fatalf("%s at %d: %d, want %d", name, at, offset[i], offsetAt(at, z))
			}
		})
	}
}

func TestTheLastDayOfALeapYearIsFound(t *testing.T) {
	at := Instant{Now: time.Date(2040, 12, 31, 12, 0, 0, 0, time.UTC), Zone: zone(t, "America/New_York")}
	rule := mustCompile(t, "days_since(registered_at) == 0")
	bound := rule.Bind(at)
	c := Record{"registered_at": at.Now}
	if walk(bound, shop(), c) != true || !rule.Matches(c, at) {
		t.Errorf("the day is not found: %s", bound.Tree)
	}
}

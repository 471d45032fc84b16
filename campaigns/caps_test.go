package campaigns_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
)

func TestElevenAtNightAndHalfPastMidnightAreNotTwoDaysToACap(t *testing.T) {
	caps := []campaigns.Cap{{Channel: campaigns.SMS, Max: 1, Window: campaigns.Day}}
	night := time.Date(2026, 11, 21, 23, 0, 0, 0, time.UTC)
	sent := []campaigns.Counted{{Channel: campaigns.SMS, At: night}}
	if campaigns.CapsAllow(caps, campaigns.SMS, night.Add(90*time.Minute), sent) {
		t.Error("a calendar day was counted, not a window")
	}
	if !campaigns.CapsAllow(caps, campaigns.SMS, night.Add(24*time.Hour), sent) || !campaigns.CapsAllow(caps, campaigns.Email, night, sent) {
		t.Error("a day later, or on another channel, the cap is free")
	}
}

func TestAMessagePlannedForTomorrowStopsOneThisEvening(t *testing.T) {
	caps := []campaigns.Cap{{Channel: campaigns.AnyChannel, Max: 1, Window: campaigns.Day}}
	evening := time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC)
	ahead := []campaigns.Counted{{Channel: campaigns.Email, At: evening.Add(14 * time.Hour)}}
	if campaigns.CapsAllow(caps, campaigns.SMS, evening, ahead) {
		t.Error("the cap looks back only")
	}
	free, ok := campaigns.CapsFree(caps, campaigns.SMS, evening, evening.Add(48*time.Hour), ahead)
	if !ok || !free.Equal(evening.Add(38*time.Hour)) {
		t.Errorf("free at %s, %v", free, ok)
	}
}

// TestNoWindowEverHoldsMoreThanItsCap sends what caps allow, in any order of times, and counts each window at each message.
func TestNoWindowEverHoldsMoreThanItsCap(t *testing.T) {
	channels := []string{campaigns.SMS, campaigns.Email}
	start := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		caps := make([]campaigns.Cap, rapid.IntRange(1, 3).Draw(t, "caps"))
		for i := range caps {
			caps[i] = campaigns.Cap{Channel: rapid.SampledFrom(append(channels, campaigns.AnyChannel)).Draw(t, "cap"), Max: rapid.IntRange(1, 3).Draw(t, "max"),
				Window: campaigns.Duration(rapid.IntRange(1, 20).Draw(t, "window")) * campaigns.Duration(time.Hour)}
		}
		var sent []campaigns.Counted
		for range rapid.IntRange(1, 30).Draw(t, "messages") {
			channel := rapid.SampledFrom(channels).Draw(t, "channel")
			at := start.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "hour")) * time.Hour)
			until := at.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "retry")) * time.Hour)
			want, found := time.Time{}, false
			for try := at; !try.After(until) && !found; try = try.Add(time.Hour) {
				want, found = try, keeps(caps, append(sent[:len(sent):len(sent)], campaigns.Counted{Channel: channel, At: try}))
			}
			got, ok := campaigns.CapsFree(caps, channel, at, until, sent)
			if ok != found || (ok && !got.Equal(want)) {
				t.Fatalf("free at %s %v, want %s %v", got, ok, want, found)
			}
			if ok {
				sent = append(sent, campaigns.Counted{Channel: channel, At: got})
			}
		}
	})
}

// keeps counts each window that begins at a message.
func keeps(caps []campaigns.Cap, sent []campaigns.Counted) bool {
	for _, c := range caps {
		for _, first := range sent {
			n := 0
			for _, m := range sent {
				if (c.Channel == campaigns.AnyChannel || c.Channel == m.Channel) && !m.At.Before(first.At) && m.At.Sub(first.At) < time.Duration(c.Window) {
					n++
				}
			}
			if n > c.Max {
				return false
			}
		}
	}
	return true
}

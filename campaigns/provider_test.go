package campaigns_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
)

func TestACircuitOpensAfterFiveFaultsInARowAndTheFirstMessageThatWorksClosesIt(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	var p campaigns.Provider
	me, nobody := campaigns.NewID(now), campaigns.ID{1}
	p.Tell(now, campaigns.Answers{Faults: 4}, nobody)
	if p.IsOpen() {
		t.Fatal("four faults opened it")
	}
	p.Tell(now, campaigns.Answers{Worked: true, Faults: 4}, nobody)
	if p.IsOpen() || p.Faults != 4 {
		t.Fatalf("an answer between did not begin the row anew: %+v", p)
	}
	p.Tell(now, campaigns.Answers{Faults: 1, Reason: "connection refused"}, nobody)
	if s := p.State(now); s.Circuit != "open" || !s.Until.Equal(now.Add(10*time.Second)) || s.Reason != "connection refused" {
		t.Fatalf("state %+v", s)
	}
	for _, wait := range []time.Duration{20, 40, 80, 160, 300, 300} {
		now = p.OpenUntil
		if !p.MayProbe(now) || p.MayProbe(now.Add(-1)) {
			t.Fatal("it is not tried when its time is over")
		}
		p.Probe, p.ProbeUntil = me, now.Add(15*time.Second)
		if p.MayProbe(now) {
			t.Fatal("two try it at once")
		}
		p.Tell(now, campaigns.Answers{Faults: 5}, nobody)
		if p.Probe != me {
			t.Fatal("what others hear ends the probe")
		}
		p.Tell(now, campaigns.Answers{Faults: 1}, me)
		if got := p.OpenUntil.Sub(now); got != wait*time.Second {
			t.Fatalf("it stays open for %s, want %s", got, wait*time.Second)
		}
	}
	now = p.OpenUntil
	p.Probe, p.ProbeUntil = me, now.Add(15*time.Second)
	p.Tell(now, campaigns.Answers{Worked: true}, me)
	if p.IsOpen() || p.Faults != 0 || p.Opens != 0 {
		t.Fatalf("a message that worked left %+v", p)
	}
}

func TestAProviderThatIsGivenTooMuchRestsForTwiceAsLongEachTimeUntilItTakesSomething(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	var p campaigns.Provider
	for _, rest := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
		p.Tell(now, campaigns.Answers{Throttled: true}, campaigns.ID{1})
		p.Tell(now, campaigns.Answers{Throttled: true}, campaigns.ID{1}) // another worker heard the same
		if got := p.RestsUntil.Sub(now); got != rest*time.Second {
			t.Fatalf("it rests for %s, want %s", got, rest*time.Second)
		}
		now = p.RestsUntil
	}
	p.Tell(now, campaigns.Answers{Worked: true, Throttled: true, RetryAfter: 7 * time.Second}, campaigns.ID{1})
	if got := p.RestsUntil.Sub(now); got != 7*time.Second || p.Throttles != 1 {
		t.Fatalf("it rests for %s after %d", got, p.Throttles)
	}
}

func TestSlotsOfARateNeverLieCloserThanTheRateAllows(t *testing.T) {
	rapid.Check(t, func(draw *rapid.T) {
		now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
		rate := rapid.Float64Range(1.0/3600, 5000).Draw(draw, "rate")
		var p campaigns.Provider
		var last time.Time
		for range rapid.IntRange(1, 50).Draw(draw, "takes") {
			now = now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(draw, "ms")) * time.Millisecond)
			room := p.Room(now, rate)
			if room == 0 {
				if !p.PacedTo.After(now.Add(2 * time.Second)) {
					draw.Fatalf("no room although the last slot ends within two seconds")
				}
				continue
			}
			for _, slot := range p.TakeSlots(now, rate, rapid.IntRange(1, room).Draw(draw, "n")) {
				if slot.Before(now) || slot.After(now.Add(4*time.Second)) {
					draw.Fatalf("a slot lies %s ahead", slot.Sub(now))
				}
				if apart := slot.Sub(last).Seconds() * rate; !last.IsZero() && apart < 0.999 {
					draw.Fatalf("slots lie %v of the rate's step apart", apart)
				}
				last = slot
			}
		}
	})
}

func TestWhereAMessageStandsAfterAReceipt(t *testing.T) {
	const queued, sent, unknown, delivered, bounced, failed = campaigns.MessageQueued, campaigns.MessageSent, campaigns.MessageUnknown, campaigns.MessageDelivered, campaigns.MessageBounced, campaigns.MessageFailed
	for _, c := range []struct{ from, receipt, to campaigns.MessageStatus }{
		{sent, delivered, delivered}, {sent, bounced, bounced}, {sent, failed, failed}, {sent, "", sent},
		{unknown, "", sent}, {unknown, delivered, delivered}, {unknown, failed, failed},
		{delivered, failed, delivered}, {delivered, bounced, bounced}, {delivered, delivered, delivered},
		{failed, delivered, delivered}, {failed, bounced, failed}, {bounced, delivered, bounced}, {bounced, failed, bounced},
		{queued, delivered, queued}, {campaigns.MessageCancelled, delivered, campaigns.MessageCancelled},
	} {
		to, moved := c.from.After(&campaigns.Receipt{Status: c.receipt})
		if to != c.to || moved != (c.from != c.to) {
			t.Errorf("%s and a receipt of %q: %s, want %s", c.from, c.receipt, to, c.to)
		}
	}
}

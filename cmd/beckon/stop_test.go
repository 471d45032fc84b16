package main

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

// stopWithin is how long a service that is told to stop may take.
const stopWithin = 10 * time.Second

// terminate tells a node to stop and gives how long it took; it must end by itself and without an error.
func (f *fleet) terminate(p *process) time.Duration {
	f.Helper()
	begun := time.Now()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		f.Fatal(err)
	}
	if err := p.wait(stopWithin); err != nil {
		f.Errorf("a stop that was asked for is no failure: %v\n%s", err, p.output())
	}
	f.forget(p)
	return time.Since(begun)
}

func TestANodeThatIsToldToStopLeavesNothingUnknownAndAnotherGoesOn(t *testing.T) {
	const customers = 300
	f := newFleet(t, newSink(t, func(string, int) mood { return mood{wait: 300 * time.Millisecond} }))
	first := f.start()
	campaign := f.launch(first, customers, 8)
	f.accepted(customers/10, time.Minute)
	second := f.start()
	f.accepted(customers/4, time.Minute)
	took := f.terminate(first)
	at := f.sink.count()
	second.finish(campaign, time.Minute)
	got := f.compare(second, campaign, customers)
	t.Logf("stopped in %s after %d of %d messages", took.Round(time.Millisecond), at, customers)
	if at >= customers || len(got.sent) != customers {
		t.Errorf("%d were accepted before the stop; sent %d, unknown %d", at, len(got.sent), len(got.unknown))
	}
}

// A provider that does not answer holds nobody up: what it was given and never answered becomes unknown at once, whatever
// had not left goes back into the queue, and the next node sends it.
func TestANodeThatIsToldToStopDoesNotWaitForAProviderThatHangs(t *testing.T) {
	const customers, hanging = 300, 2
	f := newFleet(t, newSink(t, func(to string, _ int) mood {
		if to == addressOf(7) || to == addressOf(140) {
			return mood{wait: time.Hour}
		}
		return mood{wait: 20 * time.Millisecond}
	}))
	first := f.start()
	campaign := f.launch(first, customers, 3)
	first.until(time.Minute, "two messages to hang", func() bool {
		f.sink.mu.Lock()
		defer f.sink.mu.Unlock()
		return f.sink.attempts[addressOf(7)]+f.sink.attempts[addressOf(140)] == hanging
	})
	took := f.terminate(first)
	second := f.start()
	second.finish(campaign, time.Minute)
	got := f.compare(second, campaign, customers)
	t.Logf("stopped in %s", took.Round(time.Millisecond))
	if len(got.unknown) != hanging || len(got.sent) != customers-hanging {
		t.Errorf("sent %d, unknown %d", len(got.sent), len(got.unknown))
	}
	for address, m := range got.unknown {
		history := m["history"].([]any)
		last := history[len(history)-1].(map[string]any)
		if detail, _ := last["detail"].(string); !strings.Contains(detail, "stop") {
			t.Errorf("%s does not say why: %v", address, history)
		}
	}
}

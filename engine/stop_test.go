package engine_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/engine"
)

// slowly makes an inbox take some time over every message, and tells when the first comes.
func slowly(in *inbox, each time.Duration, began chan<- struct{}) {
	var once sync.Once
	in.refuse = func(string) error {
		once.Do(func() { close(began) })
		time.Sleep(each) // the provider's own slowness
		return nil
	}
}

// halting sends through a slow provider, halts while a batch is in hand, and goes on: sending ends at once, what had
// gone is counted exactly, and in the end everybody got one message.
func halting(t *testing.T, halt, goOn func(w *world, c campaigns.Campaign)) {
	t.Helper()
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	channel := w.smtpChannel(in)
	w.customers(64, nil)
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].ChannelID = channel })
	w.queued()
	began := make(chan struct{})
	slowly(in, 100*time.Millisecond, began)
	other := engine.New(w.store, engine.Options{BaseURL: "http://127.0.0.1:8080"})
	sending := make(chan error, 1)
	go func() { _, err := other.Send(context.Background()); sending <- err }()
	<-began
	halt(w, c)
	at := time.Now()
	w.must(<-sending)                                 // ends because nothing more is given out: 64 messages alone would take 6.4 s
	if took := time.Since(at); took > 3*time.Second { // a second, and as much again for whatever else the machine does
		t.Errorf("sending went on for %s", took)
	}
	gone := int64(len(in.received()))
	run := w.runs(c.ID)[0]
	if run.Messages["sent"] != gone || gone == 0 || gone > 15 || run.Messages["queued"]+run.Messages["cancelled"] != 64-gone {
		t.Errorf("%d arrived, the run counts %v", gone, run.Messages)
	}
	for _, node := range []*engine.Engine{w.engine, other} {
		if n, err := node.Send(w.ctx); n != 0 || err != nil {
			t.Errorf("a node sent %d messages (%v)", n, err)
		}
	}
	goOn(w, c)
	in.refuse = nil
	w.settle()
	counted := int64(0)
	for _, run := range w.runs(c.ID) {
		counted += run.Messages["sent"]
	}
	for to, n := range in.received() {
		if n != 1 {
			t.Errorf("%s got %d", to, n)
		}
	}
	if got := len(in.received()); got != 64 || counted != 64 {
		t.Errorf("%d arrived in the end, the runs count %d", got, counted)
	}
}

func TestTheStopSwitchStopsABatchInHandOfAnotherNodeWithinASecond(t *testing.T) {
	halting(t, func(w *world, _ campaigns.Campaign) {
		_, err := w.engine.StopSending(w.ctx, "test", "a wrong price")
		w.must(err)
	}, func(w *world, c campaigns.Campaign) {
		for _, m := range w.messages(storeFilter(c.ID)) {
			if m.Status == campaigns.MessageQueued && m.Attempts != 0 {
				w.Errorf("a message that was not tried counts %d attempts", m.Attempts)
			}
		}
		w.must(w.engine.ResumeSending(w.ctx, "test"))
	})
}

func TestAPausedCampaignStopsABatchInHandWithinASecond(t *testing.T) {
	move := func(move campaigns.Move) func(*world, campaigns.Campaign) {
		return func(w *world, c campaigns.Campaign) {
			_, err := w.engine.MoveCampaign(w.ctx, "test", c.ID, 0, move)
			w.must(err)
		}
	}
	halting(t, move(campaigns.Pause), move(campaigns.Resume))
}

func TestAStoppedRunStopsABatchInHandAndItsResendGoesToExactlyTheRemainder(t *testing.T) {
	var of campaigns.ID
	halting(t, func(w *world, c campaigns.Campaign) {
		of = w.runs(c.ID)[0].ID
		_, err := w.engine.StopRun(w.ctx, "test", of)
		w.must(err)
	}, func(w *world, c campaigns.Campaign) {
		w.settle()
		first := w.runs(c.ID)[0]
		if first.Messages["queued"] != 0 {
			w.Errorf("a stopped run still has %v", first.Messages)
		}
		_, err := w.engine.Resend(w.ctx, "test", of, campaigns.Remainder{})
		w.must(err)
		w.settle()
		again := w.runs(c.ID)[0]
		if again.Kind != campaigns.RunResend || again.Audience != first.Messages["cancelled"] || again.Messages["sent"] != again.Audience {
			w.Errorf("the resend %v of %v", again.Messages, first.Messages)
		}
	})
}

func TestWhileSendingIsStoppedRunsAreStillMadeAndQueued(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(5, nil)
	stop, err := w.engine.StopSending(w.ctx, "Ann", "a wrong price")
	w.must(err)
	again, err := w.engine.StopSending(w.ctx, "Ben", "me too")
	w.must(err)
	if again.By != "Ann" || !again.At.Equal(stop.At) {
		t.Errorf("a second stop changed the first: %+v", again)
	}
	c := w.campaign(func(*campaigns.Definition) {})
	w.settle()
	if run := w.runs(c.ID)[0]; run.Status != campaigns.Sending || run.Messages["queued"] != 5 {
		t.Errorf("run %+v", run)
	}
	w.must(w.engine.ResumeSending(w.ctx, "test"))
	if err := w.engine.ResumeSending(w.ctx, "test"); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("resuming twice: %v", err)
	}
	w.settle()
	if run := w.runs(c.ID)[0]; run.Status != campaigns.Done || run.Messages["sent"] != 5 {
		t.Errorf("run %+v", run)
	}
}

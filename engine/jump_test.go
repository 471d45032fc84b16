package engine_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
	"beckon/engine/channel"
)

// TestAClockThatJumpsByAnHourNeitherRepeatsNorLosesNorHoldsUpAnything lets two nodes share a provider's rate, each with the
// machine's clock, and one of them have it jump ahead and back while both have messages in hand. What is unknown is sent
// again, so that nothing may become unknown.
func TestAClockThatJumpsByAnHourNeitherRepeatsNorLosesNorHoldsUpAnything(t *testing.T) {
	for _, jump := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			const n = 240
			url := storetest.URL(t)
			var by atomic.Int64
			open := func(clock func() time.Time) *store.Store {
				s, err := store.Open(t.Context(), url, clock, store.Options{Connections: 16, Key: storetest.Key()})
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(s.Close)
				return s
			}
			s, drifting := open(time.Now), open(func() time.Time { return time.Now().Add(time.Duration(by.Load())) })
			node := func(s *store.Store) *engine.Engine {
				return engine.New(s, engine.Options{BaseURL: "http://127.0.0.1:8080", RealClock: true})
			}
			w := &world{t, context.Background(), nil, s, node(s)}
			w.must(s.EnsureMonths(w.ctx, "audit", s.Now()))
			w.settings(func(s *campaigns.Workspace) {
				s.GlobalHoldout, s.Caps, s.QuietHours, s.Unknown = 0, nil, nil, campaigns.UnknownResend
			})
			in := newInbox(t)
			in.at = func(string) error { time.Sleep(15 * time.Millisecond); return nil } // the provider's own slowness: some are always in hand
			w.mailChannel("mail", in.port, func(s *campaigns.ChannelSettings) { s.RatePerSecond = new(60.0) })
			w.customers(n, nil)
			c := w.through("mail")
			w.run(w.engine, node(drifting))
			arrived := func(most time.Duration, some int) {
				w.Helper()
				w.until(most, fmt.Sprint(some, " arrived"), func() bool { return total(in) >= some })
			}
			arrived(time.Minute, n/8)
			by.Store(int64(jump))
			arrived(time.Minute, n/2) // while it is wrong, the other goes on
			by.Store(0)
			w.until(time.Minute, "the run is over", func() bool { return w.runs(c.ID)[0].Status == campaigns.Done })
			for to, times := range in.received() {
				if times != 1 {
					t.Errorf("%s got %d", to, times)
				}
			}
			if run := w.runs(c.ID)[0]; run.Messages["sent"] != n || len(in.received()) != n || run.Held != "" {
				t.Errorf("%d arrived, messages %v, held by %q", len(in.received()), run.Messages, run.Held)
			}
			p := w.provider("mail")
			if ahead := p.PacedTo.Sub(s.Now()); ahead > engine.Lease || p.RestsUntil.After(s.Now()) || p.IsOpen() {
				t.Errorf("the provider is taken until %s from now: %+v", ahead, p)
			}
		})
	}
}

// TestANodeWhoseClockJumpsTakesNothingForLost while another has it in hand.
func TestANodeWhoseClockJumpsTakesNothingForLost(t *testing.T) {
	w, by := adrift(t)
	w.settings(func(s *campaigns.Workspace) { s.Unknown = campaigns.UnknownResend })
	w.customers(4, nil)
	c := w.through(campaigns.Catcher)
	w.queued()
	w.beat()
	w.update(func(tx *store.Tx) error { // a living node's
		living := campaigns.NewID(tx.Now)
		lanes, err := tx.ClaimLanes(w.ctx, campaigns.Catcher, living, tx.Now.Add(engine.Lease), 64)
		if err == nil {
			_, err = tx.ClaimMessages(w.ctx, campaigns.Catcher, lanes, living, tx.Now.Add(engine.Lease), 64)
		}
		return err
	})
	by.Store(int64(time.Hour))
	if lost, err := w.engine.Lose(w.ctx); lost != 0 || err != nil {
		t.Errorf("%d are taken for lost (%v)", lost, err)
	}
	w.beat()
	if n, err := w.engine.Send(w.ctx); n != 0 || err != nil {
		t.Errorf("%d are sent (%v)", n, err)
	}
	if run := w.runs(c.ID)[0]; run.Messages["sending"] != 4 || run.Held != "" {
		t.Errorf("held by %q, %v", run.Held, run.Messages)
	}
}

// TestAProviderThatFlapsGetsEverythingOnce: it cannot be used for every other message, then for none, then works, and again.
func TestAProviderThatFlapsGetsEverythingOnce(t *testing.T) {
	w, in := newWorld(t, "2026-11-21T10:00:00+08:00"), newInbox(t)
	w.mailChannel("mail", in.port, nil)
	phase, asked, opened := 0, 0, 0
	in.refuse = func(string) error {
		if asked++; phase%3 == 1 || phase%3 == 0 && asked%2 == 0 {
			return fmt.Errorf("450 unusable")
		}
		return nil
	}
	w.engine.OpenWith(openPooled(1, func(_ channel.Message, o *channel.Outcome) { o.Unavailable = o.Status == channel.Temporary }))
	w.customers(150, nil)
	c := w.campaign(func(d *campaigns.Definition) {
		d.Variants[0].ChannelID, d.Pace = "mail", &campaigns.Pace{PerHour: 3600}
	})
	w.queued()
	for range 40 {
		in.mu.Lock()
		phase++
		in.mu.Unlock()
		for range 2 {
			w.clock.Advance(6 * time.Second)
			w.settle()
		}
		if p := w.provider("mail"); p.IsOpen() {
			opened++
		}
	}
	run := w.runs(c.ID)[0]
	if run.Status != campaigns.Done || run.Messages["sent"] != 150 || opened == 0 {
		t.Errorf("%s after %d open circuits: %v", run.Status, opened, run.Messages)
	}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		if in.received()[m.Address] != 1 || m.Attempts != 1 {
			t.Errorf("%s got %d after %d attempts", m.Address, in.received()[m.Address], m.Attempts)
		}
	}
}

// TestAProviderThatAsksForAYearIsAskedAgainTheSameHour whether it was given too much or cannot be used.
func TestAProviderThatAsksForAYearIsAskedAgainTheSameHour(t *testing.T) {
	for _, throttled := range []bool{true, false} {
		w, in := newWorld(t, "2026-11-21T10:00:00+08:00"), newInbox(t)
		w.mailChannel("mail", in.port, nil)
		var works atomic.Bool
		w.engine.OpenWith(openPooled(1, func(m channel.Message, o *channel.Outcome) {
			if !works.Load() {
				*o = channel.Outcome{Status: channel.Temporary, Throttled: throttled, Unavailable: !throttled, RetryAfter: 365 * 24 * time.Hour, Detail: "come back next year"}
			}
		}))
		in.refuse = func(string) error {
			if !works.Load() {
				return fmt.Errorf("450 later")
			}
			return nil
		}
		w.customers(8, nil)
		c := w.through("mail")
		w.settle()
		works.Store(true)
		for range 6 {
			w.clock.Advance(10 * time.Minute)
			w.settle()
		}
		if run := w.runs(c.ID)[0]; run.Messages["sent"] != 8 || total(in) != 8 {
			t.Errorf("throttled %t: an hour later %v, %d arrived", throttled, run.Messages, total(in))
		}
	}
}

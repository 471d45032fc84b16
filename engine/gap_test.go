package engine_test

import (
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
)

func (w *world) beat() { w.Helper(); _, err := w.engine.Beat(w.ctx); w.must(err) }

// restart is what a service does after it was down: a new node, whose first step is a sign of life.
func (w *world) restart() {
	w.Helper()
	w.engine = engine.New(w.store, engine.Options{BaseURL: "http://127.0.0.1:8080"})
	w.beat()
}

// morning is a service that queued a campaign's messages at 09:00 and went down before they were sent.
func morning(t *testing.T, late *campaigns.Late) (*world, campaigns.Campaign) {
	w := newWorld(t, "2026-11-21T08:59:00+08:00")
	w.customers(12, nil)
	c := w.campaign(func(d *campaigns.Definition) { d.Late = late })
	w.clock.Advance(time.Minute)
	w.beat()
	w.queued()
	return w, c
}

// TestARestoredSnapshotDoesNotSendTheMorningsMailInTheAfternoon: listmonk 6 does.
func TestARestoredSnapshotDoesNotSendTheMorningsMailInTheAfternoon(t *testing.T) {
	w, c := morning(t, nil)
	sent := 0
	for _, to := range []string{"c0@example.com", "c1@example.com", "c2@example.com"} {
		w.update(func(tx *store.Tx) error { // three have gone before the snapshot: their addresses refuse a second
			sent++
			return tx.Suppress(w.ctx, &campaigns.Suppression{Channel: campaigns.Email, Address: to, Reason: "test"})
		})
	}
	w.clock.Advance(6 * time.Hour) // the snapshot comes back at 15:00
	other := engine.New(w.store, engine.Options{})
	if n, err := other.Send(w.ctx); n != 0 || err != nil {
		t.Fatalf("a node sent %d messages before anybody looked at the gap (%v)", n, err)
	}
	w.restart()
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Messages["sent"] != 0 || run.Messages["queued"] != 12 || run.Held != campaigns.HeldGap {
		t.Fatalf("messages %v, held by %q", run.Messages, run.Held)
	}
	if !strings.Contains(run.Reason, "2026-11-21T01:00:00Z to 2026-11-21T07:00:00Z") || !strings.Contains(run.Reason, "resume") {
		t.Errorf("the reason is %q", run.Reason)
	}
	w.beat()
	w.settle()
	if run = w.runs(c.ID)[0]; run.Messages["queued"] != 12 {
		t.Fatalf("the next sign of life let it go: %v", run.Messages)
	}
	run, err := w.engine.ResumeRun(w.ctx, "test", run.ID)
	w.must(err)
	w.settle()
	run = w.runs(c.ID)[0]
	if run.Messages["sent"] != int64(12-sent) || run.Messages["cancelled"] != int64(sent) || run.Status != campaigns.Done || run.Held != "" {
		t.Errorf("after resuming: %v, %s", run.Messages, run.Status)
	}
}

func TestAGapIsDecidedByTheLatePolicyWhereItCan(t *testing.T) {
	hours := func(n int) campaigns.Duration { return campaigns.Duration(time.Duration(n) * time.Hour) }
	for name, p := range map[string]struct {
		late   campaigns.Late
		down   time.Duration
		status string
		held   string
	}{
		"within the grace it goes on":            {campaigns.Late{Policy: campaigns.LateOnce, Grace: hours(2)}, time.Hour, "sent", ""},
		"each is as once":                        {campaigns.Late{Policy: campaigns.LateEach, Grace: hours(2)}, time.Hour, "sent", ""},
		"beyond the grace it waits":              {campaigns.Late{Policy: campaigns.LateOnce, Grace: hours(2)}, 3 * time.Hour, "queued", campaigns.HeldGap},
		"a skipping campaign cancels":            {campaigns.Late{Policy: campaigns.LateSkip, Grace: hours(2)}, time.Hour, "cancelled", ""},
		"a short absence is no gap":              {campaigns.Late{Policy: campaigns.LateSkip, Grace: hours(2)}, 9 * time.Minute, "sent", ""},
		"a skipping campaign within ten minutes": {campaigns.Late{Policy: campaigns.LateSkip, Grace: hours(2)}, 10 * time.Minute, "sent", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, c := morning(t, &p.late)
			w.clock.Advance(p.down)
			w.restart()
			w.settle()
			if run := w.runs(c.ID)[0]; run.Messages[p.status] != 12 || run.Held != p.held {
				t.Errorf("messages %v, held by %q", run.Messages, run.Held)
			}
		})
	}
}

func TestWhatWasBeingSentWhenEveryNodeDiedIsUnknownAndNotSentAgain(t *testing.T) {
	w, c := morning(t, &campaigns.Late{Policy: campaigns.LateOnce, Grace: campaigns.Day})
	w.update(func(tx *store.Tx) error {
		dead := campaigns.NewID(tx.Now)
		lanes, err := tx.ClaimLanes(w.ctx, campaigns.Catcher, dead, tx.Now.Add(engine.Lease), 1)
		if err != nil {
			return err
		}
		messages, err := tx.ClaimMessages(w.ctx, campaigns.Catcher, lanes, dead, tx.Now.Add(engine.Lease), 1)
		if len(messages) != 1 {
			t.Fatalf("%d messages", len(messages))
		}
		return err
	})
	w.clock.Advance(time.Hour)
	w.restart()
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["unknown"] != 1 || run.Messages["sent"] != 11 {
		t.Errorf("messages %v", run.Messages)
	}
}

func TestWhileOneNodeLivesThereIsNoGap(t *testing.T) {
	w, c := morning(t, &campaigns.Late{Policy: campaigns.LateSkip})
	_, err := w.engine.StopSending(w.ctx, "test", "keeps it queued")
	w.must(err)
	other := engine.New(w.store, engine.Options{})
	for range 12 {
		w.clock.Advance(5 * time.Minute)
		_, err := other.Beat(w.ctx)
		w.must(err)
	}
	w.must(w.engine.ResumeSending(w.ctx, "test"))
	w.restart()
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 12 {
		t.Errorf("messages %v, held by %q", run.Messages, run.Held)
	}
}

func TestTheFirstStartIsNoGap(t *testing.T) {
	w := newWorld(t, "2026-11-21T08:59:00+08:00")
	w.customers(3, nil)
	c := w.campaign(func(*campaigns.Definition) {})
	w.queued()
	w.clock.Advance(time.Hour)
	w.restart()
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 3 {
		t.Errorf("messages %v", run.Messages)
	}
}

func TestARunThatWasOnlyMadeBeforeTheGapIsHeldToo(t *testing.T) {
	w := newWorld(t, "2026-11-21T09:00:00+08:00")
	w.customers(3, nil)
	c := w.campaign(func(*campaigns.Definition) {})
	w.beat()
	_, err := w.engine.Tick(w.ctx)
	w.must(err)
	w.clock.Advance(6 * time.Hour)
	w.restart()
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Held != campaigns.HeldGap || run.Status != campaigns.Planned {
		t.Fatalf("run %+v", run)
	}
	run, err = w.engine.StopRun(w.ctx, "Ann", run.ID)
	w.must(err)
	if run.Status != campaigns.Stopped || !strings.HasPrefix(run.Reason, "stopped by Ann; it was held: the service was down") || run.Held != "" {
		t.Errorf("run %+v", run)
	}
	w.view(func(tx *store.Tx) error {
		got, err := tx.Campaign(w.ctx, c.ID)
		if got.Status != campaigns.Completed {
			t.Errorf("the campaign is %s", got.Status)
		}
		return err
	})
}

func TestARestoredDatabaseHoldsEveryOpenRunWhateverItsPolicy(t *testing.T) {
	w, c := morning(t, &campaigns.Late{Policy: campaigns.LateOnce, Grace: campaigns.Day})
	w.clock.Advance(5 * time.Minute) // no gap at all
	held, err := engine.Restored(w.ctx, w.store, "test")
	w.must(err)
	w.restart()
	w.settle()
	run := w.runs(c.ID)[0]
	if held != 1 || run.Held != campaigns.HeldGap || run.Messages["queued"] != 12 {
		t.Fatalf("%d held; %+v", held, run)
	}
	_, err = w.engine.ResumeRun(w.ctx, "test", run.ID)
	w.must(err)
	w.settle()
	if run = w.runs(c.ID)[0]; run.Messages["sent"] != 12 {
		t.Errorf("messages %v", run.Messages)
	}
}

// written is what nodes log.
type written struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *written) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *written) has(part string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), part)
}

func TestANodeWhoseDatabaseGoesAwayAsItStartsInsists(t *testing.T) {
	url, log := storetest.URL(t), &written{}
	s, err := store.Open(t.Context(), url, storetest.NewClock(t, "2026-11-21T10:00:00+08:00").Now, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w := &world{T: t, ctx: t.Context(), store: s}
	ask(t, url, "ALTER TABLE control RENAME TO gone")
	w.run(engine.New(s, engine.Options{Log: slog.New(slog.NewTextHandler(log, nil))}))
	w.until(time.Minute, "the node says what failed", func() bool { return log.has("step=beat") })
	ask(t, url, "ALTER TABLE gone RENAME TO control")
	w.until(time.Minute, "it shows its sign of life", func() bool { return ask(t, url, "SELECT beat_at IS NOT NULL FROM control") == "t" })
}

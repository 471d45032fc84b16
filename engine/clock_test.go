package engine_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
)

// adrift is a shop on a machine whose clock goes wrong by what the test says.
func adrift(t *testing.T) (*world, *atomic.Int64) {
	t.Helper()
	var by atomic.Int64
	s, err := store.Open(t.Context(), storetest.URL(t), func() time.Time { return time.Now().Add(time.Duration(by.Load())) }, store.Options{Connections: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w := &world{t, context.Background(), nil, s, engine.New(s, engine.Options{BaseURL: "http://127.0.0.1:8080", RealClock: true})}
	w.must(s.EnsureMonths(w.ctx, "audit", s.Now()))
	w.settings(func(s *campaigns.Workspace) { s.GlobalHoldout, s.Caps, s.QuietHours = 0, nil, nil })
	return w, &by
}

func TestANodeWhoseClockIsWrongRefusesToServe(t *testing.T) {
	w, by := adrift(t)
	for _, c := range []struct {
		by   time.Duration
		says string
	}{{0, ""}, {300 * time.Millisecond, ""}, {-10 * time.Second, "behind PostgreSQL's"}, {10 * time.Second, "ahead of PostgreSQL's"}} {
		by.Store(int64(c.by))
		err := engine.CheckClock(w.ctx, w.store)
		if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("a clock that is wrong by %s: %v", c.by, err)
		}
	}
}

func TestANodeWhoseClockGoesWrongClaimsNothingUntilItIsRight(t *testing.T) {
	w, by := adrift(t)
	w.customers(4, nil)
	c := w.through(campaigns.Catcher)
	w.queued()
	by.Store(int64(20 * time.Second))
	_, err := w.engine.Beat(w.ctx)
	w.must(err)
	if n, err := w.engine.Send(w.ctx); n != 0 || err != nil {
		t.Fatalf("%d were sent (%v)", n, err)
	}
	by.Store(0)
	_, err = w.engine.Beat(w.ctx)
	w.must(err)
	if n, err := w.engine.Send(w.ctx); n != 4 || err != nil {
		t.Errorf("%d were sent (%v): %v", n, err, w.runs(c.ID)[0].Messages)
	}
}

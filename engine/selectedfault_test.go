package engine_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
)

// A run whose messages PostgreSQL will never take is stopped, whether it is queued when it is selected or afterwards.
func TestARunThatCannotBeQueuedIsStoppedAlsoWhereItIsQueuedAtOnce(t *testing.T) {
	for _, apart := range []bool{false, true} {
		url, clock, ctx := storetest.URL(t), storetest.NewClock(t, "2026-11-21T10:00:00+08:00"), context.Background()
		s, err := store.Open(ctx, url, clock.Now, store.Options{Connections: 8, Key: storetest.Key()})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		w := &world{t, ctx, clock, s, engine.New(s, engine.Options{BaseURL: "http://127.0.0.1:8080"})}
		w.must(s.EnsureMonths(ctx, "audit", clock.Now()))
		w.settings(func(s *campaigns.Workspace) { s.GlobalHoldout, s.Caps, s.QuietHours = 0, nil, nil })
		raw, err := pgx.Connect(ctx, url)
		w.must(err)
		defer raw.Close(ctx)
		_, err = raw.Exec(ctx, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no such text' USING ERRCODE = '22021'; END $$;
			CREATE TRIGGER refuse BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION refuse()`)
		w.must(err)
		w.customers(5, nil)
		c := w.campaign(func(*campaigns.Definition) {})
		if apart {
			w.engine.QueueApart()
		}
		if err := w.engine.Settle(ctx); err != nil {
			t.Errorf("queued apart %v: %v", apart, err)
		}
		if run := w.runs(c.ID)[0]; run.Status != campaigns.Stopped || !strings.Contains(run.Reason, "cannot be kept") {
			t.Errorf("queued apart %v: the run is %s: %q", apart, run.Status, run.Reason)
		}
	}
}

// An entry's key is what the campaign's expression says, and an index takes no text of 6,000 letters.
func TestARunWhoseEntriesCannotBeKeptIsStoppedAndHoldsUpNoLowerPriority(t *testing.T) {
	for _, apart := range []bool{false, true} {
		w := newWorld(t, "2026-11-21T10:00:00+08:00")
		w.customers(2, func(_ int, c *campaigns.Customer) {
			letters := make([]byte, 3000)
			_, _ = rand.Read(letters)
			city := hex.EncodeToString(letters)
			c.City = &city
		})
		sick := w.campaign(func(d *campaigns.Definition) { d.Priority, d.Entry = 5, &campaigns.Entry{OnceFor: "city"} })
		well := w.campaign(func(*campaigns.Definition) {})
		if apart {
			w.engine.QueueApart()
		}
		if err := w.engine.Settle(w.ctx); err != nil {
			t.Errorf("queued apart %v: %v", apart, err)
		}
		if run := w.runs(sick.ID)[0]; run.Status != campaigns.Stopped || run.Reason == "" {
			t.Errorf("queued apart %v: the run is %s: %q", apart, run.Status, run.Reason)
		}
		if run := w.runs(well.ID)[0]; run.Status != campaigns.Done || run.Messages["sent"] != 2 {
			t.Errorf("queued apart %v: the other is %s: %v", apart, run.Status, run.Messages)
		}
	}
}

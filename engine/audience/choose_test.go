package audience

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"beckon/engine/rules"
)

func TestAnAnswerSaysWhichExecutorGaveItAndWhy(t *testing.T) {
	w := newWorkshop(t)
	w.exec(t, `INSERT INTO customers (no, id, city, changed_at) SELECT n, 'c' || n, 'Wuhan', now() FROM generate_series(1, 50) n`)
	rule, err := rules.Compile(rules.NewSchema(2, nil), `city == "Wuhan"`)
	if err != nil {
		t.Fatal(err)
	}
	asked := Asked{Rule: rule, At: rules.Instant{Now: w.clock.Now(), Zone: time.UTC}}
	small := w.image(func(o *ImageOptions) { o.BytesMax = 1 })
	for name, c := range map[string]struct {
		chooser       *Chooser
		executor, why string
	}{
		"in memory":   {NewChooser(w.image(), 1), ByVector, "all of it runs over columns in memory"},
		"no memory":   {NewChooser(nil, 1), ByPushdown, "this node keeps no customers in memory"},
		"too large":   {NewChooser(small, 1), ByPushdown, "does not fit into the memory"},
		"no patience": {NewChooser(w.image(), 1).Waiting(time.Nanosecond), ByPushdown, "still being loaded into memory, and PostgreSQL answers"},
	} {
		t.Run(name, func(t *testing.T) {
			found, err := c.chooser.Find(context.Background(), w.store, Question{Conditions: []Asked{asked}})
			if err != nil || found.Counts[0] != 50 || found.Executor != c.executor || !strings.Contains(found.Why, c.why) {
				t.Errorf("%+v, %v", found, err)
			}
			if err := c.chooser.Close(context.Background(), w.store); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestALoadShowsHowFarItIs(t *testing.T) {
	w := newWorkshop(t)
	w.exec(t, `INSERT INTO customers (no, id, changed_at) SELECT n, 'c' || n, now() FROM generate_series(1, 20000) n`)
	var log bytes.Buffer
	var calls atomic.Int64
	im := w.image(func(o *ImageOptions) {
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		o.Clock = func() time.Time { return w.clock.Now().Add(time.Duration(calls.Add(1)) * sayEvery) }
	})
	held(t, w, im, Needs{Columns: []string{"city"}})
	for _, want := range []string{"customers are being loaded into memory\" rows=8192", "rows=16384", "customers were loaded into memory\" columns=1 histories=0 rows=20000 customers=20000"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log does not say %s:\n%s", want, &log)
		}
	}
	if stats := im.Stats(); !stats.LoadingSince.IsZero() || stats.LoadingRows != 0 || stats.Load <= 0 {
		t.Errorf("after the load: %+v", stats)
	}
}

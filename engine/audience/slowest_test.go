package audience

import (
	"context"
	"errors"
	"testing"
	"time"

	"beckon/engine/rules"
)

func TestWhoTypesIsToldWhenPostgreSQLTakesTooLong(t *testing.T) {
	w := newWorkshop(t)
	ctx := context.Background()
	holder, err := w.connect(t).Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(ctx, "LOCK TABLE customers IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	rule, err := rules.Compile(rules.NewSchema(2, nil), "purchase_count > 0")
	if err != nil {
		t.Fatal(err)
	}
	q := Question{Conditions: []Asked{{Rule: rule, At: rules.Instant{Now: w.store.Now(), Zone: time.UTC}}}}
	chooser := NewChooser(nil, 1).Waiting(time.Second)
	chooser.slowest = 50 * time.Millisecond
	if _, err := chooser.Find(ctx, w.store, q); !errors.Is(err, ErrTooSlow) {
		t.Errorf("it ends with %v", err)
	}
	if err := holder.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	chooser.slowest = SlowestAnswer
	if _, err := chooser.Find(ctx, w.store, q); err != nil {
		t.Errorf("once PostgreSQL is free: %v", err)
	}
}

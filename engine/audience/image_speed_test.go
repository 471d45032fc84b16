package audience

import (
	"context"
	"testing"
	"time"

	"beckon/campaigns/store"
)

// thrown counts what a COPY gives and throws it away.
type thrown struct{ bytes int64 }

func (w *thrown) Write(p []byte) (int, error) {
	w.bytes += int64(len(p))
	return len(p), nil
}

// speedNeeds are twenty attributes and what rules read most of purchases.
func speedNeeds() Needs {
	return Needs{Columns: []string{"id", "gender", "city", "language", "timezone", "tier", "birthday", "tier_until", "registered_at", "first_purchase_at", "last_purchase_at",
		"sms_consent", "email_consent", "tags", "purchase_count", "lifetime_points", "total_spend", "tier_shortfall", "has_email", "has_phone"},
		Fields: map[string][]string{"purchases": {"at", "store", "amount"}}}
}

// throwAway copies what an image would load, and reads nothing of it.
func throwAway(t testing.TB, w *workshop, needs Needs) int64 {
	t.Helper()
	ctx := context.Background()
	var to thrown
	err := w.store.View(ctx, func(tx *store.Tx) error {
		if err := tx.CopyCustomers(ctx, needs.Columns, store.Span{}, &to); err != nil {
			return err
		}
		return tx.CopyHistory(ctx, "purchases", needs.Fields["purchases"], false, store.Span{}, &to)
	})
	if err != nil {
		t.Fatal(err)
	}
	return to.bytes
}

func BenchmarkLoad(b *testing.B) {
	w := newWorkshop(b)
	const customers, each = 300_000, 5
	manyCustomers(b, w, customers, each)
	needs := speedNeeds()
	throwAway(b, w, needs) // so that both find the tables in memory
	b.Run("COPY thrown away", func(b *testing.B) {
		for b.Loop() {
			b.SetBytes(throwAway(b, w, needs))
		}
	})
	b.Run("COPY into columns", func(b *testing.B) {
		for b.Loop() {
			im := w.image()
			if err := im.load(context.Background(), w.store, needs); err != nil {
				b.Fatal(err)
			}
			of := im.Stats().BytesOf
			b.ReportMetric(float64(of["purchases"])/customers/each, "bytes/purchase")
			b.ReportMetric(float64(im.Stats().Bytes-of["purchases"])/customers, "bytes/customer")
		}
	})
}

func TestTenThousandChangedCustomersAreCaughtUpWith(t *testing.T) {
	w := newWorkshop(t)
	const customers, changed = 10 * changedMost, changedMost
	manyCustomers(t, w, customers, 5)
	needs := speedNeeds()
	im := w.image(func(o *ImageOptions) { o.Clock = time.Now })
	read := func(n Needs) {
		if err := im.Read(context.Background(), w.store, n, func(*store.Tx, []*chunk) error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	read(needs)
	for round := range 4 {
		w.exec(t, `WITH c AS (UPDATE customers SET city = 'Wuhan', tier_shortfall = $1::int WHERE no % $2::int = $1::int RETURNING no),
			f AS (UPDATE customer_figures SET purchase_count = purchase_count + 1, last_purchase_at = '2026-02-01' WHERE no % $2::int = $1::int),
			p AS (INSERT INTO purchases (no, order_id, at, store, amount, lines) SELECT no, 'new' || $1::int, '2026-02-01', 'store 7', 100, '{}' FROM c)
			INSERT INTO changes SELECT pg_current_xact_id(), no, k FROM c, unnest('{1,2}'::int[]) k`, round, customers/changed)
		read(needs)
		stats := im.Stats()
		t.Logf("%d changes of %d customers among %d: caught up in %v", stats.Behind, changed, customers, stats.CatchUp)
		if stats.Behind != 2*changed {
			t.Errorf("%d changes were found, want %d", stats.Behind, 2*changed)
		}
	}
	w.exec(t, `INSERT INTO changes SELECT pg_current_xact_id(), no, 2 FROM customers WHERE no = 5`)
	read(needs)
	t.Logf("one changed customer: caught up in %v", im.Stats().CatchUp)
	same(t, held(t, w, im, needs), held(t, w, w.image(), needs))
}

package audience

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// A history of changes through the store's own methods, drawn at random.
type changer struct {
	w      *workshop
	t      *rapid.T
	tb     testing.TB
	orders []string
	serial int
}

func (c *changer) id() string { return fmt.Sprintf("c%d", rapid.IntRange(1, 30).Draw(c.t, "customer")) }

func (c *changer) next(prefix string) string {
	c.serial++
	return fmt.Sprintf("%s%d", prefix, c.serial)
}

func (c *changer) step() {
	ctx := context.Background()
	switch rapid.IntRange(0, 9).Draw(c.t, "kind") {
	case 0, 1:
		c.save(ctx)
	case 2, 3:
		c.purchase(ctx)
	case 4:
		c.refund(ctx)
	case 5:
		props := map[string]any{"page": rapid.SampledFrom([]string{"a", "b", "é"}).Draw(c.t, "page"), "score": rapid.Float64Range(-9, 9).Draw(c.t, "score")}
		e := campaigns.Event{EventID: c.next("e"), CustomerID: c.id(), Name: "visit", At: c.at(), Props: props}
		if _, err := c.w.store.CreateEvents(ctx, []campaigns.Event{e}); err != nil {
			c.t.Fatal(err)
		}
	case 6:
		c.w.exec(c.tb, `WITH p AS (SELECT no FROM customers ORDER BY no LIMIT 1 OFFSET $1), l AS (INSERT INTO lots (no, lot_id, earned_on, active_from, zone, points, remaining)
				SELECT no, $2, '2026-01-01', '2026-01-01', 'UTC', 5, 5 FROM p), f AS (INSERT INTO customer_figures AS f (no, lifetime_points) SELECT no, 5 FROM p
				ON CONFLICT (no) DO UPDATE SET lifetime_points = f.lifetime_points + 5)
			INSERT INTO changes SELECT pg_current_xact_id(), no, 4 FROM p`, rapid.IntRange(0, 9).Draw(c.t, "place"), c.next("l"))
	case 7:
		c.w.exec(c.tb, `WITH gone AS (DELETE FROM customers WHERE id = $1 RETURNING no, id), ids AS (DELETE FROM customer_ids i USING gone WHERE i.id = gone.id)
			INSERT INTO changes SELECT pg_current_xact_id(), no, 1 FROM gone`, c.id())
	case 8:
		c.w.update(c.tb, func(tx *store.Tx) error { _, err := tx.RebuildFigures(ctx, 1, 1000); return err })
	case 9:
		c.w.update(c.tb, func(tx *store.Tx) error { _, err := tx.TrimChanges(ctx); return err })
	}
}

func (c *changer) at() time.Time {
	return c.w.clock.Now().Add(-time.Duration(rapid.IntRange(0, 400).Draw(c.t, "hours")) * time.Hour)
}

func (c *changer) save(ctx context.Context) {
	id := c.id()
	c.w.update(c.tb, func(tx *store.Tx) error {
		customer, err := tx.LockCustomer(ctx, id)
		if campaigns.CodeOf(err) == campaigns.CodeNotFound {
			customer, err = &campaigns.Customer{ID: id}, nil
		}
		if err != nil {
			return err
		}
		customer.City, customer.Tier = c.text("city"), c.text("tier")
		customer.Tags = rapid.SampledFrom([][]string{nil, {"a"}, {"a", "b", "é"}, {"c"}}).Draw(c.t, "tags")
		born := time.Date(rapid.IntRange(1900, 2100).Draw(c.t, "year"), 2, 28, 0, 0, 0, 0, time.UTC)
		customer.Birthday = &born
		if rapid.Bool().Draw(c.t, "no birthday") {
			customer.Birthday = nil
		}
		return tx.SaveCustomer(ctx, customer)
	})
}

func (c *changer) text(what string) *string {
	text := rapid.SampledFrom([]string{"", "Shanghai", "Köln", "x" + c.next("y")}).Draw(c.t, what)
	if text == "" {
		return nil
	}
	return &text
}

func (c *changer) purchase(ctx context.Context) {
	var purchases []campaigns.Purchase
	for range rapid.IntRange(1, 5).Draw(c.t, "purchases") {
		p := campaigns.Purchase{OrderID: c.next("o"), At: c.at(), Store: rapid.SampledFrom([]string{"", "A", "B"}).Draw(c.t, "store"),
			Lines: []campaigns.Line{{SKU: "a", Qty: 2, Amount: rapid.Int64Range(0, 1<<40).Draw(c.t, "amount") * 2}, {SKU: "b", Brand: "Olay", Qty: 1, Amount: 300}}}
		if rapid.IntRange(0, 4).Draw(c.t, "guest") > 0 {
			p.CustomerID = c.id()
		}
		purchases = append(purchases, p)
		c.orders = append(c.orders, p.OrderID)
	}
	c.w.update(c.tb, func(tx *store.Tx) error { _, err := tx.CreatePurchases(ctx, purchases); return err })
}

func (c *changer) refund(ctx context.Context) {
	if len(c.orders) == 0 {
		return
	}
	r := campaigns.Refund{RefundID: c.next("r"), OrderID: rapid.SampledFrom(c.orders).Draw(c.t, "order")}
	if rapid.Bool().Draw(c.t, "part") {
		r.Lines = []campaigns.Line{{SKU: "a", Qty: 1}}
	}
	err := c.w.store.Update(ctx, func(tx *store.Tx) error { _, err := tx.CreateRefund(ctx, &r); return err })
	if err != nil && campaigns.CodeOf(err) == "" {
		c.t.Fatal(err)
	}
}

func TestTheFollowedImageIsTheOneLoadedAnew(t *testing.T) {
	w := newWorkshop(t)
	needs := everything()
	needs.Fields["events"] = append(needs.Fields["events"], registerProps(t, w)...)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		if round++; round > historiesMost {
			return
		}
		w.empty(t)
		c := &changer{w: w, t: rt, tb: t}
		w.update(t, func(tx *store.Tx) error {
			_, err := tx.EnsureCustomers(context.Background(), []string{"c1", "c2", "c3"})
			return err
		})
		im := w.image()
		for range rapid.IntRange(1, 4).Draw(rt, "catch-ups") {
			for range rapid.IntRange(0, 12).Draw(rt, "changes") {
				c.step()
			}
			some := needs
			if rapid.Bool().Draw(rt, "some of it") {
				some = Needs{Columns: []string{"city"}, Fields: map[string][]string{"purchases": {"amount"}}}
			}
			held(t, w, im, some)
		}
		followed := held(t, w, im, needs)
		if !same(t, followed, kept(t, w, needs)) || !same(t, held(t, w, w.image(), needs), followed) {
			rt.Fatal("they differ")
		}
		if err := im.Close(context.Background(), w.store); err != nil {
			rt.Fatal(err)
		}
	})
}

// manyCustomers makes customers c1 … with as many purchases each, by SQL.
func manyCustomers(t testing.TB, w *workshop, customers, purchases int) {
	t.Helper()
	w.exec(t, `INSERT INTO customers (no, id, gender, language, timezone, email_consent, city, tier, birthday, registered_at, tags, sms_consent, tier_shortfall, changed_at)
		SELECT n, 'c' || n, (ARRAY['f', 'm'])[n % 2 + 1], 'zh', 'Asia/Shanghai', true, (ARRAY['Shanghai', 'Beijing', 'Chengdu', NULL])[n % 4 + 1], (ARRAY['gold', 'silver', NULL])[n % 3 + 1], DATE '1950-01-01' + n % 20000,
			timestamptz '2020-01-01' + n * interval '61 s', CASE WHEN n % 2 = 0 THEN ARRAY['a', 'b'] END, n % 2 = 0, n / 7.0, now() FROM generate_series(1, $1::int) n`, customers)
	w.exec(t, `INSERT INTO customer_ids SELECT id, no FROM customers`)
	w.exec(t, `SELECT setval('customer_nos', $1::bigint)`, customers)
	w.exec(t, `INSERT INTO customer_figures (no, purchase_count, total_spend, first_purchase_at, last_purchase_at)
		SELECT n, 5, n * 100, '2025-01-01', timestamptz '2025-06-01' + n % 1000 * interval '1 h' FROM generate_series(1, $1::int) n`, customers)
	w.exec(t, `INSERT INTO purchases (no, order_id, at, store, amount, lines) SELECT n % $1::int + 1, 'o' || n, timestamptz '2023-01-01' + n % 100000 * interval '17 min', 'store ' || n % 200, n % 100000, '{}'
		FROM generate_series(1, $2::int) n`, customers, customers*purchases)
	w.exec(t, `ANALYZE`)
}

func TestTablesAndTextsArePackedWhenTheyHaveBecomeLoose(t *testing.T) {
	w := newWorkshop(t)
	manyCustomers(t, w, 6000, 2)
	needs := Needs{Columns: []string{"city", "tags"}, Fields: map[string][]string{"purchases": {"amount", "store"}}}
	im := w.image()
	held(t, w, im, needs)
	for round := range 4 {
		w.exec(t, `WITH c AS (UPDATE customers SET city = 'city ' || no || ' ' || $1::int, tags = ARRAY['x' || $1::int] WHERE no % 5 = $1::int RETURNING no),
				p AS (UPDATE purchases SET amount = amount + 1, store = 'new ' || no WHERE no % 5 = $1::int RETURNING no)
			INSERT INTO changes SELECT pg_current_xact_id(), no, k FROM c, unnest('{1,2}'::int[]) k`, round)
		got := held(t, w, im, needs)
		if !same(t, got, held(t, w, w.image(), needs)) {
			t.FailNow()
		}
	}
	purchases, city := im.ordered[0].lists["purchases"], im.ordered[0].columns["city"]
	if purchases.garbage*4 > purchases.rows || city.texts.size() > 2*6000 {
		t.Errorf("%d of %d rows are nobody's, %d texts", purchases.garbage, purchases.rows, city.texts.size())
	}
}

func TestWritersThatCommitOutOfOrderLoseNothing(t *testing.T) {
	w := newWorkshop(t)
	ctx := context.Background()
	manyCustomers(t, w, 100, 1)
	needs := Needs{Columns: []string{"city", "purchase_count"}, Fields: map[string][]string{"purchases": {"amount"}}}
	im := w.image()
	held(t, w, im, needs)
	reading, stop := sync.WaitGroup{}, make(chan struct{})
	for range 3 {
		reading.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					held(t, w, im, needs)
				}
			}
		})
	}
	for round := range 20 {
		first := change(t, ctx, w.connect(t), fmt.Sprint("first ", round), 1)
		second := change(t, ctx, w.connect(t), fmt.Sprint("second ", round), 2)
		commit(t, second)
		if got := held(t, w, im, needs); got[2]["city"] != fmt.Sprint("second ", round) || got[1]["city"] == fmt.Sprint("first ", round) {
			t.Fatalf("%v, %v", got[1]["city"], got[2]["city"])
		}
		commit(t, first)
		if got := held(t, w, im, needs); got[1]["city"] != fmt.Sprint("first ", round) {
			t.Fatal("the first writer, who committed last, was lost")
		}
	}
	close(stop)
	reading.Wait()
	same(t, held(t, w, im, needs), held(t, w, w.image(), needs))
}

func change(t *testing.T, ctx context.Context, conn *pgx.Conn, city string, no int64) pgx.Tx {
	t.Helper()
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(ctx, `WITH c AS (UPDATE customers SET city = $1 WHERE no = $2 RETURNING no)
		INSERT INTO changes SELECT pg_current_xact_id(), no, 1 FROM c`, city, no); err != nil {
		t.Fatal(err)
	}
	return tx
}

func commit(t *testing.T, tx pgx.Tx) {
	t.Helper()
	if err := tx.Commit(context.Background()); err != nil {
		t.Fatal(err)
	}
	tx.Conn().Close(context.Background())
}

func TestANodeThatWasTrimmedPastLoadsAnew(t *testing.T) {
	w := newWorkshop(t)
	ctx := context.Background()
	manyCustomers(t, w, 10, 1)
	needs := Needs{Columns: []string{"city"}}
	im := w.image()
	held(t, w, im, needs)
	trim := func() (trimmed int64) {
		w.update(t, func(tx *store.Tx) (err error) { trimmed, err = tx.TrimChanges(ctx); return err })
		return trimmed
	}
	commit(t, change(t, ctx, w.connect(t), "kept", 1))
	if n := trim(); n != 0 {
		t.Errorf("%d changes were trimmed that a living node has still to read", n)
	}
	w.clock.Advance(11 * time.Minute)
	if n := trim(); n != 1 {
		t.Errorf("%d changes were trimmed, want 1: the node is dead", n)
	}
	if got := held(t, w, im, needs); got[1]["city"] != "kept" {
		t.Errorf("%v", got[1])
	}
	w.clock.Advance(9 * time.Minute)
	if err := im.Keep(ctx, w.store); err != nil {
		t.Fatal(err)
	}
	commit(t, change(t, ctx, w.connect(t), "later", 1))
	w.clock.Advance(9 * time.Minute)
	if n := trim(); n != 0 {
		t.Errorf("%d changes were trimmed of a node that keeps following", n)
	}
	if err := im.Close(ctx, w.store); err != nil {
		t.Fatal(err)
	}
	if n := trim(); n != 1 {
		t.Errorf("%d changes were trimmed after the node left, want 1", n)
	}
}

func TestWhatDoesNotFitIsRefused(t *testing.T) {
	w := newWorkshop(t)
	manyCustomers(t, w, 70_000, 2)
	refuse := func(im *Image, needs Needs, want error) {
		t.Helper()
		err := im.Read(context.Background(), w.store, needs, func(*store.Tx, []*chunk) error { return nil })
		if !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	small := w.image(func(o *ImageOptions) { o.BytesMax = 1_000_000 })
	purchases := Needs{Fields: map[string][]string{"purchases": {"amount", "store"}}}
	refuse(small, Needs{Columns: []string{"city"}}, nil)
	refuse(small, purchases, ErrTooLarge) // by the estimate
	refuse(small, Needs{Columns: []string{"city"}}, nil)
	refuse(small, Needs{Columns: []string{"sms_consent"}}, nil) // in the place of city, which is not needed now
	refuse(small, Needs{Columns: []string{"id"}}, ErrTooLarge)  // by what it turns out to be
	refuse(small, Needs{Columns: []string{"city"}}, nil)
	if got := small.Stats().Bytes; got > 1_000_000 {
		t.Errorf("%d bytes are held", got)
	}
}

func TestWhatNobodyUsesIsDropped(t *testing.T) {
	w := newWorkshop(t)
	manyCustomers(t, w, 10, 1)
	im := w.image()
	held(t, w, im, Needs{Columns: []string{"city", "tier"}, Histories: []string{"purchases"}})
	for range 5 {
		w.clock.Advance(7 * time.Minute)
		held(t, w, im, Needs{Columns: []string{"tier"}})
	}
	if of := im.Stats().BytesOf; len(of) != 1 || of["tier"] == 0 {
		t.Errorf("%v is held", of)
	}
}

func TestANameThatChangesElsewhereIsFollowed(t *testing.T) {
	w := newWorkshop(t)
	needs := nastyShop(t, w)
	im := w.image()
	held(t, w, im, needs)
	w.exec(t, `INSERT INTO offer_revisions SELECT id, 3, '{"name": "third"}', now() FROM offers`)
	w.exec(t, `UPDATE offers SET revision = 3`)
	w.exec(t, `INSERT INTO campaign_versions (campaign_id, version, definition, created_by, created_at) SELECT id, 3, '{"name": "newer"}', '', now() FROM campaigns`)
	w.exec(t, `UPDATE campaigns SET version = 3`)
	same(t, held(t, w, im, needs), kept(t, w, needs))
}

func TestAnAttributeThatIsMadeAgainIsAnother(t *testing.T) {
	w := newWorkshop(t)
	manyCustomers(t, w, 5, 1)
	needs := Needs{Columns: []string{"shade"}}
	make := func(kind, value string) {
		w.update(t, func(tx *store.Tx) error {
			return tx.CreateAttribute(context.Background(), &campaigns.Attribute{Name: "shade", Type: kind})
		})
		w.exec(t, fmt.Sprintf(`UPDATE customers SET %s = '%s'`, attributeColumn(t, w), value))
	}
	make("text", "red")
	im := w.image()
	if got := held(t, w, im, needs); got[1]["shade"] != "red" {
		t.Errorf("%v", got[1])
	}
	w.exec(t, `ALTER TABLE customers DROP COLUMN `+attributeColumn(t, w))
	w.exec(t, `DELETE FROM attributes`)
	make("int", "7")
	if got := held(t, w, im, needs); got[1]["shade"] != int64(7) {
		t.Errorf("%v", got[1])
	}
}

func attributeColumn(t *testing.T, w *workshop) (column string) {
	t.Helper()
	if err := w.raw.QueryRow(context.Background(), `SELECT column_name FROM attributes`).Scan(&column); err != nil {
		t.Fatal(err)
	}
	return column
}

func TestAnOldOpenTransactionIsReportedOnce(t *testing.T) {
	w := newWorkshop(t)
	manyCustomers(t, w, 5, 1)
	var log strings.Builder
	im := w.image(func(o *ImageOptions) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	conn := w.connect(t)
	open := change(t, context.Background(), conn, "late", 1)
	needs := Needs{Columns: []string{"city"}}
	for range 5 {
		held(t, w, im, needs)
		w.clock.Advance(20 * time.Second)
	}
	held(t, w, im, needs)
	stats := im.Stats()
	if stats.HorizonAge < time.Minute || stats.Horizon.PID != int32(conn.PgConn().PID()) || strings.Count(log.String(), "holds up") != 1 {
		t.Errorf("%+v, log %s", stats, log.String())
	}
	commit(t, open)
	if got := held(t, w, im, needs); got[1]["city"] != "late" || im.Stats().HorizonAge != 0 {
		t.Errorf("%v, %+v", got[1], im.Stats())
	}
}

func TestReadersThatAskAtOnceAllGetWhatTheyNeed(t *testing.T) {
	w := newWorkshop(t)
	manyCustomers(t, w, 5000, 2)
	im := w.image()
	var asking sync.WaitGroup
	for i := range 12 {
		asking.Go(func() {
			needs := []Needs{{Columns: []string{"city"}}, {Columns: []string{"tier", "tags"}}, {Columns: []string{"city"}, Fields: map[string][]string{"purchases": {"amount"}}},
				{Fields: map[string][]string{"purchases": {"store"}}}}[i%4]
			if got := held(t, w, im, needs); len(got) != 5000 {
				t.Errorf("%d customers", len(got))
			}
		})
	}
	for n := range 20 {
		commit(t, change(t, context.Background(), w.connect(t), fmt.Sprint("moved ", n), int64(n+1)))
	}
	asking.Wait()
	needs := Needs{Columns: []string{"city", "tier", "tags"}, Fields: map[string][]string{"purchases": {"amount", "store"}}}
	same(t, held(t, w, im, needs), held(t, w, w.image(), needs))
}

func TestALoadGoesOnWhenWhoAskedHasGone(t *testing.T) {
	w := newWorkshop(t)
	manyCustomers(t, w, 100, 1)
	im := w.image()
	lock, err := w.connect(t).Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(context.Background(), `LOCK TABLE customers`); err != nil {
		t.Fatal(err)
	}
	impatient, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	err = im.Read(impatient, w.store, Needs{Columns: []string{"city"}}, func(*store.Tx, []*chunk) error { return nil })
	if !errors.Is(err, context.DeadlineExceeded) || len(im.loading) != 0 {
		t.Errorf("%v, and the load has ended", err)
	}
	commit(t, lock)
	<-im.loading
	if im.columns["city"] == nil {
		t.Error("the load was given up")
	}
	im.loading <- struct{}{}
	if err := im.Close(context.Background(), w.store); err != nil {
		t.Fatal(err)
	}
	err = im.Read(context.Background(), w.store, Needs{Columns: []string{"city"}}, func(*store.Tx, []*chunk) error { return nil })
	if err == nil {
		t.Error("a closed image is read")
	}
}

func TestANodeThatIsTooFarBehindLoadsAnew(t *testing.T) {
	w := newWorkshop(t)
	manyCustomers(t, w, 10, 1)
	var log strings.Builder
	im := w.image(func(o *ImageOptions) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	needs := Needs{Columns: []string{"city"}}
	held(t, w, im, needs)
	w.exec(t, `UPDATE customers SET city = 'moved'`)
	w.exec(t, `INSERT INTO changes SELECT pg_current_xact_id(), 1 + n % 10, 1 FROM generate_series(0, $1::int) n`, changesMax)
	if got := held(t, w, im, needs); got[3]["city"] != "moved" || strings.Count(log.String(), "loaded anew") != 1 {
		t.Errorf("%v, log %s", got[3], log.String())
	}
}

func TestManyChangesAreReadOnOneConnectionWhenNoneIsFree(t *testing.T) {
	w := newWorkshop(t)
	manyCustomers(t, w, 3000, 2)
	narrow, err := store.Open(context.Background(), w.url, w.clock.Now, store.Options{Connections: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(narrow.Close)
	w.store = narrow
	im := w.image()
	needs := Needs{Columns: []string{"city"}, Fields: map[string][]string{"purchases": {"amount"}}}
	held(t, w, im, needs)
	w.exec(t, `WITH c AS (UPDATE customers SET city = 'moved' RETURNING no), p AS (UPDATE purchases SET amount = 7)
		INSERT INTO changes SELECT pg_current_xact_id(), no, k FROM c, unnest('{1,2}'::int[]) k`)
	same(t, held(t, w, im, needs), held(t, w, w.image(), needs))
}

func TestReadersThatFindNothingNewReadBesideEachOther(t *testing.T) {
	w := newWorkshop(t)
	manyCustomers(t, w, 10, 1)
	im := w.image()
	needs := Needs{Columns: []string{"city"}}
	held(t, w, im, needs)
	err := im.Read(context.Background(), w.store, needs, func(*store.Tx, []*chunk) error {
		second, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		ended := make(chan error)
		go func() {
			ended <- im.Read(second, w.store, needs, func(*store.Tx, []*chunk) error { return nil })
		}()
		return <-ended
	})
	if err != nil {
		t.Error(err)
	}
}

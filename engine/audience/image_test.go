package audience

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine/rules"
)

// A workshop is a store with a clock, and a connection of its own for what the store has no method for.
type workshop struct {
	store *store.Store
	clock *storetest.Clock
	raw   *pgx.Conn
	url   string
}

func newWorkshop(t testing.TB) *workshop {
	t.Helper()
	w := &workshop{clock: storetest.NewClock(t, "2026-11-21T10:00:00Z"), url: storetest.URL(t)}
	var err error
	if w.store, err = store.Open(context.Background(), w.url, w.clock.Now, store.Options{Connections: 12}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.store.Close)
	w.raw = w.connect(t)
	return w
}

func (w *workshop) connect(t testing.TB) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(context.Background(), w.url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func (w *workshop) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := w.raw.Exec(context.Background(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// empty makes the shop one without customers again, which takes less time than another database.
func (w *workshop) empty(t testing.TB) {
	t.Helper()
	w.exec(t, `TRUNCATE customers, customer_ids, customer_figures, purchases, orders, refunds, refund_ids, events, event_ids, lots, changes, nodes`)
	w.exec(t, `ALTER SEQUENCE customer_nos RESTART`)
}

func (w *workshop) update(t testing.TB, write func(tx *store.Tx) error) {
	t.Helper()
	if err := w.store.Update(context.Background(), write); err != nil {
		t.Fatal(err)
	}
}

func (w *workshop) image(options ...func(*ImageOptions)) *Image {
	o := ImageOptions{Node: campaigns.NewID(w.clock.Now()), Name: "test", BytesMax: 1 << 30, Clock: w.clock.Now}
	for _, set := range options {
		set(&o)
	}
	return NewImage(o)
}

// everything is all columns and fields that there are, in exact order.
func everything(attributes ...string) Needs {
	n := Needs{Columns: attributes, Fields: map[string][]string{}, Strict: map[string]bool{}}
	for _, c := range campaigns.CustomerSource().Columns {
		n.Columns = append(n.Columns, c.Name)
	}
	for _, h := range campaigns.HistorySources() {
		n.Strict[h.Name] = true
		for _, c := range h.Columns {
			if c.Type != campaigns.EventProperties {
				n.Fields[h.Name] = append(n.Fields[h.Name], c.Name)
			}
		}
	}
	return n
}

// valueAt is an entry of a column as a record has it.
func valueAt(c *column, i int) any {
	if c.isMissing(i) {
		return nil
	}
	switch c.kind {
	case rules.Bool:
		return bitOf(c.bits, i)
	case rules.Number:
		return c.f64[i]
	case rules.Text:
		return string(c.texts.text(c.code(i)))
	case rules.DateType:
		return rules.Date(c.int(i))
	case rules.Time:
		return time.Unix(c.int(i), 0).UTC()
	}
	if v := c.int(i); v < c.low || v > c.high {
		return fmt.Sprintf("%d is not within %d … %d", v, c.low, c.high)
	}
	return c.int(i)
}

// rowsAt are the rows of a customer as records have them.
func rowsAt(t *childTable, i int) []map[string]any {
	rows := []map[string]any{}
	for r := t.start[i]; r < t.end[i]; r++ {
		row := map[string]any{}
		for name, c := range t.columns {
			row[name] = valueAt(c, int(r))
		}
		rows = append(rows, row)
	}
	return rows
}

// held is what an image holds: for each customer, the columns, lists and histories.
func held(t testing.TB, w *workshop, im *Image, needs Needs) map[int64]map[string]any {
	t.Helper()
	all := map[int64]map[string]any{}
	err := im.Read(context.Background(), w.store, needs, func(_ *store.Tx, chunks []*chunk) error {
		for _, c := range chunks {
			checkShape(t, c)
			for i := range chunkRows {
				if bitOf(c.live, i) {
					all[c.base+int64(i)] = customerAt(im, c, i)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func customerAt(im *Image, c *chunk, i int) map[string]any {
	record := map[string]any{}
	for name, column := range c.columns {
		record[name] = valueAt(column, i)
	}
	for name, table := range c.lists {
		rows := rowsAt(table, i)
		if im.tables[name] != nil {
			record[name] = rows
			continue
		}
		record[name] = nil
		if table.present == nil || bitOf(table.present, i) {
			texts := []string{}
			for _, row := range rows {
				texts = append(texts, row[""].(string))
			}
			record[name] = texts
		}
	}
	return record
}

// checkShape holds a chunk against what column.go says of it.
func checkShape(t testing.TB, c *chunk) {
	t.Helper()
	check := func(name string, col *column, rows int) {
		slicesUsed := 0
		for _, n := range []int{len(col.i8), len(col.i16), len(col.i32), len(col.i64), len(col.c8), len(col.c16), len(col.c32), len(col.f64), len(col.bits) * wordBits} {
			if n > 0 {
				slicesUsed++
				if n < rows {
					t.Errorf("%s has %d entries, want %d", name, n, rows)
				}
			}
		}
		if slicesUsed > 1 || (rows > 0 && slicesUsed != 1) || (col.valid != nil && len(col.valid) < words(rows)) {
			t.Errorf("%s: %d slices have values, %d words of validity for %d rows", name, slicesUsed, len(col.valid), rows)
		}
		for i := 0; col.kind == rules.Text && i < rows; i++ {
			if int(col.code(i)) >= col.texts.size() {
				t.Errorf("%s: entry %d has no legal code", name, i)
				break
			}
		}
	}
	for name, col := range c.columns {
		check(name, col, chunkRows)
	}
	for name, table := range c.lists {
		for field, col := range table.columns {
			check(name+"."+field, col, table.rows)
		}
		for i := 1; i < chunkRows; i++ {
			loose := table.patched != nil && (bitOf(table.patched, i) || bitOf(table.patched, i-1))
			if !loose && table.start[i] != table.end[i-1] {
				t.Errorf("%s: customer %d begins at %d, the one before ends at %d", name, i, table.start[i], table.end[i-1])
				break
			}
		}
	}
}

// kept is what the store keeps, as EachCustomer and EachRow give it.
func kept(t testing.TB, w *workshop, needs Needs) map[int64]map[string]any {
	t.Helper()
	ctx := context.Background()
	all := map[int64]map[string]any{}
	span := store.Span{From: 0, To: math.MaxInt64}
	err := w.store.View(ctx, func(tx *store.Tx) error {
		err := tx.EachCustomer(ctx, span, needs.Columns, func(no int64, values []any) error {
			all[no] = map[string]any{}
			for i, name := range needs.Columns {
				all[no][name] = plain(values[i])
			}
			for name := range needs.Fields {
				all[no][name] = []map[string]any{}
			}
			return nil
		})
		for name, fields := range needs.Fields {
			err = errors.Join(err, tx.EachRow(ctx, span, name, tx.Now, func(no int64, values []any) error {
				if all[no] == nil {
					return nil // a guest
				}
				row := map[string]any{}
				for i, field := range store.HistoryFields(name) {
					if slices.Contains(fields, field) && field != "state" {
						row[field] = plain(values[i])
					}
					if field == "state" {
						row["used"] = values[i] == "used"
					}
					if props, is := values[i].(map[string]any); is {
						for _, f := range fields {
							if prop, is := strings.CutPrefix(f, store.PropertyPrefix); is {
								row[f] = plain(rules.PropReader(propKinds()[prop], 2)(props[prop]))
							}
						}
					}
				}
				for _, f := range fields {
					if _, there := row[f]; !there && f != "state" {
						row[f] = nil
					}
				}
				all[no][name] = append(all[no][name].([]map[string]any), row)
				return nil
			}))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// plain is a value as rules see it.
func plain(value any) any {
	switch v := value.(type) {
	case int32:
		return rules.Date(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
	case time.Time:
		if !rules.InRange(v.Unix()) {
			return nil
		}
		return time.Unix(v.Unix(), 0).UTC()
	}
	return value
}

func propKinds() map[string]rules.Type {
	return map[string]rules.Type{"page": rules.Text, "score": rules.Number, "steps": rules.Int, "paid": rules.Money, "ok": rules.Bool, "day": rules.DateType, "when": rules.Time}
}

func same(t testing.TB, got, want map[int64]map[string]any) bool {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d customers, want %d", len(got), len(want))
		return false
	}
	wrong := 0
	for no, record := range want {
		for name, value := range record {
			if !reflect.DeepEqual(got[no][name], value) && wrong < 10 {
				t.Errorf("customer %d: %s is %s, want %s", no, name, short(got[no][name]), short(value))
				wrong++
			}
		}
	}
	return wrong == 0
}

func short(v any) string {
	text := fmt.Sprintf("%#v", v)
	return text[:min(len(text), 400)]
}

func registerProps(t testing.TB, w *workshop) []string {
	t.Helper()
	var fields []string
	w.update(t, func(tx *store.Tx) error {
		for prop, kind := range propKinds() {
			a := campaigns.Attribute{Name: "event.visit." + prop, Type: kind.String()}
			if err := tx.CreateAttribute(context.Background(), &a); err != nil {
				return err
			}
			fields = append(fields, store.PropertyPrefix+prop)
		}
		return nil
	})
	return fields
}

func TestTheLoadedImageIsWhatTheStoreKeeps(t *testing.T) {
	w := newWorkshop(t)
	needs := nastyShop(t, w)
	im := w.image()
	same(t, held(t, w, im, needs), kept(t, w, needs))
	if stats := im.Stats(); stats.Bytes == 0 || stats.Customers == 0 || stats.Rows < 3000 || stats.BytesOf["purchases"] == 0 {
		t.Errorf("%+v", stats)
	}
}

// nastyShop has what is rare: everything missing, extremes, odd texts, no row and 3,000 rows.
func nastyShop(t testing.TB, w *workshop) Needs {
	t.Helper()
	ctx := context.Background()
	props := registerProps(t, w)
	names := []string{"n_text", "n_int", "n_number", "n_money", "n_bool", "n_date", "n_time", "n_list"}
	columns := make([]string, len(names))
	w.update(t, func(tx *store.Tx) error {
		for i, kind := range []string{"text", "int", "number", "money", "bool", "date", "time", "text_list"} {
			a := campaigns.Attribute{Name: names[i], Type: kind}
			if err := tx.CreateAttribute(ctx, &a); err != nil {
				return err
			}
			columns[i] = a.Column
		}
		return nil
	})
	w.exec(t, `INSERT INTO customers (no, id, changed_at) VALUES (1, 'empty', now())`)
	w.exec(t, `INSERT INTO customers (no, id, name, birthday, tier_until, registered_at, email, email_hash, sms_consent, tags, tier_shortfall, changed_at, `+strings.Join(columns, ", ")+`)
		SELECT n, 'c' || n, E'e\u0301\U0001F600' || n, (ARRAY['1900-01-01', '2100-12-31', '2000-02-29', 'infinity', '-infinity', '4713-01-01 BC']::date[])[n % 6 + 1], '2026-02-28',
			(ARRAY['1900-01-01 00:00:00.999999', '2100-01-01 00:00:00.000001', 'infinity', '-infinity', '294276-12-31', '1969-12-31 23:59:59.5', '4713-01-01 BC']::timestamptz[])[n % 7 + 1],
			'e' || n || '@x', CASE WHEN n % 3 = 0 THEN '\x01'::bytea END, (ARRAY[true, false, NULL])[n % 3 + 1],
			(ARRAY['{}', NULL, '{a}', '{a,"",é,a}', '{"x,y"}']::text[])[n % 5 + 1]::text[], (ARRAY['NaN', 'Infinity', '-0', '1e308', '-1.5']::float8[])[n % 5 + 1], now(),
			CASE WHEN n % 4 > 0 THEN 't' || n % 300 END, (ARRAY[-128, 127, 128, -32769, 9223372036854775807, -9223372036854775808, NULL])[n % (1 + n / 40) % 7 + 1], n / 3.0,
			n * -100, n % 2 = 0, DATE '1970-01-01' - n, to_timestamp(n - 200), CASE WHEN n % 2 = 0 THEN ARRAY['l' || n, 'm'] END
		FROM generate_series(2, 400) n`)
	w.exec(t, `INSERT INTO customers (no, id, changed_at) SELECT n, 'far' || n, now() FROM unnest('{65535,65536,200000}'::bigint[]) n`)
	w.exec(t, `INSERT INTO customer_figures (no, purchase_count, total_spend, last_purchase_at) SELECT n, n, n * 1000000007::bigint, '2026-01-01' FROM generate_series(2, 400, 3) n`)
	w.exec(t, `INSERT INTO purchases (no, order_id, at, store, amount, refunded, lines, net_lines)
		SELECT CASE WHEN n <= 3000 THEN 7 ELSE n % 500 END, 'o' || (n * 7919) % 10007, timestamptz '2026-01-01' + (n % 50) * interval '0.4 s', (ARRAY['A', 'ä', NULL])[n % 3 + 1], n * 100, n % 2,
			ARRAY[ROW('s' || n % 9, 'b', NULL, n, n * 100)::purchase_line, ROW('t', NULL, 'c', -1, -5)::purchase_line],
			CASE WHEN n % 4 = 0 THEN ARRAY[ROW('s', 'b', NULL, 0, 0)::purchase_line] WHEN n % 7 = 0 THEN '{}'::purchase_line[] END
		FROM generate_series(1, 6000) n`)
	w.exec(t, `INSERT INTO lots (no, lot_id, earned_on, active_from, last_valid_on, zone, points, remaining) SELECT n % 50 + 1, 'l' || n, DATE '2026-01-01' + n % 3, '2026-01-01',
		(ARRAY['infinity', NULL, '2026-12-31']::date[])[n % 3 + 1], 'UTC', n, n FROM generate_series(1, 300) n`)
	w.exec(t, `CREATE TABLE events_now PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')`)
	w.exec(t, `INSERT INTO events (no, name, at, event_id, props) SELECT n % 60 + 1, 'visit', timestamptz '2026-01-01' + n * interval '0.1 s', 'e' || n, (ARRAY[NULL, '{}', '{"page": "a", "score": 1.5}',
		'{"page": 1, "score": "x", "steps": 9007199254740993, "paid": "19.90", "ok": true}', '{"steps": 1.5, "paid": 0.001, "ok": 1, "day": "2026-02-29", "when": "x"}', '{"score": 1e400, "page": null}',
		'{"day": "2024-02-29", "when": "2026-01-01T10:00:00.7+08:00", "steps": 3, "paid": 12.5, "page": "é\"x"}']::jsonb[])[n % 7 + 1] FROM generate_series(1, 500) n`)
	nastyOffers(t, w)
	needs := everything(names...)
	needs.Fields["events"] = append(needs.Fields["events"], props...)
	return needs
}

func nastyOffers(t testing.TB, w *workshop) {
	t.Helper()
	const offer, campaign = "11111111-1111-7111-8111-111111111111", "22222222-2222-7222-8222-222222222222"
	w.exec(t, `INSERT INTO offers VALUES ($1, 2, 'active', now(), now())`, offer)
	w.exec(t, `INSERT INTO offer_revisions VALUES ($1, 1, '{"name": "first"}', now()), ($1, 2, '{"name": "second"}', now())`, offer)
	w.exec(t, `INSERT INTO campaigns (id, kind, status, version, salt, created_at, changed_at) VALUES ($1, 'once', 'active', 2, '', now(), now())`, campaign)
	w.exec(t, `INSERT INTO campaign_versions (campaign_id, version, definition, created_by, created_at) VALUES ($1, 1, '{"name": "old"}', '', now()), ($1, 2, '{"name": "new"}', '', now())`, campaign)
	w.exec(t, `INSERT INTO coupons (no, code, offer_id, offer_revision, campaign_id, issued_at, expires_at, uses, uses_max, used_at) SELECT n % 20 + 1, 'k' || n, $1, n % 2 + 1, CASE WHEN n % 3 > 0 THEN $2::uuid END,
		timestamptz '2026-01-01' + n % 4 * interval '0.3 s', timestamptz '2026-11-21 10:00:00.5' + n % 3 * interval '1 s', n % 2, 1, NULL FROM generate_series(1, 100) n`, offer, campaign)
	w.exec(t, `INSERT INTO redemption_offers (no, order_id, offer_id, at, discount, campaign_id, reversed_at) SELECT n % 20 + 1, 'r' || n, $1, timestamptz '2026-01-01' + n % 4 * interval '0.3 s', n, $2,
		CASE WHEN n % 5 = 0 THEN now() END FROM generate_series(1, 100) n`, offer, campaign)
	w.exec(t, `CREATE TABLE messages_now PARTITION OF messages FOR VALUES FROM ('2026-01-01') TO ('2027-01-01')`)
	w.exec(t, `INSERT INTO messages (no, id, queued_at, campaign_id, run_id, version, variant, ghost, channel, channel_id, template_id, template_revision, status, history, not_after, finished_at)
		SELECT n % 20 + 1, gen_random_uuid(), '2026-01-02', $1, $1, n % 2 + 1, 'a', n % 7 = 0, 'sms', 'x', $1, 1, (ARRAY['queued', 'sent', 'failed', 'ghost', 'unknown'])[n % 5 + 1], '[]', now(),
			timestamptz '2026-01-02' + n % 4 * interval '0.3 s' FROM generate_series(1, 200) n`, campaign)
}

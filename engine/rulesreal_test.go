package engine_test

import (
	"bytes"
	"context"
	"encoding/csv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
)

// A realShop is a shop with real data in American dollars, and a connection of its own for what is asked by hand.
type realShop struct {
	*store.Store
	sql *pgx.Conn
}

func openRealShop(t *testing.T, now string) realShop {
	t.Helper()
	ctx, url := context.Background(), storetest.URL(t)
	s, err := store.Open(ctx, url, storetest.NewClock(t, now).Now, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	dollars(t, s)
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(ctx) })
	return realShop{s, conn}
}

// A realRule is a rule as a marketer writes it, and the same question in SQL written by hand. $1 is the instant, and the
// view bought has a line of a purchase each, with the day in the shop's zone.
type realRule struct{ rule, sql, asOf string }

func (s realShop) ask(t *testing.T, questions []realRule) {
	t.Helper()
	ctx := context.Background()
	_, err := s.sql.Exec(ctx, `CREATE VIEW bought AS SELECT p.no, p.order_id, p.at, (p.at AT TIME ZONE 'America/New_York')::date AS day, p.amount AS whole,
		l.category, l.brand, l.qty, l.amount FROM purchases p, unnest(p.lines) l`)
	if err != nil {
		t.Fatal(err)
	}
	e := engine.New(s.Store, engine.Options{})
	for _, q := range questions {
		asOf, err := time.Parse(time.RFC3339, q.asOf)
		if err != nil {
			t.Fatal(err)
		}
		var want int64
		if err := s.sql.QueryRow(ctx, q.sql, asOf).Scan(&want); err != nil {
			t.Fatalf("%s: %v", q.sql, err)
		}
		found, err := e.CountRule(ctx, q.rule, asOf, "")
		switch {
		case err != nil:
			t.Errorf("%s: %v", q.rule, err)
		case found.Matching != want || want == 0 || want == found.Total:
			t.Errorf("%s as of %s: %d of %d by %s, by hand %d", q.rule, q.asOf, found.Matching, found.Total, found.Executor, want)
		default:
			t.Logf("%6d of %d by %s: %s", want, found.Total, found.Executor, q.rule)
		}
	}
}

const day = `($1::timestamptz AT TIME ZONE 'America/New_York')::date`

func TestRulesOverTheLogOfARealShopCountWhatSQLDoes(t *testing.T) {
	file := dataFile(t, "cdnow_master")
	s := openRealShop(t, "2026-11-21T10:00:00Z")
	bringIn(t, s.Store, map[string]string{"date": "at", "cds": "qty", "spend": "amount"}, file)
	const end, summer = "1998-07-01T12:00:00-04:00", "1997-08-01T09:00:00-04:00"
	s.ask(t, []realRule{
		{`days_since(last_purchase_at) > 90`, `SELECT count(*) FROM (SELECT no FROM bought GROUP BY no HAVING ` + day + ` - max(day) > 90) x`, end},
		{`purchase_count >= 2 && days_since(last_purchase_at) in 90..365 && avg_basket >= 30`,
			`SELECT count(*) FROM (SELECT no FROM bought GROUP BY no HAVING count(DISTINCT order_id) >= 2 AND ` + day + ` - max(day) BETWEEN 90 AND 365) x
			 JOIN customer_figures f USING (no) WHERE floor((2 * f.total_spend + f.purchase_count)::numeric / (2 * f.purchase_count)) >= 3000`, end},
		{`sum(filter(purchases, days_since(.at) <= 7), .amount) > 100`,
			`SELECT count(*) FROM (SELECT no FROM bought WHERE at <= $1 AND ` + day + ` - day <= 7 GROUP BY no HAVING sum(amount) > 10000) x`, summer},
		{`any(purchases, days_since(.at) > 150) && none(purchases, days_since(.at) <= 90)`,
			`SELECT count(*) FROM (SELECT no FROM bought WHERE at <= $1 GROUP BY no HAVING bool_or(` + day + ` - day > 150) AND NOT bool_or(` + day + ` - day <= 90)) x`, summer},
		{`max(map(purchases, .amount)) >= 3 * mean(map(purchases, .amount))`,
			`SELECT count(*) FROM (SELECT no FROM (SELECT DISTINCT no, order_id, whole FROM bought WHERE at <= $1) o GROUP BY no HAVING max(whole) * count(*) >= 3 * sum(whole)) x`, end},
		{`any(purchases, {let p = #; any(purchases, .at > p.at && .amount > p.amount)})`,
			`SELECT count(DISTINCT a.no) FROM bought a JOIN bought b ON b.no = a.no AND b.at > a.at AND b.whole > a.whole WHERE a.at <= $1 AND b.at <= $1`, summer},
		{`year(first_purchase_at) == 1997 && month(first_purchase_at) == 2 && weekday(first_purchase_at) >= 6`,
			`SELECT count(*) FROM (SELECT no, min(day) AS first FROM bought WHERE at <= $1 GROUP BY no) x WHERE extract(month FROM first) = 2 AND extract(isodow FROM first) >= 6`, end},
	})
}

func TestRulesOverTheBasketsOfARealSupermarketCountWhatSQLDoes(t *testing.T) {
	category, brand := map[string]string{}, map[string]string{}
	for _, r := range fileRows(t, "completejourney_products") {
		category[r[0]], brand[r[0]] = r[4], r[3]
	}
	var joined bytes.Buffer
	out := csv.NewWriter(&joined)
	if err := out.Write([]string{"customer_id", "store", "order_id", "sku", "qty", "amount", "at", "category", "brand"}); err != nil {
		t.Fatal(err)
	}
	for _, r := range fileRows(t, "completejourney_transactions_sample") {
		if err := out.Write([]string{r[0], r[1], r[2], r[3], r[4], r[5], r[10], category[r[3]], brand[r[3]]}); err != nil {
			t.Fatal(err)
		}
	}
	out.Flush()
	s := openRealShop(t, "2026-11-21T10:00:00Z")
	bringIn(t, s.Store, nil, &joined)
	s.redeemed(t)
	const end, autumn = "2018-01-02T12:00:00-05:00", "2017-10-01T00:30:00-04:00"
	s.ask(t, []realRule{
		{`count(items, .category == "SOFT DRINKS" && days_since(.at) <= 60) >= 2 && none(items, .category == "BEERS/ALES")`,
			`SELECT count(*) FROM (SELECT no FROM bought WHERE at <= $1 GROUP BY no HAVING count(*) FILTER (WHERE category = 'SOFT DRINKS' AND ` + day + ` - day <= 60) >= 2
			 AND count(*) FILTER (WHERE category = 'BEERS/ALES') = 0) x`, autumn},
		{`len(items) >= 2 && all(items, .brand == "Private")`,
			`SELECT count(*) FROM (SELECT no FROM bought WHERE at <= $1 GROUP BY no HAVING count(*) >= 2 AND bool_and(brand IS NOT DISTINCT FROM 'Private')) x`, autumn},
		{`sum(filter(items, days_since(.at) <= 7), .amount) > 10`,
			`SELECT count(*) FROM (SELECT no FROM bought WHERE at <= $1 AND ` + day + ` - day <= 7 GROUP BY no HAVING sum(amount) > 1000) x`, autumn},
		{`any(redemptions, days_since(.at) > 60) && none(redemptions, days_since(.at) <= 60)`,
			`SELECT count(*) FROM (SELECT no FROM redemption_offers WHERE at <= $1 GROUP BY no
			 HAVING ` + day + ` - max((at AT TIME ZONE 'America/New_York')::date) > 60) x`, autumn},
		{`lower(trim(max(map(items, .qty)) > 3 ? "Many" : "few")) == "many" && any(items, lower(.category) contains "cheese")`,
			`SELECT count(*) FROM (SELECT no FROM bought WHERE at <= $1 GROUP BY no HAVING max(qty) > 3 AND bool_or(strpos(lower(category), 'cheese') > 0)) x`, end},
		{`any(items, .category matches "^(SOFT|FLUID)") && count(purchases, .store in ["367", "406"]) >= 3`,
			`SELECT count(*) FROM (SELECT no FROM bought b WHERE at <= $1 GROUP BY no HAVING bool_or(category ~ '^(SOFT|FLUID)')) x
			 WHERE (SELECT count(*) FROM purchases p WHERE p.no = x.no AND p.store IN ('367', '406')) >= 3`, end},
	})
}

// redeemed brings in the coupons that the households redeemed, each as a redemption of one offer.
func (s realShop) redeemed(t *testing.T) {
	t.Helper()
	ctx := context.Background()
	_, err := s.sql.Exec(ctx, `INSERT INTO offers (id, revision, status, created_at, changed_at) VALUES ('018f0000-0000-7000-8000-000000000001', 1, 'open', now(), now());
		INSERT INTO offer_revisions (offer_id, revision, definition, created_at) VALUES ('018f0000-0000-7000-8000-000000000001', 1, '{"name": "Coupon"}', now())`)
	if err != nil {
		t.Fatal(err)
	}
	batch := &pgx.Batch{}
	for _, r := range fileRows(t, "completejourney_coupon_redemptions") {
		batch.Queue(`INSERT INTO redemption_offers (no, order_id, offer_id, at, discount)
			SELECT no, $2, '018f0000-0000-7000-8000-000000000001', $3::timestamp AT TIME ZONE 'America/New_York', 100 FROM customer_ids WHERE id = $1
			ON CONFLICT DO NOTHING`, r[0], r[1]+" "+r[3], r[3])
	}
	if err := s.sql.SendBatch(ctx, batch).Close(); err != nil {
		t.Fatal(err)
	}
}

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
	"beckon/engine/audience"
	"beckon/engine/rules"
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
	engines := map[string]*engine.Engine{audience.ByVector: engine.New(s.Store, engine.Options{}), audience.ByPushdown: engine.New(s.Store, engine.Options{AudienceBytes: -1})}
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range questions {
		asOf, err := time.Parse(time.RFC3339, q.asOf)
		if err != nil {
			t.Fatal(err)
		}
		var want int64
		if err := s.sql.QueryRow(ctx, q.sql, asOf).Scan(&want); err != nil {
			t.Fatalf("%s: %v", q.sql, err)
		}
		for name, e := range engines {
			found, err := e.CountRule(ctx, q.rule, asOf, "")
			switch {
			case err != nil:
				t.Errorf("%s: %v", q.rule, err)
			case found.Executor != name:
				t.Errorf("%s was asked of %s, not %s", q.rule, found.Executor, name)
			case found.Matching != want || want == 0 || want == found.Total:
				t.Errorf("%s as of %s: %d of %d by %s, by hand %d", q.rule, q.asOf, found.Matching, found.Total, found.Executor, want)
			default:
				t.Logf("%6d of %d by %s: %s", want, found.Total, found.Executor, q.rule)
			}
		}
		rule, err := engines[audience.ByVector].CheckRule(ctx, q.rule)
		if err != nil {
			t.Fatal(err)
		}
		asked := audience.Asked{Rule: rule, At: rules.Instant{Now: asOf, Zone: newYork}}
		one, err := audience.Reference{}.Find(ctx, s.Store, audience.Question{Conditions: []audience.Asked{asked}})
		if err != nil || one.Counts[0] != want {
			t.Errorf("%s as of %s: %+v by the reference, by hand %d: %v", q.rule, q.asOf, one, want, err)
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
		{`ntile(total_spend, 5) == 5`, placed(`ntile(5) OVER (ORDER BY f.total_spend, c.id COLLATE "C") = 5`), end},
		{`ntile(purchase_count, 7) == 3`, placed(`ntile(7) OVER (ORDER BY f.purchase_count, c.id COLLATE "C") = 3`), end},
		{`ntile(days_since(last_purchase_at), 4) == 1 && ntile(purchase_count, 4) == 4`,
			placed(`ntile(4) OVER (ORDER BY ` + day + ` - (f.last_purchase_at AT TIME ZONE 'America/New_York')::date, c.id COLLATE "C") = 1 AND ntile(4) OVER (ORDER BY f.purchase_count, c.id COLLATE "C") = 4`), end},
		{`percentile(purchase_count) > 90`, placed(`cume_dist() OVER (ORDER BY f.purchase_count, c.id COLLATE "C") > 0.9`), end},
		{`percentile(avg_basket) in 41..60`, placed(`ceil(100 * row_number() OVER (ORDER BY floor((2 * f.total_spend + f.purchase_count)::numeric / (2 * f.purchase_count)), c.id COLLATE "C") / (count(*) OVER ())::numeric) BETWEEN 41 AND 60`), end},
		{`ntile(count(purchases, days_since(.at) <= 180), 10) >= 9 && percentile(total_spend) <= 50`,
			`SELECT count(*) FROM (SELECT ntile(10) OVER (ORDER BY count(p.no), c.id COLLATE "C") AS lately, ceil(100 * row_number() OVER (ORDER BY max(f.total_spend), c.id COLLATE "C") / (count(*) OVER ())::numeric) AS spent
			 FROM customers c JOIN customer_figures f USING (no) LEFT JOIN purchases p ON p.no = c.no AND p.at <= $1 AND ` + day + ` - (p.at AT TIME ZONE 'America/New_York')::date <= 180
			 GROUP BY c.no, c.id) x WHERE lately >= 9 AND spent <= 50`, summer},
		{`total_spend > percentile(purchase_count) * 10.5 && ntile(total_spend, 3) != ntile(purchase_count, 3)`,
			placed(`f.total_spend > 1050 * ceil(100 * row_number() OVER (ORDER BY f.purchase_count, c.id COLLATE "C") / (count(*) OVER ())::numeric)
			 AND ntile(3) OVER (ORDER BY f.total_spend, c.id COLLATE "C") <> ntile(3) OVER (ORDER BY f.purchase_count, c.id COLLATE "C")`), end},
		{`any(purchases, .amount < 20 && ntile(total_spend, 5) == 5)`,
			`SELECT count(*) FROM (SELECT c.no, ntile(5) OVER (ORDER BY f.total_spend, c.id COLLATE "C") AS fifth FROM customers c JOIN customer_figures f USING (no)) x
			 WHERE fifth = 5 AND EXISTS (SELECT FROM purchases p WHERE p.no = x.no AND p.at <= $1 AND p.amount < 2000)`, end},
		{`count(purchases) >= 2 && max(map(purchases, .at)) != min(map(purchases, .at)) && days_since(max(map(purchases, .at))) * (count(purchases) - 1) > 2 * (days_since(min(map(purchases, .at))) - days_since(max(map(purchases, .at))))`,
			`SELECT count(*) FROM (SELECT no FROM (SELECT DISTINCT no, order_id, at, day FROM bought WHERE at <= $1) o GROUP BY no
			 HAVING count(*) >= 2 AND max(at) <> min(at) AND (` + day + ` - max(day)) * (count(*) - 1) > 2 * (max(day) - min(day))) x`, end},
		{`mean(map(filter(purchases, days_since(.at) > 60), .amount)) * 1.5 < mean(map(filter(purchases, days_since(.at) <= 60), .amount))`,
			`SELECT count(*) FROM (SELECT no FROM (SELECT DISTINCT no, order_id, day, whole FROM bought WHERE at <= $1) o GROUP BY no
			 HAVING avg(whole) FILTER (WHERE ` + day + ` - day > 60) * 1.5 < avg(whole) FILTER (WHERE ` + day + ` - day <= 60)) x`, summer},
	})
}

// placed is how many customers with figures stand where a condition with windows says.
func placed(condition string) string {
	return `SELECT count(*) FROM (SELECT ` + condition + ` AS there FROM customers c JOIN customer_figures f USING (no) WHERE $1::timestamptz IS NOT NULL) x WHERE there`
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
		{`sum(filter(items, .brand == "Private"), .amount) / sum(items, .amount) > 0.5`,
			`SELECT count(*) FROM (SELECT no FROM bought WHERE at <= $1 GROUP BY no HAVING 2 * sum(amount) FILTER (WHERE brand = 'Private') > sum(amount)) x`, autumn},
		{`count(purchases, weekday(.at) >= 6) > count(purchases, weekday(.at) < 6)`,
			`SELECT count(*) FROM (SELECT no FROM (SELECT DISTINCT no, order_id, day FROM bought WHERE at <= $1) o GROUP BY no
			 HAVING 2 * count(*) FILTER (WHERE extract(isodow FROM day) >= 6) > count(*)) x`, autumn},
		{`let dear = filter(items, .amount >= 2.0 * .qty); len(dear) >= 5 && none(dear, .category contains "SOFT" || .category == nil) && max(map(dear, .qty)) in 2..6`,
			`SELECT count(*) FROM (SELECT no FROM bought WHERE at <= $1 AND amount >= 200 * qty GROUP BY no
			 HAVING count(*) >= 5 AND bool_and(category IS NOT NULL AND strpos(category, 'SOFT') = 0) AND max(qty) BETWEEN 2 AND 6) x`, end},
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

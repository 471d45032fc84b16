package bench

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// crowdPurchases is how many purchases each customer of a crowd has on average.
const crowdPurchases = 5

// crowdNow is the instant at which a crowd is looked at: what it did lies in the three years before.
func crowdNow() time.Time { return time.Date(2026, 11, 21, 4, 0, 0, 0, time.UTC) }

// crowdAttributes are registered beside the fourteen names of a crowd that every shop has: twenty attributes in all.
func crowdAttributes() []campaigns.Attribute {
	return []campaigns.Attribute{{Name: "skin_type", Type: "text"}, {Name: "score", Type: "number"}, {Name: "visits", Type: "int"},
		{Name: "credit", Type: "money"}, {Name: "vip", Type: "bool"}, {Name: "wedding", Type: "date"}}
}

// crowdColumns are the twenty attributes of a crowd.
func crowdColumns() []string {
	names := []string{"gender", "birthday", "city", "language", "tier", "tier_until", "registered_at", "sms_consent", "email_consent",
		"purchase_count", "total_spend", "first_purchase_at", "last_purchase_at", "lifetime_points"}
	for _, a := range crowdAttributes() {
		names = append(names, a.Name)
	}
	return names
}

// crowd fills an empty shop with n customers numbered from 1 and their purchases, straight into the tables: at this size
// even our own import would be most of the time. What everybody has follows from hashes of the customer's number, so that
// every run has the same crowd. A tenth of each attribute is missing.
func (g *ground) crowd(ctx context.Context, s *store.Store, database string, n int) error {
	custom := crowdAttributes()
	err := s.Update(ctx, func(tx *store.Tx) error {
		for i := range custom {
			if err := tx.CreateAttribute(ctx, &custom[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	columns := make([]string, len(custom))
	for i, a := range custom {
		columns[i] = a.Column
	}
	failed := make(chan error, 2)
	go func() { failed <- g.inOneGo(ctx, database, "customers", crowdCustomers(columns, n)) }()
	go func() {
		failed <- g.inOneGo(ctx, database, "purchases", crowdHistory(n), `INSERT INTO customer_figures (no, purchase_count, total_spend, first_purchase_at, last_purchase_at, lifetime_points)
			SELECT no, count(*), sum(amount), min(at), max(at), sum(amount) / 100 FROM purchases GROUP BY no`)
	}()
	for range 2 {
		if err := <-failed; err != nil {
			return err
		}
	}
	conn, err := pgx.Connect(ctx, g.server.URL(database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range []string{fmt.Sprintf("SELECT setval('customer_nos', %d)", n), "VACUUM (ANALYZE) customers", "VACUUM (ANALYZE) purchases", "VACUUM (ANALYZE) customer_figures", "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// inOneGo fills a table in the transaction that empties it, so that PostgreSQL writes no log for it.
func (g *ground) inOneGo(ctx context.Context, database, table string, statements ...string) error {
	conn, err := pgx.Connect(ctx, g.server.URL(database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, sql := range append([]string{"SET LOCAL synchronous_commit = off", "TRUNCATE " + table}, statements...) {
			if _, err := tx.Exec(ctx, sql); err != nil {
				return fmt.Errorf("filling %s: %w", table, err)
			}
		}
		return nil
	})
}

// drawn is a number below m in SQL that follows from a customer's number n and a salt.
func drawn(salt, m int) string {
	return fmt.Sprintf("((hashint8extended(n, %d) & 9007199254740991) %% %d)", salt, m)
}

// mostly is a value in SQL that every tenth customer lacks.
func mostly(salt int, value string) string {
	return fmt.Sprintf("CASE WHEN %s > 0 THEN %s END", drawn(salt+1000, 10), value)
}

// among is one of some texts in SQL: the square of a draw prefers the first.
func among(salt int, texts ...string) string {
	x := drawn(salt, 1000)
	return fmt.Sprintf("(ARRAY['%s'])[1 + %s * %s * %d / 1000000]", strings.Join(texts, "','"), x, x, len(texts))
}

func crowdCustomers(custom []string, n int) string {
	cities := make([]string, 100)
	for i := range cities {
		cities[i] = fmt.Sprintf("City %02d", i)
	}
	cities[0], cities[1] = "Shanghai", "Beijing"
	now := crowdNow().Format(time.RFC3339)
	ago := func(salt, days int) string {
		return fmt.Sprintf("TIMESTAMPTZ '%s' - interval '1 second' * %s", now, drawn(salt, days*86400))
	}
	values := []string{"n", "'c' || n", mostly(1, among(1, "f", "m", "x")), mostly(2, "DATE '1945-01-01' + "+drawn(2, 23000)+"::int"), mostly(3, among(3, cities...)),
		mostly(4, among(4, "zh", "en", "ko", "ja")), mostly(5, among(5, "none", "silver", "gold", "platinum")), mostly(6, "DATE '2026-06-01' + "+drawn(6, 700)+"::int"),
		mostly(7, ago(7, 3000)), mostly(8, drawn(8, 2)+" = 0"), mostly(9, drawn(9, 3)+" > 0"), mostly(10, "sha256(('c' || n)::bytea)"), mostly(11, "sha256(('p' || n)::bytea)"),
		mostly(12, among(12, "dry", "oily", "normal", "mixed")), mostly(13, drawn(13, 100000)+" / 1000.0"), mostly(14, drawn(14, 200)), mostly(15, drawn(15, 5_000_000)),
		mostly(16, drawn(16, 20)+" = 0"), mostly(17, "DATE '1980-01-01' + "+drawn(17, 16000)+"::int"), "TIMESTAMPTZ '" + now + "'"}
	return "INSERT INTO customers (no, id, gender, birthday, city, language, tier, tier_until, registered_at, sms_consent, email_consent, email_hash, phone_hash, " +
		strings.Join(custom, ", ") + ", changed_at) SELECT " + strings.Join(values, ", ") + fmt.Sprintf(" FROM generate_series(1, %d) n", n)
}

// crowdHistory gives each customer none to twice crowdPurchases purchases of one line each.
func crowdHistory(n int) string {
	mixed := func(salt, m int) string { // by customer and purchase
		return fmt.Sprintf("((hashint8extended(n * 64 + k, %d) & 9007199254740991) %% %d)", salt, m)
	}
	brands := "(ARRAY['Olay','Nivea','Pampers','North','Aurora','Lumen','Sable','Fern'])[1 + " + mixed(22, 8) + "]"
	amount := "(500 + " + mixed(23, 60_000) + ")"
	return fmt.Sprintf(`INSERT INTO purchases (no, order_id, at, store, amount, lines)
		SELECT n, 'o' || n || '-' || k, TIMESTAMPTZ '%s' - interval '1 second' * %s, 'S' || %s, %s, ARRAY[('sku-' || %s, %s, 'care', 1 + %s, %s)::purchase_line]
		FROM generate_series(1, %d) n, generate_series(1, %s::int) k`, crowdNow().Format(time.RFC3339), mixed(20, 3*365*86400), mixed(21, 300), amount, mixed(24, 5000), brands, mixed(25, 3), amount,
		n, drawn(26, 2*crowdPurchases+1))
}

package bench

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
	"beckon/engine/rules"
)

// flatFrom is how many customers make a table large enough for PostgreSQL to scan with two workers.
const flatFrom = 100_000

// A flat is PostgreSQL's best: the twenty attributes of a crowd as typed columns of one table, so that no condition needs a
// join, those of the measured rule first, vacuumed, scanned by two workers beside the leader, and nothing compiled.
type flat struct {
	conn *pgx.Conn
	sql  string // the count of plainRule, written by hand
}

// makeFlat makes the table from the shop's own.
func (g *ground) makeFlat(ctx context.Context, database string, n int, custom []campaigns.Attribute) error {
	g.Say("laying the twenty attributes out as one table for PostgreSQL")
	list := make([]string, len(custom))
	for i, a := range custom {
		list[i] = "c." + a.Column + " AS " + a.Name
	}
	conn, err := pgx.Connect(ctx, g.server.URL(database))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range []string{
		`SET work_mem = '1GB'`,
		`CREATE TABLE flat AS SELECT c.no, coalesce(f.total_spend, 0) AS total_spend, f.last_purchase_at, c.tier, c.city, c.gender, c.birthday, c.language,
			c.tier_until, c.registered_at, c.sms_consent, c.email_consent, coalesce(f.purchase_count, 0) AS purchase_count, f.first_purchase_at,
			coalesce(f.lifetime_points, 0) AS lifetime_points, ` + strings.Join(list, ", ") + ` FROM customers c LEFT JOIN customer_figures f USING (no)`,
		`ALTER TABLE flat SET (parallel_workers = 2)`, `VACUUM (ANALYZE, FREEZE) flat`, "CHECKPOINT",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("making a table for PostgreSQL: %w", err)
		}
	}
	rows, err := g.count(ctx, database, `SELECT count(*) FROM flat`)
	if err == nil && rows != int64(n) {
		err = fmt.Errorf("the crowd has %d customers, not %d", rows, n)
	}
	return err
}

// openFlat prepares the count, and looks whether two workers really take part in it.
func (g *ground) openFlat(ctx context.Context, database string, n int, at rules.Instant) (f *flat, err error) {
	f = &flat{sql: fmt.Sprintf(`SELECT count(*) FROM flat WHERE tier IN ('gold', 'platinum') AND city = 'Shanghai' AND total_spend >= 20000 AND last_purchase_at < '%s'`,
		dayStart(at, -90).Format(time.RFC3339))}
	if f.conn, err = pgx.Connect(ctx, g.server.URL(database)); err != nil {
		return nil, err
	}
	for _, sql := range []string{`SET jit = off`, `SET max_parallel_workers_per_gather = 2`} {
		if _, err := f.conn.Exec(ctx, sql); err != nil {
			return nil, errors.Join(err, f.conn.Close(ctx))
		}
	}
	rows, err := f.conn.Query(ctx, "EXPLAIN (ANALYZE, TIMING OFF) "+f.sql)
	if err != nil {
		return nil, errors.Join(err, f.conn.Close(ctx))
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	text := strings.Join(lines, "\n")
	if err == nil && n >= flatFrom && !strings.Contains(text, "Workers Launched: 2") {
		err = fmt.Errorf("PostgreSQL does not count with two workers:\n%s", text)
	}
	if err != nil {
		return nil, errors.Join(err, f.conn.Close(ctx))
	}
	return f, nil
}

func (f *flat) count(ctx context.Context) (n int64, err error) {
	err = f.conn.QueryRow(ctx, f.sql).Scan(&n)
	return n, err
}

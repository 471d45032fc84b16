package bench

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

const (
	importLines     = 200_000
	importPerOrder  = 2  // lines
	importPerPerson = 10 // lines
	importBar       = 0.40
)

// A shipment is the same purchase lines twice: as a shop exports them, and with the customers' numbers and the lines'
// places for a plain table.
type shipment struct {
	n            int
	ours, copied bytes.Buffer
}

// newShipment makes n lines of orders at random times of a year, for customers whose numbers are known.
func newShipment(n int, nos []int64) *shipment {
	s := &shipment{n: n}
	random := rand.New(rand.NewPCG(20261121, 7)) // the same lines in every run
	s.ours.WriteString("order_id,customer_id,at,store,sku,brand,category,qty,amount\n")
	brands, kinds := []string{"Olay", "Pampers", "North", "Aurora"}, []string{"coats", "scarves", "care", "boots", "toys"}
	start := time.Date(2025, 11, 1, 0, 0, 0, 0, time.UTC)
	order, customer, at, branch := 0, 0, start, 0
	for i := range n {
		if i%importPerOrder == 0 {
			order, customer, branch = i/importPerOrder, random.IntN(len(nos)), random.IntN(40)
			at = start.Add(time.Duration(random.IntN(365*24*3600)) * time.Second)
		}
		sku, qty, amount := random.IntN(5000), 1+random.IntN(4), 500+random.IntN(90_000)
		rest := fmt.Sprintf("%s,S%02d,sku-%04d,%s,%s,%d", at.Format(time.RFC3339), branch, sku, brands[sku%len(brands)], kinds[sku%len(kinds)], qty)
		fmt.Fprintf(&s.ours, "o-%07d,%s,%s,%d.%02d\n", order, customerID(customer), rest, amount/100, amount%100)
		fmt.Fprintf(&s.copied, "%d,o-%07d,%d,%s,%d\n", nos[customer], order, i%importPerOrder+1, rest, amount)
	}
	return s
}

// measureImport compares purchase lines imported, with everything that is derived from them kept, with one COPY of the
// same lines into a table keyed by customer, order and line. Each round begins with a shop that has its customers and no
// purchases.
func measureImport(ctx context.Context, g *ground) ([]Row, error) {
	n := g.rows(importLines)
	nos, err := g.emptyShop(ctx, max(1, n/importPerPerson))
	if err != nil {
		return nil, err
	}
	lines := newShipment(n, nos)
	ours := func(ctx context.Context, round int) (float64, error) { return g.importLines(ctx, lines, round) }
	plain := func(ctx context.Context, round int) (float64, error) { return g.copyLines(ctx, lines, round) }
	measured, err := g.alternate(ctx, "import", ours, plain)
	if err != nil {
		return nil, err
	}
	return []Row{measured.row("purchase lines imported, figures kept", "lines/s", 0, 1, importBar)}, nil
}

// emptyShop makes the database that rounds begin with and gives its customers' numbers, by the number in their id.
func (g *ground) emptyShop(ctx context.Context, people int) ([]int64, error) {
	s, err := g.shop(ctx, "shop", 4)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	if err := g.people(ctx, s, people); err != nil {
		return nil, err
	}
	return numbers(ctx, s, people)
}

// numbers reads the numbers of the first n customers.
func numbers(ctx context.Context, s *store.Store, n int) ([]int64, error) {
	nos := make([]int64, n)
	return nos, s.View(ctx, func(tx *store.Tx) error {
		for i := range nos {
			c, err := tx.Customer(ctx, customerID(i))
			if err != nil {
				return err
			}
			nos[i] = c.No
		}
		return nil
	})
}

// importLines imports a shipment into a shop of its own.
func (g *ground) importLines(ctx context.Context, lines *shipment, round int) (float64, error) {
	name := "imported_" + strconv.Itoa(round)
	if err := g.do(ctx, "CREATE DATABASE "+name+" TEMPLATE shop", "CHECKPOINT"); err != nil {
		return 0, err
	}
	s, err := store.Open(ctx, g.server.URL(name), g.Clock, store.Options{})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	start := g.Clock()
	if err := g.bring(ctx, s, campaigns.ImportPurchases, bytes.NewReader(lines.ours.Bytes()), lines.n); err != nil {
		return 0, err
	}
	took := g.Clock().Sub(start)
	return float64(lines.n) / took.Seconds(), g.kept(ctx, name)
}

// copyLines copies a shipment into a plain table beside the shop's.
func (g *ground) copyLines(ctx context.Context, lines *shipment, round int) (float64, error) {
	name := "copied_" + strconv.Itoa(round)
	if err := g.do(ctx, "CREATE DATABASE "+name, "CHECKPOINT"); err != nil {
		return 0, err
	}
	conn, err := pgx.Connect(ctx, g.server.URL(name))
	if err != nil {
		return 0, err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `CREATE TABLE lines (no bigint, order_id text, line integer, at timestamptz, store text, sku text, brand text, category text,
		qty integer, amount bigint, PRIMARY KEY (no, order_id, line))`)
	if err != nil {
		return 0, fmt.Errorf("making a plain table: %w", err)
	}
	start := g.Clock()
	if _, err := conn.PgConn().CopyFrom(ctx, bytes.NewReader(lines.copied.Bytes()), "COPY lines FROM STDIN (FORMAT csv)"); err != nil {
		return 0, fmt.Errorf("copying: %w", err)
	}
	return float64(lines.n) / g.Clock().Sub(start).Seconds(), nil
}

// kept says whether the figures of a shop are those of its purchases.
func (g *ground) kept(ctx context.Context, shop string) error {
	wrong, err := g.count(ctx, shop, `SELECT count(*) FROM (SELECT no, count(*) AS n, sum(amount) AS spend, max(at) AS last FROM purchases GROUP BY no) p
		FULL JOIN (SELECT * FROM customer_figures WHERE purchase_count > 0) f ON f.no = p.no
		WHERE (p.n, p.spend, p.last) IS DISTINCT FROM (f.purchase_count, f.total_spend, f.last_purchase_at)`)
	if err == nil && wrong > 0 {
		err = fmt.Errorf("the figures of %d customers are not those of their purchases", wrong)
	}
	return err
}

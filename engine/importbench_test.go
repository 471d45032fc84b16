package engine_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/local"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
)

// BenchmarkImportOfPurchaseLines imports lines of purchases, with orders, customers and figures kept, beside psql's \copy
// of the same lines into a table keyed by customer, order and line. BECKON_BENCH_LINES sets how many, 200,000 if unset.
func BenchmarkImportOfPurchaseLines(b *testing.B) {
	n, err := strconv.Atoi(os.Getenv("BECKON_BENCH_LINES"))
	if err != nil {
		n = 200_000
	}
	file := lines(n, false)
	path := filepath.Join(b.TempDir(), "lines.csv")
	if err := os.WriteFile(path, []byte(file), 0o644); err != nil {
		b.Fatal(err)
	}
	bin, err := local.Find()
	if err != nil {
		b.Fatal(err)
	}
	var copied, imported time.Duration
	for b.Loop() {
		url := storetest.URL(b)
		copied += psql(b, bin, url, `CREATE TABLE bare (order_id text, customer_id text, at timestamptz, store text, sku text, brand text, category text,
			qty integer, amount bigint, line serial, PRIMARY KEY (customer_id, order_id, line))`,
			`ALTER TABLE bare ALTER amount TYPE numeric`, fmt.Sprintf(`\copy bare (order_id, customer_id, at, store, sku, brand, category, qty, amount) from '%s' with (format csv, header)`, path))
		s, err := store.Open(context.Background(), storetest.URL(b), time.Now, store.Options{})
		if err != nil {
			b.Fatal(err)
		}
		start := time.Now()
		options := campaigns.ImportOptions{Kind: campaigns.ImportPurchases, Format: "csv"}
		i, err := engine.Import(context.Background(), s, campaigns.NewID(time.Now()), options, strings.NewReader(file), func(i campaigns.Import) {
			if testing.Verbose() {
				b.Log(time.Since(start), i.Phase, i.RowsRead, i.RowsWritten)
			}
		})
		imported += time.Since(start)
		if err != nil || i.RowsWritten != int64(n) {
			b.Fatal(i, err)
		}
		s.Close()
	}
	rows := float64(n * b.N)
	b.ReportMetric(rows/imported.Seconds(), "rows/s")
	b.ReportMetric(rows/copied.Seconds(), "copied/s")
	b.ReportMetric(copied.Seconds()/imported.Seconds(), "ratio")
}

// psql runs statements and gives the time that the last took.
func psql(b *testing.B, bin, url string, statements ...string) (took time.Duration) {
	b.Helper()
	for _, sql := range statements {
		start := time.Now()
		out, err := exec.CommandContext(context.Background(), filepath.Join(bin, "psql"), "-X", "-q", "-d", url, "-c", sql).CombinedOutput()
		if err != nil {
			b.Fatalf("psql: %v\n%s", err, out)
		}
		took = time.Since(start)
	}
	return took
}

package engine_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
)

// shop is a fresh store whose clock stands on 21 November 2026.
func shop(t testing.TB) *store.Store {
	return storetest.Open(t, storetest.NewClock(t, "2026-11-21T10:00:00Z").Now)
}

func importing(t testing.TB, s *store.Store, options campaigns.ImportOptions, body string) (campaigns.Import, error) {
	t.Helper()
	if options.Format == "" {
		options.Format = "csv"
	}
	return engine.Import(context.Background(), s, campaigns.NewID(time.Now()), options, strings.NewReader(body), nil)
}

// imported runs an import that must succeed and gives its counts: read, written, unchanged, rejected.
func imported(t testing.TB, s *store.Store, options campaigns.ImportOptions, body string) (campaigns.Import, string) {
	t.Helper()
	i, err := importing(t, s, options, body)
	if err != nil {
		t.Fatal(err)
	}
	if i.Status != "done" || i.FinishedAt == nil {
		t.Fatalf("import %+v", i)
	}
	return i, fmt.Sprintf("%d %d %d %d", i.RowsRead, i.RowsWritten, i.RowsUnchanged, i.RowsRejected)
}

func rejects(i campaigns.Import) string {
	var lines []string
	for _, r := range i.Rejected {
		lines = append(lines, fmt.Sprintf("%d %s: %s", r.Row, r.Field, r.Message))
	}
	return strings.Join(lines, "\n")
}

func view(t testing.TB, s *store.Store, read func(ctx context.Context, tx *store.Tx) error) {
	t.Helper()
	ctx := context.Background()
	if err := s.View(ctx, func(tx *store.Tx) error { return read(ctx, tx) }); err != nil {
		t.Fatal(err)
	}
}

func customerOf(t testing.TB, s *store.Store, id string) (c *campaigns.Customer) {
	t.Helper()
	view(t, s, func(ctx context.Context, tx *store.Tx) (err error) { c, err = tx.Customer(ctx, id); return err })
	return c
}

func purchaseOf(t testing.TB, s *store.Store, id string) (p *campaigns.Purchase) {
	t.Helper()
	view(t, s, func(ctx context.Context, tx *store.Tx) (err error) { p, err = tx.Purchase(ctx, id); return err })
	return p
}

var purchasesCSV = campaigns.ImportOptions{Kind: campaigns.ImportPurchases}

func TestRowsOfOneOrderAreOnePurchaseWhereverTheyStand(t *testing.T) {
	s := shop(t)
	file := "order_id,customer_id,at,store,sku,brand,category,qty,amount\n" +
		"o1,c1,2026-11-01T10:00:00+08:00,S1,a,B,C,1,10.00\n" +
		"o2,c2,2026-11-02 09:00:00,S1,b,,,0,5.5\n" +
		"o1,c1,2026-11-01T10:00:00+08:00,S1,\"x, \"\"y\"\"\",B,C,2,20\n" +
		"o3,,2026-11-03,,c,,,,1\n"
	_, counts := imported(t, s, purchasesCSV, "\ufeff"+strings.ReplaceAll(file, "\n", "\r\n"))
	if counts != "4 4 0 0" {
		t.Errorf("counts %s", counts)
	}
	p := purchaseOf(t, s, "o1")
	if len(p.Lines) != 2 || p.Lines[1].SKU != `x, "y"` || p.Lines[1].Qty != 2 || p.Amount != 3000 || p.Store != "S1" || p.CustomerID != "c1" ||
		!p.At.Equal(time.Date(2026, 11, 1, 2, 0, 0, 0, time.UTC)) {
		t.Errorf("purchase %+v", p)
	}
	if p := purchaseOf(t, s, "o2"); p.Lines[0].Qty != 0 || p.Amount != 550 || !p.At.Equal(time.Date(2026, 11, 2, 1, 0, 0, 0, time.UTC)) {
		t.Errorf("purchase %+v", p)
	}
	if p := purchaseOf(t, s, "o3"); p.CustomerID != "" || p.Lines[0].Qty != 1 {
		t.Errorf("a guest's purchase %+v", p)
	}
	if f := customerOf(t, s, "c1").Figures; f.PurchaseCount != 1 || f.TotalSpend != 3000 {
		t.Errorf("figures %+v", f)
	}
	if _, counts := imported(t, s, purchasesCSV, file); counts != "4 0 4 0" {
		t.Errorf("the same file again: %s", counts)
	}
	figuresHold(t, s)
}

func figuresHold(t testing.TB, s *store.Store) {
	t.Helper()
	ctx := context.Background()
	err := s.Update(ctx, func(tx *store.Tx) error {
		mended, err := tx.RebuildFigures(ctx, 0, 1<<60)
		if mended > 0 {
			t.Errorf("%d customers had other figures than their purchases say", mended)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnOrderWithABadRowIsRejectedWhole(t *testing.T) {
	s := shop(t)
	i, counts := imported(t, s, purchasesCSV, `order_id,customer_id,at,sku,qty,amount
o1,c1,2026-11-01,a,1,10
o2,c2,2026-11-01,a,1,10
o1,c1,2026-11-01,b,-1,10
o1,c1,2026-11-01,c,1,10
o3,c3,2026-02-30,c,1,10
o4,c4,2026-11-01,c,1,1.234
o5,c5,2026-11-01,c,1
o6,"c6"x,2026-11-01,c,1,1
o7,c7,2026-11-01,c,1,1
o7,c8,2026-11-01,c,1,1
o8,c8,2026-11-01,c,1,1
,c8,2026-11-01,c,1,1
`)
	want := `1 order_id: row 3 of the same order was rejected
3 qty: is negative: send what came back as a refund
4 order_id: row 3 of the same order was rejected
5 at: "2026-02-30" is a date that does not exist
6 amount: "1.234" is finer than the currency's smallest unit (2 decimals)
7 row: has 5 columns where the header has 6
8 row: has a quote inside a quoted cell: write it twice
9 order_id: rows of this order name different customers
10 order_id: rows of this order name different customers
12 order_id: is missing`
	if counts != "12 2 0 10" || rejects(i) != want {
		t.Errorf("counts %s, rejected:\n%s", counts, rejects(i))
	}
	i, counts = imported(t, s, purchasesCSV, "order_id,customer_id,at,amount\no2,c9,2026-11-01,10\no8,c8,2026-11-01,77\n")
	if counts != "2 0 1 1" || rejects(i) != "1 order_id: the order exists already, with another customer" {
		t.Errorf("counts %s, rejected:\n%s", counts, rejects(i))
	}
	figuresHold(t, s)
}

func TestWithoutAnOrderTheOrderIsTheCustomerAndTheTime(t *testing.T) {
	s := shop(t)
	file := "customer_id,at,amount\nc1,2026-11-01,1\nc1,2026-11-01,1\nc1,2026-11-02,1\nc2,2026-11-01,1\nc1,2026-11-01,3\n,2026-11-01,1\n"
	i, counts := imported(t, s, purchasesCSV, file)
	if counts != "6 5 0 1" || !strings.HasPrefix(rejects(i), "6 customer_id: is missing") {
		t.Errorf("counts %s, rejected %s", counts, rejects(i))
	}
	if f := customerOf(t, s, "c1").Figures; f.PurchaseCount != 2 || f.TotalSpend != 600 {
		t.Errorf("figures %+v", f)
	}
	if _, counts := imported(t, s, purchasesCSV, file); counts != "6 0 5 1" {
		t.Errorf("again: %s", counts)
	}
}

func TestWholePurchasesComeAsLinesOfJSON(t *testing.T) {
	s := shop(t)
	options := campaigns.ImportOptions{Kind: campaigns.ImportPurchases, Format: "ndjson"}
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	fmt.Fprint(w, `{"order_id":"o1","customer_id":"c1","at":"2026-11-01T10:00:00Z","store":"S","lines":[{"sku":"a","qty":2,"amount":"10.00"},{"sku":"b","qty":1,"amount":5}]}

{"order_id":"o2","customer_id":"c1","at":"2026-11-01T10:00:00Z","sku":"a","amount":7.25}
{"order_id":"o3","customer_id":"c1","at":"2026-11-01T10:00:00Z","lines":[{"sku":"a","qty":-2,"amount":"10.00"}]}
{"order_id":"o4","customer_id":
{"order_id":"o5","custommer_id":"c1","at":"2026-11-01T10:00:00Z","amount":1}
{"order_id":"o2","customer_id":"c1","at":"2026-11-01T10:00:00Z","sku":"b","amount":1}
`)
	w.Close()
	i, counts := imported(t, s, options, zipped.String())
	if counts != "6 3 0 3" || len(i.Rejected) != 3 || i.Rejected[0].Row != 4 || i.Rejected[1].Row != 5 || i.Rejected[2].Field != "custommer_id" {
		t.Errorf("counts %s, rejected:\n%s", counts, rejects(i))
	}
	if p := purchaseOf(t, s, "o2"); p.Amount != 825 || len(p.Lines) != 2 {
		t.Errorf("purchase %+v", p)
	}
	figuresHold(t, s)
}

func TestAnUnknownColumnFailsTheFileWithTheNearestName(t *testing.T) {
	s := shop(t)
	for body, want := range map[string]string{
		"order_id,customer_id,att,amount\n":     "att: is not a column of purchases: did you mean at? Or else a map renames columns, and - leaves one out",
		"order_id,at,amount,retail_disc\n":      "retail_disc: is not a column of purchases: a map renames columns, and - leaves one out",
		"order_id,customer_id,amount\n":         "at: there is no such column: the file needs at, amount",
		"at,amount\n":                           "order_id: there is no such column, and no customer_id: without an order_id the order is the customer and the time",
		"":                                      "header: is missing: the file is empty",
		"order_id,customer_id,at,amount,at \n":  "at: and at are both read as at: leave one out with the map at → -",
		"order_id,\"customer_id\"x,at,amount\n": "header: has a quote inside a quoted cell: write it twice",
	} {
		i, err := importing(t, s, purchasesCSV, body)
		if campaigns.CodeOf(err) != campaigns.CodeInvalid || err.Error() != want || i.Status != "failed" || i.Error != want {
			t.Errorf("%q: %v (%+v)", body, err, i)
		}
	}
}

func TestAMapRenamesColumnsEitherWayRound(t *testing.T) {
	s := shop(t)
	for n, mapping := range []map[string]string{
		{"basket": "order_id", "who": "customer_id", "when": "at", "value": "amount"},
		{"order_id": "basket", "customer_id": "who", "at": "when", "amount": "value", "store": "-"},
	} {
		options := campaigns.ImportOptions{Kind: campaigns.ImportPurchases, Map: mapping}
		i, counts := imported(t, s, options, fmt.Sprintf("basket,who,when,value,week,store\no%d,c1,2026-11-01,3,7,S\n", n))
		if counts != "1 1 0 0" || !strings.HasPrefix(fmt.Sprint(i.IgnoredColumns), "[week") {
			t.Errorf("counts %s, ignored %v", counts, i.IgnoredColumns)
		}
		if p := purchaseOf(t, s, fmt.Sprint("o", n)); p.CustomerID != "c1" || p.Amount != 300 || (p.Store == "") != (n == 1) {
			t.Errorf("purchase %+v", p)
		}
	}
	_, err := importing(t, s, campaigns.ImportOptions{Kind: campaigns.ImportPurchases, Map: map[string]string{"nothing": "at"}}, "order_id,at,amount\n")
	if campaigns.CodeOf(err) != campaigns.CodeInvalid || !strings.Contains(err.Error(), "no column nothing") {
		t.Errorf("a map that names no column: %v", err)
	}
}

func TestADryRunCountsAndWritesNothing(t *testing.T) {
	s := shop(t)
	options := purchasesCSV
	options.DryRun = true
	_, counts := imported(t, s, options, "order_id,customer_id,at,amount\no1,c1,2026-11-01,1\no2,c1,2026-11-01,1\no2,c1,2026-11-01,x\n")
	if counts != "3 0 0 2" {
		t.Errorf("counts %s", counts)
	}
	view(t, s, func(ctx context.Context, tx *store.Tx) error {
		list, err := tx.ListCustomers(ctx, 0, 10)
		if len(list) != 0 {
			t.Errorf("customers %v", list)
		}
		return err
	})
}

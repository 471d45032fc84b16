package engine_test

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// dataFile opens a file of the folder shared/data, which lies beside the repository.
func dataFile(t testing.TB, name string) *os.File {
	t.Helper()
	for _, folder := range []string{"../../shared/data", "../../../shared/data"} {
		file, err := os.Open(filepath.Join(folder, name+".csv.gz"))
		if err == nil {
			t.Cleanup(func() { file.Close() })
			return file
		}
	}
	t.Skipf("shared/data/%s.csv.gz is not here: this test needs the real data beside the repository", name)
	return nil
}

// fileRows reads all records of a file of real data, without its header.
func fileRows(t testing.TB, name string) [][]string {
	t.Helper()
	in, err := gzip.NewReader(dataFile(t, name))
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(in).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return records[1:]
}

func bringIn(t testing.TB, s *store.Store, mapping map[string]string, file io.Reader) campaigns.Import {
	t.Helper()
	options := campaigns.ImportOptions{Kind: campaigns.ImportPurchases, Format: "csv", Map: mapping}
	i, err := engine.Import(context.Background(), s, campaigns.NewID(time.Now()), options, file, nil)
	if err != nil {
		t.Fatal(err)
	}
	if i.RowsRejected > 0 {
		t.Fatalf("%d rows were rejected, such as %+v", i.RowsRejected, i.Rejected[0])
	}
	return i
}

// totals are the number of customers, of their purchases, and what they spent.
func totals(t testing.TB, s *store.Store) (customers, purchases, spend int64) {
	t.Helper()
	view(t, s, func(ctx context.Context, tx *store.Tx) error {
		for after := int64(0); ; {
			page, err := tx.ListCustomers(ctx, after, 1000)
			if err != nil || len(page) == 0 {
				return err
			}
			for _, c := range page {
				customers, purchases, spend, after = customers+1, purchases+c.Figures.PurchaseCount, spend+c.Figures.TotalSpend, c.No
			}
		}
	})
	return customers, purchases, spend
}

func dollars(t testing.TB, s *store.Store) {
	t.Helper()
	ctx := context.Background()
	err := s.Update(ctx, func(tx *store.Tx) error {
		w, err := tx.LockWorkspace(ctx)
		if err != nil {
			return err
		}
		w.Currency, w.Zone = "USD", "America/New_York"
		return tx.SaveWorkspace(ctx, w)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheBasketsOfARealSupermarketComeInWhole(t *testing.T) {
	s := shop(t)
	mapping := map[string]string{"household_id": "customer_id", "basket_id": "order_id", "product_id": "sku", "quantity": "qty",
		"sales_value": "amount", "transaction_timestamp": "at", "store_id": "store"}
	baskets, households, cents := map[string]bool{}, map[string]bool{}, int64(0)
	for _, r := range fileRows(t, "completejourney_transactions_sample") {
		amount, err := campaigns.ParseMoney(r[5], 2)
		if err != nil && r[5] != "4.440892e-16" { // one amount of the file is the noise of somebody's floating point
			t.Fatal(err)
		}
		baskets[r[2]], households[r[0]], cents = true, true, cents+amount
	}
	for _, want := range []string{"75000 75000 0", "75000 0 75000"} {
		i := bringIn(t, s, mapping, dataFile(t, "completejourney_transactions_sample"))
		if got := fmt.Sprint(i.RowsRead, i.RowsWritten, i.RowsUnchanged); got != want {
			t.Errorf("read, written, unchanged %s, want %s", got, want)
		}
		if fmt.Sprint(i.IgnoredColumns) != "[retail_disc coupon_disc coupon_match_disc week]" {
			t.Errorf("ignored %v", i.IgnoredColumns)
		}
		customers, purchases, spend := totals(t, s)
		if customers != 2377 || customers != int64(len(households)) || purchases != int64(len(baskets)) || spend != cents {
			t.Errorf("%d customers, %d purchases, %d cents; the file has %d, %d, %d", customers, purchases, spend, len(households), len(baskets), cents)
		}
	}
	figuresHold(t, s)
}

func TestTheWholeLogOfARealShopComesIn(t *testing.T) {
	s := shop(t)
	dollars(t, s)
	mapping := map[string]string{"date": "at", "cds": "qty", "spend": "amount"}
	days := map[[2]string]bool{}
	for _, r := range fileRows(t, "cdnow_master") {
		days[[2]string{r[0], r[1]}] = true
	}
	for _, written := range []int64{69659, 0} {
		if i := bringIn(t, s, mapping, dataFile(t, "cdnow_master")); i.RowsRead != 69659 || i.RowsWritten != written || i.RowsUnchanged != 69659-written {
			t.Errorf("import %+v", i)
		}
	}
	customers, purchases, spend := totals(t, s)
	if customers != 23570 || purchases != int64(len(days)) || spend != 250031563 {
		t.Errorf("%d customers, %d purchases of %d days, %d cents", customers, purchases, len(days), spend)
	}
}

// TestFiguresOfARealShopAreThePublishedOnes compares what was stored with the published summary of the CDNOW sample: of
// the weeks up to 30 September 1997, repeat purchases (days), the week of the last, the weeks since the first, and the mean
// amount of a repeat purchase.
func TestFiguresOfARealShopAreThePublishedOnes(t *testing.T) {
	s := shop(t)
	dollars(t, s)
	i := bringIn(t, s, map[string]string{"customer_id": "-", "sample_id": "customer_id", "date": "at", "cds": "qty", "spend": "amount"}, dataFile(t, "cdnow_sample"))
	if i.RowsWritten != 6919 {
		t.Errorf("import %+v", i)
	}
	published := fileRows(t, "cdnow_sample_summary_rfm")
	if len(published) != 2357 {
		t.Fatalf("%d customers are published", len(published))
	}
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	view(t, s, func(ctx context.Context, tx *store.Tx) error {
		for _, want := range published {
			id, err := strconv.Atoi(want[0])
			if err != nil {
				return err
			}
			c, err := tx.Customer(ctx, fmt.Sprintf("%04d", id))
			if err != nil {
				return err
			}
			purchases, err := tx.Purchases(ctx, c.No, time.Date(1997, 10, 1, 0, 0, 0, 0, zone), "", 1000)
			if err != nil {
				return err
			}
			if got := summary(purchases, zone); !near(got, want[1:]) {
				t.Errorf("customer %s: %v, published %v", c.ID, got, want[1:])
			}
		}
		return nil
	})
}

// summary is x, t_x, T and zbar of a customer's purchases, the latest first, until 30 September 1997.
func summary(purchases []*campaigns.Purchase, zone *time.Location) [4]float64 {
	day := func(at time.Time) float64 {
		y, m, d := at.In(zone).Date()
		return float64(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)
	}
	first := day(purchases[len(purchases)-1].At)
	end := float64(time.Date(1997, 9, 30, 0, 0, 0, 0, time.UTC).Unix() / 86400)
	repeats, spend := float64(len(purchases)-1), 0.0
	for _, p := range purchases[:len(purchases)-1] {
		spend += float64(p.Amount) / 100
	}
	mean := 0.0
	if repeats > 0 {
		mean = spend / repeats
	}
	return [4]float64{repeats, (day(purchases[0].At) - first) / 7, (end - first) / 7, mean}
}

// near says whether figures are the published ones, which have two decimals.
func near(got [4]float64, want []string) bool {
	for i, text := range want {
		published, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Abs(got[i]-published) > 0.00501 {
			return false
		}
	}
	return true
}

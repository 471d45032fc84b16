package engine_test

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
)

// purchasesOf writes a file of so many orders of one line each.
func purchasesOf(orders int) io.Reader {
	reader, writer := io.Pipe()
	go func() {
		fmt.Fprintln(writer, "order_id,customer_id,at,sku,qty,amount")
		for i := range orders {
			if _, err := fmt.Fprintf(writer, "order-%08d,customer-%06d,2026-01-01T12:00:00Z,%s,1,9.90\n", i, i%20000, strings.Repeat("x", 60)); err != nil {
				return // the reader stopped, which is what the test wants
			}
		}
		writer.Close()
	}()
	return reader
}

func TestAFullDiskFailsTheImportAndLosesNothing(t *testing.T) {
	ctx := context.Background()
	clock := storetest.NewClock(t, "2026-11-21T10:00:00Z")
	s := storetest.OpenOnSmallDisk(t, clock.Now, 96)
	options := campaigns.ImportOptions{Kind: campaigns.ImportPurchases, Format: "csv"}
	bringIn := func(orders int) (campaigns.Import, error) {
		return engine.Import(ctx, s, campaigns.NewID(clock.Now()), options, purchasesOf(orders), nil)
	}
	first, err := bringIn(5000)
	if err != nil || first.RowsWritten != 5000 {
		t.Fatalf("%+v, %v", first, err)
	}
	full, err := bringIn(1_000_000)
	if campaigns.CodeOf(err) != campaigns.CodeUnavailable || full.Status != "failed" || !strings.Contains(full.Error, "full") {
		t.Fatalf("an import that fills the disk: %+v, %v", full, err)
	}
	t.Logf("the import says: %s", full.Error)
	again, err := bringIn(6000)
	if err != nil || again.Status != "done" || again.RowsUnchanged < 5000 || again.RowsWritten+again.RowsUnchanged != 6000 {
		t.Fatalf("after the disk has room again: %+v, %v", again, err)
	}
	err = s.View(ctx, func(tx *store.Tx) error {
		c, err := tx.Customer(ctx, "customer-000001")
		if err == nil && c.Figures.TotalSpend != c.Figures.PurchaseCount*990 {
			t.Errorf("figures %+v", c.Figures)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

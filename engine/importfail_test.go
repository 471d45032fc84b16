package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
)

// lines writes n lines in n/2 orders of n/10 customers, whose two lines stand far apart when torn.
func lines(n int, torn bool) string {
	var file strings.Builder
	file.WriteString("order_id,customer_id,at,store,sku,brand,category,qty,amount\n")
	for i := range n {
		o := i / 2
		if torn {
			o = i % (n / 2)
		}
		fmt.Fprintf(&file, "order-%07d,customer-%06d,2026-10-%02dT10:%02d:00Z,S%d,sku-%d,brand,category,1,%d.50\n", o, o%(n/10), o%28+1, o%60, o%7, i%1000, i%90+1)
	}
	return file.String()
}

func TestALargeFileIsMergedInSlicesWithTheSameResult(t *testing.T) {
	s := shop(t)
	const n = 240_000 // more than the head of the stage holds
	heard := 0
	options := campaigns.ImportOptions{Kind: campaigns.ImportPurchases, Format: "csv"}
	i, err := engine.Import(context.Background(), s, campaigns.NewID(time.Now()), options, strings.NewReader(lines(n, true)), func(campaigns.Import) { heard++ })
	if err != nil || i.RowsWritten != n || i.RowsRejected != 0 {
		t.Fatalf("import %+v: %v", i, err)
	}
	if heard < 20 {
		t.Errorf("progress was heard %d times", heard)
	}
	customers, purchases, spend := totals(t, s)
	want := int64(0)
	for i := range n {
		want += int64(i%90+1)*100 + 50
	}
	if customers != n/10 || purchases != n/2 || spend != want {
		t.Errorf("%d customers, %d purchases, spend %d, want %d", customers, purchases, spend, want)
	}
	figuresHold(t, s)
	if i := imports(t, s); i.RowsUnchanged != 0 {
		t.Errorf("import %+v", i)
	}
	if _, counts := imported(t, s, options, lines(n, true)); counts != fmt.Sprint(n, " 0 ", n, " 0") {
		t.Errorf("again: %s", counts)
	}
}

// imports is the newest import.
func imports(t testing.TB, s *store.Store) (i campaigns.Import) {
	t.Helper()
	view(t, s, func(ctx context.Context, tx *store.Tx) error {
		list, err := tx.Imports(ctx, campaigns.ID{}, 1)
		if err == nil {
			i = list[0]
		}
		return err
	})
	return i
}

func TestAnUploadThatBreaksOffFailsWithWhatToDo(t *testing.T) {
	s := shop(t)
	body := io.MultiReader(strings.NewReader(lines(1000, false)), iotest.ErrReader(io.ErrUnexpectedEOF))
	options := campaigns.ImportOptions{Kind: campaigns.ImportPurchases, Format: "csv"}
	_, err := engine.Import(context.Background(), s, campaigns.NewID(time.Now()), options, body, nil)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
	if i := imports(t, s); i.Status != "failed" || !strings.Contains(i.Error, "post it again") || i.FinishedAt == nil {
		t.Errorf("import %+v", i)
	}
	if customers, _, _ := totals(t, s); customers != 0 {
		t.Errorf("%d customers of a file that was never whole", customers)
	}
}

func TestAnImportThatBreaksOffInTheMergeIsCompletedByPostingItAgain(t *testing.T) {
	s := shop(t)
	file := lines(150_000, false)
	options := campaigns.ImportOptions{Kind: campaigns.ImportPurchases, Format: "csv"}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	_, err := engine.Import(ctx, s, campaigns.NewID(time.Now()), options, strings.NewReader(file), func(i campaigns.Import) {
		if i.Phase == "merging" && i.RowsWritten > 20_000 {
			stop()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if i := imports(t, s); i.Status != "failed" || i.RowsWritten == 0 || i.RowsWritten == 150_000 {
		t.Errorf("import %+v", i)
	}
	figuresHold(t, s)
	i, _ := imported(t, s, options, file)
	if i.RowsWritten == 0 || i.RowsUnchanged == 0 || i.RowsWritten+i.RowsUnchanged != 150_000 {
		t.Errorf("import %+v", i)
	}
	if customers, purchases, _ := totals(t, s); customers != 15_000 || purchases != 75_000 {
		t.Errorf("%d customers, %d purchases", customers, purchases)
	}
	figuresHold(t, s)
}

func TestAnImportWhoseNodeDiedIsMarkedFailed(t *testing.T) {
	clock := storetest.NewClock(t, "2026-11-21T10:00:00Z")
	s := storetest.Open(t, clock.Now)
	ctx := context.Background()
	options := campaigns.ImportOptions{Kind: campaigns.ImportPurchases, Format: "csv"}
	id := campaigns.NewID(s.Now())
	staged, err := engine.StageImport(ctx, s, id, options, strings.NewReader(lines(10, false)), nil)
	if err != nil || staged.Phase != "staged" {
		t.Fatalf("%+v %v", staged, err)
	}
	if n, err := s.FailInterrupted(ctx); n != 0 || err != nil {
		t.Errorf("an import between its two steps: %d %v", n, err)
	}
	clock.Advance(2 * time.Minute)
	if n, err := s.FailInterrupted(ctx); n != 1 || err != nil {
		t.Errorf("an import that nobody works on: %d %v", n, err)
	}
	if i := imports(t, s); i.Status != "failed" || !strings.Contains(i.Error, "post the file again") {
		t.Errorf("import %+v", i)
	}
	if _, err := engine.MergeImport(ctx, s, id, nil); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("merging a failed import: %v", err)
	}
	body, feed := io.Pipe()
	var done sync.WaitGroup
	done.Go(func() {
		_, err := engine.Import(ctx, s, campaigns.NewID(s.Now()), options, body, nil)
		if err != nil {
			t.Error(err)
		}
	})
	_, _ = io.WriteString(feed, "order_id,customer_id,at,amount\n")
	_, _ = io.WriteString(feed, "o1,c1,2026-11-01,1\n") // read: the import has its lock
	if n, err := s.FailInterrupted(ctx); n != 0 || err != nil {
		t.Errorf("an import that is being read: %d %v", n, err)
	}
	feed.Close()
	done.Wait()
}

func TestLookingForDeadImportsDisturbsNoLivingOne(t *testing.T) {
	s := storetest.Open(t, storetest.NewClock(t, "2026-11-21T10:00:00Z").Now)
	ctx, stop := context.WithCancel(t.Context())
	var looking sync.WaitGroup
	for range 3 {
		looking.Go(func() {
			for ctx.Err() == nil {
				if n, err := s.FailInterrupted(ctx); n != 0 || (err != nil && ctx.Err() == nil) {
					t.Errorf("%d of the living were taken for dead: %v", n, err)
					return
				}
			}
		})
	}
	for n := range 20 {
		if i, err := engine.Import(ctx, s, campaigns.NewID(s.Now()), campaigns.ImportOptions{Kind: campaigns.ImportPurchases, Format: "csv"},
			strings.NewReader(lines(20, false)), nil); err != nil || i.Status != "done" {
			t.Fatalf("import %d: %+v %v", n, i, err)
		}
	}
	stop()
	looking.Wait()
}

func TestImportsAndTillsAtOnceKeepFiguresRight(t *testing.T) {
	s := shop(t)
	ctx := context.Background()
	var group sync.WaitGroup
	for till := range 20 {
		group.Go(func() {
			for n := range 20 {
				o := (till*20 + n) * 3
				err := s.Update(ctx, func(tx *store.Tx) error {
					_, err := tx.CreatePurchases(ctx, []campaigns.Purchase{
						{OrderID: fmt.Sprintf("order-%07d", o), CustomerID: fmt.Sprintf("customer-%06d", o%600), At: s.Now(), Lines: []campaigns.Line{{Qty: 1, Amount: 300}}},
						{OrderID: fmt.Sprintf("till-%d-%d", till, n), CustomerID: fmt.Sprintf("customer-%06d", n), At: s.Now(), Lines: []campaigns.Line{{Qty: 1, Amount: 100}}}})
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		group.Go(func() {
			if _, err := importing(t, s, campaigns.ImportOptions{Kind: campaigns.ImportPurchases}, lines(6000, true)); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	figuresHold(t, s)
	if _, purchases, _ := totals(t, s); purchases != 3000+400 {
		t.Errorf("%d purchases", purchases)
	}
}

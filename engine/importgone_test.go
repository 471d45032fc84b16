package engine_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
)

// TestAnImportWhosePostgreSQLGoesAwayFailsAndIsCompletedLater ends all connections in the middle of the merge.
func TestAnImportWhosePostgreSQLGoesAwayFailsAndIsCompletedLater(t *testing.T) {
	url := storetest.URL(t)
	s, err := store.Open(context.Background(), url, storetest.NewClock(t, "2026-11-21T10:00:00Z").Now, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	const n = 80_000
	file := lines(n, false)
	options := campaigns.ImportOptions{Kind: campaigns.ImportPurchases, Format: "csv"}
	var once sync.Once
	_, err = engine.Import(context.Background(), s, campaigns.NewID(time.Now()), options, strings.NewReader(file), func(i campaigns.Import) {
		if i.Phase != "merging" || i.RowsWritten < n/10 {
			return
		}
		once.Do(func() {
			ask(t, url, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
		})
	})
	if err == nil {
		t.Fatal("the import says that it succeeded")
	}
	if i := imports(t, s); i.Status != "failed" || !strings.Contains(i.Error, "post the file again") || i.RowsWritten == n {
		t.Errorf("import %+v", i)
	}
	figuresHold(t, s)
	if i, _ := imported(t, s, options, file); i.RowsUnchanged == 0 || i.RowsWritten+i.RowsUnchanged != n {
		t.Errorf("import %+v", i)
	}
	figuresHold(t, s)
}

package store_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
)

func TestTransactionsThatMeetTheSameNewcomersDoNotWaitForEachOther(t *testing.T) {
	clock := storetest.NewClock(t, "2026-11-21T10:00:00Z")
	s := storetest.Open(t, clock.Now)
	ctx := t.Context()
	var members, others []int64
	for no := range int64(3000) {
		if no%2 == 0 {
			members = append(members, no)
		} else {
			others = append(others, no)
		}
	}
	var begun atomic.Int64
	const rounds, nodes = 10, 4
	for round := range rounds {
		quarter := campaigns.GlobalHoldout{Quarter: "2026Q" + string(rune('a'+round)), Salt: "s", Share: 0.5, BeginsAt: clock.Now(), EndsAt: clock.Now().Add(time.Hour)}
		if err := s.Update(ctx, func(tx *store.Tx) error {
			_, err := tx.CreateGlobalHoldout(ctx, &quarter, roaring64.New(), roaring64.New())
			return err
		}); err != nil {
			t.Fatal(err)
		}
		var working sync.WaitGroup
		for range nodes {
			working.Go(func() {
				err := s.Update(ctx, func(tx *store.Tx) error {
					begun.Add(1)
					return tx.KeepNewcomers(ctx, quarter.Quarter, members, others)
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		working.Wait()
	}
	if n := begun.Load(); n != rounds*nodes {
		t.Errorf("%d transactions were begun for %d: some were turned away because of a deadlock", n, rounds*nodes)
	}
}

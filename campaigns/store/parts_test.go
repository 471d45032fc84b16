package store_test

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
)

func newRun(t *testing.T, s *store.Store, clock *storetest.Clock) campaigns.Run {
	t.Helper()
	clock.Advance(time.Second)
	run := campaigns.Run{ID: campaigns.NewID(clock.Now()), CampaignID: campaigns.NewID(clock.Now()), Version: 1, Occurrence: clock.Now(), Status: campaigns.Queueing}
	if err := s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.CreateRun(t.Context(), &run); return err }); err != nil {
		t.Fatal(err)
	}
	return run
}

func TestPartsAreTakenInTheirOrderByHoweverManyAtOnce(t *testing.T) {
	clock := storetest.NewClock(t, "2026-11-21T10:00:00Z")
	s := storetest.Open(t, clock.Now)
	ctx, run := t.Context(), newRun(t, s, clock)
	const parts = 60
	err := s.Update(ctx, func(tx *store.Tx) error {
		n, err := tx.SaveParts(ctx, run.ID, func(yield func([]int64) bool) {
			for i := range int64(parts) {
				if !yield([]int64{1000 - i, 5_000_000_000 + i}) {
					return
				}
			}
		})
		if n != 2*parts {
			t.Errorf("%d customers were saved", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var order []int
	var working sync.WaitGroup
	for range 4 {
		working.Go(func() {
			for done := false; !done; {
				err := s.Update(ctx, func(tx *store.Tx) error {
					part, err := tx.TakePart(ctx, run.ID)
					if done = err == nil && len(part.Nos) == 0; done || err != nil {
						return err
					}
					mu.Lock()
					defer mu.Unlock()
					if part.Nos[0] != int64(1000-part.Part) || part.Nos[1] != int64(5_000_000_000+part.Part) {
						t.Errorf("part %d has %v", part.Part, part.Nos)
					}
					order = append(order, part.Part)
					return tx.PutGates(ctx, run.ID, part.Part, map[campaigns.Gate][]int64{campaigns.GatePassed: part.Nos})
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	working.Wait()
	if !slices.IsSorted(order) || len(order) != parts {
		t.Errorf("taken in the order %v", order)
	}
}

// TestGatesReadTheSameBeforeAndAfterTheyAreFolded puts customers at gates in parts, folds some of them early, and reads:
// lists, single customers and counts are what a map says. A customer who is named twice counts twice.
func TestGatesReadTheSameBeforeAndAfterTheyAreFolded(t *testing.T) {
	clock := storetest.NewClock(t, "2026-11-21T10:00:00Z")
	s := storetest.Open(t, clock.Now)
	ctx := t.Context()
	gates := []campaigns.Gate{campaigns.GateConsent, campaigns.GatePassed, campaigns.GateHoldout, campaigns.GhostGate(campaigns.GateCap)}
	rapid.Check(t, func(r *rapid.T) {
		run := newRun(t, s, clock)
		at, counts := map[campaigns.Gate]map[int64]bool{}, map[campaigns.Gate]int64{}
		number := rapid.OneOf(rapid.Int64Range(1, 50), rapid.Int64Range(65530, 65540), rapid.Int64Range(4_300_000_000, 4_300_000_020))
		err := s.Update(ctx, func(tx *store.Tx) error {
			early := roaring64.New()
			for _, no := range rapid.SliceOf(number).Draw(r, "stopped before the arms") {
				early.Add(uint64(no))
				note(at, campaigns.GateConsent, no)
			}
			counts[campaigns.GateConsent] = int64(early.GetCardinality())
			return tx.SaveAudience(ctx, run.ID, map[campaigns.Gate]*roaring64.Bitmap{campaigns.GateConsent: early})
		})
		for part := range rapid.IntRange(0, 6).Draw(r, "parts") {
			gate := rapid.SampledFrom(gates).Draw(r, "gate")
			nos := rapid.SliceOf(number).Draw(r, "customers")
			for _, no := range nos {
				note(at, gate, no)
			}
			counts[gate] += int64(len(nos))
			err = orElse(err, s.Update(ctx, func(tx *store.Tx) error {
				if err := tx.PutGates(ctx, run.ID, part, map[campaigns.Gate][]int64{gate: nos}); err != nil || !rapid.Bool().Draw(r, "fold") {
					return err
				}
				return tx.MergeGates(ctx, run.ID)
			}))
		}
		err = orElse(err, s.View(ctx, func(tx *store.Tx) error {
			for _, gate := range gates {
				var listed []int64
				limit := rapid.IntRange(1, 30).Draw(r, "page")
				for after := int64(0); ; after = listed[len(listed)-1] {
					some, err := tx.AtGate(ctx, run.ID, gate, after, limit)
					if err != nil {
						return err
					}
					if listed = append(listed, some...); len(some) < limit {
						break
					}
				}
				if want := slices.Sorted(maps.Keys(at[gate])); !slices.Equal(listed, want) {
					r.Errorf("%s lists %v, want %v", gate, listed, want)
				}
			}
			got, err := tx.Run(ctx, run.ID)
			if sum := counts[campaigns.GateConsent] + counts[campaigns.GatePassed] + counts[campaigns.GateHoldout]; got.Audience != sum || got.GhostGates["cap"] != counts[gates[3]] {
				r.Errorf("the run counts %d and %v, want %v", got.Audience, got.GhostGates, counts)
			}
			return err
		}))
		if err != nil {
			r.Fatal(err)
		}
	})
}

func note(at map[campaigns.Gate]map[int64]bool, gate campaigns.Gate, no int64) {
	if at[gate] == nil {
		at[gate] = map[int64]bool{}
	}
	at[gate][no] = true
}

func orElse(first, then error) error {
	if first != nil {
		return first
	}
	return then
}

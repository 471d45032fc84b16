package engine

import (
	"context"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
)

func TestARunIsHeldUntilItIsStopped(t *testing.T) {
	ctx := context.Background()
	clock := storetest.NewClock(t, "2026-11-21T10:00:00Z")
	s := storetest.Open(t, clock.Now)
	e := New(s, Options{})
	e.beat = 5 * time.Millisecond
	run := campaigns.Run{ID: campaigns.NewID(clock.Now()), CampaignID: campaigns.NewID(clock.Now()), Version: 1, Occurrence: clock.Now(), Status: campaigns.Planned}
	update := func(do func(tx *store.Tx) error) {
		t.Helper()
		if err := s.Update(ctx, do); err != nil {
			t.Fatal(err)
		}
	}
	update(func(tx *store.Tx) error {
		if _, err := tx.CreateRun(ctx, &run); err != nil {
			return err
		}
		_, err := tx.ClaimSelection(ctx, e.node, tx.Now.Add(Lease))
		return err
	})
	run.Status = campaigns.Selecting
	err := e.whileHeld(ctx, &run, func(held context.Context) error {
		clock.Advance(2 * Lease) // without a beat the lease would be over
		other := campaigns.NewID(clock.Now())
		for won := true; won; { // until the beat has been there nobody can tell; then the lease holds again
			update(func(tx *store.Tx) error {
				taken, err := tx.ClaimSelection(ctx, other, tx.Now.Add(-time.Second))
				if won = taken != nil; won {
					_, err = tx.ClaimSelection(ctx, e.node, tx.Now.Add(-time.Second))
				}
				return err
			})
		}
		update(func(tx *store.Tx) error { return tx.StopRuns(ctx, run.CampaignID, "stopped by hand") })
		<-held.Done()
		return held.Err()
	})
	if !isStale(err) {
		t.Errorf("a stopped run ended with %v", err)
	}
}

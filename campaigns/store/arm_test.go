package store_test

import (
	"context"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// TestOfTwoRunsThatGiveACustomerAnArmKeyBothUseTheFirst holds a slice in one transaction while another one waits for it: the
// second reads what the first has written.
func TestOfTwoRunsThatGiveACustomerAnArmKeyBothUseTheFirst(t *testing.T) {
	s, _ := comingStore(t)
	given, let := make(chan struct{}), make(chan struct{})
	var second map[int64]string
	done := make(chan error, 1)
	go func() {
		<-given
		done <- s.Update(context.Background(), func(tx *store.Tx) (err error) {
			time.AfterFunc(300*time.Millisecond, func() { close(let) })
			if err := tx.LockSlices(context.Background(), []int64{2, 1}); err != nil {
				return err
			}
			second, err = tx.ArmKeys(context.Background(), []int64{1, 2})
			return err
		})
	}()
	update(t, s, func(ctx context.Context, tx *store.Tx) error {
		if err := tx.LockSlices(ctx, []int64{1}); err != nil {
			return err
		}
		run := &campaigns.Run{ID: campaigns.NewID(tx.Now), CampaignID: campaigns.NewID(tx.Now)}
		if err := tx.SaveAssignments(ctx, run, "", []store.Assignment{{No: 1, Arm: "A", Key: "0aff"}}); err != nil {
			return err
		}
		close(given)
		<-let
		return nil
	})
	if err := <-done; err != nil || len(second) != 1 || second[1] != "0aff" {
		t.Errorf("%v, %v", second, err)
	}
}

package store_test

import (
	"context"
	"testing"
	"time"

	"beckon/campaigns/store"
)

func TestOfTwoRunsThatGiveACustomerAnArmKeyBothUseTheFirst(t *testing.T) {
	s, _ := comingStore(t)
	given, let := make(chan struct{}), make(chan struct{})
	var second map[int64]string
	done := make(chan error, 1)
	go func() {
		<-given
		done <- s.Update(context.Background(), func(tx *store.Tx) (err error) {
			time.AfterFunc(300*time.Millisecond, func() { close(let) })
			second, err = tx.ArmKeys(context.Background(), map[int64]string{1: "second", 2: "own"})
			return err
		})
	}()
	update(t, s, func(ctx context.Context, tx *store.Tx) error {
		if _, err := tx.ArmKeys(ctx, map[int64]string{1: "first"}); err != nil {
			return err
		}
		close(given)
		<-let
		return nil
	})
	if err := <-done; err != nil || len(second) != 2 || second[1] != "first" || second[2] != "own" {
		t.Errorf("%v, %v", second, err)
	}
}

package store_test

import (
	"context"
	"os"
	"testing"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

func TestATransactionsTimeIsWhatPostgreSQLKeepsOfIt(t *testing.T) {
	s := storetest.Open(t, storetest.NewClock(t, "2026-11-21T10:00:00.123456789Z").Now)
	if now := s.Now(); now.Nanosecond() != 123456000 {
		t.Errorf("now is %s", now)
	}
}

func TestAFreshDatabaseHasAWorkspaceAndACatcher(t *testing.T) {
	s := storetest.Open(t, storetest.NewClock(t, "2026-11-21T10:00:00Z").Now)
	err := s.View(context.Background(), func(tx *store.Tx) error {
		w, err := tx.Workspace(context.Background())
		if err != nil {
			return err
		}
		if w.Currency != "CNY" || w.Zone != "Asia/Shanghai" {
			t.Errorf("workspace %+v", w)
		}
		c, err := tx.Channel(context.Background(), campaigns.Catcher)
		if err == nil && c.Kind != "catcher" {
			t.Errorf("channel %+v", c)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

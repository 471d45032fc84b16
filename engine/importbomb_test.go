package engine_test

import (
	"context"
	"strings"
	"testing"

	"beckon/campaigns"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
)

func TestAFileOfNothingButBadRowsIsGivenUp(t *testing.T) {
	s := storetest.Open(t, storetest.NewClock(t, "2026-11-21T10:00:00Z").Now)
	options := campaigns.ImportOptions{Kind: campaigns.ImportCustomers, Format: "csv"}
	file := "id,name\n" + strings.Repeat("x\n", 1_000_000)
	i, err := engine.Import(context.Background(), s, campaigns.NewID(s.Now()), options, strings.NewReader(file), nil)
	if campaigns.CodeOf(err) != campaigns.CodeInvalid || i.Status != "failed" || i.RowsRead > 200_000 || !strings.Contains(i.Error, "is it a file of customers?") {
		t.Errorf("%v: %+v", err, i)
	}
}

func TestAHeaderWithoutEndIsRefused(t *testing.T) {
	s := storetest.Open(t, storetest.NewClock(t, "2026-11-21T10:00:00Z").Now)
	options := campaigns.ImportOptions{Kind: campaigns.ImportCustomers, Format: "csv", Map: map[string]string{"x": "-"}}
	file := "id" + strings.Repeat(",x", 100_000) + "\nu1\n"
	_, err := engine.Import(context.Background(), s, campaigns.NewID(s.Now()), options, strings.NewReader(file), nil)
	if campaigns.CodeOf(err) != campaigns.CodeInvalid || !strings.Contains(err.Error(), "100001 columns") {
		t.Errorf("%v", err)
	}
}

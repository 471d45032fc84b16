package store_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
)

func TestTracksAreReadOnlyByRulesThatNameThem(t *testing.T) {
	ctx := context.Background()
	s, raw := openWithConnection(t, storetest.NewClock(t, "2026-11-21T10:00:00Z"))
	if err := s.MonthsOfMessages(ctx); err != nil {
		t.Fatal(err)
	}
	place, _ := store.HistoryPlaceOf("messages")
	for _, look := range []struct {
		where string
		reads bool
	}{{"h.sent_at IS NOT NULL", false}, {"h.opened_at IS NOT NULL", true}, {"h.clicked_at IS NOT NULL", true}} {
		sql := "EXPLAIN SELECT FROM customers c WHERE EXISTS (SELECT FROM (" + place.Select + ") h WHERE h.no = c.no AND " + look.where + ")"
		rows, err := raw.Query(ctx, sql)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if plan := strings.Join(lines, "\n"); err != nil || strings.Contains(plan, "on tracks") != look.reads || !strings.Contains(plan, "on messages") {
			t.Errorf("%s: %v\n%s", look.where, err, plan)
		}
	}
}

package audience_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

func TestCheckSaysThatARankIsARangeToPostgreSQL(t *testing.T) {
	s, schema, at := openOddShop(t)
	for source, left := range map[string]bool{
		"percentile(total_spend) > 90":                          false,
		"ntile(score, 5) == 5 && visits > 3":                    false,
		"ntile(days_since(seen_at), 3) == 1":                    false,
		"percentile(total_spend) > ntile(purchase_count, 1000)": true,
	} {
		rule, err := rules.Compile(schema, source)
		if err != nil {
			t.Fatal(err)
		}
		choice, err := audience.NewChooser(nil, 1).Choose(context.Background(), s, audience.Asked{Rule: rule, At: at})
		if err != nil || strings.Contains(choice.Why, "looked at one by one") != left {
			t.Errorf("%s: %+v, %v", source, choice, err)
		}
	}
}

func TestARankByTheDayOfATimeIsAnotherInAnotherZone(t *testing.T) {
	s, schema, _ := openOddShop(t)
	ctx := context.Background()
	for id, seen := range map[string]string{"ann": "2026-11-20T20:00:00Z", "bob": "2026-11-21T20:00:00Z", "eve": "2026-11-30T20:00:00Z"} {
		err := s.Update(ctx, func(tx *store.Tx) error {
			c, err := tx.LockCustomer(ctx, id)
			if err != nil {
				return err
			}
			at, err := time.Parse(time.RFC3339, seen)
			c.Attributes["seen_at"] = at
			if err != nil {
				return err
			}
			return tx.SaveCustomer(ctx, c)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	rule, err := rules.Compile(schema, `ntile(day(seen_at), 3) == 3 && id == "bob"`) // it is 1 December for eve in Shanghai
	if err != nil {
		t.Fatal(err)
	}
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	now := s.Now()
	q := audience.Question{Conditions: []audience.Asked{{Rule: rule, At: rules.Instant{Now: now, Zone: time.UTC}}, {Rule: rule, At: rules.Instant{Now: now, Zone: shanghai}}}}
	for _, executor := range []audience.Executor{audience.Reference{}, audience.Pushdown{}, audience.NewChooser(audience.NewImage(audience.ImageOptions{BytesMax: 1 << 30, Clock: s.Now}), 1)} {
		found, err := executor.Find(ctx, s, q)
		if err != nil || found.Counts[0] != 0 || found.Counts[1] != 1 {
			t.Errorf("%s: %+v, %v", executor.Name(), found, err)
		}
	}
}

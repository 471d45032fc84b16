package audience_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

func TestCalculationsOfManyStepsAreLeftToTheReference(t *testing.T) {
	s, schema, at := openOddShop(t)
	rule, err := rules.Compile(schema, "id != nil && "+strings.Repeat("score * ", 100)+"score > 1")
	if err != nil {
		t.Fatal(err)
	}
	err = s.View(context.Background(), func(tx *store.Tx) error {
		condition, err := audience.ConditionOf(context.Background(), tx, audience.Asked{Rule: rule, At: at})
		if err == nil && (condition.IsWhole() || !strings.Contains(strings.Join(condition.Left, ""), "too many steps")) {
			t.Errorf("left for %q: %.200s", condition.Left, condition.SQL)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestClosuresThreeDeepOrManyInOthersAreLeftToTheReference(t *testing.T) {
	s, schema, at := openOddShop(t)
	for source, whole := range map[string]bool{
		"any(purchases, {let p = #; any(items, {let i = #; any(purchases, .amount > i.amount && .at > p.at)})})": false,
		"any(purchases, {let p = #; any(items, .amount > p.amount)})":                                            true,
		strings.Repeat("any(purchases, {let p = #; any(items, .amount > p.amount)}) || ", 2) + "id == nil":       true,
		strings.Repeat("any(purchases, {let p = #; any(items, .amount > p.amount)}) || ", 3) + "id == nil":       false,
	} {
		rule, err := rules.Compile(schema, source)
		if err != nil {
			t.Fatal(err)
		}
		asked := audience.Asked{Rule: rule, At: at}
		err = s.View(context.Background(), func(tx *store.Tx) error {
			condition, err := audience.ConditionOf(context.Background(), tx, asked)
			if err == nil && condition.IsWhole() != whole {
				t.Errorf("%s: left for %q", source, condition.Left)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		q := audience.Question{Conditions: []audience.Asked{asked}}
		want, err := audience.Reference{}.Find(context.Background(), s, q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := audience.Pushdown{}.Find(context.Background(), s, q)
		if err != nil || got.Counts[0] != want.Counts[0] {
			t.Errorf("%s: %v, want %v: %v", source, got.Counts, want.Counts, err)
		}
	}
}

func TestPostgreSQLCountsManyConditionsInSeveralScans(t *testing.T) {
	s, schema, at := openOddShop(t)
	rule, err := rules.Compile(schema, "birthday_in(3) || id == nil")
	if err != nil {
		t.Fatal(err)
	}
	for _, days := range []int{1, 2, 17, 18, 33, 40} {
		var q audience.Question
		for i := range days {
			q.Conditions = append(q.Conditions, audience.Asked{Rule: rule, At: rules.Instant{Now: at.Now.AddDate(0, 0, 9*i), Zone: at.Zone}})
		}
		want, err := audience.Reference{}.Find(context.Background(), s, q)
		if err != nil {
			t.Fatal(err)
		}
		got, err := audience.Pushdown{}.Find(context.Background(), s, q)
		if err != nil {
			t.Fatal(err)
		}
		if got.Total != want.Total || !slices.Equal(got.Counts, want.Counts) {
			t.Errorf("%d days: %d %v, want %d %v", days, got.Total, got.Counts, want.Total, want.Counts)
		}
	}
}

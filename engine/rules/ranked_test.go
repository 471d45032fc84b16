package rules_test

import (
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"beckon/engine/audience"
	"beckon/engine/rules"
)

// TestRankedConditionsAreRangesToPostgreSQL has ranks by what is stored, worked out, from histories and with ties, where
// buckets begin among equals.
func TestRankedConditionsAreRangesToPostgreSQL(t *testing.T) {
	s := openPopulation(t, 300)
	image := openImage(t, s)
	tally := &pushdownTally{reasons: map[string]int{}}
	for _, source := range []string{
		`percentile(total_spend) > 90`, `percentile(score) in 31..60`, `ntile(visits, 3) == 2`, `ntile(days_since(last_purchase_at), 4) == 1`, `ntile(month(birthday), 5) == 3`,
		`ntile(score * 0.5, 7) >= 3`, `ntile(score / visits, 7) >= 3 && city != nil`, `!(ntile(score ** 2.0, 2) == 1)`, `ntile(count(purchases), 2) == 2`, `ntile(sum(items, .amount), 3) != 2`,
		`ntile(mean(map(events, .props?.ratio)), 3) > 1`, `ntile(max(map(purchases, .at)), 4) == 4`, `ntile(birthday, 10) in [1, 10]`, `ntile(vip ? 1 : 2, 4) in 2..3`,
		`ntile(avg_basket, 5) == 5 || ntile(credit, 5) == 1`, `any(purchases, ntile(visits % 3, 5) == 4 && .amount > 0)`, `ntile(today, 3) == 2`, `percentile(-score) <= 1`, `ntile(points, 3) == 1`,
		`ntile(day(registered_at), 4) == 2 && month(registered_at) > 3`, `ntile(len(name), 6) < 4`, `ntile(let a = score; a + a, 6) < 4`, `ntile(hours_since(seen_at), 1000) > 150`,
	} {
		rule, err := rules.Compile(rules.Shop(), source)
		if err != nil {
			t.Fatalf("%s\n%v", source, err)
		}
		at := rules.Noon(t)
		agreeOnPushdown(t, s, image, audience.Question{Conditions: []audience.Asked{{Rule: rule, At: at}}, Members: true, Reach: true}, tally)
	}
	tally.log(t)
	if tally.whole < tally.rules-2 { // a power, and a rank in a list of places
		t.Errorf("%d of %d are wholly SQL", tally.whole, tally.rules)
	}
}

func TestExecutorsOverPostgreSQLFindTheSameByRulesThatAreSeldomDrawn(t *testing.T) {
	s := openPopulation(t, 300)
	image := openImage(t, s)
	tally := &pushdownTally{reasons: map[string]int{}}
	compiled := map[string]*rules.Rule{}
	for _, source := range append(rules.SeldomDrawn(), rare()...) {
		rule, err := rules.Compile(rules.Shop(), source)
		if err != nil {
			t.Fatalf("%s\n%v", source, err)
		}
		compiled[source] = rule
	}
	rapid.Check(t, func(t *rapid.T) {
		at := rules.PushdownInstant(t)
		rule := compiled[rapid.SampledFrom(slices.Sorted(maps.Keys(compiled))).Draw(t, "rule")]
		agreeOnPushdown(t, s, image, audience.Question{Conditions: []audience.Asked{{Rule: rule, At: at}}, Members: true, Reach: true}, tally)
	})
	tally.log(t)
}

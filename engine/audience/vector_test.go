package audience

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"beckon/engine/rules"
)

// A few customers with lists of all lengths, some of whom have changed.
func someMemory(t *testing.T) (*Memory, map[int64]rules.Record, rules.Instant) {
	t.Helper()
	schema, at := planShop()
	r := rand.New(rand.NewPCG(3, 4))
	last := map[int64]rules.Record{}
	var put []Numbered
	for range 500 {
		no := int64(r.IntN(300)) + int64(r.IntN(3))*4000
		record := rules.Record{"city": []string{"Shanghai", "Beijing", "Xi'an"}[r.IntN(3)], "score": float64(r.IntN(9)), "tags": []string{"a", "b", "c"}[r.IntN(3):]}
		for _, name := range []string{"purchases", "items"} {
			var rows []rules.Record
			for range r.IntN(12) {
				rows = append(rows, rules.Record{"at": at.Now.Add(time.Duration(r.IntN(400)-390) * 24 * time.Hour), "amount": int64(r.IntN(5000)), "sku": "s", "store": "Bund"})
			}
			record[name] = rows
		}
		last[no] = record
		put = append(put, Numbered{no, record})
	}
	return FromRecords(schema, put), last, at
}

func someSources() []string {
	return []string{
		`any(purchases, let p = #; any(items, .at > p.at && .amount < p.amount))`,
		`count(purchases, let p = #; count(items, let i = #; any(purchases, .amount > i.amount && .at < p.at)) > 3) > 2`,
		`len(tags) > 1 && (score > 4 ? tags : ["a", "b"]) == map(tags, #)`,
		`sum(items, .amount) > sum(purchases, .amount)`,
		`city == "Shanghai" && "b" in tags`,
	}
}

func TestListsTooLargeForABatchAreDoneInHalves(t *testing.T) {
	m, last, at := someMemory(t)
	for _, source := range someSources() {
		rule, err := rules.Compile(first(planShop()), source)
		if err != nil {
			t.Fatal(err)
		}
		plans := []*vectorPlan{plan(rule.Bind(at))}
		for _, rowsMax := range []int{frameRowsMax, 3000, 150, 12} {
			p := newProgram(m.chunks, plans)
			p.rowsMax = rowsMax
			out := make([]matches, len(m.chunks))
			w := &worker{program: p}
			for i, c := range m.chunks {
				w.evaluateChunk(context.Background(), c, out[i:i+1])
			}
			left := 0
			for no, record := range last {
				if isLeft := out[0].left != nil && isSet(out[0].left, int(no)); isLeft {
					left++
				} else if isSet(out[0].bits, int(no)) != rule.Matches(record, at) {
					t.Fatalf("%s with %d rows: customer %d is wrong", source, rowsMax, no)
				}
			}
			if rowsMax >= 3000 && left > 0 || rowsMax == 12 && source == someSources()[0] && left == 0 {
				t.Errorf("%s with %d rows: %d are left", source, rowsMax, left)
			}
		}
	}
}

func first(s *rules.Schema, _ rules.Instant) *rules.Schema { return s }

func TestRulesAskedTogetherAnswerAsAlone(t *testing.T) {
	m, _, at := someMemory(t)
	var together []*rules.Bound
	for _, source := range append(someSources(), `true`, `month(date(now)) == 11 && count(purchases, days_since(.at) < 9) > 0 || hours_since(now) > 2`, `false`, `city == "Shanghai"`, `score > 1 && any(events, "a" in .props.labels)`) {
		rule, err := rules.Compile(first(planShop()), source)
		if err != nil {
			t.Fatal(err)
		}
		later := rules.Instant{Now: at.Now.AddDate(0, 0, -200), Zone: at.Zone}
		together = append(together, rule.Bind(at), rule.Bind(later))
	}
	found, err := m.Find(context.Background(), 3, together...)
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range together {
		alone, err := m.Find(context.Background(), 1, b)
		if err != nil || !slices.Equal(alone[0].Nos, found[i].Nos) || !slices.Equal(alone[0].Left, found[i].Left) {
			t.Errorf("rule %d: %v", i, err)
		}
	}
}

func TestSharedConditionsAreWorkedOutOnce(t *testing.T) {
	a, b := planOf(t, `city == "x" && count(purchases, .amount > 1) > 2`), planOf(t, `score > 1 && count(purchases, .amount > 1) > 2`)
	roots := newSteps().merge([]*vectorPlan{a, b})
	shared := func(s *step) bool { return s.op == rules.Within && slices.Contains(roots[1].args, s) }
	if !slices.ContainsFunc(roots[0].args, shared) {
		t.Errorf("both count for themselves:\n%s\n%s", a, b)
	}
}

func TestAnEvaluationThatNobodyWaitsForEnds(t *testing.T) {
	m, _, at := someMemory(t)
	rule, err := rules.Compile(first(planShop()), "true")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Find(ctx, 2, rule.Bind(at)); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

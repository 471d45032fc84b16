package audience

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
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
			w := p.worker()
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

func TestBatchesThatTakeTooMuchMemoryAreDoneInHalves(t *testing.T) {
	m, last, at := someMemory(t)
	wide := "let p = #; " + strings.Repeat("count(items, .amount - p.amount > 100 && .at < p.at) < 9 && ", 5) + "sum(map(items, .amount * 3 - p.amount)) > 5"
	for _, source := range append(someSources(), "any(purchases, "+wide+")", "sum(map(purchases, "+strings.Repeat(".amount * 2 + ", 20)+".amount)) > 9000") {
		rule, err := rules.Compile(first(planShop()), source)
		if err != nil {
			t.Fatal(err)
		}
		for _, bytesMax := range []int{batchBytesMax, 1 << 19, 1 << 16, 1 << 10} {
			p := newProgram(m.chunks, []*vectorPlan{plan(rule.Bind(at))})
			p.bytesMax = bytesMax
			w, out, left := p.worker(), make([]matches, 1), 0
			w.evaluateChunk(context.Background(), m.chunks[0], out)
			for no, record := range last {
				if out[0].left != nil && isSet(out[0].left, int(no)) {
					left++
				} else if isSet(out[0].bits, int(no)) != rule.Matches(record, at) {
					t.Fatalf("%s in %d bytes: customer %d is wrong", source, bytesMax, no)
				}
			}
			if bytesMax >= 1<<19 && left > 0 || bytesMax == 1<<10 && left == 0 {
				t.Errorf("%s in %d bytes: %d are left", source, bytesMax, left)
			}
			if kept := cap(w.ints.block)*8 + cap(w.words.block)*8 + cap(w.places.block)*4; bytesMax == 1<<16 && kept > 1<<20 { // what one step takes is only seen after it
				t.Errorf("%s in %d bytes: the worker keeps %d", source, bytesMax, kept)
			}
		}
	}
}

func TestABatchEndsWhenNobodyWaits(t *testing.T) {
	m, _, at := someMemory(t)
	rule, err := rules.Compile(first(planShop()), someSources()[1])
	if err != nil {
		t.Fatal(err)
	}
	for _, asked := range []int{0, 1, 5} {
		p := newProgram(m.chunks, []*vectorPlan{plan(rule.Bind(at))})
		p.rowsMax = 12 // many halves
		looks := 0
		p.isOver = func() error {
			if looks++; looks > asked {
				return context.Canceled
			}
			return nil
		}
		p.worker().evaluateChunk(context.Background(), m.chunks[0], make([]matches, 1))
		if looks > asked+20 {
			t.Errorf("it was asked %d times more", looks-asked)
		}
	}
}

func TestLongListsOfNumbersFindWhatTheReferenceFinds(t *testing.T) {
	m, last, at := someMemory(t)
	for _, source := range []string{
		"any(purchases, .amount in [1, 2, 3, 4, 5.05, nil, 6, 7, 8, 9, 10, 20.20])", "count(purchases, .amount in [1, 2, 3, 4, 5, 6, 7, 8, 9]) == 0", "count(items) in [9, 7, 5, 3, 1, -1, nil, 3, 900, 11]",
		"count(items) in [9, 7, 5.5, 3, 1, -1, 3, 900, 11]", "score in [1, 2, 3, 4, 5.5, 6, 7, 8, 9]", "!(len(tags) in [3, 3, 3, 3, 3, 3, 3, 3, len(tags)])",
	} {
		rule, err := rules.Compile(first(planShop()), source)
		if err != nil {
			t.Fatal(err)
		}
		found, err := m.Find(context.Background(), 1, rule.Bind(at))
		if err != nil {
			t.Fatal(err)
		}
		for no, record := range last {
			if is := slices.Contains(found[0].Nos, no); is != rule.Matches(record, at) {
				t.Fatalf("%s: customer %d is %v", source, no, is)
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

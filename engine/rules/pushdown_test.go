package rules_test

import (
	"context"
	"errors"
	"os"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// pushdownTally is how many of the rules drawn have an SQL form, and what the others lack.
type pushdownTally struct {
	rules, whole, narrowed, unfinished int
	customers, finished                int64
	reasons                            map[string]int
}

// TestPostgreSQLFindsWhomTheReferenceFinds draws rules and instants over one population of odd customers. PUSHDOWN_ROUNDS
// of a hundred rules can be asked for.
func TestPostgreSQLFindsWhomTheReferenceFinds(t *testing.T) {
	s := openPopulation(t, 300)
	schema, tally := rules.PushdownSchema(), &pushdownTally{reasons: map[string]int{}}
	rounds := 6
	if n, err := strconv.Atoi(os.Getenv("PUSHDOWN_ROUNDS")); err == nil {
		rounds = n
	}
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		rapid.Check(t, func(t *rapid.T) {
			rule, err := rules.Compile(schema, rules.PushdownRule(t))
			if err != nil {
				t.Skip("too large")
			}
			agreeOnPushdown(t, s, rule, rules.PushdownInstant(t), tally)
		})
		if t.Failed() {
			return
		}
	}
	tally.log(t)
}

func (y *pushdownTally) log(t *testing.T) {
	t.Logf("%d rules: %d wholly in SQL, %d narrowed by it, %d looked at one by one; the reference looked at %d of %d customers",
		y.rules, y.whole, y.narrowed, y.unfinished, y.finished, y.customers)
	var reasons []string
	for reason := range y.reasons {
		reasons = append(reasons, reason)
	}
	sort.Slice(reasons, func(i, j int) bool { return y.reasons[reasons[i]] > y.reasons[reasons[j]] })
	for _, reason := range reasons[:min(12, len(reasons))] {
		t.Logf("%5d × %s", y.reasons[reason], reason)
	}
}

type failer interface {
	Fatalf(format string, args ...any)
	Helper()
}

// agreeOnPushdown compares PostgreSQL's answer with the reference's, customer by customer, and its counts.
func agreeOnPushdown(t failer, s *store.Store, rule *rules.Rule, at rules.Instant, tally *pushdownTally) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := s.View(ctx, func(tx *store.Tx) error {
		clauses, err := rule.Conjuncts()
		if err != nil {
			return err
		}
		q := audience.Question{Rule: rule, Clauses: clauses, Members: true, Flags: [][]string{{"sms_consent", "phone"}}}
		answer, err := audience.Pushdown(ctx, tx, q, at)
		if err != nil {
			return err
		}
		tally.add(answer)
		return sameAnswer(ctx, tx, q, at, answer)
	})
	if err != nil {
		tree := rule.Bind(at).Tree.String()
		t.Fatalf("%s\nat %v in %v\n%v\n%s", rule.Source(), at.Now, at.Zone, err, tree)
	}
}

func (y *pushdownTally) add(a *audience.Answer) {
	y.rules++
	y.customers, y.finished = y.customers+a.Total, y.finished+a.Finished
	switch {
	case len(a.Left) == 0:
		y.whole++
	case a.Finished < a.Total:
		y.narrowed++
	default:
		y.unfinished++
	}
	for _, reason := range a.Left {
		y.reasons[reason]++
	}
}

// sameAnswer asks the reference the same question.
func sameAnswer(ctx context.Context, tx *store.Tx, q audience.Question, at rules.Instant, got *audience.Answer) error {
	want := audience.Answer{Clauses: make([]int64, len(q.Clauses)), Flags: make([]int64, len(q.Flags))}
	needs := audience.Needs{Columns: []string{"sms_consent", "phone"}}.With(q.Rule.Columns(), q.Rule.Histories())
	var wrong []string
	err := audience.All(ctx, tx, needs, at, func(no int64, record rules.Record) error {
		want.Total++
		for i, clause := range q.Clauses {
			if clause.Matches(record, at) {
				want.Clauses[i]++
			}
		}
		matches := q.Rule.Matches(record, at)
		if matches {
			want.Matching++
			if record["sms_consent"] == true && record["phone"] != nil {
				want.Flags[0]++
			}
		}
		if matches != got.Members.Contains(uint64(no)) {
			kept := rules.Record{}
			for name, value := range record {
				kept[name] = value
			}
			wrong = append(wrong, strconv.FormatInt(no, 10)+": the reference says "+strconv.FormatBool(matches)+": "+shown(kept))
		}
		return nil
	}, nil)
	if err != nil {
		return err
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong[:min(2, len(wrong))], "\n"))
	}
	for i := range want.Clauses {
		if want.Clauses[i] != got.Clauses[i] {
			return errors.New("a clause is counted wrongly: " + q.Clauses[i].Source())
		}
	}
	if want.Total != got.Total || want.Matching != got.Matching || want.Flags[0] != got.Flags[0] {
		return errors.New("a count is wrong")
	}
	return nil
}

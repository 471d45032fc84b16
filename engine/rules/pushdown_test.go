package rules_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
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
	divided                            int   // rules that are true for some and not for all
	vector, left                       int   // rules wholly over columns; rules whose columns left customers to the reference
	compared                           int64 // answers for one customer and condition
	reasons                            map[string]int
}

// TestExecutorsOverPostgreSQLFindTheSame draws rules and instants over one population of odd customers. PUSHDOWN_ROUNDS
// of a hundred rules can be asked for. Every tenth rule is asked of an image of its own, which holds what the rule says that
// it needs and nothing that another has left there.
func TestExecutorsOverPostgreSQLFindTheSame(t *testing.T) {
	s := openPopulation(t, 300)
	image := openImage(t, s)
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
			source, known := rules.WriteRule(t, schema, rapid.IntRange(1, 4).Draw(t, "depth"))
			rule, err := rules.Compile(known, source)
			if err != nil {
				t.Skip("too large")
			}
			asked := question(t, rule, rules.PushdownInstant(t))
			if tally.rules%10 == 0 {
				withImage(t, s, func(fresh *audience.Image) { agreeOnPushdown(t, s, fresh, asked, tally) })
				return
			}
			agreeOnPushdown(t, s, image, asked, tally)
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
	t.Logf("%d rules are true for some and not for all", y.divided)
	t.Logf("%d wholly over columns, and of %d the reference had to finish some customers; %d answers were compared with the reference's", y.vector, y.left, y.compared)
	var reasons []string
	for reason := range y.reasons {
		reasons = append(reasons, reason)
	}
	sort.Slice(reasons, func(i, j int) bool { return y.reasons[reasons[i]] > y.reasons[reasons[j]] })
	for _, reason := range reasons[:min(12, len(reasons))] {
		t.Logf("%5d × %s", y.reasons[reason], reason)
	}
}

func openImage(t *testing.T, s *store.Store) *audience.Image {
	t.Helper()
	image := audience.NewImage(audience.ImageOptions{Node: campaigns.NewID(s.Now()), Name: "test", BytesMax: 1 << 30, Clock: s.Now})
	t.Cleanup(func() {
		if err := image.Close(context.Background(), s); err != nil {
			t.Error(err)
		}
	})
	return image
}

// withImage lends an image that holds nothing yet.
func withImage(t failer, s *store.Store, use func(image *audience.Image)) {
	t.Helper()
	image := audience.NewImage(audience.ImageOptions{Node: campaigns.NewID(s.Now()), Name: "fresh", BytesMax: 1 << 30, Clock: s.Now})
	use(image)
	if err := image.Close(context.Background(), s); err != nil {
		t.Fatalf("%v", err)
	}
}

// question asks about a rule and each of its clauses, for a count alone, for members, or for who can be reached.
func question(t *rapid.T, rule *rules.Rule, at rules.Instant) audience.Question {
	q := audience.Question{Conditions: []audience.Asked{{Rule: rule, At: at}}, Members: true, Reach: true}
	if rapid.IntRange(0, 3).Draw(t, "less") == 1 {
		q.Members, q.Reach = rapid.Bool().Draw(t, "members"), rapid.Bool().Draw(t, "reach")
	}
	clauses, err := rule.Conjuncts()
	if err != nil {
		t.Fatalf("%v", err)
	}
	for _, clause := range clauses {
		q.Conditions = append(q.Conditions, audience.Asked{Rule: clause, At: at})
	}
	if rapid.IntRange(0, 5).Draw(t, "later") == 1 { // as a forecast does
		for range rapid.IntRange(1, 3).Draw(t, "days") {
			at.Now = at.Now.Add(time.Duration(rapid.IntRange(1, 800).Draw(t, "hours")) * time.Hour)
			q.Conditions = append(q.Conditions, audience.Asked{Rule: rule, At: at})
		}
	}
	return q
}

type failer interface {
	Fatalf(format string, args ...any)
	Helper()
}

// agreeOnPushdown compares PostgreSQL's answer and that of the columns with the reference's, customer by customer, and its
// counts.
func agreeOnPushdown(t failer, s *store.Store, image *audience.Image, q audience.Question, tally *pushdownTally) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := comparePushdown(ctx, s, image, q, tally); err != nil {
		rule, at := q.Conditions[0].Rule, q.Conditions[0].At
		t.Fatalf("%s\nat %v in %v\n%v\n%s", rule.Source(), at.Now, at.Zone, err, rule.Bind(at).Tree)
	}
}

// comparePushdown asks the executors a question; they find the same customers, the same numbers of them for each condition,
// and the same who can be reached.
func comparePushdown(ctx context.Context, s *store.Store, image *audience.Image, q audience.Question, tally *pushdownTally) error {
	want, err := audience.Reference{}.Find(ctx, s, q)
	if err != nil {
		return err
	}
	pushed, err := audience.Pushdown{}.Find(ctx, s, q)
	if err != nil {
		return err
	}
	if err := tally.look(ctx, s, image, q.Conditions[0], pushed); err != nil {
		return err
	}
	if err := same(pushed, want); err != nil {
		return err
	}
	found, err := audience.Vector{Image: image, Workers: 2}.Find(ctx, s, q)
	if err != nil {
		return err
	}
	tally.compared += int64(len(q.Conditions)) * 2 * want.Total
	if found.Left > 0 {
		tally.left++
	}
	if want.Counts[0] > 0 && want.Counts[0] < want.Total {
		tally.divided++
	}
	return same(found, want)
}

// look counts the forms of a rule, with its ranks known.
func (y *pushdownTally) look(ctx context.Context, s *store.Store, image *audience.Image, asked audience.Asked, pushed *audience.Answer) error {
	err := s.View(ctx, func(tx *store.Tx) (err error) {
		if asked.Rule, err = audience.Ranked(ctx, tx, asked.Rule, asked.At); err != nil {
			return err
		}
		condition, err := audience.ConditionOf(ctx, tx, asked)
		if err == nil {
			y.add(pushed, condition)
			err = shapeOf(condition.SQL)
		}
		return err
	})
	if err != nil {
		return err
	}
	choice, err := audience.NewChooser(image, 1).Choose(ctx, s, asked)
	if choice.Why == "all of it runs over columns in memory" {
		y.vector++
	}
	return err
}

// same says what two answers do not agree about.
func same(got, want *audience.Answer) error {
	if (got.Members == nil) != (want.Members == nil) {
		return fmt.Errorf("%s lists members and %s does not, or the other way round", got.Executor, want.Executor)
	}
	if got.Members != nil && !got.Members.Equals(want.Members) {
		got.Members.Xor(want.Members)
		return fmt.Errorf("%s and %s do not agree about customer %d", got.Executor, want.Executor, got.Members.Minimum())
	}
	if got.Total != want.Total || !slices.Equal(got.Counts, want.Counts) || !maps.Equal(got.Reachable, want.Reachable) {
		return fmt.Errorf("%s counted %+v, not %+v", got.Executor, got, want)
	}
	return nil
}

// shapeOf says what is wrong with the form of a condition: nothing of the rule's text is in it but as a parameter, each
// history is joined by the customer's number, and no clock and no chance is asked.
func shapeOf(sql string) error {
	ours := []string{"NaN", "-1.7976931348623157e308", "1.7976931348623157e308", "1970-01-01", "0001-01-01", "number", "boolean", "string", "name",
		"used", "lapsed", "open", "second", "sent", "delivered", "bounced", "unknown", "ghost", "opened", "clicked"}
	for _, literal := range regexp.MustCompile(`'[^']*'`).FindAllString(sql, -1) {
		if !slices.Contains(ours, strings.Trim(literal, "'")) {
			return fmt.Errorf("the literal %s is in %s", literal, sql)
		}
	}
	if found := regexp.MustCompile(`(?i)now\(|clock|random|current_|\$\d+([^\d:]|$)|AT TIME ZONE|FOR UPDATE`).FindString(sql); found != "" {
		return fmt.Errorf("%s is in %s", found, sql)
	}
	for _, alias := range regexp.MustCompile(`\) (h\d+)\b`).FindAllStringSubmatch(sql, -1) {
		if !strings.Contains(sql, "("+alias[1]+".no = c.no)") {
			return fmt.Errorf("%s is not joined by no in %s", alias[1], sql)
		}
	}
	return nil
}

func (y *pushdownTally) add(a *audience.Answer, c *audience.Condition) {
	y.rules++
	y.customers, y.finished = y.customers+a.Total, y.finished+a.Left
	switch {
	case c.IsWhole():
		y.whole++
	case a.Left < a.Total:
		y.narrowed++
	default:
		y.unfinished++
	}
	for _, reason := range c.Left {
		y.reasons[reason]++
	}
}

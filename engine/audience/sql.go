package audience

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// A Condition is a rule as SQL over the customers c and, where Figures says so, their figures f. It has parameters $1 …
// for all that the rule and its instant say; nothing of the rule's text is in it.
type Condition struct {
	store.Condition
	// Unsure says that the condition may be NULL, for customers about whom PostgreSQL cannot say what the reference would.
	Unsure bool
	// Left are the reasons why conjuncts of the rule have no SQL form. They are left out: customers for whom the rest is
	// true may match, others do not.
	Left []string
}

// IsWhole says that the condition is the whole rule and not only a narrowing.
func (c *Condition) IsWhole() bool { return len(c.Left) == 0 }

// Limits of a statement. PostgreSQL takes 65,535 parameters, and parses this many characters in about 10 ms. What is
// written of one conjunct may be far more than its rule says, since a let can be written in wherever it is used.
const (
	charactersMax = 200_000
	parametersMax = 30_000
	visitsMax     = 20_000   // parts of one conjunct, each as often as it is looked at
	textBytesMax  = 32 << 20 // of the texts in all parameters
	closuresMax   = 2        // in each other
	lookEvery     = 1 << 10  // visits, or texts decided, between looks whether somebody still waits
)

// distinctMax is how many distinct texts of a column are decided one by one.
const distinctMax = 100_000

// texts reads the distinct texts of a stored column, or of a field of a history; false when there are more than distinctMax.
type texts func(history, name string) ([]string, bool, error)

// A translator writes SQL for the conditions of one statement: they share their parameters.
//
// Why NULL means two things: a value that is NULL is missing; a condition is never missing in a rule, so a condition that
// is NULL is one that cannot be told here, and three-valued logic carries that to the top.
//
// Why numbers have a poison: PostgreSQL stops a statement at an overflow of floating point, where a rule has a missing
// term. Operands beyond what is safe give NaN, which no number of ours is, and who compares with NaN cannot tell.
type translator struct {
	places map[string]store.Place
	texts  texts
	isOver func() error // nobody waits for the statement any more

	args   []any
	known  map[string]string // a parameter's type and value → its mark
	names  int               // aliases given so far
	visits int               // of parts of the conjunct that is being written
	bytes  int               // of texts in parameters
	failed error

	bound  *rules.Bound
	levels map[int]*relation   // of the closures around
	lets   map[int]*let        // by slot
	doubts []string            // conditions, never NULL, under which the condition being written cannot be told
	reason string              // why what is being written has no SQL form
	needs  bool                // the figures
	depth  int                 // how many closures are around
	nested int                 // how many closures stood in another so far
	alone  bool                // whether the rule has but one conjunct
	joins  []string            // what the statement joins to the customers
	read   map[string][]string // distinct texts
}

// newTranslator reads what columns there are.
func newTranslator(ctx context.Context, tx *store.Tx) (*translator, error) {
	places, err := tx.Places(ctx)
	return &translator{places: places, known: map[string]string{}, read: map[string][]string{}, isOver: ctx.Err, texts: func(history, name string) ([]string, bool, error) {
		return tx.DistinctTexts(ctx, history, name, distinctMax)
	}}, err
}

// condition writes a bound rule. Each conjunct is for itself, so that one without an SQL form spoils no other.
func (t *translator) condition(b *rules.Bound) (*Condition, error) {
	t.bound, t.levels, t.lets, t.needs = b, map[int]*relation{}, map[int]*let{}, false
	conjuncts := []*rules.Expr{b.Tree}
	if b.Tree.Op == rules.And {
		conjuncts = b.Tree.Args
	}
	t.alone, t.depth, t.nested = len(conjuncts) == 1, 0, 0
	out := &Condition{}
	var parts []condition
	null := never
	for _, conjunct := range conjuncts {
		t.reason, t.doubts, t.visits = "", nil, 0
		figures := t.needs
		c := t.cond(conjunct)
		if t.failed != nil {
			return nil, t.failed
		}
		if t.reason != "" {
			t.needs = figures
			out.Left = append(out.Left, t.reason)
			continue
		}
		parts, null = append(parts, c), max(null, c.null)
	}
	out.SQL, out.Unsure = join(parts, " AND ", null), null == unsure
	if len(out.SQL) > charactersMax {
		return &Condition{Left: []string{tooLong}}, nil
	}
	out.Args, out.Figures, out.Joins = t.args, t.needs, t.joins
	return out, nil
}

const tooLong = "it would make too long a statement"

// refuse says why there is no SQL form; the first reason counts.
func (t *translator) refuse(reason string, args ...any) {
	if t.reason == "" {
		t.reason = fmt.Sprintf(reason, args...)
	}
}

// param makes a value a parameter of a PostgreSQL type. Equal values share one.
func (t *translator) param(v any, as string) string {
	key := fmt.Sprintf("%s %T %v", as, v, v)
	if list, is := v.([]string); is {
		key = fmt.Sprintf("%s %q", as, list)
	}
	if mark, known := t.known[key]; known {
		return mark
	}
	if t.bytes += textBytes(v); len(t.args) >= parametersMax || t.bytes > textBytesMax {
		t.refuse(tooLong)
		return "NULL::" + as
	}
	t.args = append(t.args, v)
	mark := "$" + strconv.Itoa(len(t.args)) + "::" + as
	t.known[key] = mark
	return mark
}

func textBytes(v any) int {
	n := 0
	switch v := v.(type) {
	case string:
		n = len(v)
	case []string:
		for _, text := range v {
			n += len(text)
		}
	}
	return n
}

// visit counts a part that is looked at; false: it is not to be written, for there is no statement any more.
func (t *translator) visit() bool {
	if t.visits++; t.visits > visitsMax {
		t.refuse(tooLong)
	}
	if t.visits%lookEvery == 0 {
		t.look()
	}
	return t.reason == "" && t.failed == nil
}

// look ends the translation when nobody waits for it.
func (t *translator) look() {
	if err := t.isOver(); err != nil && t.failed == nil {
		t.failed = err
	}
}

func (t *translator) alias(prefix string) string {
	t.names++
	return prefix + strconv.Itoa(t.names)
}

// frame runs what writes in a narrower place, where names are known that are not known around it, and gives the doubts
// that arose there.
func (t *translator) frame(do func()) []string {
	around := t.doubts
	t.doubts = nil
	do()
	inside := t.doubts
	t.doubts = around
	return inside
}

// doubt notes a condition, never NULL, under which what is being written cannot be told.
func (t *translator) doubt(sql string) {
	if !slices.Contains(t.doubts, sql) {
		t.doubts = append(t.doubts, sql)
	}
}

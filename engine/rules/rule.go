package rules

import (
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/expr-lang/expr/vm"
)

// Rule is a compiled rule. It is immutable and safe for concurrent use.
type Rule struct {
	expression
}

// expression is what a Rule and a Value share: source, checked tree, program, and what it reads.
type expression struct {
	scope     *scope
	parsed    *parsed
	source    string
	checked   *node
	program   *vm.Program
	names     []string
	columns   []string
	histories []string
	props     []string
	used      Definitions
	ranks     []Rank
	cuts      []Cuts     // one for each of ranks, none before they are known
	condition bool       // a rule: the whole is true or false
	idle      *sync.Pool // of *evaluation
}

// Compile makes a rule over a customer. The error is of type Errors.
func Compile(s *Schema, source string) (*Rule, error) {
	e, err := build(s.customer, source, Bool)
	if err != nil {
		return nil, err
	}
	return &Rule{e}, nil
}

// CompileLine makes a rule over one line of a purchase: sku, brand, category, qty and amount. The error is of type
// Errors.
func CompileLine(s *Schema, source string) (*Rule, error) {
	e, err := build(s.line, source, Bool)
	if err != nil {
		return nil, err
	}
	return &Rule{e}, nil
}

// build is the table of contents: parse, check, normalise, compile.
func build(s *scope, source string, want Type, path ...string) (expression, error) {
	parsed, bad := parse(source)
	if bad != nil {
		return expression{}, Errors{*bad}
	}
	tree, found, errs := check(s, parsed, want, path)
	if errs != nil {
		return expression{}, errs
	}
	normal := normalise(tree)
	if normal.shape.kind == Bool {
		normal = truthOf(normal, want)
	}
	program, err := compile(s, normal)
	if err != nil {
		return expression{}, Errors{place(parsed.source, problem{to: len(parsed.source), message: err.Error()})}
	}
	out := expression{
		scope: s, parsed: parsed, source: source, checked: tree, program: program,
		names: sorted(found.names), columns: sorted(found.columns), histories: sorted(found.history), props: sorted(found.properties), used: found.used, condition: want == Bool,
		idle: &sync.Pool{New: func() any { return newEvaluation() }},
	}
	if out.ranks, err = ranksOf(s, out, found.ranks); err != nil {
		return expression{}, Errors{place(parsed.source, problem{to: len(parsed.source), message: err.Error()})}
	}
	return out, nil
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

// truthOf makes a whole rule sure; a Value may be a missing bool.
func truthOf(n *node, want Type) *node {
	if want == Bool {
		return truth(n)
	}
	return n
}

func newEvaluation() *evaluation {
	e := &evaluation{}
	e.vm.MemoryBudget = math.MaxUint // lists come from the customer, and a rule cannot multiply them
	return e
}

// Source is the text of the rule.
func (x *expression) Source() string { return x.source }

// Attributes are the names that the rule uses, as written, sorted: attributes, histories and the clock's.
func (x *expression) Attributes() []string { return slices.Clone(x.names) }

// Columns are the stored columns that a Record must have for the rule, sorted; derived names are resolved to theirs.
func (x *expression) Columns() []string { return slices.Clone(x.columns) }

// Histories are the lists that a Record must have for the rule, sorted; points needs "lots".
func (x *expression) Histories() []string { return slices.Clone(x.histories) }

// Properties are the properties of events that the rule reads, sorted, those that it reads through what it uses included.
func (x *expression) Properties() []string { return slices.Clone(x.props) }

// Uses are the segments and computed attributes that the rule uses, those that these use included.
func (x *expression) Uses() Definitions {
	return Definitions{Segments: maps.Clone(x.used.Segments), Computed: maps.Clone(x.used.Computed)}
}

// Matches says whether the rule is true for a customer at an instant. It never fails: a rule that is ErrTooLong for the
// customer is false.
func (r *Rule) Matches(c Record, at Instant) bool {
	answer, _ := r.evaluate(c, at)
	return answer == true
}

// evaluate runs the program. Beside ErrTooLong, an error is a defect of this package; tests look at it.
func (x *expression) evaluate(c Record, at Instant) (any, error) { return x.run(nil, c, at) }

// run runs the program until it ends, or isOver says an error.
func (x *expression) run(isOver func() error, c Record, at Instant) (any, error) {
	e := x.idle.Get().(*evaluation)
	e.begin(c, at, x.cuts...)
	e.budget.isOver = isOver
	answer, err := e.vm.Run(x.program, e)
	if e.budget.stopped != nil {
		return nil, e.budget.stopped
	}
	if e.end() {
		x.idle.Put(e)
	}
	return answer, err
}

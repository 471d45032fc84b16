package rules

import (
	"context"
	"fmt"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// Explanation is why a customer is in or out. KeptOutBy are the texts of the top-level conjuncts that are false for a
// customer who is out, in the order of the rule; it is empty for one who is in.
type Explanation struct {
	Tree      Piece
	KeptOutBy []string
}

// Piece is a part of a rule as it came out for one customer: Text is the source as written, Value the canonical text of
// its value (Value.Text), "missing" where there is none. Matches is nil for a part that is neither true nor false.
// Literals are left out, and what stands inside a closure, which has a value for each element and none of its own.
type Piece struct {
	Text, Value string
	Matches     *bool
	Children    []Piece
}

// Missing is the Value of a piece that has none.
const Missing = "missing"

// Explain says how each part of the rule came out for a customer at an instant. The tree's Matches is what Decide says. Its
// error is ErrTooLong, or the context's.
func (r *Rule) Explain(ctx context.Context, c Record, at Instant) (Explanation, error) {
	e := r.idle.Get().(*evaluation)
	e.begin(c, at, r.cuts...)
	e.budget.isOver = ctx.Err
	x := &explainer{scope: r.scope, parsed: r.parsed, evaluation: e, known: map[*node]any{}, places: map[ast.Node][2]int{}, lets: map[string]any{}}
	out := Explanation{Tree: x.piece(r.checked)}
	if e.budget.stopped != nil {
		return Explanation{}, e.budget.stopped
	}
	if !*out.Tree.Matches {
		for _, n := range spread(r.checked, "&&") {
			if x.value(n) != true {
				out.KeptOutBy = append(out.KeptOutBy, x.text(n))
			}
		}
	}
	if e.end() {
		r.idle.Put(e)
	}
	return out, nil
}

// Conjuncts are the conditions that the rule joins with && at its top, each a rule by itself: the rule is true where all
// of them are. A rule without && is its only one. Each names the columns and histories of the whole rule, so that one
// record serves them all.
func (r *Rule) Conjuncts() ([]*Rule, error) {
	var parts []*Rule
	for _, n := range spread(r.checked, "&&") {
		program, err := compile(r.scope, truth(normalise(n)))
		if err != nil {
			return nil, err
		}
		part := r.expression
		part.source, part.checked, part.program = r.parsed.text(n), n, program
		parts = append(parts, &Rule{part})
	}
	return parts, nil
}

// spread is what an operator joins, however the joining is bracketed.
func spread(n *node, operator string) []*node {
	if n.op != opBinary || n.name != operator {
		return []*node{n}
	}
	return append(spread(n.args[0], operator), spread(n.args[1], operator)...)
}

// text is a node as it is written.
func (p *parsed) text(n *node) string {
	from, to := p.stretch(n.written)
	return string(p.source[from:to])
}

// explainer works out the parts of a rule for one customer, from the innermost outwards: each runs as a program of its own
// on the evaluation's VM, so that a part means by itself what it means in the rule, with its own parts' values in their
// places, so that each is worked out once.
type explainer struct {
	*scope
	*parsed
	*evaluation
	known  map[*node]any
	places map[ast.Node][2]int
	lets   map[string]any // around the part
}

func (x *explainer) piece(n *node) Piece {
	value := x.value(n)
	out := Piece{Text: x.text(n), Value: x.shown(value, n.shape), Children: x.children(n)}
	if n.shape.kind == Bool {
		is := value == true
		out.Matches = &is
	}
	return out
}

func (x *explainer) text(n *node) string {
	from, to := x.place(n)
	return string(x.source[from:to])
}

// place is where a part is written.
func (x *explainer) place(n *node) (from, to int) {
	at, done := x.places[n.written]
	if !done {
		at[0], at[1] = x.stretch(n.written)
		x.places[n.written] = at
	}
	return at[0], at[1]
}

// value is what a part comes to.
func (x *explainer) value(n *node) any {
	if value, done := x.known[n]; done {
		return value
	}
	value := x.work(n)
	x.known[n] = value
	return value
}

func (x *explainer) work(n *node) any {
	switch n.op {
	case opConstant:
		return n.value
	case opVariable:
		return x.lets[n.name]
	case opLet:
		x.lets[n.name] = x.value(n.args[0])
		return x.value(n.args[1])
	case opSegment:
		return x.inside(n).value(n.args[0]) == true
	case opComputed:
		return x.inside(n).value(n.args[0])
	}
	program, err := compile(x.scope, normalise(x.shallow(n)))
	if err != nil || x.budget.stopped != nil {
		return nil
	}
	clear(x.once) // another program's
	answer, _ := x.vm.Run(program, x.evaluation)
	return answer
}

// inside explains a segment or a computed attribute, which sees no let.
func (x *explainer) inside(n *node) *explainer {
	return &explainer{scope: x.scope, parsed: n.parsed, evaluation: x.evaluation, known: x.known, places: x.places, lets: map[string]any{}}
}

// shallow is a part with the values of its own parts in their places. What stands inside a closure stays, but for the lets
// around it.
func (x *explainer) shallow(n *node) *node {
	out := *n
	out.args = make([]*node, len(n.args))
	for i, arg := range n.args {
		switch {
		case n.op == opClosure && i == 1:
			out.args[i] = x.filled(arg)
		case arg.op == opRange:
			out.args[i] = x.shallow(arg)
		case arg.op == opItems || isFixed(arg): // literals stay what the compiler knows them as
			out.args[i] = x.shallow(arg)
		default:
			out.args[i] = &node{op: opKnown, shape: arg.shape, value: x.value(arg)}
		}
	}
	return &out
}

// filled is the inside of a closure with the values of the lets around the closure.
func (x *explainer) filled(n *node) *node {
	switch n.op {
	case opVariable:
		if value, is := x.lets[n.name]; is {
			return &node{op: opKnown, shape: n.shape, value: value}
		}
		return n
	case opSegment, opComputed, opRank:
		return n
	}
	out := *n
	out.args = make([]*node, len(n.args))
	for i, arg := range n.args {
		out.args[i] = x.filled(arg)
	}
	return &out
}

func (x *explainer) children(n *node) []Piece {
	switch {
	case n.op == opLet:
		return append(x.within(n, n.args[:1]), x.within(n, n.args[1:])...)
	case n.op == opSegment || n.op == opComputed:
		return []Piece{x.inside(n).piece(n.args[0])}
	case n.op == opClosure:
		return x.within(n, n.args[:1])
	case n.op == opBinary && (n.name == "&&" || n.name == "||"):
		return x.within(n, spread(n, n.name))
	}
	return x.within(n, n.args)
}

// within are the pieces below a node. What is written in the same place, as the `in` of `x not in y` is, would say the
// opposite of its text: its own parts stand in for it.
func (x *explainer) within(parent *node, nodes []*node) []Piece {
	var pieces []Piece
	from, to := x.place(parent)
	for _, n := range nodes {
		if n.written == nil || n.shape.kind != Bool && isFixed(n) {
			continue
		}
		first, last := x.place(n)
		if n.op == opRange || first == from && last == to {
			pieces = append(pieces, x.children(n)...)
			continue
		}
		pieces = append(pieces, x.piece(n))
	}
	return pieces
}

// isFixed says that a part is written out: its text is its value.
func isFixed(n *node) bool {
	switch n.op {
	case opConstant, opWall:
		return true
	case opItems, opMinus, opToNumber, opRange, opBinary:
		for _, arg := range n.args {
			if !isFixed(arg) {
				return false
			}
		}
		return true
	}
	return false
}

// shown is a value as an explanation says it: a history by its number of rows, another list by its first elements.
func (x *explainer) shown(value any, s shape) string {
	const elementsMax = 20
	var items []any
	switch list := value.(type) {
	case nil:
		return Missing
	case []any:
		items = list
	case []string:
		for _, text := range list {
			items = append(items, text)
		}
	default:
		return x.scope.text(value, s.kind)
	}
	if s.elem == row {
		return fmt.Sprintf("%d %s", len(items), s.rows.name)
	}
	texts := make([]string, 0, min(len(items), elementsMax+1))
	for i, item := range items {
		if i == elementsMax {
			texts = append(texts, "…")
			break
		}
		if item == nil {
			texts = append(texts, Missing)
			continue
		}
		texts = append(texts, x.scope.text(item, s.elem))
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

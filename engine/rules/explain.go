package rules

import (
	"fmt"
	"strings"
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

// Explain says how each part of the rule came out for a customer at an instant. The tree's Matches is what Matches says.
func (r *Rule) Explain(c Record, at Instant) Explanation {
	e := r.idle.Get().(*evaluation)
	e.begin(c, at, r.cuts...)
	x := &explainer{scope: r.scope, parsed: r.parsed, evaluation: e}
	out := Explanation{Tree: x.piece(r.checked)}
	if !*out.Tree.Matches {
		for _, n := range spread(r.checked, "&&") {
			if x.value(n) != true {
				out.KeptOutBy = append(out.KeptOutBy, x.parsed.text(n))
			}
		}
	}
	if e.end() {
		r.idle.Put(e)
	}
	return out
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

// explainer works out the parts of a rule for one customer. Each part runs as a program of its own on the evaluation's
// VM, so that a part means by itself what it means in the rule.
type explainer struct {
	*scope
	*parsed
	*evaluation
	lets []*node // around the part
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

func (x *explainer) text(n *node) string { return x.parsed.text(n) }

// value runs a part, within the lets that it may name.
func (x *explainer) value(n *node) any {
	tree := n
	for i := len(x.lets) - 1; i >= 0; i-- {
		let := x.lets[i]
		tree = &node{op: opLet, name: let.name, shape: n.shape, args: []*node{let.args[0], tree}}
	}
	program, err := compile(x.scope, normalise(tree))
	if err != nil {
		return nil
	}
	answer, _ := x.vm.Run(program, x.evaluation)
	return answer
}

func (x *explainer) children(n *node) []Piece {
	switch {
	case n.op == opLet:
		value := x.within(n, n.args[:1])
		x.lets = append(x.lets, n)
		defer func() { x.lets = x.lets[:len(x.lets)-1] }()
		return append(value, x.within(n, n.args[1:])...)
	case n.op == opSegment || n.op == opComputed:
		inside := &explainer{scope: x.scope, parsed: n.parsed, evaluation: x.evaluation}
		return []Piece{inside.piece(n.args[0])}
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
	from, to := x.stretch(parent.written)
	for _, n := range nodes {
		if n.written == nil || n.shape.kind != Bool && isFixed(n) {
			continue
		}
		first, last := x.stretch(n.written)
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

package rules

import (
	"slices"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/parser/lexer"
)

// stretch is where a node stands in the text, with the brackets that belong to it.
func (p *parsed) stretch(n ast.Node) (from, to int) {
	s := &stretcher{parsed: p, from: len(p.source), seen: map[ast.Node]bool{}}
	s.walk(n)
	if s.from > s.to {
		return 0, len(p.source)
	}
	from, to = p.balance(s.from, s.to)
	if choice, is := n.(*ast.ConditionalNode); is && !choice.Ternary {
		from = p.before(from, "if")
	}
	return from, to
}

// before is where the token before a place begins if it is this one, else the place.
func (p *parsed) before(place int, token string) int {
	at := slices.IndexFunc(p.tokens, func(t lexer.Token) bool { return t.From >= place })
	if at > 0 && p.tokens[at-1].Value == token {
		return p.tokens[at-1].From
	}
	return place
}

// stretcher finds the first and last token of a node. A shared part, as b in a < b < c, is looked at once.
type stretcher struct {
	*parsed
	from, to int
	seen     map[ast.Node]bool
}

func (s *stretcher) walk(n ast.Node) {
	if n == nil || s.seen[n] {
		return
	}
	s.seen[n] = true
	switch n := n.(type) {
	case *ast.ConditionalNode: // its own place is that of the token behind it
		s.walk(n.Cond)
		s.walk(n.Exp1)
		s.walk(n.Exp2)
		return
	case *ast.PredicateNode:
		s.walk(n.Node)
		return
	}
	at := n.Location()
	if _, is := n.(*ast.VariableDeclaratorNode); is { // its own place is that of its name
		at.From = s.before(at.From, "let")
	}
	s.from, s.to = min(s.from, at.From), max(s.to, at.To)
	for _, child := range children(n) {
		s.walk(child)
	}
}

func children(n ast.Node) []ast.Node {
	switch n := n.(type) {
	case *ast.UnaryNode:
		return []ast.Node{n.Node}
	case *ast.BinaryNode:
		return []ast.Node{n.Left, n.Right}
	case *ast.ChainNode:
		return []ast.Node{n.Node}
	case *ast.MemberNode:
		return []ast.Node{n.Node, n.Property}
	case *ast.SliceNode:
		return []ast.Node{n.Node, n.From, n.To}
	case *ast.CallNode:
		return append([]ast.Node{n.Callee}, n.Arguments...)
	case *ast.BuiltinNode:
		return n.Arguments
	case *ast.VariableDeclaratorNode:
		return []ast.Node{n.Value, n.Expr}
	case *ast.SequenceNode:
		return n.Nodes
	case *ast.ArrayNode:
		return n.Nodes
	}
	return nil
}

// balance takes in the brackets that a stretch opens or closes without their partners, and a call's parentheses.
func (p *parsed) balance(from, to int) (int, int) {
	first, last := -1, -1
	for i, t := range p.tokens {
		if t.From >= from && t.To <= to && t.Kind != lexer.EOF {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	if first < 0 {
		return from, to
	}
	if next := last + 1; p.tokens[last].Kind == lexer.Identifier && next < len(p.tokens) && p.tokens[next].Is(lexer.Bracket, "(") {
		last = next
	}
	depth, lowest := 0, 0
	for i := first; i <= last; i++ {
		depth += weight(p.tokens[i])
		lowest = min(lowest, depth)
	}
	for ; lowest < 0 && first > 0; first-- {
		w := weight(p.tokens[first-1])
		lowest += w
		depth += w
	}
	for ; depth > 0 && last < len(p.tokens)-1; last++ {
		depth += weight(p.tokens[last+1])
	}
	return min(from, p.tokens[first].From), max(to, p.tokens[last].To)
}

func weight(t lexer.Token) int {
	if t.Kind != lexer.Bracket {
		return 0
	}
	switch t.Value {
	case "(", "[", "{":
		return 1
	}
	return -1
}

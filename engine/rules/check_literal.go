package rules

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// number is a literal: an int or a number with its exact value, so that it can still become money.
func (c *checker) number(n ast.Node) *node {
	at := n.Location()
	written := strings.ReplaceAll(string(c.source.source[at.From:at.To]), "_", "")
	switch n := n.(type) {
	case *ast.IntegerNode:
		out := constant(int64(n.Value), Int)
		out.literal = new(big.Rat).SetInt64(int64(n.Value))
		return out
	case *ast.FloatNode:
		if !isFinite(n.Value) {
			return c.fail(n, fmt.Sprintf("the number `%s` is too large", shorten([]rune(written))), "")
		}
		out := constant(n.Value, Number)
		out.literal, _ = decimal(written)
		return out
	}
	return c.foreign(n)
}

// fold is the exact value of an operator between literals, nil where there is none within reason.
func fold(operator string, a, b *big.Rat) *big.Rat {
	const bitsMax = 4096
	if a == nil || b == nil || a.Num().BitLen()+b.Num().BitLen()+a.Denom().BitLen()+b.Denom().BitLen() > bitsMax {
		return nil
	}
	switch operator {
	case "+":
		return new(big.Rat).Add(a, b)
	case "-":
		return new(big.Rat).Sub(a, b)
	case "*":
		return new(big.Rat).Mul(a, b)
	}
	return nil
}

// isLiteral says whether a node's value is written in digits alone on every way through it, so that it may become
// money: 100, -5, 12 * 50, vip ? 100 : 200.
func isLiteral(n *node) bool {
	switch {
	case n.literal != nil, isNil(n):
		return true
	case n.op == opChoose:
		return isLiteral(n.args[1]) && isLiteral(n.args[2])
	case n.op == opBinary && n.name == "??":
		return isLiteral(n.args[0]) && isLiteral(n.args[1])
	case n.op == opToNumber:
		return isLiteral(n.args[0])
	}
	return false
}

// isNil is the literal nil, whatever type it has taken from its surroundings.
func isNil(n *node) bool { return n.op == opConstant && n.value == nil && n.shape.kind != broken }

// coerce converts a node to a shape without loss of meaning; false when the types do not go together.
func (c *checker) coerce(n *node, to shape) (*node, bool) {
	switch {
	case n.shape.kind == broken, to.kind == broken, n.shape == to:
		return n, true
	case isNil(n):
		return &node{op: opConstant, shape: to, written: n.written}, true
	case n.shape.kind == null:
		copied := *n
		copied.shape = to
		return &copied, true
	case to.kind == Number && n.shape.kind == Int:
		return toNumber(n), true
	case to.kind == Money && isLiteral(n):
		return c.toMoney(n), true
	case to.kind == list && n.op == opItems:
		copied := *n
		copied.args, copied.shape = make([]*node, len(n.args)), to
		for i, item := range n.args {
			converted, ok := c.coerce(item, to.element())
			if !ok {
				return n, false
			}
			copied.args[i] = converted
		}
		return &copied, true
	}
	return n, false
}

func toNumber(n *node) *node {
	if whole, ok := n.value.(int64); ok && n.op == opConstant {
		return &node{op: opConstant, shape: scalar(Number), value: float64(whole), literal: n.literal, written: n.written}
	}
	return &node{op: opToNumber, shape: scalar(Number), args: []*node{n}, literal: n.literal, written: n.written}
}

// toMoney scales a literal to minor units. What is finer than one, or does not fit, is a mistake.
func (c *checker) toMoney(n *node) *node {
	if n.literal == nil {
		copied := *n
		copied.shape, copied.args = scalar(Money), append([]*node(nil), n.args...)
		for i, arg := range n.args {
			if n.op == opChoose && i == 0 {
				continue
			}
			copied.args[i] = c.toMoney(arg)
		}
		if n.op == opToNumber {
			return copied.args[0]
		}
		return &copied
	}
	minor, ok := toMinor(n.literal, c.digits)
	if ok {
		return constant(minor, Money)
	}
	if new(big.Rat).Mul(n.literal, new(big.Rat).SetInt64(c.scale)).IsInt() {
		c.later("the amount %s is too large", n.literal, "")
	} else {
		smallest := new(big.Rat).SetFrac64(1, c.scale).FloatString(c.digits)
		c.later("the amount %s is finer than the currency's smallest unit, "+smallest, n.literal, "round it")
	}
	return brokenNode()
}

// later reports a mistake in an amount at the operator that is being checked.
func (c *checker) later(format string, amount *big.Rat, hint string) {
	digits, exact := amount.FloatPrec()
	text := amount.FloatString(min(digits, 20))
	if !exact {
		text += "…"
	}
	from, to := c.source.stretch(c.operator)
	for _, t := range c.source.tokens { // the literal itself, where it stands there in one piece
		if t.From < from || t.To > to || t.Kind != "Number" {
			continue
		}
		if r, ok := decimal(strings.ReplaceAll(string(c.source.source[t.From:t.To]), "_", "")); ok && r.Cmp(new(big.Rat).Abs(amount)) == 0 {
			from, to = t.From, t.To
			break
		}
	}
	c.failAt(from, to, fmt.Sprintf(format, shorten([]rune(text))), hint)
}

// unify brings two nodes to one type: the branches of ?: and ??, the elements of a list.
func (c *checker) unify(a, b *node) (*node, *node, bool) {
	if a.shape.kind == between || b.shape.kind == between {
		return a, b, false
	}
	if converted, ok := c.coerce(a, b.shape); ok {
		return converted, orBroken(b, a), true
	}
	if converted, ok := c.coerce(b, a.shape); ok {
		return orBroken(a, b), converted, true
	}
	return a, b, false
}

func orBroken(n, other *node) *node {
	if other.shape.kind == broken {
		return brokenNode()
	}
	return n
}

package rules

import (
	"fmt"
	"math/big"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
)

func (c *checker) unary(n *ast.UnaryNode) *node {
	arg := c.node(n.Node)
	if n.Operator == "!" || n.Operator == "not" {
		if !c.mustBool(n.Node, arg) {
			return brokenNode()
		}
		return &node{op: opNot, shape: scalar(Bool), args: []*node{arg}}
	}
	switch {
	case arg.shape.kind == broken:
		return arg
	case !arg.shape.isNumeric():
		return c.fail(n, fmt.Sprintf("`%s` needs a number, but this is %s", n.Operator, arg.shape), "")
	case n.Operator == "+":
		return arg
	}
	out := &node{op: opMinus, shape: arg.shape, args: []*node{arg}}
	if arg.literal != nil {
		out.literal = new(big.Rat).Neg(arg.literal)
	}
	return out
}

func (c *checker) binary(n *ast.BinaryNode) *node {
	switch n.Operator {
	case "and", "&&":
		return c.logic(n, "&&")
	case "or", "||":
		return c.logic(n, "||")
	case "matches":
		return c.matches(n)
	}
	left, right := c.node(n.Left), c.node(n.Right)
	if left.shape.kind == broken || right.shape.kind == broken {
		return brokenNode()
	}
	c.operator = n
	switch n.Operator {
	case "==", "!=", "<", "<=", ">", ">=":
		return c.comparison(n, left, right)
	case "in":
		return c.membership(n, left, right)
	case "..":
		return c.rangeOf(n, left, right)
	case "contains", "startsWith", "endsWith":
		return c.textual(n, left, right)
	case "??":
		return c.otherwise(n, left, right)
	case "^":
		return c.arithmetic(n, "**", left, right)
	}
	return c.arithmetic(n, n.Operator, left, right)
}

func (c *checker) logic(n *ast.BinaryNode, operator string) *node {
	left, right := c.node(n.Left), c.node(n.Right)
	okLeft, okRight := c.mustBool(n.Left, left), c.mustBool(n.Right, right)
	if !okLeft || !okRight {
		return brokenNode()
	}
	return &node{op: opBinary, name: operator, shape: scalar(Bool), args: []*node{left, right}}
}

func (c *checker) comparison(n *ast.BinaryNode, left, right *node) *node {
	if isFraction(left, right) || isFraction(right, left) {
		return c.fail(n, "percentiles are whole numbers from 1 to 100", "the top tenth is percentile(total_spend) > 90")
	}
	isEquality := n.Operator == "==" || n.Operator == "!="
	a, b, ok := c.alike(left, right)
	if !ok {
		return c.mismatch(n, left, right)
	}
	if !isEquality && (a.shape.kind == list || a.shape.kind == Bool) {
		return c.fail(n, fmt.Sprintf("`%s` puts values in order, but this is %s", n.Operator, a.shape), "use == or !=")
	}
	return &node{op: opBinary, name: n.Operator, shape: scalar(Bool), args: []*node{a, b}}
}

// alike says whether two nodes can be compared, after a literal has become money and nil has taken a type.
func (c *checker) alike(a, b *node) (*node, *node, bool) {
	x, y := a.shape, b.shape
	switch {
	case x.kind == row || y.kind == row, x.kind == object || y.kind == object, x.kind == between || y.kind == between,
		x.elem == row || y.elem == row:
		return a, b, false
	case x.isScalar() && x == y:
		return a, b, true
	case x.kind == Money && y.kind == Number && !isLiteral(b), y.kind == Money && x.kind == Number && !isLiteral(a):
		return a, b, true
	case x.kind == Int && y.kind == Number && !isSmall(a), y.kind == Int && x.kind == Number && !isSmall(b):
		return a, b, true
	}
	return c.unify(a, b)
}

// isSmall says that an int is a constant which every float64 of its size can hold.
func isSmall(n *node) bool {
	const exact = 1 << 53
	v, ok := n.value.(int64)
	return ok && n.op == opConstant && v >= -exact && v <= exact
}

func (c *checker) mismatch(n *ast.BinaryNode, left, right *node) *node {
	hint := ""
	kinds := [2]Type{left.shape.kind, right.shape.kind}
	has := func(k Type) bool { return kinds[0] == k || kinds[1] == k }
	switch {
	case has(DateType) && has(Time):
		hint = "turn the time into a date with date(…)"
	case has(DateType) && has(Text):
		hint = `write a date as date("2026-01-31")`
	case has(Time) && has(Text):
		hint = `write a time as time("2026-01-31T10:00")`
	case has(Money) && has(Int):
		hint = "money divided by 1 is a number, which an int can be compared with: total_spend / 1 > points"
	case has(Text) && (has(Int) || has(Number) || has(Money)):
		hint = "write numbers without quotes and texts with them"
	case has(Bool):
		hint = "write true and false, without quotes"
	case (has(Time) || has(DateType)) && (has(Int) || has(Number)):
		hint = "count the days: days_since(last_purchase_at) > 90; or the years: age(birthday) >= 30"
	case has(between):
		hint = "a range may only stand to the right of `in`"
	case left.shape.elem == row || right.shape.elem == row:
		hint = "a history is never missing; count it with len(…), or ask any(…, condition)"
	case has(list) && has(Text):
		hint = `write "vip" in tags`
	}
	return c.fail(n, fmt.Sprintf("`%s` cannot compare %s with %s", n.Operator, left.shape, right.shape), hint)
}

func (c *checker) membership(n *ast.BinaryNode, left, right *node) *node {
	made := func() *node {
		return &node{op: opBinary, name: "in", shape: scalar(Bool), args: []*node{left, right}}
	}
	if right.shape.kind == between {
		if left.shape.kind == Int || left.shape.kind == null {
			return made()
		}
		return c.fail(n, fmt.Sprintf("`in a..b` is for ints, but this is %s", left.shape), "write x >= a && x <= b")
	}
	if right.shape.kind != list || right.shape.elem == row || !(left.shape.isScalar() || left.shape.kind == null) {
		hint := `write a list, as in city in ["Shanghai", "Beijing"]`
		if right.shape.kind == Text {
			hint = "for a part of a text write: name contains \"…\""
		} else if right.shape.elem == row {
			hint = fmt.Sprintf("look into it with any(%s, condition)", right.shape.rows.name)
		}
		return c.fail(n, fmt.Sprintf("`in` cannot look for %s in %s", left.shape, right.shape), hint)
	}
	if right.op == opItems { // literals in the list take the type of what is looked for
		if converted, ok := c.coerce(right, shape{kind: list, elem: left.shape.kind}); ok && left.shape.kind != null {
			right = converted
			return made()
		}
	}
	probe := &node{shape: right.shape.element()}
	converted, _, ok := c.alike(left, probe)
	if mixed := left.shape.kind == Money != (probe.shape.kind == Money); !ok || mixed && !isLiteral(left) {
		return c.fail(n, fmt.Sprintf("`in` cannot look for %s in %s", left.shape, right.shape), "")
	}
	left = converted
	return made()
}

func (c *checker) rangeOf(n *ast.BinaryNode, left, right *node) *node {
	if left.shape.kind != Int || right.shape.kind != Int {
		return c.fail(n, fmt.Sprintf("a range is for ints, but this goes from %s to %s", left.shape, right.shape), "write x >= a && x <= b")
	}
	return &node{op: opRange, shape: shape{kind: between}, args: []*node{left, right}}
}

func (c *checker) textual(n *ast.BinaryNode, left, right *node) *node {
	if left.shape.isText() && right.shape.isText() {
		return &node{op: opBinary, name: n.Operator, shape: scalar(Bool), args: []*node{left, right}}
	}
	hint := ""
	if left.shape.kind == list && left.shape.elem == Text {
		hint = fmt.Sprintf("write %s in %s", c.piece(n.Right), c.piece(n.Left))
	}
	return c.fail(n, fmt.Sprintf("`%s` compares two texts, but these are %s and %s", n.Operator, left.shape, right.shape), hint)
}

// patternMax and programMax bound a regular expression: characters, and instructions of its program.
const patternMax, programMax = 1_000, 2_000

func (c *checker) matches(n *ast.BinaryNode) *node {
	left := c.node(n.Left)
	pattern, ok := n.Right.(*ast.StringNode)
	switch {
	case !ok:
		return c.fail(n.Right, "a regular expression must be written out as a text", `write name matches "^A"`)
	case left.shape.kind == broken:
		return left
	case !left.shape.isText():
		return c.fail(n, fmt.Sprintf("`matches` is for texts, but this is %s", left.shape), "")
	}
	c.count()
	if utf8.RuneCountInString(pattern.Value) > patternMax {
		return c.fail(pattern, fmt.Sprintf("the regular expression has more than %d characters", patternMax), "")
	}
	parsed, err := syntax.Parse(pattern.Value, syntax.Perl)
	if err != nil {
		return c.fail(pattern, fmt.Sprintf("the regular expression does not compile: %s", reason(err)), "")
	}
	if programSize(parsed) > programMax {
		return c.fail(pattern, "the regular expression is too large once its repeats are written out", "repeat less, or use + and *")
	}
	compiled, err := regexp.Compile(pattern.Value)
	if err != nil {
		return c.fail(pattern, fmt.Sprintf("the regular expression does not compile: %s", reason(err)), "")
	}
	return &node{op: opMatches, shape: scalar(Bool), args: []*node{left}, pattern: compiled, name: pattern.Value}
}

func reason(err error) string {
	if e, ok := err.(*syntax.Error); ok {
		return fmt.Sprintf("%s: `%s`", e.Code, shorten([]rune(e.Expr)))
	}
	return err.Error()
}

// programSize is about how many instructions a regular expression has once its repeats are written out.
func programSize(r *syntax.Regexp) int {
	size := 1 + len(r.Rune)
	for _, sub := range r.Sub {
		size += programSize(sub)
		if size > programMax {
			return size
		}
	}
	if r.Op == syntax.OpRepeat {
		size *= max(1, r.Min, r.Max)
	}
	return min(size, programMax+1)
}

func (c *checker) otherwise(n *ast.BinaryNode, left, right *node) *node {
	a, b, ok := c.unify(left, right)
	if !ok || a.shape.kind == row || a.shape.kind == object || a.shape.kind == between {
		return c.fail(n, fmt.Sprintf("`??` supplies a default of the same type, but these are %s and %s", left.shape, right.shape), "")
	}
	return &node{op: opBinary, name: "??", shape: a.shape, args: []*node{a, b}}
}

func (c *checker) arithmetic(n *ast.BinaryNode, operator string, left, right *node) *node {
	if !left.shape.isNumeric() || !right.shape.isNumeric() {
		return c.fail(n, fmt.Sprintf("`%s` calculates with numbers, but these are %s and %s", n.Operator, left.shape, right.shape), arithmeticHint(left, right))
	}
	literal := fold(operator, left.literal, right.literal)
	if operator == "+" || operator == "-" {
		if left.shape.kind == Money && isLiteral(right) {
			right = c.toMoney(right)
		} else if right.shape.kind == Money && isLiteral(left) {
			left = c.toMoney(left)
		}
	}
	if left.shape.kind == broken || right.shape.kind == broken {
		return brokenNode()
	}
	kind := arithmeticType(operator, left.shape.kind, right.shape.kind)
	if kind == broken {
		return c.fail(n, fmt.Sprintf("`%s` cannot calculate with %s and %s", n.Operator, left.shape, right.shape), arithmeticHint(left, right))
	}
	return &node{op: opBinary, name: operator, shape: scalar(kind), args: []*node{left, right}, literal: literal}
}

// arithmeticType is the type of an answer, broken where there is none.
func arithmeticType(operator string, a, b Type) Type {
	money := a == Money || b == Money
	switch {
	case operator == "/":
		return Number
	case operator == "**" && !money:
		return Number
	case operator == "%" && a == Int && b == Int:
		return Int
	case operator == "**", operator == "%":
		return broken
	case operator == "*" && money:
		switch {
		case a == b:
			return broken
		case a == Int || b == Int:
			return Money
		}
		return Number
	case a == b:
		return a
	case money:
		return broken
	}
	return Number
}

func arithmeticHint(left, right *node) string {
	has := func(k Type) bool { return left.shape.kind == k || right.shape.kind == k }
	switch {
	case has(null):
		return "nil has no value to calculate with; supply a default with ??"
	case has(DateType), has(Time):
		return "use days_since(…), days_until(…) or hours_since(…)"
	case has(Text):
		return "texts cannot be joined in a rule"
	case has(Money) && (has(Int) || has(Number)):
		return "money plus a plain number is not an amount; write the amount as a literal, or divide the money by 1"
	}
	return ""
}

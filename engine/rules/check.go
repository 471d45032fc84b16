package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// checker gives every node its type, in one walk over expr's tree. It goes on after a mistake, so that a marketer
// sees all of them; the broken shape keeps one mistake from being reported twice.
type checker struct {
	*scope
	source *parsed
	*expansions
	problems []problem
	visits   int
	deepest  int       // of closures, with those of what is used
	operator ast.Node  // the node whose operands are being brought to one type
	elements []shape   // of the closures around the node
	bound    []binding // the lets around the node
	ranking  *ranking  // the percentile or ntile around the node
	isRanked bool      // there is one somewhere, here or in what is used
	names    map[string]bool
	columns  map[string]bool
	history  map[string]bool
}

// binding is a let: its value stands in for it where only the value's type or literal matters.
type binding struct {
	name  string
	value *node
}

// tooLarge stops the walk: what is still to come has no use for a rule that is refused for its size.
type tooLarge struct{}

// check types a parsed rule. want says what the whole must be: Bool for a rule, 0 for any scalar; path is the name under
// which the rule itself is used, if it has one.
func check(s *scope, p *parsed, want Type, path []string) (*node, *checker, Errors) {
	c := &checker{scope: s, source: p, expansions: newExpansions(path), names: map[string]bool{}, columns: map[string]bool{}, history: map[string]bool{}}
	tree := c.whole(want)
	if len(c.problems) == 0 {
		return tree, c, nil
	}
	slices.SortStableFunc(c.problems, func(a, b problem) int { return a.from - b.from })
	var errs Errors
	for _, found := range c.problems[:min(len(c.problems), errorsMax)] {
		errs = append(errs, place(p.source, found))
	}
	return nil, c, errs
}

func (c *checker) whole(want Type) (tree *node) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(tooLarge); !ok {
				panic(r)
			}
		}
	}()
	tree = c.node(c.source.tree)
	switch {
	case tree.shape.kind == broken:
	case want == Bool && tree.shape.kind != Bool:
		c.fail(c.source.tree, fmt.Sprintf("a rule is true or false, but this is %s", tree.shape), boolHint(tree.shape))
	case !tree.shape.isScalar():
		c.fail(c.source.tree, fmt.Sprintf("a single value is needed, but this is %s", tree.shape), "")
	}
	return tree
}

func boolHint(s shape) string {
	switch {
	case s.kind == list:
		return "compare it, as in len(tags) > 0, or ask any(list, condition)"
	case s.isNumeric():
		return "compare it with a number, as in points >= 100"
	case s.kind == Text:
		return `compare it with a text, as in city == "Shanghai"`
	case s.kind == DateType:
		return "compare it with a date, as in birthday == today"
	case s.kind == Time:
		return "compare it with a time, or use days_since(…) > 90"
	}
	return ""
}

// fail reports a mistake and returns the node that stands in for it.
func (c *checker) fail(at ast.Node, message, hint string) *node {
	from, to := c.source.stretch(at)
	return c.failAt(from, to, message, hint)
}

func (c *checker) failAt(from, to int, message, hint string) *node {
	return c.report(problem{from: from, to: to, message: message, hint: hint})
}

func (c *checker) report(found problem) *node {
	if slices.Contains(c.problems, found) { // b in a < b < c is looked at twice
		return brokenNode()
	}
	c.problems = append(c.problems, found)
	if len(c.problems) > errorsMax {
		panic(tooLarge{})
	}
	return brokenNode()
}

func brokenNode() *node { return &node{shape: shape{kind: broken}} }

// piece is a node as the marketer wrote it.
func (c *checker) piece(at ast.Node) string {
	from, to := c.source.stretch(at)
	return shorten(c.source.source[from:to])
}

// count keeps a rule within its limit. A part that expr's tree shares, as b in a < b < c, counts each time.
func (c *checker) count() {
	c.visits++
	if c.visits > nodesMax {
		c.refuseSize()
	}
}

// refuseSize ends the check of a rule that is too large, what it uses included.
func (c *checker) refuseSize() {
	c.problems = append(c.problems[:0], problem{
		to:      len(c.source.source),
		message: fmt.Sprintf("the rule has more than %d parts", nodesMax),
		hint:    "say it in fewer conditions: city in [\"a\", \"b\"] stands for a row of ==",
	})
	panic(tooLarge{})
}

// node types a part of the tree, and keeps where it is written.
func (c *checker) node(n ast.Node) *node {
	c.count()
	out := c.typed(n)
	if out.written == nil {
		out.written = n
	}
	return out
}

func (c *checker) typed(n ast.Node) *node {
	switch n := n.(type) {
	case *ast.NilNode:
		return &node{op: opConstant, shape: shape{kind: null}}
	case *ast.BoolNode:
		return constant(n.Value, Bool)
	case *ast.StringNode:
		return c.text(n)
	case *ast.IntegerNode, *ast.FloatNode:
		return c.number(n)
	case *ast.IdentifierNode:
		return c.identifier(n)
	case *ast.PointerNode:
		return c.pointer(n)
	case *ast.MemberNode:
		return c.member(n)
	case *ast.ChainNode:
		return c.node(n.Node)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.ConditionalNode:
		return c.conditional(n)
	case *ast.VariableDeclaratorNode:
		return c.let(n)
	case *ast.ArrayNode:
		return c.items(n)
	case *ast.BuiltinNode:
		return c.call(n, n.Name, n.Arguments)
	case *ast.CallNode:
		if callee, ok := n.Callee.(*ast.IdentifierNode); ok {
			return c.call(n, callee.Value, n.Arguments)
		}
		return c.fail(n, fmt.Sprintf("`%s` is not a function of the rule language", c.piece(n.Callee)), "functions stand before their argument: lower(city)")
	}
	return c.foreign(n)
}

// foreign refuses what expr has and the rule language does not.
func (c *checker) foreign(n ast.Node) *node {
	switch n.(type) {
	case *ast.MapNode:
		return c.fail(n, "{…} is not part of the rule language here", "write a list with [ and ]")
	case *ast.SliceNode:
		return c.fail(n, "parts of lists and texts are not part of the rule language", "use filter, or startsWith and endsWith")
	case *ast.BytesNode:
		return c.fail(n, "bytes are not part of the rule language", `write a text: "…"`)
	case *ast.SequenceNode:
		return c.fail(n, "a rule is one expression; `;` only follows a let", "join conditions with && or ||")
	}
	return c.fail(n, "this is not part of the rule language", "")
}

func (c *checker) text(n *ast.StringNode) *node {
	if strings.ContainsRune(n.Value, 0) {
		return c.fail(n, "a text cannot hold a NUL character", "delete it")
	}
	if strings.ToValidUTF8(n.Value, "") != n.Value {
		return c.fail(n, "a text must be valid UTF-8", `write \u4e0a for a character by its number`)
	}
	return constant(n.Value, Text)
}

func (c *checker) identifier(n *ast.IdentifierNode) *node {
	for i := len(c.bound) - 1; i >= 0; i-- {
		if b := c.bound[i]; b.name == n.Value {
			return &node{op: opVariable, name: n.Value, shape: b.value.shape, literal: b.value.literal}
		}
	}
	if a, ok := c.attributes[n.Value]; ok {
		c.use(n.Value, a.columns, a.lists)
		return &node{op: opAttribute, name: n.Value, shape: scalar(a.kind), attribute: a}
	}
	if source, ok := c.computed[n.Value]; ok {
		return c.computedValue(n, source)
	}
	if t, ok := c.lists[n.Value]; ok {
		c.use(n.Value, nil, []string{t.name})
		return &node{op: opHistory, name: n.Value, shape: shape{kind: list, elem: row, rows: t}}
	}
	if c.ranking != nil && slices.ContainsFunc(c.ranking.bound, func(b binding) bool { return b.name == n.Value }) {
		message, hint := c.ranking.outside(fmt.Sprintf("the let `%s`", n.Value))
		return c.fail(n, message, hint)
	}
	if f, ok := c.functions[n.Value]; ok {
		return c.fail(n, fmt.Sprintf("`%s` is a function and needs its argument", n.Value), "write "+f.example)
	}
	if len(c.elements) > 0 && c.elements[len(c.elements)-1].kind == row {
		if _, ok := c.elements[len(c.elements)-1].rows.fields[n.Value]; ok {
			return c.fail(n, fmt.Sprintf("there is no attribute `%s`", n.Value), fmt.Sprintf("a field starts with a dot: .%s", n.Value))
		}
	}
	return c.fail(n, fmt.Sprintf("there is no attribute `%s`", shorten([]rune(n.Value))), unknownHint(n.Value, c.known()))
}

// use notes what the rule reads.
func (c *checker) use(name string, columns, lists []string) {
	if name != "" {
		c.names[name] = true
	}
	for _, column := range columns {
		c.columns[column] = true
	}
	for _, l := range lists {
		c.history[l] = true
	}
}

func (c *checker) known() []string {
	var names []string
	for name := range c.attributes {
		names = append(names, name)
	}
	for name := range c.computed {
		names = append(names, name)
	}
	for name := range c.lists {
		names = append(names, name)
	}
	for _, b := range c.bound {
		names = append(names, b.name)
	}
	return names
}

func (c *checker) let(n *ast.VariableDeclaratorNode) *node {
	value := c.node(n.Value)
	if c.taken(n.Name) {
		at := n.Location()
		c.failAt(at.From, at.To, fmt.Sprintf("the name `%s` is taken", n.Name), "give the let a name of its own")
	}
	if value.shape.kind == between {
		c.fail(n.Value, "a range may only stand to the right of `in`", "points in 1..5")
		value = brokenNode()
	}
	c.bound = append(c.bound, binding{n.Name, value})
	body := c.node(n.Expr)
	c.bound = c.bound[:len(c.bound)-1]
	return &node{op: opLet, name: n.Name, shape: body.shape, args: []*node{value, body}}
}

func (c *checker) taken(name string) bool {
	_, isAttribute := c.attributes[name]
	_, isComputed := c.computed[name]
	_, isList := c.lists[name]
	_, isFunction := c.functions[name]
	isFunction = isFunction || name == "segment"
	isBound := slices.ContainsFunc(c.bound, func(b binding) bool { return b.name == name })
	return isAttribute || isComputed || isList || isFunction || isBound || strings.HasPrefix(name, "$")
}

func (c *checker) conditional(n *ast.ConditionalNode) *node {
	cond := c.node(n.Cond)
	c.mustBool(n.Cond, cond)
	yes, no := c.node(n.Exp1), c.node(n.Exp2)
	c.operator = n
	yes, no, ok := c.unify(yes, no)
	if !ok {
		return c.fail(n, fmt.Sprintf("the two answers have different types: %s and %s", yes.shape, no.shape), "give both the same type")
	}
	return &node{op: opChoose, shape: yes.shape, args: []*node{cond, yes, no}}
}

// mustBool reports a condition that is none. The literal nil is a missing bool.
func (c *checker) mustBool(at ast.Node, n *node) bool {
	switch n.shape.kind {
	case Bool, broken:
		return true
	case null:
		n.shape = scalar(Bool)
		return true
	}
	c.fail(at, fmt.Sprintf("a condition is needed here, but this is %s", n.shape), boolHint(n.shape))
	return false
}

func (c *checker) items(n *ast.ArrayNode) *node {
	args := make([]*node, len(n.Nodes))
	for i, item := range n.Nodes {
		visits := c.visits
		args[i] = c.node(item)
		if isFixed(args[i]) { // a list of thousands is looked up as fast as a short one, and text has a limit of its own
			c.visits = visits
		}
		switch kind := args[i].shape.kind; {
		case kind == broken:
			return brokenNode()
		case kind != null && !args[i].shape.isScalar():
			return c.fail(item, fmt.Sprintf("a list holds single values, but this is %s", args[i].shape), "")
		}
	}
	c.operator = n
	first := &node{shape: shape{kind: null}}
	for i := range args { // the most general type of all of them
		if args[i].shape.kind == null {
			continue
		}
		_, merged, ok := c.unify(first, args[i])
		if !ok {
			return c.fail(n.Nodes[i], fmt.Sprintf("a list holds one type, but this has %s beside %s", args[i].shape, first.shape), "")
		}
		first = merged
	}
	for i := range args {
		converted, ok := c.coerce(args[i], first.shape)
		if !ok {
			return c.fail(n.Nodes[i], fmt.Sprintf("a list holds one type, but this has %s beside %s", args[i].shape, first.shape), "")
		}
		args[i] = converted
	}
	return &node{op: opItems, shape: shape{kind: list, elem: first.shape.kind}, args: args}
}

package rules

import (
	"fmt"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

func (c *checker) call(n ast.Node, name string, args []ast.Node) *node {
	for _, known := range closures() {
		if known.name == name {
			return c.closure(n, known, args)
		}
	}
	if name == "segment" && c.segments != nil {
		return c.segment(n, args)
	}
	f, ok := c.functions[name]
	if !ok {
		for _, arg := range args { // mistakes in the arguments are worth knowing too
			if _, isBody := arg.(*ast.PredicateNode); !isBody {
				c.node(arg)
			}
		}
		return c.unknownFunction(n, name)
	}
	if name == "percentile" || name == "ntile" {
		return c.rank(n, f, args)
	}
	if len(args) != 1 {
		return c.fail(n, fmt.Sprintf("`%s` takes one argument, not %d", name, len(args)), "write "+f.example)
	}
	if text, ok := args[0].(*ast.StringNode); ok && (name == "date" || name == "time") {
		return c.moment(n, f, text.Value)
	}
	arg := c.node(args[0])
	if arg.shape.kind == broken {
		return arg
	}
	if !slices.Contains(f.takes, arg.shape.kind) {
		return c.fail(n, fmt.Sprintf("`%s` takes %s, but this is %s", name, alternatives(f.takes), arg.shape), "write "+f.example)
	}
	c.use("", f.columns, f.lists)
	return &node{op: opCall, name: name, shape: scalar(f.gives), args: []*node{arg}, function: f}
}

func (c *checker) unknownFunction(n ast.Node, name string) *node {
	short := shorten([]rune(name))
	_, isAttribute := c.attributes[name]
	_, isList := c.lists[name]
	hint := ""
	switch {
	case isAttribute:
		hint = fmt.Sprintf("`%s` is an attribute: write it without parentheses", short)
	case isList:
		hint = fmt.Sprintf("`%s` is a list: ask any(%s, condition)", short, short)
	default:
		var known []string
		for f := range c.functions {
			known = append(known, f)
		}
		for _, l := range closures() {
			known = append(known, l.name)
		}
		if c.segments != nil {
			known = append(known, "segment")
		}
		if hint = didYouMean(name, known); strings.EqualFold(name, "if") {
			hint = "write condition ? one : other"
		}
	}
	at := n.Location()
	return c.failAt(at.From, at.To, fmt.Sprintf("there is no function `%s`", short), hint)
}

// moment is date("…") or time("…"): the first is a constant, the second one in each zone.
func (c *checker) moment(n ast.Node, f *function, text string) *node {
	c.count()
	if f.name == "time" {
		w, ok := parseWall(text)
		if !ok {
			return c.fail(n, fmt.Sprintf("%q is not a time", shorten([]rune(text))), "write "+f.example)
		}
		return &node{op: opWall, value: w, shape: scalar(Time)}
	}
	d, err := ParseDate(text)
	if err != nil {
		return c.fail(n, fmt.Sprintf("%q is not a date of the calendar", shorten([]rune(text))), "write "+f.example)
	}
	return constant(d, DateType)
}

func (c *checker) closure(n ast.Node, known closure, args []ast.Node) *node {
	most := 1
	if known.boolBody || known.needsBody || known.name == "sum" {
		most = 2
	}
	least := 1
	if known.needsBody {
		least = 2
	}
	if len(args) < least || len(args) > most {
		return c.fail(n, fmt.Sprintf("`%s` takes %s, not %d", known.name, arity(least, most), len(args)), "write "+known.example)
	}
	over := c.node(args[0])
	if over.shape.kind == broken {
		return over
	}
	if over.shape.kind != list {
		return c.fail(args[0], fmt.Sprintf("`%s` works on a list, but `%s` is %s", known.name, c.piece(args[0]), over.shape), c.listHint(known))
	}
	out := &node{op: opClosure, name: known.name, args: []*node{over}}
	if len(args) == 2 {
		body := c.body(args[1], over.shape.element())
		if body.shape.kind == broken {
			return body
		}
		out.args = append(out.args, body)
	}
	return c.closureShape(n, known, args, out)
}

func arity(least, most int) string {
	switch {
	case least == 2:
		return "a list and a condition or value"
	case most == 2:
		return "a list and perhaps a condition or value"
	}
	return "one list"
}

func (c *checker) listHint(known closure) string {
	names := make([]string, 0, len(c.lists))
	for name := range c.lists {
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) == 0 {
		return "write " + known.example
	}
	return "lists are " + strings.Join(names, ", ")
}

// body is the second argument of a closure, with the list's element as # and its fields as .field.
func (c *checker) body(n ast.Node, element shape) *node {
	if len(c.elements) == closuresMax {
		return c.fail(n, fmt.Sprintf("closures are nested more than %d deep", closuresMax), "filter the list first, or split the rule")
	}
	predicate, ok := n.(*ast.PredicateNode)
	if !ok {
		return c.fail(n, "a condition is needed here", "")
	}
	c.elements = append(c.elements, element)
	c.deepest = max(c.deepest, len(c.elements))
	out := c.node(predicate.Node)
	c.elements = c.elements[:len(c.elements)-1]
	return out
}

// closureShape types a closure by its list and body.
func (c *checker) closureShape(n ast.Node, known closure, args []ast.Node, out *node) *node {
	elements := out.args[0].shape.element()
	if len(out.args) == 2 {
		body := out.args[1]
		switch {
		case known.boolBody && !c.mustBool(args[1], body):
			return brokenNode()
		case !known.boolBody && !body.shape.isScalar():
			return c.fail(args[1], fmt.Sprintf("`%s` needs a single value for each element, but this is %s", known.name, body.shape), "write "+known.example)
		case !known.boolBody:
			elements = body.shape
		}
	}
	switch {
	case known.name == "map":
		out.shape = shape{kind: list, elem: elements.kind}
		return out
	case known.name == "filter":
		out.shape = out.args[0].shape
		return out
	case known.name == "count" && len(out.args) == 1 && elements.kind != row && elements.kind != Bool:
		return c.fail(n, fmt.Sprintf("`count` counts rows, or what is true, but this is %s", out.args[0].shape), "write len(…) for the length of a list")
	case known.elements != nil && !slices.Contains(known.elements, elements.kind):
		hint := "write " + known.example
		if elements.kind == row {
			hint = fmt.Sprintf("name a field: %s", known.example)
		}
		return c.fail(n, fmt.Sprintf("`%s` needs values of type %s, but has %s", known.name, alternatives(known.elements), elements), hint)
	}
	out.shape = scalar(known.gives)
	if known.gives == 0 {
		out.shape = scalar(elements.kind)
	}
	return out
}

func alternatives(types []Type) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = t.String()
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// pointer is # or the start of .field: the current element of the innermost closure.
func (c *checker) pointer(n *ast.PointerNode) *node {
	if n.Name != "" {
		return c.fail(n, fmt.Sprintf("`#%s` is not part of the rule language", shorten([]rune(n.Name))), "# is the element itself")
	}
	if len(c.elements) == 0 && c.ranking != nil && len(c.ranking.elements) > 0 {
		message, hint := c.ranking.outside("the element of the list around it")
		return c.fail(n, message, hint)
	}
	if len(c.elements) == 0 {
		return c.fail(n, "# and .field stand inside a closure", "any(items, .amount > 100)")
	}
	return &node{op: opElement, shape: c.elements[len(c.elements)-1]}
}

// member is .field of a row, or .props.name of an event.
func (c *checker) member(n *ast.MemberNode) *node {
	base := c.node(n.Node)
	name, ok := n.Property.(*ast.StringNode)
	switch {
	case base.shape.kind == broken:
		return base
	case !ok:
		return c.fail(n, "elements of a list are not picked by their place", "use filter, any, min or max")
	case base.shape.kind == row:
		kind, ok := base.shape.rows.fields[name.Value]
		if !ok {
			var known []string
			for field := range base.shape.rows.fields {
				known = append(known, field)
			}
			return c.fail(n.Property, fmt.Sprintf("%s have no field `%s`", base.shape.rows.name, shorten([]rune(name.Value))), didYouMean(name.Value, known))
		}
		return &node{op: opField, name: name.Value, shape: scalar(kind), args: []*node{base}}
	case base.shape.kind == object:
		kind, ok := c.props[name.Value]
		if !ok {
			return c.fail(n.Property, fmt.Sprintf("no event has a registered property `%s`", shorten([]rune(name.Value))), c.propHint(name.Value))
		}
		c.properties[name.Value] = true
		return &node{op: opProp, name: name.Value, shape: scalar(kind), args: []*node{base}}
	case base.shape.elem == row:
		return c.fail(n, fmt.Sprintf("`%s` is %s, not one of them", c.piece(n.Node), base.shape), fmt.Sprintf("write map(%s, .%s)", c.piece(n.Node), name.Value))
	}
	return c.fail(n, fmt.Sprintf("`%s` is %s and has no fields", c.piece(n.Node), base.shape), "")
}

func (c *checker) propHint(name string) string {
	var known []string
	for prop := range c.props {
		known = append(known, prop)
	}
	if hint := didYouMean(name, known); hint != "" {
		return hint
	}
	return "register it as an attribute: event.<event>." + shorten([]rune(name))
}

package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// Definitions are names with an expression of their own, name → source: segments are rules that others call as
// segment("name"), computed attributes are single values that others use like any attribute.
type Definitions struct {
	Segments map[string]string
	Computed map[string]string
}

// With is the schema with definitions. They are looked at when a rule uses them: what is wrong with one is an error of
// the rule that uses it. A computed attribute never hides a built-in or stored one.
func (s *Schema) With(d Definitions) *Schema {
	customer := *s.customer
	customer.segments, customer.computed = maps.Clone(d.Segments), maps.Clone(d.Computed)
	if customer.segments == nil {
		customer.segments = map[string]string{}
	}
	return &Schema{customer: &customer, line: s.line}
}

// Segment compiles a segment by its name; a circle is told from there on. The error is of type Errors.
func (s *Schema) Segment(name string) (*Rule, error) {
	e, err := build(s.customer, s.customer.segments[name], Bool, segmentNamed(name))
	if err != nil {
		return nil, err
	}
	return &Rule{e}, nil
}

// Computed compiles a computed attribute by its name, as Segment does a segment.
func (s *Schema) Computed(name string) (*Value, error) {
	e, err := build(s.customer, s.customer.computed[name], 0, name)
	if err != nil {
		return nil, err
	}
	return &Value{expression: e, kind: e.checked.shape.kind}, nil
}

func segmentNamed(name string) string { return fmt.Sprintf("segment(%q)", name) }

// expansion is a definition as it was checked. All of a rule's uses of it share its tree.
type expansion struct {
	tree    *node
	parsed  *parsed
	visits  int // it counts for as much at each use
	deepest int // of closures
	broken  string
	ranked  bool // it holds a percentile or an ntile
}

// expansions is what a rule and all that it uses have in common while they are checked.
type expansions struct {
	done  map[string]*expansion // by the name as rules write it
	path  []string              // what is being looked into
	used  Definitions
	ranks []ranked

	properties map[string]bool // of events
}

func newExpansions(path []string) *expansions {
	return &expansions{done: map[string]*expansion{}, path: path, properties: map[string]bool{}, used: Definitions{Segments: map[string]string{}, Computed: map[string]string{}}}
}

// segment is a call of segment("name").
func (c *checker) segment(n ast.Node, args []ast.Node) *node {
	const example = `segment("champions")`
	if len(args) != 1 {
		return c.fail(n, fmt.Sprintf("`segment` takes one argument, not %d", len(args)), "write "+example)
	}
	name, ok := args[0].(*ast.StringNode)
	if !ok {
		return c.fail(args[0], "the name of a segment must be written out as a text", "write "+example)
	}
	c.count()
	source, ok := c.segments[name.Value]
	if !ok {
		return c.fail(args[0], fmt.Sprintf("there is no segment %q", shorten([]rune(name.Value))), c.segmentHint(name.Value))
	}
	c.used.Segments[name.Value] = source
	return c.expand(n, opSegment, segmentNamed(name.Value), source)
}

func (c *checker) segmentHint(name string) string {
	if hint := didYouMean(name, slices.Collect(maps.Keys(c.segments))); hint != "" {
		return hint
	}
	return "save a rule under this name first"
}

// computedValue is a use of a computed attribute.
func (c *checker) computedValue(n *ast.IdentifierNode, source string) *node {
	c.use(n.Value, nil, nil)
	c.used.Computed[n.Value] = source
	return c.expand(n, opComputed, n.Value, source)
}

// expand puts a definition's tree in the place of its name.
func (c *checker) expand(at ast.Node, as op, name, source string) *node {
	found := c.done[name]
	if found == nil {
		found = c.lookInto(as, name, source)
		c.done[name] = found
	}
	if found.broken != "" {
		from, to := c.source.stretch(at)
		return c.report(problem{from: from, to: to, message: found.broken, inner: true})
	}
	if c.visits += found.visits; c.visits > nodesMax {
		c.refuseSize()
	}
	c.deepest = max(c.deepest, len(c.elements)+found.deepest)
	if c.deepest > closuresMax {
		return c.fail(at, fmt.Sprintf("closures are nested more than %d deep, with those of `%s`", closuresMax, name), "use it outside the closure")
	}
	if found.ranked && c.ranking != nil {
		return c.fail(at, fmt.Sprintf("`%s` is worked out with percentile or ntile, and cannot stand inside `%s`", name, c.ranking.name),
			"what customers are ranked by is a value of each by itself")
	}
	c.isRanked = c.isRanked || found.ranked
	return &node{op: as, name: name, shape: found.tree.shape, args: []*node{found.tree}, parsed: found.parsed}
}

// lookInto checks a definition with a checker of its own: it sees no let and no element of those who use it.
func (c *checker) lookInto(as op, name, source string) *expansion {
	if i := slices.Index(c.path, name); i >= 0 {
		return &expansion{broken: "this goes in a circle: " + strings.Join(append(slices.Clone(c.path[i:]), name), " → ")}
	}
	want := Type(0)
	if as == opSegment {
		want = Bool
	}
	parsed, bad := parse(source)
	if bad != nil {
		return &expansion{broken: fmt.Sprintf("`%s` does not work: %s", name, bad.Message)}
	}
	inner := &checker{scope: c.scope, source: parsed, expansions: c.expansions, names: map[string]bool{}, columns: c.columns, history: c.history}
	c.path = append(c.path, name)
	tree := inner.whole(want)
	c.path = c.path[:len(c.path)-1]
	if len(inner.problems) > 0 {
		first := inner.problems[0]
		if !first.inner {
			first.message = fmt.Sprintf("`%s` does not work: %s", name, first.message)
		}
		return &expansion{broken: first.message}
	}
	return &expansion{tree: tree, parsed: parsed, visits: inner.visits, deepest: inner.deepest, ranked: inner.isRanked}
}

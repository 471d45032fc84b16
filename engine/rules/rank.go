package rules

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// bucketsMax is the most buckets of an ntile, and percentiles the number of those of a percentile.
const bucketsMax, percentiles = 1_000, 100

// Rank is a percentile or an ntile that a rule or a value uses, here or through what it uses: its place is a customer's
// among all customers. Those for whom Value is not missing are put in order of (Value, id), a missing id first, ids by
// code point; a customer's rank is how many of them are not behind the customer, so that it begins with 1, and those who
// are alike in both share the last of theirs.
type Rank struct {
	Value   *Value // Int, Number, Money, DateType or Time
	Buckets int    // of an ntile; 0 for a percentile
}

// value is what a rank out of n comes to: SQL's ntile, whose first n mod Buckets buckets are one larger than the others,
// or the percentile, ceil(100 × rank / n).
func (r Rank) value(rank, n int) int64 {
	if r.Buckets == 0 {
		return int64((percentiles*rank + n - 1) / n)
	}
	size, larger := n/r.Buckets, n%r.Buckets
	if rank <= larger*(size+1) {
		return int64((rank-1)/(size+1) + 1)
	}
	return int64(larger + (rank-1-larger*(size+1))/size + 1)
}

// Cut is where a bucket begins: at the customer whose key and id these are. Every customer from there up to the next Cut
// has Value. A Number has its key in Number; Int, Money, DateType and Time in Key, as minor units, days and Unix seconds.
type Cut struct {
	Key    int64
	Number float64
	ID     string
	Any    bool // the whole of the key, whatever the id, a missing one included
	Value  int64
}

// Cuts are the beginnings of a rank's buckets in order, a bucket without customers left out. They are those of one
// instant and one state of all customers. Without any, the rank is missing for everybody.
type Cuts []Cut

// at is the value of a customer with a key that is not missing and an id, nil for a missing one. One who would be before
// all others is in the first bucket.
func (c Cuts) at(key, id any) any {
	if len(c) == 0 {
		return nil
	}
	n, _ := slices.BinarySearchFunc(c, key, func(cut Cut, key any) int {
		if cut.isAt(key, id) {
			return -1
		}
		return 1
	})
	return c[max(0, n-1)].Value
}

// AtInt is the rank of a customer with the key of an Int, Money, DateType or Time; known says that the id is not missing. There
// must be a cut.
func (c Cuts) AtInt(key int64, id string, known bool) int64 {
	return c.find(func(cut *Cut) bool { return key > cut.Key || key == cut.Key && cut.isFrom(id, known) })
}

// AtNumber is AtInt for the key of a Number.
func (c Cuts) AtNumber(key float64, id string, known bool) int64 {
	return c.find(func(cut *Cut) bool { return key > cut.Number || key == cut.Number && cut.isFrom(id, known) })
}

// find is the value of the last cut that is not behind a customer, the first cut's when all are.
func (c Cuts) find(reached func(*Cut) bool) int64 {
	low, high := 1, len(c)
	for low < high {
		if middle := (low + high) / 2; reached(&c[middle]) {
			low = middle + 1
		} else {
			high = middle
		}
	}
	return c[low-1].Value
}

func (c *Cut) isFrom(id string, known bool) bool { return c.Any || known && id >= c.ID }

// isAt says whether a customer is in the bucket, or in a later one.
func (c Cut) isAt(key, id any) bool {
	order := 0
	switch raw, isInt := rawInt(key); {
	case isInt && raw != c.Key:
		return raw > c.Key
	case !isInt:
		order = compareValues(key, c.Number)
	}
	if order != 0 || c.Any {
		return order >= 0
	}
	text, known := id.(string)
	return known && text >= c.ID
}

// Ranks are the percentiles and ntiles that the rule or value uses, each once. One that has any is missing them until it
// is Ranked.
func (x *expression) Ranks() []Rank { return slices.Clone(x.ranks) }

// ranked is a copy that knows its cuts.
func (x *expression) ranked(cuts []Cuts) expression {
	copied := *x
	copied.cuts = cuts
	return copied
}

// Ranked is the rule with the cuts of its ranks, in the order of Ranks; it shares the program.
func (r *Rule) Ranked(cuts []Cuts) *Rule { return &Rule{r.ranked(cuts)} }

// Ranked is the value with the cuts of its ranks, in the order of Ranks; it shares the program.
func (v *Value) Ranked(cuts []Cuts) *Value { return &Value{expression: v.ranked(cuts), kind: v.kind} }

// rankOf is a node's customer's place.
func (e *evaluation) rankOf(index int, key any) any {
	if key == nil || index >= len(e.cuts) {
		return nil
	}
	return e.cuts[index].at(key, readAs[string](e.record["id"]))
}

// ranking is the percentile or ntile that a checker is in, with what is around it and means nothing inside.
type ranking struct {
	*function
	elements []shape
	bound    []binding
}

// rank checks percentile(x) or ntile(x, n).
func (c *checker) rank(n ast.Node, f *function, args []ast.Node) *node {
	takes := 1
	if f.name == "ntile" {
		takes = 2
	}
	if len(args) != takes {
		return c.fail(n, fmt.Sprintf("`%s` takes %s, not %d", f.name, []string{"one argument", "two arguments"}[takes-1], len(args)), "write "+f.example)
	}
	if c.ranking != nil {
		return c.fail(n, fmt.Sprintf("`%s` cannot stand inside `%s`", f.name, c.ranking.name), "what customers are ranked by is a value of each by itself")
	}
	buckets := 0
	if takes == 2 {
		var bad *node
		if buckets, bad = c.buckets(args[1]); bad != nil {
			return bad
		}
	}
	x := c.alone(f, args[0])
	switch {
	case x.shape.kind == broken:
		return x
	case !slices.Contains(f.takes, x.shape.kind):
		return c.fail(n, fmt.Sprintf("`%s` takes %s, but this is %s", f.name, alternatives(f.takes), x.shape), "write "+f.example)
	case c.deepest > closuresMax:
		return c.fail(n, fmt.Sprintf("closures are nested more than %d deep, with those of `%s`", closuresMax, f.name), "use it outside the closure")
	}
	c.use("", f.columns, f.lists)
	c.isRanked = true
	return &node{op: opRank, name: f.name, shape: scalar(Int), args: []*node{x}, value: int64(buckets), index: c.rankIndex(n, x, buckets)}
}

// isFraction says that a percentile is compared with a share such as 0.9, which it is never below.
func isFraction(rank, share *node) bool {
	return rank.op == opRank && rank.name == "percentile" && share.literal != nil && share.literal.Sign() > 0 && share.literal.Cmp(big.NewRat(1, 1)) < 0
}

// buckets is the n of ntile(x, n).
func (c *checker) buckets(n ast.Node) (int, *node) {
	c.count()
	written, ok := n.(*ast.IntegerNode)
	if !ok || written.Value < 1 || written.Value > bucketsMax {
		return 0, c.fail(n, fmt.Sprintf("the number of buckets must be written out, from 1 to %d", bucketsMax), "write ntile(total_spend, 5) == 5")
	}
	return written.Value, nil
}

// alone checks what customers are ranked by: no let and no element from around it means anything there. Its closures
// count as if they stood in those around it, for that is how deep they run.
func (c *checker) alone(f *function, n ast.Node) *node {
	elements, bound, deepest := c.elements, c.bound, c.deepest
	c.ranking = &ranking{f, elements, bound}
	c.elements, c.bound, c.deepest = nil, nil, 0
	out := c.node(n)
	c.ranking, c.elements, c.bound = nil, elements, bound
	c.deepest = max(deepest, len(elements)+c.deepest)
	return out
}

// outside is why a let or an element that is around a rank is unknown in it.
func (r *ranking) outside(what string) (message, hint string) {
	return fmt.Sprintf("%s is not known inside `%s`, which ranks all customers", what, r.name), "rank by a value that each customer has, as in " + r.example
}

// rankIndex is the place of a rank among those of the whole rule; equal ones share it. The same text means the same
// wherever it stands, for it sees nothing of what is around it.
func (c *checker) rankIndex(n ast.Node, x *node, buckets int) int {
	from, to := c.source.stretch(n)
	var key strings.Builder
	for _, t := range c.source.tokens {
		if t.From >= from && t.To <= to {
			fmt.Fprintf(&key, "%s %q ", t.Kind, t.Value)
		}
	}
	index := slices.IndexFunc(c.ranks, func(known ranked) bool { return known.key == key.String() })
	if index < 0 {
		index = len(c.ranks)
		c.ranks = append(c.ranks, ranked{key: key.String(), buckets: buckets, by: x, parsed: c.source})
	}
	return index
}

// ranked is a rank while its rule is checked.
type ranked struct {
	key     string
	buckets int
	by      *node
	parsed  *parsed
}

// ranksOf makes values of what a rule's ranks are by.
func ranksOf(s *scope, e expression, found []ranked) ([]Rank, error) {
	var ranks []Rank
	for _, r := range found {
		program, err := compile(s, normalise(r.by))
		if err != nil {
			return nil, err
		}
		by := e
		by.parsed, by.source, by.checked, by.program, by.condition = r.parsed, r.parsed.text(r.by), r.by, program, false
		columns, lists := map[string]bool{"id": true}, map[string]bool{}
		reads(r.by, columns, lists)
		by.names, by.columns, by.histories = nil, sorted(columns), sorted(lists)
		ranks = append(ranks, Rank{Value: &Value{expression: by, kind: r.by.shape.kind}, Buckets: r.buckets})
	}
	return ranks, nil
}

// reads collects what a checked tree reads.
func reads(n *node, columns, lists map[string]bool) {
	note := func(read, walked []string) {
		for _, name := range read {
			columns[name] = true
		}
		for _, name := range walked {
			lists[name] = true
		}
	}
	switch n.op {
	case opAttribute:
		note(n.attribute.columns, n.attribute.lists)
	case opHistory:
		note(nil, []string{n.name})
	case opCall:
		note(n.function.columns, n.function.lists)
	}
	for _, arg := range n.args {
		reads(arg, columns, lists)
	}
}

// Moves says whether the value may be another tomorrow though nothing happens: it reads the clock, or a history, whose
// rows are seen from their time on.
func (v *Value) Moves() bool { return moves(v.checked) }

func moves(n *node) bool {
	switch n.op {
	case opHistory:
		return true
	case opAttribute:
		if n.attribute.derive != nil && n.name != "avg_basket" {
			return true
		}
	case opCall:
		still := []string{"year", "month", "day", "weekday", "date", "lower", "upper", "trim", "len"}
		if !slices.Contains(still, n.name) {
			return true
		}
	}
	return slices.ContainsFunc(n.args, moves)
}

// sortable is a number as an int that is in the same order; it keeps no difference between 0 and -0.
func sortable(n float64) int64 {
	bits := int64(math.Float64bits(n + 0))
	return bits ^ bits>>63&math.MaxInt64
}

// unsortable is the number of a sortable int.
func unsortable(key int64) float64 {
	return math.Float64frombits(uint64(key ^ key>>63&math.MaxInt64))
}

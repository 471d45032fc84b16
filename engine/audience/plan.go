package audience

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"beckon/engine/rules"
)

// A vectorPlan is a bound rule made ready for columns: lets are put in where they are used, each step knows the frame that
// it is worked out in, what is the same is one step, and conditions that have to hold together are in order of their cost.
type vectorPlan struct {
	root  *step
	steps []*step
	clock *clock
	left  string // why the reference has to finish those of whom root is true; empty: it has not
}

// A step is a node of a plan: what to do, over which steps, and in which frame.
type step struct {
	op      rules.Op
	kind    rules.Type
	elem    rules.Type // of a list
	args    []*step
	name    string // Column, Field and History: the stored name; Call: the function
	table   string // Field: the history whose rows it is of; History: the field since when a row is seen
	value   any    // Constant
	low     int64  // Within; History: the latest second whose rows are seen
	high    int64
	pattern *regexp.Regexp
	cuts    rules.Cuts // RankAmong
	clock   *clock     // of what depends on the evaluation's instant

	depth   int   // the level of the frame in which it is worked out: 0 for customers
	level   int   // of closures: that of the elements, depth+1
	element *step // of closures over single values: the step that stands for the element
	of      *step // of an Element: the list

	id     int
	leaf   *step   // the one column that it reads, when it reads one and looks into no list
	opaque bool    // it has no vector form
	cost   float64 // about how many nanoseconds a row
	uses   int
}

// clock is an evaluation's instant and calendar.
type clock struct {
	now    int64 // Unix seconds
	today  rules.Date
	scale  int64
	from   []int64 // the clocks of the zone, as rules.Offsets; nil where no step asks for the day of a time
	offset []int64
	zone   string
}

func newClock(b *rules.Bound) *clock {
	return &clock{now: b.Now, today: b.Today, scale: b.Scale, zone: b.Zone.String()}
}

// plan makes a bound rule ready. Its tree must be a condition.
func plan(b *rules.Bound) *vectorPlan {
	p := &planner{clock: newClock(b), zone: b.Zone, known: newSteps(), slots: map[int]*step{}}
	out := &vectorPlan{root: p.known.truth(p.step(b.Tree)), clock: p.clock}
	if out.root.opaque {
		out.left = p.known.opacity()
		out.root = p.known.clear(out.root)
	}
	out.steps = p.known.all
	return out
}

// planValue makes a bound single value ready.
func planValue(b *rules.Bound) *vectorPlan {
	p := &planner{clock: newClock(b), zone: b.Zone, known: newSteps(), slots: map[int]*step{}}
	out := &vectorPlan{root: p.step(b.Tree), clock: p.clock}
	if out.root.opaque {
		out.left = p.known.opacity()
	}
	out.steps = p.known.all
	return out
}

// planner turns a bound tree into steps.
type planner struct {
	clock    *clock
	zone     *time.Location
	known    *steps
	slots    map[int]*step // let → what stands for it
	levels   [16]int       // the tree's level → the plan's
	lists    [16]*step     // the tree's level → the list whose elements it has
	elements [16]*step
}

func (p *planner) step(x *rules.Expr) *step {
	switch x.Op {
	case rules.Let:
		p.slots[x.Slot] = p.step(x.Args[0])
		return p.step(x.Args[1])
	case rules.Variable:
		return p.slots[x.Slot]
	case rules.Element:
		return p.elements[x.Level]
	case rules.Field, rules.Prop:
		return p.field(x)
	case rules.Filter, rules.Map, rules.Any, rules.Count:
		return p.closure(x)
	}
	s := step{op: x.Op, kind: x.Type, elem: x.Elem, name: x.Name, value: x.Value, low: x.Low, high: x.High, pattern: x.Pattern, cuts: x.Cuts}
	for _, arg := range x.Args {
		s.args = append(s.args, p.step(arg))
	}
	switch x.Op {
	case rules.History:
		s.low, s.table = p.clock.now, rules.SeenAt(x.Name)
	case rules.Not, rules.And, rules.Or:
		for i, arg := range s.args {
			s.args[i] = p.known.truth(arg)
		}
	case rules.Choose:
		s.args[0] = p.known.truth(s.args[0])
	case rules.Call:
		if s.args[0].kind == rules.Time && p.clock.from == nil {
			p.clock.from, p.clock.offset = rules.Offsets(p.zone)
		}
	}
	s.clock = p.clock
	return p.known.add(s)
}

// closure puts the elements' frame right below the one that the closure is worked out in, wherever the rule has it.
func (p *planner) closure(x *rules.Expr) *step {
	list := p.step(x.Args[0])
	s := step{op: x.Op, kind: x.Type, elem: x.Elem, clock: p.clock}
	for l := 1; l < len(p.levels); l++ {
		if x.Depends&(1<<l) != 0 {
			s.depth = max(s.depth, p.levels[l])
		}
	}
	s.level = s.depth + 1
	if list.elem != rules.Row {
		s.element = p.known.add(step{op: rules.Element, kind: list.elem, level: s.level, of: list, depth: s.level})
	}
	level, over, element := p.levels[x.Level], p.lists[x.Level], p.elements[x.Level]
	p.levels[x.Level], p.lists[x.Level], p.elements[x.Level] = s.level, list, s.element
	body := p.step(x.Args[1])
	p.levels[x.Level], p.lists[x.Level], p.elements[x.Level] = level, over, element
	if x.Op != rules.Map {
		body = p.known.truth(body)
	}
	s.args = []*step{list, body}
	return p.known.add(s)
}

func (p *planner) field(x *rules.Expr) *step {
	table, name := historyOf(p.lists[x.Level]), x.Name
	if x.Op == rules.Prop {
		name = "props." + name
	}
	make := func(name string, kind rules.Type) *step {
		level := p.levels[x.Level]
		return p.known.add(step{op: rules.Field, kind: kind, elem: x.Elem, name: name, table: table, level: level, depth: level})
	}
	if table != "coupons" || name != "state" {
		return make(name, x.Type)
	}
	text := func(t string) *step {
		return p.known.add(step{op: rules.Constant, kind: rules.Text, value: t})
	}
	expired := p.known.add(step{op: rules.Within, kind: rules.Bool, low: minInt, high: p.clock.now, args: []*step{make("expires_at", rules.Time)}})
	ended := p.known.add(step{op: rules.Choose, kind: rules.Text, args: []*step{expired, text("lapsed"), text("open")}})
	used := p.known.truth(make("used", rules.Bool))
	return p.known.add(step{op: rules.Choose, kind: rules.Text, args: []*step{used, text("used"), ended}})
}

// historyOf is the history that a list's rows are of, "" for a list that is always empty.
func historyOf(list *step) string {
	if list.op == rules.History {
		return list.name
	}
	for _, arg := range list.args {
		if arg.kind == rules.List {
			if name := historyOf(arg); name != "" {
				return name
			}
		}
	}
	return ""
}

// steps are the steps of a plan, or of several, each once.
type steps struct {
	all   []*step
	known map[string]*step
}

func newSteps() *steps { return &steps{known: map[string]*step{}} }

// truth makes a bool a condition: one that is missing is false.
func (k *steps) truth(s *step) *step {
	switch {
	case isCondition(s):
		return s
	case s.op == rules.Choose:
		yes, no := k.truth(s.args[1]), k.truth(s.args[2])
		first := k.add(step{op: rules.And, kind: rules.Bool, args: []*step{s.args[0], yes}})
		not := k.add(step{op: rules.Not, kind: rules.Bool, args: []*step{s.args[0]}})
		second := k.add(step{op: rules.And, kind: rules.Bool, args: []*step{not, no}})
		return k.add(step{op: rules.Or, kind: rules.Bool, args: []*step{first, second}})
	}
	return k.add(step{op: rules.Truth, kind: rules.Bool, args: []*step{s}})
}

// isCondition says that a bool is never missing.
func isCondition(s *step) bool {
	switch {
	case s.op == rules.Constant:
		return s.value != nil
	case s.op >= rules.Not && s.op <= rules.Matches, s.op == rules.Any:
		return true
	}
	return false
}

// add makes a step known, or finds the one that is the same.
func (k *steps) add(s step) *step {
	if s.op == rules.Truth && isCondition(s.args[0]) {
		return s.args[0]
	}
	if s.op == rules.And || s.op == rules.Or {
		slices.SortStableFunc(s.args, func(a, b *step) int { return cmp.Compare(a.cost, b.cost) })
	}
	key := s.key()
	if found := k.known[key]; found != nil {
		return found
	}
	out := &s
	out.id = len(k.all)
	for _, arg := range s.args {
		arg.uses++
		if s.level == 0 || s.op == rules.Field {
			out.depth = max(out.depth, arg.depth)
		}
		out.opaque = out.opaque || arg.opaque
	}
	if (s.op == rules.Field) && s.kind == rules.List {
		out.opaque = true // a list within a row
	}
	out.leaf = leafOf(out)
	out.cost = costOf(out)
	k.all = append(k.all, out)
	k.known[key] = out
	return out
}

// key is what a step is, as a text: two steps with the same key are one.
func (s *step) key() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%d %d %d %d %d %q %q", s.op, s.kind, s.elem, s.level, s.depth, s.name, s.table)
	switch s.op {
	case rules.Constant:
		if t, is := s.value.(time.Time); is {
			fmt.Fprintf(&out, " at %d", t.Unix())
		} else {
			fmt.Fprintf(&out, " %T %#v", s.value, s.value)
		}
	case rules.Within, rules.History:
		fmt.Fprintf(&out, " %d %d", s.low, s.high)
	case rules.Matches:
		fmt.Fprintf(&out, " %q", s.pattern.String())
	case rules.Element:
		fmt.Fprintf(&out, " of %d", s.of.id)
	case rules.RankAmong:
		fmt.Fprintf(&out, " %v", s.cuts)
	case rules.Call:
		fmt.Fprintf(&out, " %d %d %s", s.clock.now, s.clock.today, s.clock.zone)
	}
	for _, arg := range s.args {
		fmt.Fprintf(&out, " %d", arg.id)
	}
	return out.String()
}

// leafOf is the only column that a single value is made of, nil when there are several, none, or a list.
func leafOf(s *step) *step {
	switch s.op {
	case rules.Column, rules.Field, rules.Element:
		return s
	}
	if s.kind == rules.List || s.op >= rules.History {
		return nil
	}
	args := s.args
	if s.op == rules.In && args[1].op == rules.Items {
		args = append(slices.Clone(args[:1]), args[1].args...)
	}
	var leaf *step
	for _, arg := range args {
		if isFixed(arg) {
			continue
		}
		if arg.leaf == nil || leaf != nil && leaf != arg.leaf {
			return nil
		}
		leaf = arg.leaf
	}
	if leaf != nil && leaf.kind == rules.List {
		return nil
	}
	return leaf
}

// isFixed says that a single value is made of nothing but constants.
func isFixed(s *step) bool {
	if s.op == rules.Constant {
		return true
	}
	if len(s.args) == 0 || s.kind == rules.List || s.op >= rules.Items {
		return false
	}
	for _, arg := range s.args {
		if !isFixed(arg) {
			return false
		}
	}
	return true
}

// merge puts the plans' steps together, each once, and returns the roots.
func (k *steps) merge(plans []*vectorPlan) []*step {
	roots := make([]*step, len(plans))
	for i, p := range plans {
		moved := map[*step]*step{}
		for _, s := range p.steps { // arguments come before what uses them
			again := *s
			again.uses, again.args = 0, make([]*step, len(s.args))
			for j, arg := range s.args {
				again.args[j] = moved[arg]
			}
			if s.element != nil {
				again.element = moved[s.element]
			}
			if s.of != nil {
				again.of = moved[s.of]
			}
			moved[s] = k.add(again)
		}
		roots[i] = moved[p.root]
		roots[i].uses++
	}
	return roots
}

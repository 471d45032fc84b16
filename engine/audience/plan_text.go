package audience

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"beckon/engine/rules"
)

// String draws the plan: a line for each step, with what it reads, how it is worked out, and for the rows of which list.
// What several steps share is drawn once.
func (p *vectorPlan) String() string {
	d := drawing{names: map[*step]string{}}
	d.draw(p.root, 0)
	if p.left != "" {
		d.out.WriteString("then the reference: " + p.left + "\n")
	}
	return d.out.String()
}

type drawing struct {
	out   strings.Builder
	names map[*step]string
}

func (d *drawing) draw(s *step, indent int) {
	d.out.WriteString(strings.Repeat("  ", indent))
	if name, drawn := d.names[s]; drawn {
		d.out.WriteString(name + "\n")
		return
	}
	line := s.label()
	if how := s.kernel(); how != "" {
		line += " — " + how + ", " + place(s)
	}
	if len(s.args) > 0 && s.uses > 1 {
		d.names[s] = fmt.Sprintf("the same as #%d", len(d.names)+1)
		line = fmt.Sprintf("#%d %s", len(d.names), line)
	}
	d.out.WriteString(line + "\n")
	for _, arg := range s.args {
		d.draw(arg, indent+1)
	}
}

func place(s *step) string {
	if s.depth == 0 {
		return "once a customer"
	}
	return fmt.Sprintf("once an element at level %d", s.depth)
}

func (s *step) label() string {
	switch s.op {
	case rules.Constant:
		return constantText(s)
	case rules.Column:
		return s.name
	case rules.Field:
		return s.table + "." + s.name
	case rules.Element:
		return fmt.Sprintf("element at level %d", s.level)
	case rules.History:
		return s.name
	case rules.Call:
		return s.name
	case rules.Within:
		return fmt.Sprintf("within %s..%s", bound(s.low, s.args[0].kind), bound(s.high, s.args[0].kind))
	case rules.Matches:
		return "matches " + strconv.Quote(s.pattern.String())
	}
	return s.op.String()
}

func constantText(s *step) string {
	switch v := s.value.(type) {
	case nil:
		return "missing"
	case string:
		return strconv.Quote(v)
	case time.Time:
		return v.UTC().Format(time.RFC3339)
	}
	return fmt.Sprint(s.value)
}

// bound is an end of a range, empty where it is open.
func bound(n int64, kind rules.Type) string {
	const farSeconds = 200_000_000_000
	switch {
	case n == minInt || n == maxInt:
		return ""
	case kind == rules.DateType && (n == -1<<31 || n == 1<<31-1):
		return ""
	case kind == rules.DateType:
		return rules.Date(n).String()
	case kind == rules.Time && (n > farSeconds || n < -farSeconds):
		return ""
	case kind == rules.Time:
		return time.Unix(n, 0).UTC().Format(time.RFC3339)
	}
	return strconv.FormatInt(n, 10)
}

// kernel is the family of kernels that works a step out.
func (s *step) kernel() string {
	leaf := s.leaf
	switch {
	case s.op == rules.Constant:
		return ""
	case s.op == rules.Column && s.kind == rules.List, s.op == rules.History:
		return "rows in place"
	case s.op == rules.Column, s.op == rules.Field, s.op == rules.Element:
		return "stored"
	case s.op == rules.Within && s.args[0] == leaf:
		return "range over the stored width"
	case s.op == rules.And, s.op == rules.Or, s.op == rules.Not:
		return "bitmaps"
	case s.kind == rules.Bool && leaf != nil && leaf.kind == rules.Text:
		return "decided for each text, looked up by code"
	case s.kind == rules.Bool && leaf != nil && leaf.kind == rules.DateType:
		return "decided for each day, looked up"
	case s.op == rules.Filter:
		return "mask"
	case s.op == rules.Items:
		return "values side by side"
	case s.op == rules.Any, s.op >= rules.Count, s.op == rules.Length && s.args[0].kind == rules.List:
		return "reduction over ranges"
	}
	return "value by value"
}

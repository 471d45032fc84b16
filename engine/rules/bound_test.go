package rules

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// walker answers a bound tree for one customer, node by node: the plain twin of the executors that work on many.
type walker struct {
	*Bound
	s        *scope
	e        *evaluation
	elements map[int]any
	vars     map[int]any
}

func walk(b *Bound, s *Schema, c Record) any {
	e := newEvaluation()
	e.begin(c, Instant{Now: second(b.Now), Zone: b.Zone})
	w := &walker{Bound: b, s: s.customer, e: e, elements: map[int]any{}, vars: map[int]any{}}
	return w.value(b.Tree)
}

func (w *walker) value(x *Expr) any {
	switch x.Op {
	case Constant:
		return x.Value
	case Column:
		return reader(attributeType(x))(w.e.record[x.Name])
	case History:
		return w.e.rows(w.s.lists[x.Name])
	case Element:
		return w.elements[x.Level]
	case Field:
		return reader(attributeType(x))(w.elements[x.Level].(Record)[x.Name])
	case Prop:
		props, _ := w.elements[x.Level].(Record)["props"].(map[string]any)
		return PropReader(attributeType(x), w.s.digits)(props[x.Name])
	case Variable:
		return w.vars[x.Slot]
	case Let:
		w.vars[x.Slot] = w.value(x.Args[0])
		return w.value(x.Args[1])
	case And, Or:
		for _, arg := range x.Args {
			if w.value(arg) == (x.Op == Or) {
				return x.Op == Or
			}
		}
		return x.Op == And
	case Choose:
		if w.value(x.Args[0]) == true {
			return w.value(x.Args[1])
		}
		return w.value(x.Args[2])
	case Otherwise:
		if v := w.value(x.Args[0]); v != nil {
			return v
		}
		return w.value(x.Args[1])
	case Items:
		items := []any{}
		for _, arg := range x.Args {
			items = append(items, w.value(arg))
		}
		return items
	case Filter, Map, Any, Count:
		return w.closure(x)
	}
	return w.plain(x)
}

func (w *walker) closure(x *Expr) any {
	over, out, n := w.value(x.Args[0]), []any{}, int64(0)
	for i := range size(over) {
		before := w.elements[x.Level]
		w.elements[x.Level] = at(over, i)
		answer := w.value(x.Args[1])
		w.elements[x.Level] = before
		switch {
		case x.Op == Map:
			out = append(out, answer)
		case answer == true:
			out = append(out, at(over, i))
			n++
		}
	}
	switch x.Op {
	case Any:
		return n > 0
	case Count:
		return n
	}
	return out
}

// plain does an operation on values of its arguments.
func (w *walker) plain(x *Expr) any {
	b := &binder{scope: w.s, at: w.e.at}
	fixed := *x
	fixed.Args = nil
	for _, arg := range x.Args {
		fixed.Args = append(fixed.Args, &Expr{Op: Constant, Type: arg.Type, Elem: arg.Elem, Value: w.value(arg)})
	}
	values := func(i int) any { return fixed.Args[i].Value }
	switch {
	case x.Op == Equal && x.Args[0].Type == List:
		return equalLists(values(0), values(1))
	case x.Op == In:
		return isIn(values(0), values(1))
	case x.Op == Length && x.Args[0].Type == List:
		return int64(size(values(0)))
	case x.Op == Sum, x.Op == Min, x.Op == Max, x.Op == Mean, x.Op == Trues:
		return aggregator(x.Op.String(), x.Args[0].Elem, w.Scale)(values(0))
	case x.Op == Call && x.Name == "next_birthday":
		return w.e.nextBirthday()
	case x.Op == Call && x.Name == "avg_basket":
		return w.e.avgBasket()
	}
	return b.work(&fixed)
}

func attributeType(x *Expr) Type {
	if x.Type == List {
		return TextList
	}
	return x.Type
}

// depends says whether what a tree says it depends on is what it does.
func depends(t *rapid.T, x *Expr, lets map[int]Levels) Levels {
	on := Levels(0)
	for i, arg := range x.Args {
		below := depends(t, arg, lets)
		if x.Op == Let && i == 0 {
			lets[x.Slot] = below
		}
		if i == 1 && x.Level > 0 {
			below &^= 1 << x.Level
		}
		on |= below
	}
	switch x.Op {
	case Element, Field, Prop:
		on = 1 << x.Level
	case Variable:
		on = lets[x.Slot]
	}
	if on != x.Depends {
		t.Fatalf("it says that it depends on %b, but it does on %b:\n%s", x.Depends, on, x)
	}
	return on
}

func TestABoundRuleMeansWhatTheRuleDoes(t *testing.T) {
	for range 8 {
		rapid.Check(t, func(t *rapid.T) { agreeBound(t, shop()) })
		if t.Failed() {
			return
		}
	}
}

func agreeBound(t *rapid.T, s *Schema) {
	w := &writer{t: t, s: s.customer}
	source := w.condition(rapid.IntRange(1, 4).Draw(t, "depth"))
	rule, err := Compile(s, source)
	if err != nil {
		t.Skip("too large")
	}
	for range 3 {
		at := someInstant(t)
		bound := rule.Bind(at)
		depends(t, bound.Tree, map[int]Levels{})
		c := someCustomer(t, s.customer, at)
		if got, want := walk(bound, s, c), rule.Matches(c, at); got != want {
			t.Fatalf("%s\nat %v in %v\nbound it is %v, the VM says %v\n%s%v", source, at.Now, at.Zone, got, want, bound.Tree, c)
		}
	}
}

func TestABoundRuleIsSpelledOut(t *testing.T) {
	at := noon(t)
	for source, want := range map[string]string{
		`days_since(last_purchase_at) > 90`:                                  "within ..2026-08-22T15:59:59Z : bool\n  column last_purchase_at : time\n",
		`month(birthday) == month(today)`:                                    "within 11..11 : bool\n  call month : int\n    column birthday : date\n",
		`city == "x" && (vip && 1 < 2) && points_expiring(nil ?? 3) in 1..5`: "",
		`any(events, {let p = #; p.name == "browse" && (p.props?.seconds > 3 || any(items, .at == p.at && .sku == p.name))})`: "",
		`any(items, {let p = #; any(items, (vip ? p : #).amount > .amount)})`:                                                 "",
	} {
		got := mustCompile(t, source).Bind(at).Tree.String()
		if want != "" && got != want {
			t.Errorf("%s\n%s", source, got)
		}
		if strings.Contains(got, "missing") {
			t.Errorf("%s\n%s", source, got)
		}
	}
}

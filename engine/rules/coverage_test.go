package rules

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// boundForms are the operations that executors must know, with the types that they are over, by themselves and (with a
// mark) about the element of a closure.
func boundForms() []string {
	over := map[Op][]Type{}
	single := []Type{Int, Number, Money, Text, DateType, Time}
	for _, op := range []Op{Equal, In, Choose, Otherwise} {
		over[op] = append([]Type{Bool}, single...)
	}
	over[Less], over[LessEqual] = single, single
	over[Within] = []Type{Int, Money, DateType, Time}
	over[Add], over[Subtract], over[Negate] = []Type{Int, Money, Number}, []Type{Int, Money, Number}, []Type{Int, Money, Number}
	over[Multiply], over[Divide], over[Rest], over[Power] = []Type{Int, Money, Number}, []Type{Int, Money, Number}, []Type{Int}, []Type{Number}
	over[Contains], over[StartsWith], over[EndsWith], over[Matches] = []Type{Text}, []Type{Text}, []Type{Text}, []Type{Text}
	over[Let] = append([]Type{Bool}, single...)
	over[RankAmong] = []Type{Int, Number, Money, DateType, Time}
	over[Length] = []Type{Text, List}
	var forms []string
	for op, types := range over {
		for _, t := range types {
			forms = append(forms, fmt.Sprint(op, " of ", t))
			if op != RankAmong { // it sees nothing of what is around it
				forms = append(forms, fmt.Sprint(op, " of ", t, " #"))
			}
		}
	}
	for _, op := range []Op{Sum, Min, Max, Mean} {
		for _, t := range single {
			if t != Text && (op == Min || op == Max || t == Int || t == Money || t == Number) {
				forms = append(forms, fmt.Sprint(op, " of list of ", t), fmt.Sprint(op, " of list of ", t, " within"))
			}
		}
	}
	return forms
}

// noteForms collects the forms of a bound tree.
func noteForms(x *Expr, depth int, seen map[string]int) {
	if len(x.Args) > 0 {
		first := x.Args[0]
		if x.Op == Choose {
			first = x.Args[1]
		}
		name, mark := fmt.Sprint(x.Op, " of ", first.Type), ""
		if x.Depends != 0 {
			mark = " #"
		}
		if first.Type == List && x.Op != Length {
			name, mark = fmt.Sprint(x.Op, " of list of ", first.Elem), ""
			if depth > 0 {
				mark = " within"
			}
		}
		seen[name+mark]++
	}
	for i, arg := range x.Args {
		if below := depth; x.Level > 0 && i == 1 {
			noteForms(arg, below+1, seen)
		} else {
			noteForms(arg, below, seen)
		}
	}
}

// SeldomDrawn are rules with forms that are drawn less than once in thousands of rules.
func SeldomDrawn() []string {
	return []string{
		"any(items, .qty + visits > 3 || .qty + 1 == visits - .qty)", `any(events, len(.props?.labels) == 2) || count(events, len(.props?.labels ?? tags) > 0) > 1`,
		"any(lots, .earned_on <= .active_from) || all(lots, .last_valid_on >= .active_from) || none(lots, .active_from <= date(registered_at))",
		"any(events, .props?.ratio ** 2.0 > 100) || sum(map(events, .props?.ratio ^ 0.5)) > 3", "count(items, .qty % 3 == 1 || -.qty >= visits * .qty) in 1..2",
		"any(purchases, let p = #; len(filter(items, .amount == p.amount)) > 0 && min(map(items, .at)) <= p.at)",
		"any(coupons, .expires_at <= .used_at || (.used_at ?? .expires_at) < seen_at) || any(lots, days_until(.last_valid_on) + .remaining in 0..40)",
		`any(lots, .earned_on in [birthday, wedding, date("2026-01-31")] || .points in [visits, .remaining, 7])`, "sum(map(events, (.props?.ratio ?? score) * 2.0)) > 30",
	}
}

func TestTheGeneratorCoversWhatExecutorsMustKnow(t *testing.T) {
	seen := map[string]int{}
	missing := func() []string {
		left := slices.DeleteFunc(boundForms(), func(form string) bool { return seen[form] > 0 })
		slices.Sort(left)
		return left
	}
	for _, source := range SeldomDrawn() {
		noteForms(mustCompile(t, source).Bind(noon(t)).Tree, 0, seen)
	}
	rounds := 0
	for ; rounds < 600 && len(missing()) > 0; rounds++ {
		rapid.Check(t, func(t *rapid.T) {
			source, s := WriteRule(t, shop(), 4)
			if rule, err := Compile(s, source); err == nil {
				noteForms(rule.Bind(someInstant(t)).Tree, 0, seen)
			}
		})
	}
	if left := missing(); len(left) > 0 {
		t.Errorf("of %d forms no rule was drawn with %q", len(boundForms()), left)
	}
	t.Logf("%d forms in %d rounds, %d of them needed", len(seen), rounds, len(boundForms()))
}

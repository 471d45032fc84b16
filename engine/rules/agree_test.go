package rules

import (
	"context"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// agree draws a rule and customers, and compares the VM with the oracle. It returns the checked tree.
func agree(t *rapid.T, s *Schema) *node {
	w := &writer{t: t, s: s.customer}
	source := w.condition(rapid.IntRange(1, 4).Draw(t, "depth"))
	if len([]rune(source)) > charactersMax {
		t.Skip("too long")
	}
	rule, err := Compile(s, source)
	if err != nil {
		if errs, ok := err.(Errors); ok && !slices.ContainsFunc(errs, func(e Error) bool { return !tooMany(e) }) {
			t.Skip("too large")
		}
		t.Fatalf("a well-typed rule is refused: %s\n%v", source, err)
	}
	for range 4 {
		at := someInstant(t)
		all := someCustomers(t, s.customer, at, rule.Ranks())
		ready := rule.Ranked(cutsOf(rule.Ranks(), all, at))
		for _, c := range all {
			got, err := ready.evaluate(c, at)
			if err != nil {
				t.Fatalf("%s\n%v", source, err)
			}
			if want := amongAll(s, c, at, all).matches(rule.checked); got != want {
				t.Fatalf("%s\nat %v in %v\nthe VM says %v, the oracle %v\n%v among %v", source, at.Now, at.Zone, got, want, c, all)
			}
		}
	}
	return rule.checked
}

// someCustomers are one where nobody is ranked, else a few.
func someCustomers(t *rapid.T, s *scope, at Instant, ranks []Rank) []Record {
	n := 1
	if len(ranks) > 0 {
		n = rapid.IntRange(1, 6).Draw(t, "customers")
	}
	all := make([]Record, n)
	for i := range all {
		all[i] = someCustomer(t, s, at)
	}
	return all
}

// cutsOf works out the cuts of ranks among customers, in two looks.
func cutsOf(ranks []Rank, all []Record, at Instant) []Cuts {
	cuts := make([]Cuts, len(ranks))
	for i, r := range ranks {
		g := NewRanking(r)
		for _, c := range all {
			g.Add(rankedBy(r, c, at))
		}
		if g.Divide() {
			for _, c := range all {
				if value := rankedBy(r, c, at); g.Tied(value) {
					g.AddID(value, c["id"])
				}
			}
		}
		cuts[i] = g.Cuts()
	}
	return cuts
}

func rankedBy(r Rank, c Record, at Instant) any {
	value, err := r.Evaluate(context.Background(), c, at)
	if err != nil {
		panic(err)
	}
	return value
}

// amongAll is an oracle that knows all customers.
func amongAll(s *Schema, c Record, at Instant, all []Record) *oracle {
	o := newOracle(s, c, at)
	o.all = all
	return o
}

// agreeOnValue draws an expression of any type, and compares what the VM and the oracle make of it.
func agreeOnValue(t *rapid.T, s *Schema) {
	w := &writer{t: t, s: s.customer}
	kind := rapid.SampledFrom([]Type{Bool, Int, Number, Money, Text, DateType, Time}).Draw(t, "kind")
	source := w.value(kind, rapid.IntRange(1, 3).Draw(t, "depth"))
	value, err := CompileValue(s, source)
	if err != nil {
		t.Fatalf("a well-typed value is refused: %s\n%v", source, err)
	}
	if value.Type() != kind {
		t.Fatalf("%s is %v, not %v", source, value.Type(), kind)
	}
	at := someInstant(t)
	all := someCustomers(t, s.customer, at, value.Ranks())
	c := all[0]
	got, err := value.Ranked(cutsOf(value.Ranks(), all, at)).evaluate(c, at)
	if err != nil {
		t.Fatalf("%s\n%v", source, err)
	}
	o := amongAll(s, c, at, all)
	want, shape := o.eval(value.checked), scalar(kind)
	if !o.same(plain(got), shape, want, shape) {
		t.Fatalf("%s\nat %v in %v\nthe VM says %v, the oracle %v\n%v", source, at.Now, at.Zone, got, want, c)
	}
}

func TestTheVMAgreesWithTheOracleOnEveryValue(t *testing.T) {
	for range 6 {
		rapid.Check(t, func(t *rapid.T) { agreeOnValue(t, shop()) })
		if t.Failed() {
			return
		}
	}
}

// tooMany are the errors that a well-typed rule may have.
func tooMany(e Error) bool {
	return e.Message == "percentiles are whole numbers from 1 to 100" || e.Message == "the rule has more than 1000 parts" || e.Message == "brackets are nested more than 200 deep"
}

func TestTheVMAgreesWithTheOracleOnEveryRule(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 2
	}
	for range rounds {
		rapid.Check(t, func(t *rapid.T) { agree(t, shop()) })
		if t.Failed() {
			return
		}
	}
}

func FuzzTheVMAgreesWithTheOracle(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) { agree(t, shop()) }))
}

func TestTheGeneratorCoversTheLanguage(t *testing.T) {
	seen := map[string]bool{}
	var note func(n *node)
	note = func(n *node) {
		seen[n.name] = true
		for _, arg := range n.args {
			note(arg)
		}
	}
	want := []string{"==", "!=", "<", "<=", ">", ">=", "&&", "||", "in", "contains", "startsWith", "endsWith", "+", "-", "*", "/", "%", "**", "??"}
	for name := range functions() {
		if name != "time" { // a constant
			want = append(want, name)
		}
	}
	for _, c := range closures() {
		want = append(want, c.name)
	}
	missing := func() []string {
		return slices.DeleteFunc(slices.Clone(want), func(name string) bool { return seen[name] })
	}
	s := shop()
	for range 40 {
		rapid.Check(t, func(t *rapid.T) {
			w := &writer{t: t, s: s.customer}
			if rule, err := Compile(s, w.condition(3)); err == nil {
				note(rule.checked)
			}
		})
		if len(missing()) == 0 {
			return
		}
	}
	t.Errorf("no rule was drawn with %q", missing())
}

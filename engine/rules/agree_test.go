package rules

import (
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
		if errs, ok := err.(Errors); ok && len(errs) == 1 && tooMany(errs[0]) {
			t.Skip("too large")
		}
		t.Fatalf("a well-typed rule is refused: %s\n%v", source, err)
	}
	for range 4 {
		at := someInstant(t)
		c := someCustomer(t, s.customer, at)
		got, err := rule.evaluate(c, at)
		if err != nil {
			t.Fatalf("%s\n%v", source, err)
		}
		want := newOracle(s, c, at).matches(rule.checked)
		if got != want {
			t.Fatalf("%s\nat %v in %v\nthe VM says %v, the oracle %v\n%v", source, at.Now, at.Zone, got, want, c)
		}
	}
	return rule.checked
}

func tooMany(e Error) bool {
	return e.Message == "the rule has more than 1000 parts" || e.Message == "brackets are nested more than 200 deep"
}

func TestTheVMAgreesWithTheOracleOnEveryRule(t *testing.T) {
	rounds := 20
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
	s := shop()
	for range 6 {
		rapid.Check(t, func(t *rapid.T) { note(agree(t, s)) })
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
	for _, name := range want {
		if !seen[name] {
			t.Errorf("no rule was drawn with %q", name)
		}
	}
}

package rules

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// explainAgrees draws a rule and a customer, and compares the explanation with what the rule says, with each conjunct
// compiled from its own text, and with the answer that the conjuncts make together.
func explainAgrees(t *rapid.T, s *Schema) {
	w := &writer{t: t, s: s.customer}
	parts := make([]string, rapid.IntRange(1, 4).Draw(t, "parts"))
	for i := range parts {
		parts[i] = w.condition(rapid.IntRange(0, 3).Draw(t, "depth"))
	}
	source := strings.Join(parts, w.pick(" && ", " and "))
	rule, err := Compile(s, source)
	if err != nil {
		t.Skip("too large")
	}
	at := someInstant(t)
	everybody := someCustomers(t, s.customer, at, rule.Ranks())
	c := everybody[0]
	rule = rule.Ranked(cutsOf(rule.Ranks(), everybody, at))
	matches := rule.Matches(c, at)
	why := explained(rule, c, at)
	if why.Tree.Matches == nil || *why.Tree.Matches != matches {
		t.Fatalf("%s\nmatches %v, but is explained as %+v", source, matches, why.Tree)
	}
	conjuncts, err := rule.Conjuncts()
	if err != nil {
		t.Fatal(err)
	}
	all, out := true, []string(nil)
	for _, part := range conjuncts {
		alone, err := Compile(s, part.Source())
		if err != nil {
			t.Fatalf("%s\nthe conjunct `%s` is no rule by itself: %v", source, part.Source(), err)
		}
		alone = alone.Ranked(cutsOf(alone.Ranks(), everybody, at))
		is := part.Matches(c, at)
		if is != alone.Matches(c, at) {
			t.Fatalf("%s\nthe conjunct `%s` is %v, by itself %v\n%v", source, part.Source(), is, !is, c)
		}
		if all = all && is; !is {
			out = append(out, part.Source())
		}
	}
	if all != matches || !slices.Equal(out, why.KeptOutBy) {
		t.Fatalf("%s\nmatches %v; its conjuncts %v\nkept out by %q, want %q", source, matches, all, why.KeptOutBy, out)
	}
}

func TestEveryExplanationAgreesWithTheRule(t *testing.T) {
	for range 6 {
		rapid.Check(t, func(t *rapid.T) { explainAgrees(t, shop()) })
		if t.Failed() {
			return
		}
	}
}

// TestEveryPieceOutsideALetSaysWhatItsTextSays compiles each piece of random rules from its text alone.
func TestEveryPieceOutsideALetSaysWhatItsTextSays(t *testing.T) {
	s := shop()
	rapid.Check(t, func(t *rapid.T) {
		w := &writer{t: t, s: s.customer}
		rule, err := Compile(s, w.condition(3))
		if err != nil || strings.Contains(rule.Source(), "let ") {
			t.Skip("too large, or names of its own")
		}
		at := someInstant(t)
		c := someCustomer(t, s.customer, at)
		var look func(p Piece)
		look = func(p Piece) {
			if p.Matches != nil {
				alone, err := Compile(s, p.Text)
				if err != nil && !strings.Contains(err.Error(), "is true or false, but this is nil") {
					t.Fatalf("%s\nthe piece `%s` is no rule: %v", rule.Source(), p.Text, err)
				}
				if err == nil && alone.Matches(c, at) != *p.Matches {
					t.Fatalf("%s\nthe piece `%s` is explained as %v\n%v", rule.Source(), p.Text, *p.Matches, c)
				}
			}
			for _, child := range p.Children {
				look(child)
			}
		}
		look(explained(rule, c, at).Tree)
	})
}

// explained is an explanation of a rule that has one.
func explained(r *Rule, c Record, at Instant) Explanation {
	why, err := r.Explain(context.Background(), c, at)
	if err != nil {
		panic(err)
	}
	return why
}

// drawn is an explanation as lines: text = value, indented.
func drawn(p Piece, depth int) string {
	out := fmt.Sprintf("%s%s = %s\n", strings.Repeat("  ", depth), p.Text, p.Value)
	for _, child := range p.Children {
		out += drawn(child, depth+1)
	}
	return out
}

func TestAnExplanationIsTheRuleAsWrittenWithItsValues(t *testing.T) {
	for source, want := range map[string]string{
		`birthday_in(7) && (city == "Beijing" || "vip-event" in tags) && wedding < today`: `
birthday_in(7) && (city == "Beijing" || "vip-event" in tags) && wedding < today = false
  birthday_in(7) = true
  city == "Beijing" || "vip-event" in tags = true
    city == "Beijing" = false
      city = Shanghai
    "vip-event" in tags = true
      tags = [vip-event, beauty]
  wedding < today = false
    wedding = missing
    today = 2026-11-21
`,
		`count(purchases, .amount > 200) in 1..3 and tier not in ["silver", "gold"]`: `
count(purchases, .amount > 200) in 1..3 and tier not in ["silver", "gold"] = false
  count(purchases, .amount > 200) in 1..3 = true
    count(purchases, .amount > 200) = 1
      purchases = 3 purchases
  tier not in ["silver", "gold"] = false
    tier = gold
`,
		`let big = avg_basket * 2; any(purchases, .amount > big) || total_spend > big`: `
let big = avg_basket * 2; any(purchases, .amount > big) || total_spend > big = true
  avg_basket * 2 = 466.66
    avg_basket = 233.33
  any(purchases, .amount > big) || total_spend > big = true
    any(purchases, .amount > big) = false
      purchases = 3 purchases
    total_spend > big = true
      total_spend = 700.00
      big = 466.66
`,
		`if vip { visits > 3 } else if 1 < visits < 9 { false } else { nil }`: `
if vip { visits > 3 } else if 1 < visits < 9 { false } else { nil } = false
  vip = missing
  visits > 3 = true
    visits = 7
  if 1 < visits < 9 { false } else { nil } = false
    1 < visits < 9 = true
      1 < visits = true
        visits = 7
      visits < 9 = true
        visits = 7
    false = false
    nil = missing
`,
	} {
		if got := "\n" + drawn(explained(mustCompile(t, source), lin(t), noon(t)).Tree, 0); got != want {
			t.Errorf("%s\ngot%s\nwant%s", source, got, want)
		}
	}
}

func TestACustomerWhoIsOutIsKeptOutByTheFalseConjuncts(t *testing.T) {
	rule := mustCompile(t, `city == "Beijing" && (birthday_in(3) and not (tier == "gold")) && visits > 3`)
	got := explained(rule, lin(t), noon(t)).KeptOutBy
	if want := []string{`city == "Beijing"`, `not (tier == "gold")`}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := explained(mustCompile(t, `city == "Shanghai"`), lin(t), noon(t)).KeptOutBy; got != nil {
		t.Errorf("one who is in is kept out by %q", got)
	}
}

func TestTheLargestRulesAreExplainedWithinAMoment(t *testing.T) {
	for name, source := range map[string]string{
		"a long sum":       "visits" + strings.Repeat(" + 1000000000000", 480) + " > 0",
		"a row of nots":    strings.Repeat("!", 990) + "vip",
		"a row of lets":    letsInARow(160) + "visits > 0",
		"deep parentheses": strings.Repeat("(visits > 1 || ", 190) + "vip" + strings.Repeat(")", 190),
		"many conjuncts":   strings.Repeat("visits > 1 && ", 240) + "vip",
	} {
		rule := mustCompile(t, source)
		began := time.Now()
		why := explained(rule, lin(t), noon(t))
		if *why.Tree.Matches != rule.Matches(lin(t), noon(t)) {
			t.Errorf("%s is explained as something else", name)
		}
		if took := time.Since(began); took > 30*time.Second { // a second or two; it grows with the square of the size
			t.Errorf("%s took %v", name, took)
		}
	}
}

func letsInARow(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "let v%d = visits + %d; ", i, i)
	}
	return b.String()
}

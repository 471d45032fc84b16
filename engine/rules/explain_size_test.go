package rules

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// largest are rules as large as the limits allow, each in a shape of its own.
func largest() map[string]string {
	nest := func(n int, open, core, end string) string {
		return strings.Repeat(open, n) + core + strings.Repeat(end, n)
	}
	return map[string]string{
		"a row":           "visits == 1" + strings.Repeat(" || visits == 1", 249),
		"negations":       nest(199, "!(vip && ", "vip", ")") + strings.Repeat(" && vip", 150),
		"ternaries":       strings.Repeat("vip ? visits == 1 : ", 190) + "vip",
		"deep arithmetic": nest(198, "(1 + visits * ", "visits", ")") + " > 3",
		"one arithmetic":  "visits" + strings.Repeat(" + visits", 490) + " > 3",
		"lets":            "let a = visits; a > 1" + strings.Repeat(" && (a > 1 || a < 5)", 110),
		"many lets":       manyLets(150),
		"closures":        "any(items, .qty > 1)" + strings.Repeat(" && any(items, .qty > 1)", 120),
		"long closures":   "any(purchases, any(items, .qty > 1" + strings.Repeat(" || .amount > 3", 190) + "))",
		"a list":          "visits in [" + strings.Repeat("visits, ", 900) + "1]",
		"deep lists":      nest(98, "(visits in [1, ", "visits", "] ? 1 : 2)") + " > 1",
		"defaults":        nest(198, "(score ?? ", "score", ")") + " > 1",
	}
}

func manyLets(n int) string {
	out, last := "", "visits"
	for i := range n {
		name := fmt.Sprintf("v%d", i)
		out, last = out+"let "+name+" = "+last+" + 1; ", name
	}
	return out + last + " > 1"
}

func TestTheLargestRulesAreExplainedAtOnce(t *testing.T) {
	for name, source := range largest() {
		t.Run(name, func(t *testing.T) {
			if len([]rune(source)) > charactersMax {
				t.Fatal("longer than a rule may be")
			}
			rule := mustCompile(t, source)
			took := time.Duration(1 << 62) // the least of three: others use the machine too
			for range 3 {
				start := time.Now()
				why := explained(rule, lin(t), noon(t))
				took = min(took, time.Since(start))
				if *why.Tree.Matches != rule.Matches(lin(t), noon(t)) {
					t.Error("it is explained as something else")
				}
			}
			t.Log(took)
			if took > 200*time.Millisecond*slower {
				t.Errorf("it took %v", took)
			}
		})
	}
}

package rules

import (
	"strconv"
	"testing"
)

func BenchmarkMatches(b *testing.B) {
	for name, source := range map[string]string{
		"three clauses": `tier in ["gold", "platinum"] && avg_basket >= 200 && days_since(last_purchase_at) > 90`,
		"plain clauses": `city == "Shanghai" && visits > 3 && skin_type != "dry"`,
		"one closure":   `any(purchases, .amount >= 300 && .store == nil)`,
		"a sum":         `sum(filter(items, .brand == "Olay" && days_since(.at) <= 180), .amount) >= 300`,
	} {
		b.Run(name, func(b *testing.B) {
			r, c, at := mustCompile(b, source), lin(b), noon(b)
			if !r.Matches(c, at) {
				b.Fatal("the rule should match")
			}
			b.ReportAllocs()
			for b.Loop() {
				r.Matches(c, at)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	s := shop()
	for b.Loop() {
		if _, err := Compile(s, `tier in ["gold", "platinum"] && avg_basket >= 200 && days_since(last_purchase_at) > 90`); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCutsOfTenMillionCustomers(b *testing.B) {
	const n = 10_000_000
	rank := mustCompile(b, "percentile(visits) > 90").Ranks()[0]
	for b.Loop() {
		g := NewRanking(rank)
		g.Grow(n)
		for i := range int64(n) {
			g.AddInt(i * 7919 % 1_000_003)
		}
		g.Divide()
		for i := range int64(n) {
			if value := i * 7919 % 1_000_003; g.TiedInt(value) {
				g.AddID(value, strconv.FormatInt(i, 10))
			}
		}
		if cuts := g.Cuts(); len(cuts) != 100 {
			b.Fatal("no cuts")
		}
	}
}

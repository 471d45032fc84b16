package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func defined() *Schema {
	return shop().With(Definitions{
		Segments: map[string]string{
			"champions": `tier == "gold" && total_spend >= 500`, "maybe": `vip`, "buyers": `any(purchases, .amount >= big)`,
			"both":   `segment("champions") && segment("buyers")`,
			"circle": `segment("round")`, "round": `city == "x" || segment("circle")`, "broken": `citi == "x"`, "above": `segment("broken")`,
			"deep": `any(purchases, any(items, any(lots, .remaining > 0)))`, "wide": strings.Repeat("visits > 1 && ", 99) + "true",
		},
		Computed: map[string]string{
			"value_score": `0.5 * purchase_count + total_spend / 100`, "big": `avg_basket`, "first_day": `date(first_purchase_at)`,
			"self": `self + 1`, "ping": `segment("pong") ? 1 : 2`, "listed": `tags`, "city": `name`,
		},
	})
}

func TestDefinitionsStandForTheirExpressions(t *testing.T) {
	for source, want := range map[string]bool{
		`segment("champions")`:                          true,
		`!segment("champions") || segment("buyers")`:    true,
		`segment("both")`:                               true,
		`segment("maybe")`:                              false,
		`segment("maybe") == false`:                     true, // a segment is true or false, never missing
		`vip == false`:                                  false,
		`value_score == 8.5`:                            true,
		`big == 233.33 && big > 200`:                    true,
		`first_day == nil`:                              true,
		`city == "Shanghai"`:                            true, // a computed attribute hides nothing
		`any(purchases, .amount > big)`:                 true,
		`any(purchases, segment("buyers"))`:             true,
		`let v = 3; any(purchases, value_score > v)`:    true,
		`count(items, segment("champions")) == 2`:       true,
		`segment("wide") ? true : segment("champions")`: true,
	} {
		rule, err := Compile(defined(), source)
		if err != nil {
			t.Errorf("%s\n%v", source, err)
			continue
		}
		if rule.Matches(lin(t), noon(t)) != want || newOracle(defined(), lin(t), noon(t)).matches(rule.checked) != want {
			t.Errorf("%s is not %v", source, want)
		}
	}
}

func TestAWrongUseOfADefinitionIsRefused(t *testing.T) {
	for source, want := range map[string]string{
		`segment("chanpions")`:              "there is no segment \"chanpions\"\n  segment(\"chanpions\")\n          ^^^^^^^^^^^\nhint: did you mean `champions`?",
		`segment(city)`:                     "must be written out",
		`segment()`:                         "takes one argument, not 0",
		`segmnt("champions")`:               "did you mean `segment`?",
		`segment("circle")`:                 `this goes in a circle: segment("circle") → segment("round") → segment("circle")`,
		`self > 1`:                          "this goes in a circle: self → self",
		`segment("above")`:                  "`segment(\"broken\")` does not work: there is no attribute `citi`",
		`ping > 1`:                          "`ping` does not work: there is no segment \"pong\"",
		`len(listed) > 1`:                   "`listed` does not work: a single value is needed, but this is a list of text",
		`value_scor > 1`:                    "did you mean `value_score`?",
		`value_score == "a"`:                "`==` cannot compare a number with text",
		`let big = 1; visits > big`:         "the name `big` is taken",
		`let segment = 1; visits > segment`: "the name `segment` is taken",
		`any(purchases, segment("deep"))`:   "closures are nested more than 3 deep, with those of `segment(\"deep\")`",
		`segment("wide") && segment("wide") && segment("wide")`: "the rule has more than 1000 parts",
	} {
		_, err := Compile(defined(), source)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\ngot  %v\nwant %s", source, err, want)
		}
	}
	if _, err := defined().Segment("round"); err == nil || !strings.Contains(err.Error(), `segment("round") → segment("circle") → segment("round")`) {
		t.Errorf("the circle is told as %v", err)
	}
	if _, err := defined().Computed("self"); err == nil || !strings.Contains(err.Error(), `self → self`) {
		t.Errorf("the circle is told as %v", err)
	}
	if _, err := CompileLine(defined(), `segment("champions")`); err == nil {
		t.Error("a line of a purchase is in a segment")
	}
}

func TestARuleTellsWhatItUsesThroughOthers(t *testing.T) {
	rule, err := Compile(defined(), `segment("both") && value_score > 1`)
	if err != nil {
		t.Fatal(err)
	}
	uses := rule.Uses()
	if got := slices.Sorted(maps.Keys(uses.Segments)); !slices.Equal(got, []string{"both", "buyers", "champions"}) {
		t.Errorf("segments %q", got)
	}
	if got := slices.Sorted(maps.Keys(uses.Computed)); !slices.Equal(got, []string{"big", "value_score"}) {
		t.Errorf("computed %q", got)
	}
	if got := rule.Columns(); !slices.Equal(got, []string{"purchase_count", "tier", "total_spend"}) || !slices.Equal(rule.Histories(), []string{"purchases"}) {
		t.Errorf("reads %q and %q", got, rule.Histories())
	}
	if got := rule.Attributes(); !slices.Equal(got, []string{"value_score"}) {
		t.Errorf("writes %q", got)
	}
	again, err := Compile(shop().With(uses), rule.Source())
	if err != nil || again.Matches(lin(t), noon(t)) != rule.Matches(lin(t), noon(t)) {
		t.Errorf("what it uses is not enough: %v", err)
	}
}

func TestAnExplanationGoesIntoSegments(t *testing.T) {
	rule, err := Compile(defined(), `segment("champions") && value_score > 100`)
	if err != nil {
		t.Fatal(err)
	}
	want := `segment("champions") && value_score > 100 = false
  segment("champions") = true
    tier == "gold" && total_spend >= 500 = true
      tier == "gold" = true
        tier = gold
      total_spend >= 500 = true
        total_spend = 700.00
  value_score > 100 = false
    value_score = 8.5
      0.5 * purchase_count + total_spend / 100 = 8.5
        0.5 * purchase_count = 1.5
          purchase_count = 3
        total_spend / 100 = 7
          total_spend = 700.00
`
	if got := drawn(explained(rule, lin(t), noon(t)).Tree, 0); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestNamedPartsMeanWhatTheyStandFor draws conditions and a value, names them, and compares a rule of names with the
// oracle and with the same rule written out.
func TestNamedPartsMeanWhatTheyStandFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &writer{t: t, s: shop().customer}
		one, two := w.condition(rapid.IntRange(0, 2).Draw(t, "one")), w.condition(rapid.IntRange(0, 2).Draw(t, "two"))
		kind := rapid.SampledFrom([]Type{Bool, Int, Number, Money, Text, DateType, Time}).Draw(t, "kind")
		value := w.value(kind, 1)
		s := shop().With(Definitions{Segments: map[string]string{"one": one, "two": `segment("one") || ` + two}, Computed: map[string]string{"three": value}})
		shapes := []string{`%s && !(%s) || %s == nil`, `(%s ? %s : true) && %s != nil`, `any(purchases, %s || %s) && %s == nil`, `let w = %s; (w || %s) && (%s == nil) != w`}
		form := rapid.SampledFrom(shapes).Draw(t, "form")
		named, err := Compile(s, fmt.Sprintf(form, `segment("two")`, `segment("one")`, "three"))
		if err != nil {
			t.Skip("too large, or too deep")
		}
		sure := func(condition string) string { return "(" + condition + " ? true : false)" }
		written, err := Compile(s, fmt.Sprintf(form, sure("("+sure("("+one+")")+" || "+two+")"), sure("("+one+")"), "("+value+")"))
		if err != nil {
			t.Skip("a constant has no type by itself, or too large")
		}
		at := someInstant(t)
		all := someCustomers(t, s.customer, at, named.Ranks())
		c := all[0]
		named, written = named.Ranked(cutsOf(named.Ranks(), all, at)), written.Ranked(cutsOf(written.Ranks(), all, at))
		got := named.Matches(c, at)
		if want := amongAll(s, c, at, all).matches(named.checked); got != want {
			t.Fatalf("one: %s\ntwo: %s\nthree: %s\n%s\nthe VM says %v, the oracle %v\n%v", one, two, value, named.Source(), got, want, c)
		}
		if want := written.Matches(c, at); got != want {
			t.Fatalf("%s\nis %v, written out\n%s\nis %v\n%v", named.Source(), got, written.Source(), want, c)
		}
		if why := explained(named, c, at); *why.Tree.Matches != got {
			t.Fatalf("%s is %v, but explained as %v", named.Source(), got, !got)
		}
	})
}

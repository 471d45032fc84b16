package rules

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// spenders are customers a, b, c … who have spent so much, and visited once.
func spenders(spend ...any) []Record {
	all := make([]Record, len(spend))
	for i, amount := range spend {
		all[i] = Record{"id": string(rune('a' + i)), "total_spend": amount, "visits": int64(1)}
	}
	return all
}

func upTo(n int) []Record {
	var spend []any
	for i := range n {
		spend = append(spend, int64(i+1))
	}
	return spenders(spend...)
}

// ranks are the values of an expression for each of all customers: bound, and by the VM, which must be the same.
func ranks(t *testing.T, source string, all []Record) string {
	t.Helper()
	value, err := CompileValue(shop(), source)
	if err != nil {
		t.Fatalf("%s\n%v", source, err)
	}
	at := noon(t)
	ready := value.Ranked(cutsOf(value.Ranks(), all, at))
	var texts []string
	for _, c := range all {
		text := ready.Text(c, at)
		if bound := shop().customer.text(walk(ready.Bind(at), shop(), c), value.Type()); bound != text {
			t.Errorf("%s: %v is %s, bound %s", source, c, text, bound)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, " ")
}

func TestRanksAreWorkedOutAsTheHandbookSays(t *testing.T) {
	for _, one := range []struct {
		source, want string
		all          []Record
	}{
		{"ntile(total_spend, 3)", "1 1 1 1 2 2 2 3 3 3", upTo(10)}, // 10 mod 3 = 1 bucket is one larger
		{"ntile(total_spend, 4)", "1 1 1 2 2 2 3 3 4 4", upTo(10)},
		{"ntile(total_spend, 1)", "1 1 1", upTo(3)},
		{"ntile(total_spend, 1000)", "1 2 3", upTo(3)}, // fewer customers than buckets
		{"percentile(total_spend)", "10 20 30 40 50 60 70 80 90 100", upTo(10)},
		{"percentile(total_spend)", "34 67 100", upTo(3)},
		{"percentile(total_spend)", "100", upTo(1)},
		{"percentile(-total_spend)", "100 67 34", upTo(3)},
		{"ntile(total_spend, 2)", "2  1  2 1", spenders(int64(9), nil, int64(1), nil, int64(5), int64(2))}, // the missing have no place
		{"ntile(visits, 2)", "1 1 2 2", upTo(4)},                                                           // ties by id
		{"percentile(visits) > 50 ? id : nil", "  c d", upTo(4)},
		{"ntile(total_spend / 2, 2)", "1 1 2 2", upTo(4)},
		{"ntile(date(\"2026-01-01\"), 2)", "1 1 2 2", upTo(4)},
		{"ntile(total_spend, 2)", "", nil},
		{"ntile(score, 2)", " ", upTo(2)},
		{"ntile(sum(map([total_spend, total_spend], #)), 2)", "1 2", upTo(2)},
		{"any([1, 2], ntile(total_spend, 2) == #) ? 1 : 0", "1 1", upTo(2)},
	} {
		if got := ranks(t, one.source, one.all); got != one.want {
			t.Errorf("%s\ngot  %q\nwant %q", one.source, got, one.want)
		}
	}
}

func TestTiesAreBrokenByIDAndTheMissingIDComesFirst(t *testing.T) {
	all := spenders(int64(5), int64(5), int64(5), int64(5), int64(5), int64(5))
	for i, id := range []any{"上", "B", nil, "a", "", "é"} {
		all[i]["id"] = id
	}
	if got := ranks(t, "ntile(total_spend, 6)", all); got != "6 3 1 4 2 5" {
		t.Errorf("by code point they stand %s", got)
	}
	all[4]["id"], all[1]["id"] = nil, nil // three who cannot be told apart share the place of their last
	if got := ranks(t, "ntile(total_spend, 6)", all); got != "6 3 3 4 3 5" {
		t.Errorf("those without an id stand %s", got)
	}
}

func TestTheTopTenthIsATenthOfAThousandWhateverTheTies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := make([]Record, 1000)
		for i := range all {
			all[i] = Record{"id": fmt.Sprintf("c%03d", i), "visits": rapid.Int64Range(0, 3).Draw(t, "visits")}
		}
		rule, err := Compile(shop(), "percentile(visits) > 90")
		if err != nil {
			t.Fatal(err)
		}
		at := Instant{}
		rule = rule.Ranked(cutsOf(rule.Ranks(), all, at))
		if n := len(slices.DeleteFunc(all, func(c Record) bool { return !rule.Matches(c, at) })); n != 100 {
			t.Fatalf("the top tenth of 1,000 is %d", n)
		}
	})
}

func TestEqualRanksAreWorkedOutOnce(t *testing.T) {
	s := shop().With(Definitions{
		Segments: map[string]string{"top": `percentile( total_spend ) > 90`},
		Computed: map[string]string{"fifth": `ntile(total_spend, 5)`},
	})
	rule, err := Compile(s, `segment("top") && fifth == 5 && percentile(total_spend) > 95 && ntile(total_spend, 4) == 4 && fifth != 1`)
	if err != nil {
		t.Fatal(err)
	}
	ranks := rule.Ranks()
	if len(ranks) != 3 || ranks[0].Buckets != 0 || ranks[1].Buckets != 5 || ranks[2].Buckets != 4 {
		t.Fatalf("%+v", ranks)
	}
	if got := ranks[0].Value.Columns(); !slices.Equal(got, []string{"id", "total_spend"}) {
		t.Errorf("it is worked out from %q", got)
	}
	if got := rule.Columns(); !slices.Equal(got, []string{"id", "total_spend"}) {
		t.Errorf("the rule reads %q", got)
	}
}

func TestARankOfWhatIsRankedItselfIsRefused(t *testing.T) {
	s := shop().With(Definitions{
		Segments: map[string]string{"top": `percentile(total_spend) > 90`},
		Computed: map[string]string{"fifth": `ntile(total_spend, 5)`, "sixth": "fifth + 1", "own": "let a = visits; a + 1"},
	})
	for source, want := range map[string]string{
		"percentile(fifth) > 3":                            "`fifth` is worked out with percentile or ntile, and cannot stand inside `percentile`",
		"fifth > 1 && ntile(sixth, 3) > 3":                 "`sixth` is worked out with percentile or ntile, and cannot stand inside `ntile`",
		`ntile(segment("top") ? 1 : 2, 3) > 3`:             "`segment(\"top\")` is worked out with percentile or ntile",
		`let v = 2; ntile(own + v, 3) > 3`:                 "the let `v` is not known inside `ntile`",
		`ntile(own, 3) > 3 && any(purchases, fifth == 2)`:  "",
		`let a = 1; any(purchases, ntile(own, 3) > a)`:     "",
		`ntile(let a = visits; a * 2, 3) > 3 && fifth < 3`: "",
	} {
		_, err := Compile(s, source)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v", source, err)
		}
	}
	if _, err := CompileLine(s, "percentile(amount) > 90"); err == nil {
		t.Error("a line of a purchase has a rank")
	}
}

func TestAComparedRankIsBoundToARangeOfWhatItIsBy(t *testing.T) {
	all := upTo(100)
	for i := range all {
		all[i]["id"], all[i]["visits"], all[i]["score"] = fmt.Sprintf("c%03d", i), int64(i/40), float64(i)
	}
	for source, want := range map[string]string{
		"percentile(total_spend) > 90":                      "within 91.. : bool\n  column total_spend : money\n",
		"percentile(total_spend) in 11..20":                 "within 11..20 : bool\n  column total_spend : money\n",
		"percentile(total_spend) > 100":                     "constant false : bool\n",
		"percentile(total_spend) >= 1":                      "within .. : bool\n  column total_spend : money\n",
		"ntile(days_since(last_purchase_at), 5) == 5":       "constant false : bool\n",
		"ntile(score, 4) == 2":                              "and : bool\n  less or equal : bool\n    constant 25 : number\n    column score : number\n  less : bool\n    column score : number\n    constant 50 : number\n",
		"percentile(visits) > 90":                           "and : bool\n  within 2.. : bool\n    column visits : int\n  or : bool\n    not : bool\n      within 2..2 : bool\n        column visits : int\n    less or equal : bool\n      constant \"c090\" : text\n      column id : text\n",
		"ntile(visits, 2) == ntile(total_spend, 2)":         "",
		"any(purchases, percentile(visits + 1) == 50)":      "",
		"none(purchases, percentile(score) - 1 > #.amount)": "",
	} {
		if strings.Contains(source, "- 1 >") {
			source = strings.ReplaceAll(source, "#.amount", "visits")
		}
		rule := mustCompile(t, source)
		if got := rule.Ranked(cutsOf(rule.Ranks(), all, noon(t))).Bind(noon(t)).Tree.String(); want != "" && got != want {
			t.Errorf("%s\n%s", source, got)
		}
	}
}

func TestConjunctsAndExplanationsOfARankedRuleAreRanked(t *testing.T) {
	all := upTo(10)
	rule := mustCompile(t, "ntile(total_spend, 5) == 5 && visits == 1")
	if why := explained(rule, all[9], noon(t)); *why.Tree.Matches {
		t.Error("somebody has a place though nobody was looked at")
	}
	rule = rule.Ranked(cutsOf(rule.Ranks(), all, noon(t)))
	parts, err := rule.Conjuncts()
	if err != nil || !parts[0].Matches(all[9], noon(t)) || parts[0].Matches(all[7], noon(t)) {
		t.Errorf("the conjunct %v %v", parts, err)
	}
	want := `ntile(total_spend, 5) == 5 && visits == 1 = true
  ntile(total_spend, 5) == 5 = true
    ntile(total_spend, 5) = 5
      total_spend = 0.10
  visits == 1 = true
    visits = 1
`
	if got := drawn(explained(rule, all[9], noon(t)).Tree, 0); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestARankSaysWhetherItMovesWithTheClock(t *testing.T) {
	want := map[string]bool{"total_spend": false, "avg_basket": false, "birthday": false, "year(birthday)": false, "days_since(last_purchase_at)": true, "age(birthday)": true,
		"points": true, "next_birthday": true, "len(purchases)": true, "len(tags)": false, "visits + 1": false, "birthday < today ? 1 : 2": true}
	got := map[string]bool{}
	for source := range want {
		got[source] = mustCompile(t, "ntile("+source+", 5) == 1").Ranks()[0].Value.Moves()
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func TestTheCutsOfMillionsAreFoundInEightBytesEach(t *testing.T) {
	const n = 1_000_000
	rank := mustCompile(t, "percentile(visits) > 90").Ranks()[0]
	g := NewRanking(rank)
	g.Grow(n)
	for i := range n {
		g.AddInt(int64(i*7919%n) / 10) // each value ten times
	}
	if g.Divide() {
		t.Error("buckets of 10,000 begin among values of ten")
	}
	cuts := g.Cuts()
	if len(cuts) != 100 || cap(g.keys) > n+n/100 || cuts[90].Key != 90_000 || cuts[90].Value != 91 || !cuts[90].Any {
		t.Errorf("%d cuts, room for %d, %+v", len(cuts), cap(g.keys), cuts[90])
	}
}

func TestThePickedKeysAreThoseOfTheSortedOnes(t *testing.T) {
	rank := mustCompile(t, "ntile(visits, 7) == 1").Ranks()[0]
	rapid.Check(t, func(t *rapid.T) {
		n, spread := rapid.IntRange(0, 3000).Draw(t, "n"), rapid.Int64Range(1, 5000).Draw(t, "spread")
		g, keys := NewRanking(rank), make([]int64, n)
		seed := rapid.Uint64().Draw(t, "seed")
		for i := range keys {
			seed = seed*6364136223846793005 + 1442695040888963407
			keys[i] = int64(seed>>33) % spread
			g.AddInt(keys[i])
		}
		g.Divide()
		slices.Sort(keys)
		for _, b := range g.begins {
			if first, _ := slices.BinarySearch(keys, b.key); keys[b.place] != b.key || first != b.first {
				t.Fatalf("at %d of %d is %d from %d, sorted %d from %d", b.place, n, b.key, b.first, keys[b.place], first)
			}
		}
	})
}

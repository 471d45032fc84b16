package rules

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// hostile are texts that an attacker, or a broken program, sends as a rule.
func hostile() map[string]string {
	chain := "1"
	for range 700 {
		chain = "0<(" + chain + "<1?1:2)<1"
	}
	lets := ""
	for i := range 200 {
		lets += fmt.Sprintf("let v%d = [name, name]; ", i)
	}
	return map[string]string{
		"empty":                "",
		"a NUL":                "city == \"a\x00\"",
		"invalid UTF-8":        "city == \"\xff\xfe\"",
		"cut UTF-8":            "city == \"上"[:12],
		"a million characters": strings.Repeat("a", 1_000_000),
		"a million NULs":       strings.Repeat("\x00", 1_000_000),
		"a million elements":   "points in [" + strings.Repeat("1,", 1_000_000) + "1]",
		"many elements":        "points in [" + strings.Repeat("1,", 4_900) + "1]",
		"open brackets":        strings.Repeat("(", 9_999),
		"deep brackets":        strings.Repeat("(", 4_900) + "vip" + strings.Repeat(")", 4_900),
		"deep lists":           strings.Repeat("[", 4_900) + strings.Repeat("]", 4_900),
		"deep negations":       strings.Repeat("!", 9_990) + "vip",
		"deep minuses":         strings.Repeat("-", 9_990) + "points",
		"deep powers":          "2" + strings.Repeat("**2", 3_300) + " > 1",
		"deep ternaries":       strings.Repeat("vip?vip:", 1_200) + "vip",
		"deep ifs":             strings.Repeat("if vip {vip} else ", 500) + "{vip}",
		"a shared chain":       chain,
		"a large range":        "points in 1..1000000000",
		"a range to walk":      "any(1..1000000000, # > 5)",
		"a catastrophe":        `name matches "(a*)*(a*)*(a|a)*(a|aa)+$"`,
		"a large pattern":      `name matches "((a{0,100}){0,100}){0,100}"`,
		"a wide pattern":       `name matches "` + strings.Repeat(`\\pL`, 240) + `"`,
		"a folding pattern":    `name matches "(?i)` + strings.Repeat(`\\pL`, 240) + `"`,
		"nested repeats":       `name matches "` + strings.Repeat("(", 400) + strings.Repeat("?)", 400) + `"`,
		"tiny exponents":       "total_spend > 1e-999999999",
		"large exponents":      "total_spend > 1e308 * 1e308 * 1e308",
		"many exponents":       "total_spend > 1e308" + strings.Repeat(" * 1e308", 400),
		"many lets":            lets + "vip",
		"closures in a row":    "any(items, true)" + strings.Repeat(" && any(items, true)", 240),
		"unknown names":        strings.Repeat("nameless + ", 500) + "x > 1",
		"a long unknown name":  strings.Repeat("x", 9_000) + " == 1",
		"only semicolons":      ";;;;;",
		"only quotes":          strings.Repeat(`"`, 9_999),
		"escapes":              `city == "` + strings.Repeat(`\u{10FFFF}`, 900) + `"`,
		"a broken escape":      `city == "\u{110000}"`,
		"surrogates":           `city == "\ud800"`,
		"pipes":                "vip" + strings.Repeat("|any", 2_000),
		"dots":                 "any(items, " + strings.Repeat(".", 5_000) + ")",
		"question marks":       strings.Repeat("?", 9_999),
		"a zero":               "1 / 0 == nil && points % 0 == nil",
	}
}

func TestHostileRulesEndQuicklyAndInFlatMemory(t *testing.T) {
	s := shop()
	for name, source := range hostile() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			rule, err := Compile(s, source)
			if err == nil {
				if _, err := rule.evaluate(Record{"name": strings.Repeat("a", 10_000) + "b", "items": []Record{{}}}, noon(t)); err != nil {
					t.Error(err)
				}
			} else {
				wellFormed(t, err)
			}
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			if took > time.Second {
				t.Errorf("it took %v", took)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
				t.Errorf("it allocated %d MiB", grown>>20)
			}
		})
	}
}

// wellFormed says that an error can be shown to a person.
func wellFormed(t *testing.T, err error) {
	t.Helper()
	errs, ok := err.(Errors)
	if !ok || len(errs) == 0 || len(errs) > errorsMax {
		t.Fatalf("not Errors: %T %v", err, err)
	}
	for _, e := range errs {
		if e.Line < 1 || e.Column < 1 || e.Message == "" || !utf8.ValidString(e.Error()) || len(e.Error()) > 2_000 || len([]rune(e.Piece)) > 80 {
			t.Errorf("%+v", e)
		}
		if strings.Contains(e.Message, "goroutine") {
			t.Errorf("an error of the machine: %v", e)
		}
	}
}

func TestARuleMayBeAsLargeAsTheLimitsSay(t *testing.T) {
	s := shop()
	clause := "visits == 1"
	large := clause + strings.Repeat(" || "+clause, 249) // 4 nodes each, less one
	if _, err := Compile(s, large); err != nil {
		t.Error(err)
	}
	if _, err := Compile(s, large+" || "+clause); err == nil {
		t.Error("a rule of more than 1,000 nodes is accepted")
	}
	long := `city == "` + strings.Repeat("上", charactersMax-10) + `"`
	if _, err := Compile(s, long); err != nil {
		t.Error(err)
	}
	if _, err := Compile(s, long+" "); err == nil {
		t.Error("a rule of more than 10,000 characters is accepted")
	}
	if _, err := Compile(s, "any(items, any(items, any(items, true)))"); err != nil {
		t.Error(err)
	}
}

func TestALongHistoryIsNoError(t *testing.T) {
	rows := make([]Record, 50_000)
	for i := range rows {
		rows[i] = Record{"amount": int64(1)}
	}
	r := mustCompile(t, "sum(purchases, .amount) == 500 && len(filter(purchases, true)) == 50000 && count(map(purchases, .amount) | filter(# == 0.01)  | map(# > 0)) == 50000")
	for range 30 { // more than expr's memory budget in all
		if got, err := r.evaluate(Record{"purchases": rows}, noon(t)); got != true || err != nil {
			t.Fatal(got, err)
		}
	}
}

func FuzzCompileAnswersAnyText(f *testing.F) {
	for _, source := range hostile() {
		if len(source) < 1_000 {
			f.Add(source)
		}
	}
	s := shop()
	f.Fuzz(func(t *testing.T, source string) {
		rule, err := Compile(s, source)
		if err != nil {
			wellFormed(t, err)
			return
		}
		at := noon(t)
		for _, c := range []Record{{}, lin(t)} {
			got, err := rule.evaluate(c, at)
			if err != nil || got != newOracle(s, c, at).matches(rule.checked) {
				t.Fatal(got, err)
			}
		}
	})
}

package audience_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

// openOddShop has customers whose values are near the ends of what can be said, and the schema of their attributes.
func openOddShop(t *testing.T) (*store.Store, *rules.Schema, rules.Instant) {
	t.Helper()
	ctx := context.Background()
	clock := storetest.NewClock(t, "2026-11-21T10:00:00Z")
	s := storetest.Open(t, clock.Now)
	kept := []campaigns.Attribute{{Name: "skin_type", Type: "text"}, {Name: "score", Type: "number"}, {Name: "visits", Type: "int"}, {Name: "credit", Type: "money"}, {Name: "seen_at", Type: "time"}}
	known := []rules.Attribute{{Name: "event.visit.seconds", Type: rules.Int}}
	leap, old := time.Date(2000, 2, 29, 0, 0, 0, 0, time.UTC), time.Date(1990, 11, 22, 0, 0, 0, 0, time.UTC)
	err := s.Update(ctx, func(tx *store.Tx) error {
		for _, a := range kept {
			kind, _ := rules.ParseType(a.Type)
			known = append(known, rules.Attribute{Name: a.Name, Type: kind})
			if err := tx.CreateAttribute(ctx, &a); err != nil {
				return err
			}
		}
		for _, c := range []*campaigns.Customer{
			{ID: "ann", City: named("Shanghai"), Birthday: &leap, Tags: []string{"vip", "new"}, Attributes: map[string]any{"score": 1e308, "visits": int64(1<<63 - 1), "credit": int64(19990), "seen_at": clock.Now()}},
			{ID: "bob", City: named("İstanbul"), Birthday: &old, Tags: []string{}, Attributes: map[string]any{"score": 0.1, "visits": int64(1<<53 + 1), "credit": int64(19991), "skin_type": "dry"}},
			{ID: "eve", City: named("BEIJING"), Attributes: map[string]any{"score": 5e-324, "visits": int64(-1 << 63), "credit": int64(-1)}},
			{ID: "joe"},
		} {
			if err := tx.SaveCustomer(ctx, c); err != nil {
				return err
			}
		}
		_, err := tx.CreatePurchases(ctx, []campaigns.Purchase{
			{OrderID: "o1", CustomerID: "bob", At: clock.Now().Add(-time.Hour), Lines: []campaigns.Line{{SKU: "a", Brand: "Olay", Qty: 3, Amount: 10001}}},
			{OrderID: "o2", CustomerID: "bob", At: clock.Now().Add(-time.Minute), Lines: []campaigns.Line{{SKU: "b", Brand: "Nivea", Qty: 1, Amount: 10000}}},
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	return s, rules.NewSchema(2, known), rules.Instant{Now: clock.Now(), Zone: zone}
}

func named(text string) *string { return &text }

func TestPostgreSQLMeansWhatTheLanguageSays(t *testing.T) {
	s, schema, at := openOddShop(t)
	for source, want := range map[string]string{
		"true": "ann bob eve joe", "false": "", `city == nil`: "joe", `city != "Shanghai"`: "bob eve joe", `!(score > 5)`: "bob eve joe",
		"visits + 1 == nil": "ann joe", "-visits == nil": "eve joe", "visits % 0 == nil": "ann bob eve joe", "visits - 1 < visits": "ann bob", "visits * 2 != nil": "bob",
		"score * 10 > 1": "", "score * 10 == nil": "ann joe", "score * score > 0": "bob", "score / visits > 0": "ann bob", "(score ?? 7.0) + 1e308 > 1": "bob eve joe",
		"visits > 9007199254740992.0": "ann bob", "visits == 9007199254740992.0": "", "visits < score": "ann eve", "credit > 199.9": "bob", "credit == score * 1999": "joe",
		"credit in [199.90, 0]": "ann", "visits / 0 == nil": "ann bob eve joe", "avg_basket == 100.01": "bob", "avg_basket == 100": "",
		`lower(city) == "beijing"`: "eve", `upper(city) endsWith "UL"`: "bob", `city matches "^B"`: "eve", `!(lower(city) startsWith "s")`: "bob eve joe", `len(city) == 8`: "ann bob",
		`city < "S"`: "eve", `lower(skin_type ?? city) == "dry"`: "bob", `trim(city) == nil`: "joe", `(city matches "^B" ? seen_at : time("2026-01-01T00:00")) < now`: "ann bob joe", `(city matches "^B" ? now : time("2026-01-01T00:00")) < now`: "ann bob joe",
		`"vip" in tags`: "ann", "len(tags) == 2": "ann", `tags == ["vip", "new"]`: "ann", `tags == nil`: "bob eve joe", "tags == []": "", `any(tags, upper(#) == "NEW")`: "ann",
		"birthday_in(1)": "bob", "age(birthday) == 26": "ann", "age(birthday) == 35": "bob", "day(next_birthday) == 28": "ann", "days_until(next_birthday) == 1": "bob", "weekday(birthday) == 2": "ann",
		"hours_since(seen_at) == 0": "ann", "date(seen_at) == today": "ann", "month(seen_at) == 11": "ann", "minutes_since(seen_at) > -1": "ann",
		`any(items, .brand == "Olay" && .qty > 2)`: "bob", "count(purchases) == 2": "bob", "sum(items, .amount) == 200.01": "bob", "mean(map(purchases, .amount)) > 100": "bob",
		"min(map(purchases, .at)) < now": "bob", "100.01 in map(purchases, .amount)": "bob", "one(purchases, .amount == 100)": "bob", "all(purchases, .amount > 0)": "ann bob eve joe",
		`map(items, .brand) == ["Olay", "Nivea"]`: "bob", "count(purchases, .amount * score > 5) == 2": "bob", "any(purchases, any(items, .at > now))": "", "let v = score * 10; v > 0 && v < 2": "bob eve",
	} {
		rule, err := rules.Compile(schema, source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		q := audience.Question{Conditions: []audience.Asked{{Rule: rule, At: at}}, Members: true}
		for _, executor := range []audience.Executor{audience.Reference{}, audience.Pushdown{}} {
			answer, err := executor.Find(context.Background(), s, q)
			if err != nil {
				t.Errorf("%s: %s: %v", executor.Name(), source, err)
				continue
			}
			var got []string
			for i, name := range []string{"ann", "bob", "eve", "joe"} {
				if answer.Members.Contains(uint64(i + 1)) {
					got = append(got, name)
				}
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s: %s: %v, want %s", executor.Name(), source, got, want)
			}
		}
	}
}

// TestConditionsReadAsTheGoldenFilesSay reads testdata/sql/*.txt: a title after ###, the rule, and after --- the condition
// and what is left out. With UPDATE_GOLDEN set it writes the conditions as they are.
func TestConditionsReadAsTheGoldenFilesSay(t *testing.T) {
	s, schema, at := openOddShop(t)
	files, err := filepath.Glob("testdata/sql/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no golden files", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var rewritten strings.Builder
		for _, block := range strings.Split(string(text), "### ")[1:] {
			title, rest, _ := strings.Cut(block, "\n")
			source, want, _ := strings.Cut(rest, "\n---\n")
			got := conditionText(t, s, schema, source, at)
			rewritten.WriteString("### " + title + "\n" + source + "\n---\n" + got + "\n")
			if os.Getenv("UPDATE_GOLDEN") == "" && got != strings.TrimSuffix(want, "\n") {
				t.Errorf("%s: %s\n%s\ngot\n%s\nwant\n%s", file, title, source, got, want)
			}
		}
		if os.Getenv("UPDATE_GOLDEN") != "" {
			if err := os.WriteFile(file, []byte(rewritten.String()), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func conditionText(t *testing.T, s *store.Store, schema *rules.Schema, source string, at rules.Instant) string {
	t.Helper()
	rule, err := rules.Compile(schema, source)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	err = s.View(context.Background(), func(tx *store.Tx) error {
		c, err := audience.ConditionOf(context.Background(), tx, audience.Asked{Rule: rule, At: at})
		if err != nil {
			return err
		}
		lines = append(lines, c.SQL)
		if c.Unsure {
			lines = append(lines, "-- may be unsure")
		}
		for _, reason := range c.Left {
			lines = append(lines, "-- left out: "+reason)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func TestARuleThatWouldMakeTooLongAStatementIsLeftToTheReference(t *testing.T) {
	s, schema, at := openOddShop(t)
	source := "let v1 = visits % 7 + count(purchases); "
	for i := 2; i <= 30; i++ {
		source += fmt.Sprintf("let v%d = v%d - v%d + 1; ", i, i-1, i-1)
	}
	source += "v30 == count(purchases, true) - 1 && city != nil"
	rule, err := rules.Compile(schema, source)
	if err != nil {
		t.Fatal(err)
	}
	q := audience.Question{Conditions: []audience.Asked{{Rule: rule, At: at}}}
	answer, err := audience.Pushdown{}.Find(context.Background(), s, q)
	if err != nil {
		t.Fatal(err)
	}
	if answer.Counts[0] != 1 || answer.Left != answer.Total {
		t.Errorf("%d match, and the reference looked at %d of %d", answer.Counts[0], answer.Left, answer.Total)
	}
}

func TestTextsThatLetsDoubleAreLeftToTheReference(t *testing.T) {
	s, schema, at := openOddShop(t)
	for _, doubled := range []string{"lower(OLD) ?? OLD", "(OLD matches \"^b\") ? upper(OLD) : trim(OLD)", "OLD == nil ? OLD : lower(OLD)"} {
		source := "let v1 = city; "
		for i := 2; i <= 40; i++ {
			source += fmt.Sprintf("let v%d = %s; ", i, strings.ReplaceAll(doubled, "OLD", fmt.Sprintf("v%d", i-1)))
		}
		rule, err := rules.Compile(schema, source+`lower(v40) == "shanghai"`)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		err = s.View(ctx, func(tx *store.Tx) error {
			condition, err := audience.ConditionOf(ctx, tx, audience.Asked{Rule: rule, At: at})
			if err == nil && condition.IsWhole() {
				t.Errorf("%s makes a statement of %d characters", doubled, len(condition.SQL))
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

package rules

import (
	"encoding/json"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// holds evaluates rules over one customer; each must be true.
func holds(t *testing.T, c Record, at Instant, sources ...string) {
	t.Helper()
	for _, source := range sources {
		r, err := Compile(shop(), source)
		if err != nil {
			t.Errorf("%s\n%v", source, err)
			continue
		}
		if got, err := r.evaluate(c, at); got != true || err != nil {
			t.Errorf("%s is %v, %v", source, got, err)
		}
	}
}

func TestMissingValuesAreFalseInComparisons(t *testing.T) {
	for _, c := range []Record{{}, {"score": nil, "city": nil, "birthday": nil, "vip": nil, "total_spend": nil}} {
		holds(t, c, noon(t),
			`!(score > 5) && !(score <= 5) && !(score < score)`, `!(city < "a") && !(city contains "") && !(city startsWith "") && !(city matches "")`,
			`!(visits in 0..5) && !(visits in [1, 2]) && !(nil in [1, 2]) && !(city in tags) && visits not in [1]`,
			`!(birthday <= today) && !birthday_in(366)`, `!(1 < nil) && !(nil in 1..2) && !(nil in [nil])`,
			`!(total_spend >= 0) && !(avg_basket > 0)`, `!(visits in visits..5)`)
	}
}

func TestEqualityIsNotDistinctFrom(t *testing.T) {
	holds(t, Record{"score": 4.0}, noon(t),
		`city == nil && nil == city && city != "a" && !(city == "a") && score != nil && nil == nil`, `city == skin_type && visits == nil`,
		`score == 4 && score != visits`, `vip == nil && !(vip == false) && !(vip == true) && vip != false && vip != true`)
}

func TestLogicIsTwoValued(t *testing.T) {
	holds(t, Record{"sms_consent": true}, noon(t), `!vip`, `not vip || vip`, `sms_consent && !(vip && true)`, `(vip ? 1 : 2) == 2`, `(vip ?? true)`,
		`none(map([1, 2], vip), #)`, `(if vip { "a" } else { "b" }) == "b"`)
	r := mustCompile(t, `vip`)
	if got, err := r.evaluate(Record{}, noon(t)); got != false || err != nil {
		t.Error(got, err)
	}
}

func TestArithmeticWithAMissingValueIsMissing(t *testing.T) {
	holds(t, Record{"visits": int64(7)}, noon(t), `score + 1 == nil && -score == nil && visits * score == nil && score ** 2 == nil && lifetime_points % 2 == nil`,
		`(score ?? 0) == 0 && ((score + 1) ?? 9) == 9`, `days_since(last_purchase_at) == nil && year(birthday) == nil && lower(city) == nil && len(city) == nil`,
		`points_expiring(lifetime_points) == nil && points == 0`)
}

func TestWhatHasNoAnswerIsMissing(t *testing.T) {
	c := Record{"visits": int64(0), "score": 1e308, "lifetime_points": int64(math.MaxInt64), "total_spend": int64(math.MinInt64), "credit": int64(math.MaxInt64)}
	holds(t, c, noon(t), `1 / visits == nil && 1 % visits == nil && 0 / 0 == nil && total_spend / 0 == nil`, `score * 10 == nil && -score * 10 == nil && (0 - 2) ** 0.5 == nil`,
		`lifetime_points + 1 == nil && lifetime_points * 2 == nil && -total_spend == nil && total_spend - 0.01 == nil && credit + 0.01 == nil`,
		`sum([lifetime_points, 1]) == nil && sum([lifetime_points, 1, -1]) == lifetime_points`, `sum([score, score]) == nil && mean([score, score]) == nil`)
}

func TestAggregatesOverEmptyLists(t *testing.T) {
	holds(t, Record{"purchases": []Record{}}, noon(t), `sum(purchases, .amount) == 0 && count(purchases) == 0 && count(items, true) == 0 && len(tags) == 0`,
		`all(purchases, false) && !any(items, true) && none(items, true) && !one(items, true)`,
		`min(map(items, .amount)) == nil && max(map(items, .at)) == nil && mean(map(items, .qty)) == nil`, `filter(items, true) | len() == 0`)
}

func TestAggregatesSkipMissingElements(t *testing.T) {
	c := Record{"purchases": []Record{{"amount": int64(150)}, {}, {"amount": nil}, {"amount": int64(50)}}}
	holds(t, c, noon(t), `sum(purchases, .amount) == 2 && mean(map(purchases, .amount)) == 1 && min(map(purchases, .amount)) == 0.5 && count(purchases, .amount == nil) == 2`)
}

func TestAnAbsentListIsEmptyYetMissing(t *testing.T) {
	holds(t, Record{}, noon(t), `tags == nil && tags != [] && len(tags) == 0 && all(tags, false) && !("a" in tags) && (tags ?? ["a"]) == ["a"]`)
	holds(t, Record{"tags": []string{}}, noon(t), `tags != nil && tags == [] && len(tags) == 0 && len(tags ?? ["a"]) == 0`)
	holds(t, Record{"tags": []string{"b", "a"}}, noon(t), `tags == ["b", "a"] && tags != ["a", "b"] && any(tags, # startsWith "a")`)
}

func TestMoneyIsExact(t *testing.T) {
	c := Record{"total_spend": int64(19990), "purchase_count": int64(3), "score": 199.9, "credit": int64(1), "visits": int64(3)}
	holds(t, c, noon(t), `total_spend == 199.90 && total_spend > 199.89 && total_spend in [1, 199.9] && 199.9 == total_spend`, `total_spend == score && !(total_spend < score)`,
		`total_spend + 0.1 == 200 && total_spend - credit == 199.89 && total_spend * 3 == 599.7 && 3 * total_spend == total_spend * visits`,
		`total_spend / 2 == 99.95 && total_spend / total_spend == 1 && total_spend * 0.5 == 99.95`, `total_spend > -5 && total_spend > 12 * 10 && total_spend > (vip ? 1000 : 100)`,
		`let floor = 100; total_spend > floor`, `avg_basket == 66.63`, `(credit ?? 5) == 0.01 && (vip ? credit : 7) == 7`, `total_spend < 1e6 && total_spend == 0x0 + 199.9`)
	for _, n := range []float64{0.07, 1.1, 0.29, 1.15, 8.2, 4.35, 1000000.01, -0.07} { // n * 100 is beside the whole number
		minor := int64(math.Round(n * 100))
		holds(t, Record{"credit": minor, "score": n}, noon(t), `credit == score && credit <= score && score >= credit && credit + 0.01 > score && credit - 0.01 < score`)
	}
	holds(t, Record{"credit": int64(10), "score": math.Nextafter(0.1, 1)}, noon(t), `credit < score && credit != score`)
}

func TestMoneyHasTheCurrencysDigits(t *testing.T) {
	for digits, ok := range map[int][]string{0: {"total_spend == 19990"}, 2: {"total_spend == 199.90", "total_spend == 199.9000"}, 3: {"total_spend == 19.990"}} {
		s := NewSchema(digits, nil)
		for _, source := range ok {
			r, err := Compile(s, source)
			if err != nil || !r.Matches(Record{"total_spend": int64(19990)}, noon(t)) {
				t.Error(digits, source, err)
			}
		}
	}
	if _, err := Compile(NewSchema(0, nil), "total_spend > 0.5"); err == nil || !strings.Contains(err.Error(), "smallest unit, 1") {
		t.Error(err)
	}
}

func TestAverageBasketRoundsHalfUp(t *testing.T) {
	for _, v := range []struct{ total, count, want int64 }{{5, 2, 3}, {4, 3, 1}, {-5, 2, -2}, {-7, 2, -3}, {math.MaxInt64, 2, 1 << 62}, {math.MinInt64, 1, math.MinInt64}} {
		r, err := CompileValue(NewSchema(0, nil), "avg_basket")
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := r.evaluate(Record{"total_spend": v.total, "purchase_count": v.count}, noon(t)); got != v.want {
			t.Errorf("%+v: %v", v, got)
		}
	}
}

func TestIntsAndNumbersCompareByExactValue(t *testing.T) {
	c := Record{"visits": int64(1<<53 + 1), "score": float64(1 << 53), "lifetime_points": int64(math.MaxInt64), "tier_shortfall": float64(1 << 63)}
	holds(t, c, noon(t), `visits != score && visits > score && lifetime_points < tier_shortfall && lifetime_points != tier_shortfall`, `3 == 3.0 && 7 / 2 == 3.5 && -7 % 3 == -1`)
}

func TestDatesAreTheZonesCalendar(t *testing.T) {
	at := Instant{Now: time.Date(2026, 3, 1, 4, 30, 0, 0, time.UTC), Zone: zone(t, "America/New_York")} // 28 February, 23:30
	c := Record{"birthday": MakeDate(1996, 2, 29), "last_purchase_at": time.Date(2026, 2, 28, 4, 59, 0, 0, time.UTC), "registered_at": time.Date(2026, 3, 1, 5, 0, 0, 0, time.UTC)}
	holds(t, c, at, `today == date("2026-02-28") && birthday_in(0) && next_birthday == today && age(birthday) == 30`,
		`days_since(last_purchase_at) == 1 && hours_since(last_purchase_at) == 23 && days_until(registered_at) == 1`,
		`hours_until(registered_at) == 0 && minutes_since(registered_at) == -30 && hours_since(registered_at) == -1 && hours_until(last_purchase_at) == -24`,
		`weekday(today) == 6 && weekday(date("2026-03-01")) == 7 && date(registered_at) == date("2026-03-01") && day(last_purchase_at) == 27`)
	at.Zone = nil
	holds(t, c, at, `today == date("2026-03-01") && next_birthday == date("2027-02-28") && age(birthday) == 30 && !birthday_in(7)`)
}

func TestATimeOnTheWallIsPlacedInTheZone(t *testing.T) {
	for _, v := range []struct{ zone, wall, want string }{
		{"America/New_York", "2026-03-08T02:30", "2026-03-08T07:00:00Z"},    // skipped: the first instant after
		{"America/New_York", "2026-11-01T01:30", "2026-11-01T05:30:00Z"},    // twice: the first
		{"America/Santiago", "2026-09-06T00:00", "2026-09-06T04:00:00Z"},    // midnight is skipped
		{"Pacific/Apia", "2011-12-30T12:00", "2011-12-30T10:00:00Z"},        // the day is skipped
		{"Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30:00Z"}, // half an hour is skipped
		{"Asia/Shanghai", "2026-01-31T10:00:05", "2026-01-31T02:00:05Z"},
	} {
		value, err := CompileValue(shop(), `time("`+v.wall+`")`)
		if err != nil {
			t.Fatal(err)
		}
		if got := value.Text(Record{}, Instant{Now: noon(t).Now, Zone: zone(t, v.zone)}); got != v.want {
			t.Errorf("%s in %s is %s, want %s", v.wall, v.zone, got, v.want)
		}
	}
}

func TestRowsAfterNowAreUnseen(t *testing.T) {
	at := noon(t)
	rows := func(field string) []Record {
		return []Record{{field: at.Now.Add(-time.Second)}, {field: at.Now}, {field: at.Now.Add(time.Second)}, {}}
	}
	c := Record{"purchases": rows("at"), "items": rows("at"), "events": rows("at"), "redemptions": rows("at"), "messages": rows("sent_at"), "coupons": rows("issued_at")}
	for name := range c {
		holds(t, c, at, "len("+name+") == 3")
	}
}

func TestValuesOfTheWrongGoTypeAreMissing(t *testing.T) {
	c := Record{"city": 5, "visits": "7", "score": math.NaN(), "tier_shortfall": math.Inf(1), "birthday": "1990-01-01", "registered_at": "now", "tags": "a", "vip": 1,
		"purchases": 5, "items": []Record{nil, {"qty": 1.5, "at": 3}}, "total_spend": 1.5, "events": []Record{{"props": 5}}}
	holds(t, c, noon(t), `city == nil && visits == nil && score == nil && tier_shortfall == nil && birthday == nil && registered_at == nil && tags == nil && vip == nil`,
		`len(purchases) == 0 && len(items) == 2 && all(items, .qty == nil) && total_spend == nil && any(events, .props.sku == nil)`)
}

func TestPropertiesAreTypedByTheirRegistration(t *testing.T) {
	var props map[string]any
	text := `{"sku":"s1","seconds":12,"value":"19.90","ratio":0.5,"gift":true,"due":"2026-01-31","since":"2026-01-31T10:00:00+08:00","labels":["a","b"]}`
	if err := json.Unmarshal([]byte(text), &props); err != nil {
		t.Fatal(err)
	}
	c := Record{"events": []Record{{"name": "cart", "props": props}}}
	for _, condition := range []string{`.props.sku == "s1"`, `.props.seconds == 12`, `.props.value == 19.9`, `.props.ratio == 0.5`, `.props.gift`, `.props.due == date("2026-01-31")`,
		`.props.since == time("2026-01-31T10:00")`, `.props.labels == ["a", "b"]`, `#.props?.sku == "s1"`} {
		holds(t, c, noon(t), "any(events, "+condition+")")
	}
	wrong := Record{"events": []Record{{"props": map[string]any{"sku": 1.0, "seconds": 1.5, "value": "19.905", "ratio": "0.5", "gift": "true", "due": "soon", "since": 5.0, "labels": "a"}}}}
	for _, prop := range []string{"sku", "seconds", "value", "ratio", "gift", "due", "since", "labels"} {
		holds(t, wrong, noon(t), "any(events, .props."+prop+" == nil)")
	}
}

func TestThePropertyOfTheFirstEventByNameGivesTheType(t *testing.T) {
	s := NewSchema(2, []Attribute{{"event.z.x", Text}, {"event.a.x", Int}, {"event.page.view.y", Bool}})
	for _, source := range []string{`any(events, .props.x > 5)`, `any(events, .props.y)`} {
		if _, err := Compile(s, source); err != nil {
			t.Error(err)
		}
	}
}

func TestTextComparesByCodePoint(t *testing.T) {
	holds(t, Record{"city": "Ärger", "name": "e\u0301"}, noon(t), `city > "Z" && city < "上" && lower(city) == "ärger" && "a" > "Z" && "\u{FFFF}" < "😀"`,
		`len(name) == 2 && name != "é" && trim("\u00a0 a ") == "a" && upper("ß") == "ß" && "a\nb" contains "\n"`)
}

func TestARuleTellsWhatItReads(t *testing.T) {
	r := mustCompile(t, `birthday_in(7) && next_birthday > today && avg_basket > 5 && points > 0 && points_expiring(3) > 1 && any(items, .brand == city) && any(events, .props.sku == "a")`)
	if got, want := r.Attributes(), []string{"avg_basket", "city", "events", "items", "next_birthday", "points", "today"}; !slices.Equal(got, want) {
		t.Error(got)
	}
	if got, want := r.Columns(), []string{"birthday", "city", "purchase_count", "total_spend"}; !slices.Equal(got, want) {
		t.Error(got)
	}
	if got, want := r.Histories(), []string{"events", "items", "lots"}; !slices.Equal(got, want) {
		t.Error(got)
	}
}

func TestALineRuleSeesOneLine(t *testing.T) {
	r, err := CompileLine(shop(), `brand == "Olay" && qty >= 2 && amount / qty > 100 && category in ["care"] && sku startsWith "s"`)
	if err != nil {
		t.Fatal(err)
	}
	line := Record{"sku": "s1", "brand": "Olay", "category": "care", "qty": int64(2), "amount": int64(20001)}
	if !r.Matches(line, noon(t)) || r.Matches(Record{}, noon(t)) {
		t.Error("wrong answer")
	}
	for _, source := range []string{`city == "x"`, `any(items, true)`, `points > 3`, `birthday_in(3)`, `points_expiring(3) > 1`} {
		if _, err := CompileLine(shop(), source); err == nil {
			t.Errorf("%s is accepted", source)
		}
	}
}

func TestAValueHasACanonicalText(t *testing.T) {
	c := lin(t)
	for source, want := range map[string]string{
		"year(next_birthday)": "2026", "avg_basket": "233.33", "-avg_basket": "-233.33", "score": "4.5", "score * 2": "9", "vip": "", "sms_consent": "true", "city": "Shanghai",
		"birthday": "1990-11-24", "now": "2026-11-21T04:00:00Z", "wedding": "", "score * 1e20": "450000000000000000000", "total_spend > 5": "true", "credit ?? 5": "",
	} {
		v, err := CompileValue(shop(), source)
		if err != nil {
			t.Errorf("%s\n%v", source, err)
			continue
		}
		if source == "credit ?? 5" {
			want = "5.00"
		}
		if got := v.Text(c, noon(t)); got != want {
			t.Errorf("%s is %q, want %q", source, got, want)
		}
	}
	for _, source := range []string{"tags", "purchases", "nil", "1..3", ""} {
		if _, err := CompileValue(shop(), source); err == nil {
			t.Errorf("%s is accepted", source)
		}
	}
}

func TestPointsAreLive(t *testing.T) {
	holds(t, lin(t), noon(t), `points == 45 && points_expiring(20) == 40 && points_expiring(19) == 0 && points_expiring(-1) == 0 && points_expiring(9223372036854775807) == 40`)
	later := noon(t)
	later.Now = later.Now.AddDate(0, 0, 1)
	holds(t, lin(t), later, `points == 1045`)
}

func TestARuleIsSafeForConcurrentUse(t *testing.T) {
	r := mustCompile(t, `let spent = sum(purchases, .amount); any(purchases, let a = .amount; any(items, .amount == a)) && spent == 700 && city == "Shanghai"`)
	c, at := lin(t), noon(t)
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			for range 500 {
				if !r.Matches(c, at) || r.Matches(Record{}, at) {
					t.Error("wrong answer")
					return
				}
			}
		})
	}
	wait.Wait()
}

func TestTypesHaveNames(t *testing.T) {
	for _, name := range []string{"bool", "int", "number", "money", "text", "date", "time", "text_list"} {
		if parsed, ok := ParseType(name); !ok || parsed.String() != name {
			t.Error(name)
		}
	}
	for _, name := range []string{"", "list", "nil", "Text"} {
		if _, ok := ParseType(name); ok {
			t.Error(name)
		}
	}
}

func TestNamesAreSortedAndTyped(t *testing.T) {
	names := shop().Names()
	if !slices.IsSortedFunc(names, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) }) {
		t.Error("not sorted")
	}
	for _, want := range []Attribute{{"skin_type", Text}, {"avg_basket", Money}, {"points", Int}, {"today", DateType}, {"tags", TextList}} {
		if !slices.Contains(names, want) {
			t.Error(want)
		}
	}
	if r, err := Compile(NewSchema(2, []Attribute{{"city", Int}}), `city == "x"`); err != nil || r == nil {
		t.Error("a custom attribute hides a built-in one", err)
	}
}

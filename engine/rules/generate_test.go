package rules

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"
)

// writer draws well-typed rules as text, over every operator, function and closure.
type writer struct {
	t        *rapid.T
	s        *scope
	elements []shape
	vars     []Attribute // lets, and the fields of lets of rows
	lists    []listVar
	segments []string
	lets     int
	isRank   bool // within a percentile or an ntile
}

// listVar is a let of a list.
type listVar struct {
	name    string
	element shape
}

// index is below n. It spreads what rapid draws, which prefers small numbers, over all of them; 0 stays 0, to shrink to.
func (w *writer) index(n int) int {
	const golden = 0x9E3779B97F4A7C15
	return int((rapid.Uint64().Draw(w.t, "index") * golden >> 33) % uint64(n))
}

func (w *writer) pick(options ...string) string { return options[w.index(len(options))] }

func (w *writer) chance(oneIn int) bool { return w.index(oneIn) == oneIn-1 }

// ways draws one of the ways to write something.
func (w *writer) ways(options ...func() string) string {
	return options[w.index(len(options))]()
}

func (w *writer) condition(depth int) string {
	if depth <= 0 {
		return w.ways(
			func() string { return w.leaf(Bool) },
			func() string { return "(" + w.leaf(Text) + w.pick(" == ", " != ") + w.literal(Text) + ")" },
			func() string { return "(" + w.leaf(Int) + " in 0..5)" },
		)
	}
	d := depth - 1
	return w.ways(
		func() string {
			return "(" + w.condition(d) + w.pick(" && ", " || ", " and ", " or ") + w.condition(d) + ")"
		},
		func() string { return w.pick("!", "not ") + "(" + w.condition(d) + ")" },
		func() string { return w.comparison(d) },
		func() string { return w.comparison(d) },
		func() string { return w.comparison(d) },
		func() string { return w.membership(d) },
		func() string {
			return "(" + w.text(d) + " " + w.pick("contains", "startsWith", "endsWith", "not contains") + " " + w.text(d) + ")"
		},
		func() string {
			return "(" + w.text(d) + " " + w.pick("matches", "not matches") + " " + w.pick(`"^[a-z]"`, `"(?i)A+"`, "`上.`", `"^$"`, `"\\s"`) + ")"
		},
		func() string { return w.quantifier(d) },
		func() string { return w.quantifier(d) },
		func() string { return w.ternary(d, w.condition) },
		func() string { return "(" + w.leaf(Bool) + " ?? " + w.condition(d) + ")" },
		func() string { return "birthday_in(" + w.int(d) + ")" },
		func() string { return "(" + w.let(d, w.condition) + ")" },
		func() string { return "(" + w.letOfRow(d) + ")" },
		func() string { return "(" + w.letOfList(d) + ")" },
		func() string { return w.correlated(d) },
		func() string { return w.segment(d) },
		func() string { return w.condition(d - 1) },
	)
}

func (w *writer) ternary(d int, of func(int) string) string {
	if w.chance(4) {
		return "(if " + w.condition(d) + " { " + of(d) + " } else { " + of(d) + " })"
	}
	return "(" + w.condition(d) + " ? " + of(d) + " : " + of(d) + ")"
}

func (w *writer) let(d int, of func(int) string) string {
	kind := rapid.SampledFrom([]Type{Bool, Int, Number, Money, Text, DateType, Time}).Draw(w.t, "let")
	w.lets++
	name := fmt.Sprintf("v%d", w.lets)
	value := w.value(kind, d)
	w.vars = append(w.vars, Attribute{name, kind})
	body := of(d)
	w.vars = w.vars[:len(w.vars)-1]
	return "let " + name + " = " + value + "; " + body
}

// letOfRow gives the element a name, by which closures further in still know it.
func (w *writer) letOfRow(d int) string {
	if len(w.elements) == 0 || w.elements[len(w.elements)-1].kind != row {
		return w.let(d, w.condition)
	}
	w.lets++
	name := fmt.Sprintf("v%d", w.lets)
	before := len(w.vars)
	for _, kind := range []Type{Bool, Int, Number, Money, Text, DateType, Time, TextList} {
		for _, field := range w.fields(kind, w.elements[len(w.elements)-1]) {
			if rest, is := strings.CutPrefix(field, "#."); is {
				w.vars = append(w.vars, Attribute{name + "." + rest, kind})
			}
		}
	}
	body := w.condition(d)
	w.vars = w.vars[:before]
	return "let " + name + " = #; " + body
}

func (w *writer) letOfList(d int) string {
	if len(w.elements) >= closuresMax {
		return w.let(d, w.condition)
	}
	list, element := w.rows(d)
	if w.chance(3) {
		list, element = w.value(TextList, d), scalar(Text)
	}
	w.lets++
	name := fmt.Sprintf("v%d", w.lets)
	w.lists = append(w.lists, listVar{name, element})
	body := w.condition(d)
	w.lists = w.lists[:len(w.lists)-1]
	return "let " + name + " = " + list + "; " + body
}

// correlated is a closure within a closure that looks at the elements of both.
func (w *writer) correlated(d int) string {
	if len(w.elements) > closuresMax-2 {
		return w.quantifier(d)
	}
	outer, element := w.rows(0)
	return w.closure(w.pick("all", "any", "none", "one"), outer, element, func() string {
		kind := rapid.SampledFrom([]Type{Int, Money, Text, Time}).Draw(w.t, "kind")
		w.lets++
		name := fmt.Sprintf("v%d", w.lets)
		value := w.value(kind, 0)
		inner, within := w.rows(0)
		body := w.closure(w.pick("all", "any", "none", "one"), inner, within, func() string {
			return "(" + w.value(kind, 0) + w.pick(" == ", " < ", " >= ") + name + w.pick(" && ", " || ") + w.condition(d-1) + ")"
		})
		return "let " + name + " = " + value + "; " + body
	})
}

func (w *writer) segment(d int) string {
	if len(w.segments) == 0 {
		return w.comparison(d)
	}
	return "segment(" + strconv.Quote(w.pick(w.segments...)) + ")"
}

func (w *writer) comparison(d int) string {
	kind := rapid.SampledFrom([]Type{Bool, Int, Number, Money, Text, DateType, Time, TextList}).Draw(w.t, "kind")
	operator := w.pick("==", "!=", "<", "<=", ">", ">=")
	right := w.value(kind, d)
	switch {
	case kind == Bool, kind == TextList:
		operator = w.pick("==", "!=")
	case kind == Int && w.chance(3):
		right = "(" + w.number(d) + ")"
	case kind == Number && w.chance(3):
		right = w.int(d)
	case kind == Money && w.chance(3):
		right = w.literal(Money)
	case kind == Money && w.chance(3):
		right = "(" + w.leaf(Number) + " * " + w.number(d) + ")"
	}
	if kind == TextList && w.chance(4) {
		right = "[]"
	} else if w.chance(6) {
		right = "nil"
	} else if w.chance(6) && kind != TextList && kind != Bool {
		return "(" + w.value(kind, d) + " " + w.pick("<", ">=") + " " + w.value(kind, d) + " " + w.pick("<", "<=", ">") + " " + w.value(kind, d) + ")"
	}
	return "(" + w.value(kind, d) + " " + operator + " " + right + ")"
}

func (w *writer) membership(d int) string {
	in := w.pick(" in ", " not in ")
	return w.ways(
		func() string { return "(" + w.int(d) + in + w.int(0) + ".." + w.int(0) + ")" },
		func() string { return "(" + w.text(d) + in + w.value(TextList, d) + ")" },
		func() string {
			kind := rapid.SampledFrom([]Type{Bool, Int, Number, Money, Text, DateType, Time}).Draw(w.t, "in")
			items := make([]string, rapid.IntRange(0, 12).Draw(w.t, "items"))
			for i := range items {
				items[i] = w.literal(kind)
				if w.chance(4) {
					items[i] = w.value(kind, 0)
				} else if w.chance(8) {
					items[i] = "nil"
				}
			}
			return "(" + w.value(kind, d) + in + "[" + strings.Join(items, ", ") + "])"
		},
		func() string {
			kind := rapid.SampledFrom([]Type{Int, Number, Money, Text, DateType, Time}).Draw(w.t, "in")
			return "(" + w.value(kind, d) + in + w.values(kind, d) + ")"
		},
	)
}

// rows is a list of rows, and the shape of one.
func (w *writer) rows(d int) (string, shape) {
	name := w.pick("purchases", "items", "lots", "events", "messages", "redemptions", "coupons")
	element := shape{kind: row, rows: w.s.lists[name]}
	for _, l := range w.lists {
		if l.element.kind == row && w.chance(2) {
			name, element = l.name, l.element
		}
	}
	if d > 0 && w.chance(3) {
		return w.closure("filter", name, element, func() string { return w.condition(d - 1) }), element
	}
	return name, element
}

func (w *writer) quantifier(d int) string {
	if len(w.elements) >= closuresMax {
		return w.leaf(Bool)
	}
	list, element := w.rows(d)
	if w.chance(4) {
		list, element = w.value(TextList, d), scalar(Text)
	}
	return w.closure(w.pick("all", "any", "none", "one"), list, element, func() string { return w.condition(d) })
}

func (w *writer) closure(name, list string, element shape, body func() string) string {
	if len(w.elements) >= closuresMax {
		return list
	}
	w.elements = append(w.elements, element)
	inside := body()
	w.elements = w.elements[:len(w.elements)-1]
	if w.chance(5) {
		return "(" + list + " | " + name + "(" + inside + "))"
	}
	return name + "(" + list + ", " + inside + ")"
}

// values is a list of a scalar type that is never a mere literal.
func (w *writer) values(kind Type, d int) string {
	if len(w.elements) >= closuresMax {
		return "[" + w.leaf(kind) + ", " + w.leaf(kind) + "]"
	}
	list, element := w.rows(d)
	return "(" + w.closure("map", list, element, func() string { return w.value(kind, d-1) }) + ")"
}

func (w *writer) value(kind Type, d int) string {
	switch kind {
	case Bool:
		return w.condition(d)
	case Int:
		return w.int(d)
	case Number:
		return w.number(d)
	case Money:
		return w.money(d)
	case Text:
		return w.text(d)
	case TextList:
		return w.texts(d)
	}
	return w.when(kind, d)
}

func (w *writer) int(d int) string {
	if d <= 0 {
		return w.ways(func() string { return w.leaf(Int) }, func() string { return w.literal(Int) })
	}
	d--
	return w.ways(
		func() string { return "(" + w.int(d) + w.pick(" + ", " - ", " * ", " % ") + w.int(d) + ")" },
		func() string { return w.pick("-", "+") + "(" + w.int(d) + ")" },
		func() string {
			return w.pick("year", "month", "day", "weekday", "days_since", "days_until") + "(" + w.when(rapid.SampledFrom([]Type{DateType, Time}).Draw(w.t, "when"), d) + ")"
		},
		func() string {
			return w.pick("hours_since", "minutes_since", "hours_until") + "(" + w.when(Time, d) + ")"
		},
		func() string { return "age(" + w.when(DateType, d) + ")" },
		func() string { return "points_expiring(" + w.int(d) + ")" },
		func() string { return w.rank(d) },
		func() string { return "len(" + w.pick(w.text(d), w.texts(d), w.values(Int, d)) + ")" },
		func() string { return w.counting(d) },
		func() string { return w.aggregate(Int, d) },
		func() string { return w.ternary(d, w.int) },
		func() string { return "(" + w.int(d) + " ?? " + w.int(d) + ")" },
		func() string { return "(" + w.let(d, w.int) + ")" },
		func() string { return w.leaf(Int) },
	)
}

// rank is a place among all customers, by a value that sees nothing of what is around it.
func (w *writer) rank(d int) string {
	if w.isRank {
		return w.leaf(Int)
	}
	if len(w.elements) > 0 {
		d = 0
	}
	elements, vars, lists := w.elements, w.vars, w.lists
	w.elements, w.vars, w.lists, w.isRank = nil, nil, nil, true
	x := w.value(rapid.SampledFrom([]Type{Int, Number, Money, DateType, Time}).Draw(w.t, "by"), d)
	w.elements, w.vars, w.lists, w.isRank = elements, vars, lists, false
	if w.chance(2) {
		return "percentile(" + x + ")"
	}
	return "ntile(" + x + ", " + w.pick("1", "2", "3", "5", "1000") + ")"
}

func (w *writer) counting(d int) string {
	list, element := w.rows(d)
	if len(w.elements) >= closuresMax || w.chance(3) {
		return "count(" + list + ")"
	}
	if w.chance(3) {
		return "count(" + w.values(Bool, d) + ")"
	}
	return w.pick("", "+") + "(" + w.closure("count", list, element, func() string { return w.condition(d) }) + ")"
}

func (w *writer) aggregate(kind Type, d int) string {
	name := w.pick("sum", "min", "max")
	if len(w.elements) < closuresMax && name == "sum" && w.chance(2) {
		list, element := w.rows(d)
		return "(" + w.closure("sum", list, element, func() string { return w.value(kind, d) }) + ")"
	}
	return name + "(" + w.values(kind, d) + ")"
}

func (w *writer) number(d int) string {
	if d <= 0 {
		return w.ways(func() string { return w.leaf(Number) }, func() string { return w.literal(Number) })
	}
	d--
	return w.ways(
		func() string {
			return "(" + w.number(d) + w.pick(" + ", " - ", " * ", " / ", " ** ", " ^ ") + w.number(d) + ")"
		},
		func() string { return "(" + w.int(d) + w.pick(" / ", " ** ") + w.int(d) + ")" },
		func() string { return "(" + w.number(d) + w.pick(" + ", " - ", " * ", " / ") + w.int(d) + ")" },
		func() string { return "(" + w.money(d) + " / " + w.pick(w.int(d), w.number(d), w.money(d)) + ")" },
		func() string { return "(" + w.int(d) + " / " + w.money(d) + ")" },
		func() string { return "(" + w.money(d) + " * (" + w.leaf(Number) + " / " + w.number(d) + "))" },
		func() string { return "-(" + w.number(d) + ")" },
		func() string { return w.aggregate(Number, d) },
		func() string {
			return "mean(" + w.values(rapid.SampledFrom([]Type{Int, Number, Money}).Draw(w.t, "mean"), d) + ")"
		},
		func() string { return w.ternary(d, w.number) },
		func() string { return "(" + w.number(d) + " ?? " + w.pick(w.int(d), w.number(d)) + ")" },
		func() string { return w.leaf(Number) },
	)
}

// money is never a mere literal, which would be a number.
func (w *writer) money(d int) string {
	if d <= 0 {
		return w.leaf(Money)
	}
	d--
	return w.ways(
		func() string {
			return "(" + w.money(d) + w.pick(" + ", " - ") + w.pick(w.money(d), w.literal(Money)) + ")"
		},
		func() string { return "(" + w.literal(Money) + w.pick(" + ", " - ") + w.money(d) + ")" },
		func() string { return "(" + w.money(d) + " * " + w.int(d) + ")" },
		func() string { return "(" + w.int(d) + " * " + w.money(d) + ")" },
		func() string { return "-(" + w.money(d) + ")" },
		func() string { return w.aggregate(Money, d) },
		func() string { return "(" + w.condition(d) + " ? " + w.money(d) + " : " + w.literal(Money) + ")" },
		func() string { return "(" + w.money(d) + " ?? " + w.pick(w.money(d), w.literal(Money)) + ")" },
		func() string { return w.leaf(Money) },
	)
}

func (w *writer) text(d int) string {
	if d <= 0 {
		return w.ways(func() string { return w.leaf(Text) }, func() string { return w.literal(Text) })
	}
	d--
	return w.ways(
		func() string { return w.pick("lower", "upper", "trim") + "(" + w.text(d) + ")" },
		func() string { return w.ternary(d, w.text) },
		func() string { return "(" + w.text(d) + " ?? " + w.text(d) + ")" },
		func() string { return w.leaf(Text) },
		func() string { return w.leaf(Text) },
	)
}

func (w *writer) texts(d int) string {
	for _, l := range w.lists {
		if l.element == scalar(Text) && w.chance(2) {
			return l.name
		}
	}
	return w.ways(
		func() string { return w.leaf(TextList) },
		func() string { return "[" + w.text(d-1) + ", " + w.literal(Text) + "]" },
		func() string { return w.values(Text, d-1) },
		func() string { return "(" + w.leaf(TextList) + " ?? " + w.leaf(TextList) + ")" },
	)
}

func (w *writer) when(kind Type, d int) string {
	if d <= 0 {
		return w.ways(func() string { return w.leaf(kind) }, func() string { return w.literal(kind) })
	}
	d--
	return w.ways(
		func() string { return w.leaf(kind) },
		func() string { return w.literal(kind) },
		func() string {
			if kind == DateType {
				return "date(" + w.when(Time, d) + ")"
			}
			return "now"
		},
		func() string { return w.pick("min", "max") + "(" + w.values(kind, d) + ")" },
		func() string { return "(" + w.when(kind, d) + " ?? " + w.when(kind, d) + ")" },
		func() string { return w.ternary(d, func(d int) string { return w.when(kind, d) }) },
	)
}

// leaf is a name of a type: an attribute, a let, the current element or one of its fields.
func (w *writer) leaf(kind Type) string {
	var names []string
	for name, a := range w.s.attributes {
		if a.kind == kind {
			names = append(names, name)
		}
	}
	for _, v := range w.vars {
		if v.Type == kind {
			names = append(names, v.Name, v.Name)
		}
	}
	if len(w.elements) > 0 {
		names = append(names, w.fields(kind, w.elements[len(w.elements)-1])...)
	}
	slices.Sort(names)
	return w.pick(names...)
}

func (w *writer) fields(kind Type, element shape) []string {
	var names []string
	if element == scalar(kind) {
		names = append(names, "#", "#", "#")
	}
	if element.kind != row {
		return names
	}
	for field, t := range element.rows.fields {
		if t == kind {
			names = append(names, "."+field, "#."+field, "."+field)
		}
		for prop, p := range w.s.props {
			if t == object && p == kind {
				names = append(names, ".props."+prop, ".props?."+prop)
			}
		}
	}
	return names
}

func (w *writer) literal(kind Type) string {
	switch kind {
	case Bool:
		return w.pick("true", "false")
	case Int:
		return w.pick("0", "1", "2", "7", "-1", "100", "365", "9223372036854775807", "0x10", "1_000")
	case Number:
		return w.pick("0.0", "0.5", "-2.5", "199.9", "1e300", "1e-300", "9007199254740993.0")
	case Money:
		return w.pick("0", "1", "199.90", "-12.34", "0.01", "1e3", "90071992547409.93", "(2 * 50.05)", "(12 * 3 - 1)")
	case Text:
		return rapid.Custom(func(t *rapid.T) string { return strconv.Quote(someText().Draw(t, "text")) }).Draw(w.t, "literal")
	case DateType:
		return w.pick(`date("2026-01-31")`, `date("2024-02-29")`, `date("0001-01-01")`, `date("9999-12-31")`, `date("1970-01-01")`)
	}
	return w.pick(`time("2026-03-08T02:30")`, `time("2026-11-01T01:30")`, `time("2026-10-04T02:15:30")`, `time("0001-01-01T00:00")`,
		`time("9999-12-31T23:59:59")`, `time("2011-12-30T12:00")`, `time("2026-09-06T00:00")`)
}

func someText() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{"", "a", "A", "ab", "aB", "ß", "ẞ", "İ", "ı", "é", "e\u0301", "上海", "上", "😀", "\U0010FFFF", " a ", "\u00a0a\u2003", "gold", "s1", "ǆ", "Σς"})
}

// someTime is near now, near a change of the clocks, or at the edge of time.
func someTime(now time.Time) *rapid.Generator[time.Time] {
	within := func(t time.Time) time.Time { return Instant{Now: t}.normal().Now.In(t.Location()) }
	return rapid.Map(rapid.OneOf(
		rapid.Custom(func(t *rapid.T) time.Time {
			return now.Add(time.Duration(rapid.IntRange(-400*24, 400*24).Draw(t, "hours"))*time.Hour + time.Duration(rapid.IntRange(-2, 2).Draw(t, "seconds"))*time.Second)
		}),
		rapid.Custom(func(t *rapid.T) time.Time {
			return now.Add(time.Duration(rapid.IntRange(-90_000, 90_000).Draw(t, "seconds")) * time.Second)
		}),
		rapid.SampledFrom([]time.Time{now, now.Add(time.Second), time.Unix(firstSecond, 0), time.Unix(lastSecond, 0), {}, time.Unix(0, 0),
			time.Date(2026, 3, 8, 7, 30, 0, 0, time.UTC), time.Date(2026, 11, 1, 5, 30, 0, 0, time.UTC), time.Date(2011, 12, 30, 9, 59, 59, 0, time.UTC)}),
	), within)
}

func someDate(today Date) *rapid.Generator[Date] {
	return rapid.OneOf(
		rapid.Custom(func(t *rapid.T) Date { return today + Date(rapid.IntRange(-40, 40).Draw(t, "days")) }),
		rapid.Custom(func(t *rapid.T) Date { return today - Date(rapid.IntRange(0, 100*366).Draw(t, "days")) }),
		rapid.SampledFrom([]Date{MakeDate(2000, 2, 29), MakeDate(1999, 2, 28), MakeDate(1900, 3, 1), MakeDate(1999, 12, 31), MakeDate(2001, 1, 1), 0,
			math.MinInt32, math.MaxInt32, MakeDate(-4, 2, 29)}),
	)
}

func someInt() *rapid.Generator[int64] {
	return rapid.OneOf(rapid.Int64Range(-3, 10), rapid.Int64Range(-3000, 100000),
		rapid.SampledFrom([]int64{math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, 1 << 53, 1<<53 + 1, 19990, 10000, 110, 7}))
}

func someNumber() *rapid.Generator[float64] {
	return rapid.OneOf(rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 0.1, 0.07, 1.1, 0.5, 1, 2, 100, 199.9, -12.34, 1e308, -1e308, 5e-324, 1 << 53, 1 << 63, -1 << 63, math.NaN(), math.Inf(1)}),
		rapid.Float64Range(-1000, 1000))
}

// customer draws records and the instant.
type customer struct {
	t     *rapid.T
	now   time.Time
	today Date
	s     *scope
}

func someInstant(t *rapid.T) Instant {
	zones := []*time.Location{nil, time.UTC, time.FixedZone("odd", 5*3600+45*60+7)}
	for _, name := range []string{"Asia/Shanghai", "America/New_York", "Africa/Cairo", "America/Santiago", "Australia/Lord_Howe", "Pacific/Apia"} {
		if z, err := time.LoadLocation(name); err == nil {
			zones = append(zones, z)
		}
	}
	base := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	now := rapid.OneOf(someTime(base), rapid.Just(base)).Draw(t, "now")
	return Instant{Now: now.Add(time.Duration(rapid.IntRange(0, 999).Draw(t, "ms")) * time.Millisecond), Zone: rapid.SampledFrom(zones).Draw(t, "zone")}
}

func someCustomer(t *rapid.T, s *scope, at Instant) Record {
	at = at.normal()
	c := customer{t: t, now: at.Now, today: DateOf(at.Now, at.Zone), s: s}
	out := Record{}
	for _, name := range sortedKeys(s.attributes) {
		if a := s.attributes[name]; a.derive == nil {
			c.set(out, name, a.kind)
		}
	}
	for _, name := range sortedKeys(s.lists) {
		if rapid.IntRange(0, 3).Draw(t, "absent") == 0 {
			continue
		}
		rows := make([]Record, rapid.IntRange(0, 4).Draw(t, "rows"))
		for i := range rows {
			rows[i] = Record{}
			for _, field := range sortedKeys(s.lists[name].fields) {
				c.set(rows[i], field, s.lists[name].fields[field])
			}
		}
		out[name] = rows
	}
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// set leaves a value out now and then, or sets it to nil.
func (c customer) set(r Record, name string, kind Type) {
	switch rapid.IntRange(0, 7).Draw(c.t, "missing") {
	case 0:
		return
	case 1:
		r[name] = nil
		return
	}
	switch kind {
	case Bool:
		r[name] = rapid.Bool().Draw(c.t, name)
	case Int, Money:
		r[name] = someInt().Draw(c.t, name)
	case Number:
		r[name] = someNumber().Draw(c.t, name)
	case Text:
		r[name] = someText().Draw(c.t, name)
	case DateType:
		r[name] = someDate(c.today).Draw(c.t, name)
	case Time:
		r[name] = someTime(c.now).Draw(c.t, name)
	case TextList:
		r[name] = rapid.SliceOfN(someText(), 0, 4).Draw(c.t, name)
	case object:
		r[name] = c.props()
	}
}

func (c customer) props() map[string]any {
	props := map[string]any{}
	for _, name := range sortedKeys(c.s.props) {
		if v := rapid.SampledFrom([]any{nil, true, false, 12.0, 12.5, -3.0, 1e300, 19.9, "a", "s1", "19.90", "-0.01", "19.905", "2026-01-31", "2026-02-30",
			"2026-01-31T10:00:00+08:00", []any{"a", "上海"}, []any{"a", 1.0}, []any{}, map[string]any{}}).Draw(c.t, name); v != nil {
			props[name] = v
		}
	}
	return props
}

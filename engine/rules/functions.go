package rules

import (
	"strings"
	"time"
	"unicode/utf8"
)

// function is a function of one argument, as data: what it takes and gives, what it reads beside its argument, and
// what it does with an argument that is not missing.
type function struct {
	name    string
	takes   []Type // any of these; list stands for every list
	gives   Type
	example string
	columns []string
	lists   []string
	run     func(e *evaluation, x any) any
}

// functions by name. `date("…")` and `time("…")` of a literal are constants, percentile and ntile look at all customers;
// the checker knows them.
func functions() map[string]*function {
	when, ranks := []Type{DateType, Time}, []Type{Int, Number, Money, DateType, Time}
	byName := map[string]*function{}
	for _, f := range []*function{
		{name: "year", takes: when, gives: Int, example: "year(birthday)", run: onDay(func(d Date) int64 { return int64(d.Year()) })},
		{name: "month", takes: when, gives: Int, example: "month(birthday)", run: onDay(func(d Date) int64 { return int64(d.Month()) })},
		{name: "day", takes: when, gives: Int, example: "day(birthday)", run: onDay(func(d Date) int64 { return int64(d.Day()) })},
		{name: "weekday", takes: when, gives: Int, example: "weekday(today)", run: onDay(func(d Date) int64 { return int64(d.Weekday()) })},
		{name: "days_since", takes: when, gives: Int, example: "days_since(last_purchase_at)", run: daysSince},
		{name: "days_until", takes: when, gives: Int, example: "days_until(tier_until)", run: daysUntil},
		{name: "hours_since", takes: []Type{Time}, gives: Int, example: "hours_since(registered_at)", run: elapsed(time.Hour)},
		{name: "minutes_since", takes: []Type{Time}, gives: Int, example: "minutes_since(registered_at)", run: elapsed(time.Minute)},
		{name: "hours_until", takes: []Type{Time}, gives: Int, example: "hours_until(.expires_at)", run: hoursUntil},
		{name: "age", takes: []Type{DateType}, gives: Int, example: "age(birthday)", run: ageNow},
		{name: "date", takes: []Type{Time}, gives: DateType, example: `date("2026-01-31")`, run: func(e *evaluation, x any) any { return e.day(x) }},
		{name: "time", gives: Time, example: `time("2026-01-31T10:00")`},
		{name: "birthday_in", takes: []Type{Int}, gives: Bool, example: "birthday_in(7)", columns: []string{"birthday"}, run: (*evaluation).birthdayIn},
		{name: "points_expiring", takes: []Type{Int}, gives: Int, example: "points_expiring(30)", lists: []string{"lots"}, run: (*evaluation).pointsExpiring},
		{name: "lower", takes: []Type{Text}, gives: Text, example: "lower(city)", run: onText(strings.ToLower)},
		{name: "upper", takes: []Type{Text}, gives: Text, example: "upper(city)", run: onText(strings.ToUpper)},
		{name: "trim", takes: []Type{Text}, gives: Text, example: "trim(name)", run: onText(strings.TrimSpace)},
		{name: "percentile", takes: ranks, gives: Int, example: "percentile(total_spend) > 90", columns: []string{"id"}},
		{name: "ntile", takes: ranks, gives: Int, example: "ntile(total_spend, 5) == 5", columns: []string{"id"}},
		{name: "len", takes: []Type{Text, list}, gives: Int, example: "len(tags)", run: length},
	} {
		byName[f.name] = f
	}
	return byName
}

// closure is a builtin over a list, as data.
type closure struct {
	name      string
	needsBody bool // a second argument is required
	boolBody  bool // the second argument is a condition
	gives     Type // 0 where it follows from the list
	example   string
	elements  []Type // types of value that it works on, when its body is no condition
}

// closures by name.
func closures() []closure {
	sums, ordered := []Type{Int, Number, Money}, []Type{Int, Number, Money, DateType, Time}
	return []closure{
		{name: "all", needsBody: true, boolBody: true, gives: Bool, example: "all(lots, .remaining > 0)"},
		{name: "any", needsBody: true, boolBody: true, gives: Bool, example: "any(lots, .remaining > 0)"},
		{name: "none", needsBody: true, boolBody: true, gives: Bool, example: "none(messages, days_since(.sent_at) <= 14)"},
		{name: "one", needsBody: true, boolBody: true, gives: Bool, example: `one(purchases, .store == "Bund")`},
		{name: "filter", needsBody: true, boolBody: true, example: `filter(items, .brand == "Olay")`},
		{name: "count", boolBody: true, gives: Int, example: "count(purchases, .amount >= 100)"},
		{name: "map", needsBody: true, example: "map(purchases, .amount)"},
		{name: "sum", elements: sums, example: "sum(items, .amount)"},
		{name: "min", elements: ordered, example: "min(map(purchases, .amount))"},
		{name: "max", elements: ordered, example: "max(map(purchases, .amount))"},
		{name: "mean", elements: sums, gives: Number, example: "mean(map(purchases, .amount))"},
	}
}

// day is the calendar day of a date or a time in the evaluation's zone.
func (e *evaluation) day(x any) any {
	switch when := x.(type) {
	case Date:
		return x
	case time.Time:
		return DateOf(when, e.zone)
	}
	return nil
}

func onDay(of func(Date) int64) func(*evaluation, any) any {
	return func(e *evaluation, x any) any {
		if d, ok := e.day(x).(Date); ok {
			return of(d)
		}
		return nil
	}
}

func daysSince(e *evaluation, x any) any {
	if d, ok := e.day(x).(Date); ok {
		return int64(e.today) - int64(d)
	}
	return nil
}

func daysUntil(e *evaluation, x any) any {
	if d, ok := e.day(x).(Date); ok {
		return int64(d) - int64(e.today)
	}
	return nil
}

// elapsed is whole units from x to now, rounded down, so that what is still to come is negative.
func elapsed(unit time.Duration) func(*evaluation, any) any {
	seconds := int64(unit / time.Second)
	return func(e *evaluation, x any) any {
		if t, ok := x.(time.Time); ok {
			return floorDiv(e.at.Now.Unix()-t.Unix(), seconds)
		}
		return nil
	}
}

func hoursUntil(e *evaluation, x any) any {
	if t, ok := x.(time.Time); ok {
		return floorDiv(t.Unix()-e.at.Now.Unix(), int64(time.Hour/time.Second))
	}
	return nil
}

func ageNow(e *evaluation, x any) any {
	if birthday, ok := x.(Date); ok {
		return age(birthday, e.today)
	}
	return nil
}

func onText(of func(string) string) func(*evaluation, any) any {
	return func(_ *evaluation, x any) any {
		if s, ok := x.(string); ok {
			return of(s)
		}
		return nil
	}
}

// length counts a text's characters (code points) or a list's elements; an absent list has none.
func length(_ *evaluation, x any) any {
	switch v := x.(type) {
	case string:
		return int64(utf8.RuneCountInString(v))
	case []string:
		return int64(len(v))
	case []any:
		return int64(len(v))
	}
	return nil
}

package audience

import (
	"strconv"
	"time"

	"beckon/engine/rules"
)

const secondsPerDay = 24 * 60 * 60

// call writes a function. Those of texts are decided here and not there.
func (t *translator) call(x *rules.Expr) term {
	switch x.Name {
	case "lower", "upper", "trim":
		return t.mapped(x)
	case "avg_basket":
		return t.avgBasket(t.term(x.Args[0]), t.term(x.Args[1]))
	case "next_birthday":
		birthday := t.term(x.Args[0])
		return term{sql: t.lookup(t.birthdays(), "bigint[]", birthday), kind: rules.DateType, least: 1, most: 3e9}
	}
	v := t.term(x.Args[0])
	if v.constant && v.fixed == nil {
		return null(x.Type)
	}
	switch x.Name {
	case "hours_since":
		return elapsedSince(t.param(t.bound.Now, "bigint")+" - "+v.sql, 3600)
	case "minutes_since":
		return elapsedSince(t.param(t.bound.Now, "bigint")+" - "+v.sql, 60)
	case "hours_until":
		return elapsedSince(v.sql+" - "+t.param(t.bound.Now, "bigint"), 3600)
	}
	return t.calendar(x.Name, t.day(v))
}

// elapsedSince is a difference of seconds in whole units, rounded down. It is moved far into the positive, where division
// rounds down, and back.
func elapsedSince(difference string, unit int64) term {
	const far = 1_000_000_000_000
	by, back := strconv.FormatInt(unit, 10), strconv.FormatInt(far, 10)
	moved := strconv.FormatInt(far*unit, 10)
	return term{sql: "((" + difference + " + " + moved + ") / " + by + " - " + back + ")", kind: rules.Int, least: 1, most: 1e12}
}

// day is the calendar day of a date or a time, in the evaluation's zone. The zone's clocks are ours: PostgreSQL has a table
// of its own, of another year.
func (t *translator) day(v term) term {
	if v.kind == rules.DateType {
		return v
	}
	from, offsets := rules.Offsets(t.bound.Zone)
	sql := t.once(func(v []term) string {
		shown := v[0].sql + " + " + t.param(offsets[0], "bigint")
		if len(from) > 1 {
			shown = v[0].sql + " + (" + t.param(offsets, "bigint[]") + ")[width_bucket(" + v[0].sql + ", " + t.param(from, "bigint[]") + ")]"
		}
		return elapsedSince(shown, secondsPerDay).sql
	}, v)
	return term{sql: sql, kind: rules.DateType, least: 1, most: 3e9}
}

// date is a value of days as a date of PostgreSQL's.
func date(v term) string {
	if v.raw != "" {
		return v.raw
	}
	return "(DATE '1970-01-01' + " + v.sql + "::integer)"
}

func (t *translator) calendar(name string, d term) term {
	whole := func(sql string, most float64) term {
		return term{sql: sql, kind: rules.Int, least: 1, most: most}
	}
	today := t.param(int64(t.bound.Today), "bigint")
	switch name {
	case "date":
		return d
	case "days_since":
		return whole("("+today+" - "+d.sql+")", 6e9)
	case "days_until":
		return whole("("+d.sql+" - "+today+")", 6e9)
	case "year":
		return whole(t.year(d), 1e8)
	case "month":
		return whole("extract(month FROM "+date(d)+")::bigint", 12)
	case "day":
		return whole("extract(day FROM "+date(d)+")::bigint", 31)
	case "weekday":
		return whole("extract(isodow FROM "+date(d)+")::bigint", 7)
	case "age":
		sql := t.once(func(v []term) string {
			return "(" + t.lookup(t.ages(), "bigint[]", v[0]) + " - " + t.year(v[0]) + ")"
		}, d)
		return whole(sql, 1e8)
	}
	t.refuse("%s has no SQL form", name)
	return null(rules.Int)
}

// year counts the year before the year 1 as 0, where PostgreSQL says -1.
func (t *translator) year(d term) string {
	return t.once(func(v []term) string {
		year := "extract(year FROM " + v[0].sql + ")::bigint"
		return "(" + year + " + CASE WHEN " + v[0].sql + " < DATE '0001-01-01' THEN 1 ELSE 0 END)"
	}, term{sql: date(d), atom: d.atom})
}

// lookup is what a table has for the month and the day of a date.
func (t *translator) lookup(table any, as string, d term) string {
	return t.once(func(v []term) string {
		return "(" + t.param(table, as) + ")[(extract(month FROM " + v[0].sql + ") * 31 + extract(day FROM " + v[0].sql + "))::integer]"
	}, term{sql: date(d), atom: d.atom})
}

// calendarRows are how many entries a table by month * 31 + day has.
const calendarRows = 12*31 + 31

// anniversaries are the days of a year on which birthdays are kept, by month * 31 + day: 29 February on the 28th in common
// years. There is something, too, for days that no month has.
func anniversaries(year int) []rules.Date {
	days := make([]rules.Date, calendarRows+1)
	for month := time.January; month <= time.December; month++ {
		for day := 1; day <= 31; day++ {
			kept := rules.MakeDate(year, month, day)
			if month == time.February && day == 29 && kept.Month() != month {
				kept--
			}
			days[int(month)*31+day] = kept
		}
	}
	return days
}

// birthdays are the next birthdays from today on, by month * 31 + day, the first entry for 1.
func (t *translator) birthdays() []int64 {
	this, next := anniversaries(t.bound.Today.Year()), anniversaries(t.bound.Today.Year()+1)
	days := make([]int64, calendarRows)
	for i := range days {
		day := this[i+1]
		if day < t.bound.Today {
			day = next[i+1]
		}
		days[i] = int64(day)
	}
	return days
}

// ages are the years in which those who turn one today or have had their birthday were born, by month * 31 + day.
func (t *translator) ages() []int64 {
	this := anniversaries(t.bound.Today.Year())
	years := make([]int64, calendarRows)
	for i := range years {
		years[i] = int64(t.bound.Today.Year())
		if t.bound.Today < this[i+1] {
			years[i]--
		}
	}
	return years
}

// nextBirthdayWithin looks up whether the next birthday is in a range: there are only so many.
func (t *translator) nextBirthdayWithin(call *rules.Expr, low, high int64) condition {
	birthday := t.term(call.Args[0])
	within := make([]bool, calendarRows)
	for i, next := range t.birthdays() {
		within[i] = low <= next && next <= high
	}
	return condition{t.lookup(within, "boolean[]", birthday), no}
}

// avgBasket rounds half up, towards the greater amount.
func (t *translator) avgBasket(total, count term) term {
	sql := t.once(func(v []term) string {
		n, c := v[0].sql, v[1].sql
		rest := "(" + n + " % " + c + ")"
		return "CASE WHEN " + c + " > 0 THEN " + n + " / " + c + " + CASE WHEN " + rest + " >= 0 THEN CASE WHEN " + rest + " >= " + c + " - " + rest + " THEN 1 ELSE 0 END" +
			" WHEN " + rest + " + " + c + " >= -" + rest + " THEN 0 ELSE -1 END END"
	}, total, count)
	return term{sql: sql, kind: rules.Money, least: 1, most: intMost}
}

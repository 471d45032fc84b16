package audience

import (
	"math"
	"strconv"
	"strings"
	"time"

	"beckon/engine/rules"
)

// A term is a single value of a rule as SQL: NULL where it is missing. Ints, amounts in minor units, days since 1970-01-01
// and Unix seconds are all bigint.
type term struct {
	sql  string
	kind rules.Type
	raw  string // the date or timestamptz itself, where it is stored or can be made
	atom bool   // short, and worked out at no cost: it may stand twice
	// What is known of it: constant says that fixed is its value; a number that is not 0 has a magnitude from least to
	// most, an int one up to most; poison says that a number may be NaN.
	constant    bool
	fixed       any
	least, most float64
	poison      bool
}

// Magnitudes of bigint and of floating point.
const (
	intMost     = 9.3e18
	intSafe     = 9.2e18
	numberLeast = math.SmallestNonzeroFloat64
	numberMost  = math.MaxFloat64
)

// ranged gives a value the magnitudes of its type.
func ranged(v term) term {
	v.least, v.most = 1, intMost
	switch v.kind {
	case rules.Number:
		v.least, v.most = numberLeast, numberMost
	case rules.DateType:
		v.most = 3e9
	case rules.Time:
		v.most = 1e13
	}
	return v
}

// sqlType is PostgreSQL's type for values of a type.
func sqlType(t rules.Type) string {
	switch t {
	case rules.Bool:
		return "boolean"
	case rules.Number:
		return "double precision"
	case rules.Text:
		return "text"
	}
	return "bigint"
}

func null(t rules.Type) term {
	return ranged(term{sql: "NULL::" + sqlType(t), kind: t, atom: true, constant: true})
}

// term writes a single value.
func (t *translator) term(x *rules.Expr) term {
	if !t.visit() {
		return null(x.Type)
	}
	v := t.plainValue(x)
	if len(v.sql) > charactersMax {
		t.refuse(tooLong)
		return null(x.Type)
	}
	return v
}

func (t *translator) plainValue(x *rules.Expr) term {
	switch x.Op {
	case rules.Constant:
		return t.constant(x)
	case rules.Column:
		place, known := t.places[x.Name]
		if !known {
			t.refuse("there is no column for %s", x.Name)
			return null(x.Type)
		}
		t.needs = t.needs || strings.Contains(place.SQL, "f.")
		return t.stored(place.SQL, x.Type)
	case rules.Field:
		return t.levels[x.Level].field(t, x.Name, x.Type)
	case rules.Prop:
		return t.prop(x)
	case rules.Element:
		return t.levels[x.Level].elem
	case rules.Let:
		return t.let(x)
	case rules.Variable:
		return t.variable(x)
	case rules.Choose:
		return t.choose(x)
	case rules.Otherwise:
		a, b := t.term(x.Args[0]), t.term(x.Args[1])
		return widest(term{sql: "coalesce(" + a.sql + ", " + b.sql + ")", kind: x.Type}, a, b)
	case rules.Add, rules.Subtract, rules.Multiply, rules.Divide, rules.Rest, rules.Power:
		return t.arithmetic(x)
	case rules.Negate:
		return t.negate(t.term(x.Args[0]))
	case rules.ToNumber:
		return t.toNumber(t.term(x.Args[0]), false)
	case rules.Call:
		return t.call(x)
	case rules.Length:
		return t.length(x)
	case rules.Count, rules.Sum, rules.Min, rules.Max, rules.Mean, rules.Trues:
		return t.aggregate(x)
	}
	return term{sql: "(" + t.sure(t.cond(x)) + ")", kind: rules.Bool}
}

// constant is a parameter. Days and seconds are known as they are, too, for ranges.
func (t *translator) constant(x *rules.Expr) term {
	v := term{kind: x.Type, atom: true, constant: true, fixed: x.Value}
	switch n := x.Value.(type) {
	case nil:
		return null(x.Type)
	case int64:
		v.sql, v.most = t.param(n, "bigint"), math.Abs(float64(n))
	case float64:
		v.sql, v.most = t.param(n, "double precision"), math.Abs(n)
		v.least = v.most
		return v
	case string:
		v.sql = t.param(n, "text")
	case bool:
		v.sql = strings.ToUpper(strconv.FormatBool(n))
	case rules.Date:
		v.sql, v.fixed, v.most = t.param(int64(n), "bigint"), int64(n), math.Abs(float64(n))
	case time.Time:
		v.sql, v.fixed, v.most = t.param(n.Unix(), "bigint"), n.Unix(), math.Abs(float64(n.Unix()))
	}
	v.least = 1
	return v
}

// Seconds beyond these are missing, as the language says.
const (
	secondFirst = -210_000_000_000
	secondLast  = 9_200_000_000_000
)

// stored is a column. What the language takes for missing is NULL: numbers that are not finite, times beyond all times.
func (t *translator) stored(sql string, kind rules.Type) term {
	v := ranged(term{sql: sql, kind: kind, atom: true})
	switch kind {
	case rules.Number:
		v.raw = sql
		v.sql = "CASE WHEN " + sql + " BETWEEN '-1.7976931348623157e308' AND '1.7976931348623157e308' THEN " + sql + " END"
	case rules.DateType:
		v.raw, v.sql = sql, "("+sql+" - DATE '1970-01-01')::bigint"
	case rules.Time:
		v.raw = sql
		v.sql = "CASE WHEN " + sql + " >= " + t.second(secondFirst) + " AND " + sql + " < " + t.second(secondLast+1) + " THEN floor(extract(epoch FROM " + sql + "))::bigint END"
	}
	return v
}

// second is a parameter for a Unix second.
func (t *translator) second(unix int64) string {
	return t.param(time.Unix(unix, 0).UTC(), "timestamptz")
}

// widest gives a value that is one of some others what is known of all of them.
func widest(v term, of ...term) term {
	v.least, v.most = math.Inf(1), 0
	for _, o := range of {
		if o.constant && o.fixed == nil {
			continue
		}
		v.least, v.most, v.poison = min(v.least, o.least), max(v.most, o.most), v.poison || o.poison
	}
	return v
}

// choose takes the second branch where its condition is missing. Where the condition cannot be told, a number is poison.
func (t *translator) choose(x *rules.Expr) term {
	c, a, b := t.cond(x.Args[0]), t.term(x.Args[1]), t.term(x.Args[2])
	v := widest(term{kind: x.Type}, a, b)
	if c.null == unsure && x.Type == rules.Number {
		v.poison = true
		v.sql = "CASE " + c.sql + " WHEN TRUE THEN " + a.sql + " WHEN FALSE THEN " + b.sql + " ELSE 'NaN' END"
		v.sql = "(" + v.sql + ")::double precision"
		return v
	}
	v.sql = "CASE WHEN " + t.told(c) + " THEN " + a.sql + " ELSE " + b.sql + " END"
	return v
}

// told is a condition whose doubt is noted elsewhere: where it cannot be told it may be anything.
func (t *translator) told(c condition) string {
	if c.null == unsure {
		t.doubt("(" + c.sql + ") IS NULL")
	}
	return c.sql
}

// once lets values stand more than once in what is written of them: those that are not short are worked out before.
func (t *translator) once(write func(v []term) string, values ...term) string {
	var columns []string
	inside := make([]term, len(values))
	alias := ""
	for i, v := range values {
		inside[i] = v
		if v.atom {
			continue
		}
		if alias == "" {
			alias = t.alias("n")
		}
		name := "v" + strconv.Itoa(i+1)
		columns = append(columns, v.sql+" AS "+name)
		inside[i].sql, inside[i].atom, inside[i].raw = alias+"."+name, true, ""
	}
	if alias == "" {
		return write(inside)
	}
	before := strings.Join(columns, ", ")
	if strings.Count(before, "OFFSET 0") > nestedMax {
		t.refuse("it calculates in too many steps")
	}
	return "(SELECT " + write(inside) + " FROM (SELECT " + before + " OFFSET 0) " + alias + ")"
}

// nestedMax is how many values may be worked out before others, one within another: PostgreSQL's planner looks at each of
// them more than once, and takes seconds over a hundred.
const nestedMax = 24

// A let is a variable: worked out before and read by name, or written wherever it is used.
type let struct {
	name  term
	whole *rules.Expr
}

// let works its variable out before its body. A body that looks into histories has it written in instead: a distributed
// PostgreSQL refuses to look into tables from beside a value; so has one that is decided text by text.
func (t *translator) let(x *rules.Expr) term {
	whole := x.Args[0]
	if whole.Type == rules.List || looksAround(x.Args[1]) || whole.Type == rules.Text && needsGo(x.Args[1]) {
		t.lets[x.Slot] = &let{whole: whole}
		return t.term(x.Args[1])
	}
	v := t.term(whole)
	if v.atom {
		t.lets[x.Slot] = &let{name: v}
		return t.term(x.Args[1])
	}
	alias := t.alias("l")
	named := v
	named.sql, named.atom, named.raw = alias+".v", true, ""
	t.lets[x.Slot] = &let{name: named}
	from := " FROM (SELECT " + v.sql + " AS v OFFSET 0) " + alias + ")"
	var body term
	doubts := t.frame(func() { body = t.term(x.Args[1]) })
	for _, d := range doubts {
		t.doubt("(SELECT " + d + from)
	}
	body.sql, body.atom, body.raw = "(SELECT "+body.sql+from, false, ""
	return body
}

func (t *translator) variable(x *rules.Expr) term {
	found := t.lets[x.Slot]
	if found.whole != nil {
		return t.term(found.whole)
	}
	return found.name
}

// looksAround says that an expression walks through a list.
func looksAround(x *rules.Expr) bool {
	if x.Op == rules.History || x.Level > 0 && len(x.Args) > 0 {
		return true
	}
	for _, arg := range x.Args {
		if looksAround(arg) {
			return true
		}
	}
	return false
}

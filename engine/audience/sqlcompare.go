package audience

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"beckon/engine/rules"
)

// equal is true for two missing values, and false for one.
func (t *translator) equal(a, b term) condition {
	switch {
	case a.constant && !b.constant:
		return t.equal(b, a)
	case b.constant && b.fixed == nil && a.kind == rules.DateType && a.raw != "":
		return condition{a.raw + " IS NULL", never}
	case b.constant && b.fixed == nil:
		return t.guarded(func(v []term) condition { return condition{v[0].sql + " IS NULL", never} }, a)
	case b.constant:
		return t.compare(a, b, " = ")
	case a.kind != b.kind:
		return t.guarded(func(v []term) condition {
			same := t.mixed(v[0], v[1], " = ")
			return condition{"CASE WHEN " + v[0].sql + " IS NULL OR " + v[1].sql + " IS NULL THEN " + v[0].sql + " IS NULL AND " + v[1].sql + " IS NULL ELSE " + same.sql + " END", no}
		}, a, b)
	}
	return t.guarded(func(v []term) condition {
		return condition{v[0].sql + " IS NOT DISTINCT FROM " + v[1].sql, never}
	}, a, b)
}

// less is an order of two values, false with a missing one.
func (t *translator) less(a, b term, operator string) condition {
	if a.kind == rules.Text {
		return condition{"(" + a.sql + ` COLLATE "C")` + operator + b.sql, no}
	}
	return t.compare(a, b, operator)
}

// compare is <, <= or = of two values, false with a missing one.
func (t *translator) compare(a, b term, operator string) condition {
	if a.kind != b.kind {
		return t.mixed(a, b, operator)
	}
	if a.kind == rules.Number && a.raw != "" && b.constant && b.fixed != nil {
		return condition{"(" + a.raw + operator + b.sql + " AND " + a.raw + " >= '-1.7976931348623157e308')", no}
	}
	if a.kind == rules.Number && b.raw != "" && a.constant && a.fixed != nil {
		return condition{"(" + a.sql + operator + b.raw + " AND " + b.raw + " <= '1.7976931348623157e308')", no}
	}
	return t.guarded(func(v []term) condition { return condition{v[0].sql + operator + v[1].sql, no} }, a, b)
}

// guarded cannot tell where a number is poison.
func (t *translator) guarded(write func(v []term) condition, values ...term) condition {
	isPoison := false
	for _, v := range values {
		isPoison = isPoison || v.poison
	}
	if !isPoison {
		return write(values)
	}
	sql := t.once(func(v []term) string {
		var poisons []string
		for _, one := range v {
			if one.poison {
				poisons = append(poisons, one.sql+" = 'NaN'")
			}
		}
		c := write(v)
		return "CASE WHEN " + strings.Join(poisons, " OR ") + " THEN NULL ELSE (" + c.sql + ") IS TRUE END"
	}, values...)
	return condition{sql, unsure}
}

const exactMost = 1 << 53 // whole numbers up to here are exact in floating point

// mixed compares an int, or an amount of money, with a number.
func (t *translator) mixed(a, b term, operator string) condition {
	whole, number, side := a, b, operator
	if a.kind == rules.Number {
		whole, number = b, a
		side = map[string]string{" < ": " > ", " <= ": " >= ", " = ": " = "}[operator]
	}
	if number.kind != rules.Number || number.constant && number.fixed == nil || whole.constant && whole.fixed == nil {
		return condition{sql: "FALSE"}
	}
	if number.constant {
		return t.wholeWithConstant(whole, number.fixed.(float64), strings.TrimSpace(side))
	}
	if whole.kind == rules.Money {
		unit := t.param(new(big.Rat).SetFrac64(1, t.bound.Scale).FloatString(6), "numeric")
		return t.guarded(func(v []term) condition {
			return condition{v[0].sql + "::numeric * " + unit + side + v[1].sql + "::text::numeric", no}
		}, whole, number)
	}
	if whole.most <= exactMost {
		float := t.toNumber(whole, false)
		if a.kind == rules.Number {
			return t.compare(a, float, operator)
		}
		return t.compare(float, b, operator)
	}
	return t.guarded(func(v []term) condition {
		sql := t.once(func(v []term) string {
			i, n := v[0].sql, v[1].sql
			return "CASE WHEN abs(" + n + ") < 9007199254740992 THEN " + i + "::double precision" + side + n +
				" WHEN " + n + " >= -9223372036854775808 AND " + n + " < 9223372036854775808 THEN " + i + side + n + "::bigint" +
				" ELSE " + i + " IS NOT NULL AND 0" + side + n + " END"
		}, v...)
		return condition{sql, no}
	}, whole, number)
}

// wholeWithConstant makes a comparison with a number a range of whole numbers. Money is compared with the decimal that
// was typed, ints with the exact value.
func (t *translator) wholeWithConstant(whole term, n float64, side string) condition {
	exact := new(big.Rat)
	if whole.kind == rules.Money {
		exact.SetString(strconv.FormatFloat(n, 'e', -1, 64))
		exact.Mul(exact, new(big.Rat).SetInt64(t.bound.Scale))
	} else {
		exact.SetFloat64(n)
	}
	floor := new(big.Int).Div(exact.Num(), exact.Denom()) // the denominator is positive: Euclid's division rounds down
	above := new(big.Int).Add(floor, big.NewInt(1))
	below := floor
	if exact.IsInt() {
		below = new(big.Int).Sub(floor, big.NewInt(1))
	}
	low, high := big.NewInt(math.MinInt64), big.NewInt(math.MaxInt64)
	least, most := new(big.Int).Set(low), new(big.Int).Set(high)
	switch side {
	case "=":
		low, high = floor, floor
		if !exact.IsInt() {
			high = below
			low = above
		}
	case "<":
		high = below
	case "<=":
		high = floor
	case ">":
		low = above
	case ">=":
		low = new(big.Int).Add(below, big.NewInt(1))
	}
	if low.Cmp(high) > 0 || low.Cmp(most) > 0 || high.Cmp(least) < 0 {
		return condition{sql: "FALSE"}
	}
	return t.between(whole, clamp(low), clamp(high))
}

func clamp(n *big.Int) int64 {
	switch {
	case n.IsInt64():
		return n.Int64()
	case n.Sign() < 0:
		return math.MinInt64
	}
	return math.MaxInt64
}

// between is a range of whole numbers; an end that nothing is beyond is left out.
func (t *translator) between(v term, low, high int64) condition {
	from, to := t.param(low, "bigint"), t.param(high, "bigint")
	switch {
	case low == math.MinInt64 && high == math.MaxInt64:
		return condition{v.sql + " IS NOT NULL", never}
	case low == high:
		return condition{v.sql + " = " + from, no}
	case low == math.MinInt64:
		return condition{v.sql + " <= " + to, no}
	case high == math.MaxInt64:
		return condition{v.sql + " >= " + from, no}
	}
	return condition{t.once(func(v []term) string { return v[0].sql + " BETWEEN " + from + " AND " + to }, v), no}
}

// within is a range of an int, an amount, days or seconds, of the stored date or time itself where it is one.
func (t *translator) within(x *rules.Expr) condition {
	of := x.Args[0]
	if of.Op == rules.Call && of.Name == "next_birthday" {
		return t.nextBirthdayWithin(of, x.Low, x.High)
	}
	v := t.term(of)
	switch {
	case v.kind == rules.Time && v.raw != "":
		low, high := max(x.Low, secondFirst), min(x.High, secondLast)
		if low > high {
			return condition{sql: "FALSE"}
		}
		return condition{v.raw + " >= " + t.second(low) + " AND " + v.raw + " < " + t.second(high+1), no}
	case v.kind == rules.Time:
		return t.between(v, open(x.Low, secondFirst, math.MinInt64), open(x.High, secondLast, math.MaxInt64))
	case v.kind == rules.DateType && v.raw != "":
		return t.dates(v.raw, x.Low, x.High)
	case v.kind == rules.DateType:
		return t.between(v, open(x.Low, math.MinInt32, math.MinInt64), open(x.High, math.MaxInt32, math.MaxInt64))
	}
	return t.between(v, x.Low, x.High)
}

// open is a range's end, or the very end where the type itself ends there.
func open(n, end, beyond int64) int64 {
	if n == end {
		return beyond
	}
	return n
}

// Days beyond these no date of PostgreSQL's can be.
const (
	dayFirst = -2_440_588
	dayLast  = 2_145_042_905
)

func (t *translator) dates(raw string, low, high int64) condition {
	day := func(n int64) string { return "DATE '1970-01-01' + " + t.param(n, "integer") }
	switch {
	case low > dayLast || high < dayFirst:
		return condition{sql: "FALSE"}
	case low <= dayFirst && high >= dayLast:
		return condition{raw + " IS NOT NULL", never}
	case low <= dayFirst:
		return condition{raw + " <= " + day(high), no}
	case high >= dayLast:
		return condition{raw + " >= " + day(low), no}
	case low == high:
		return condition{raw + " = " + day(low), no}
	}
	return condition{raw + " BETWEEN " + day(low) + " AND " + day(high), no}
}

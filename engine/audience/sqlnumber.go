package audience

import (
	"math/big"

	"beckon/engine/rules"
)

const bigints = " BETWEEN -9223372036854775808 AND 9223372036854775807"

func (t *translator) arithmetic(x *rules.Expr) term {
	a, b := t.term(x.Args[0]), t.term(x.Args[1])
	sign := map[rules.Op]string{rules.Add: " + ", rules.Subtract: " - ", rules.Multiply: " * ", rules.Divide: " / "}[x.Op]
	switch {
	case x.Op == rules.Power:
		t.refuse("** is not the same in PostgreSQL")
		return null(x.Type)
	case x.Op == rules.Rest:
		return term{sql: "(" + a.sql + " % nullif(" + b.sql + ", 0))", kind: x.Type, least: 1, most: min(a.most, b.most)}
	case x.Type != rules.Number:
		return t.wholes(x, a, b, sign)
	}
	isRatio := x.Op == rules.Divide && a.kind == rules.Money && b.kind == rules.Money
	return t.numbers(t.toNumber(a, !isRatio), t.toNumber(b, !isRatio), x.Op, sign)
}

// wholes is exact; what overflows is missing.
func (t *translator) wholes(x *rules.Expr, a, b term, sign string) term {
	v := term{kind: x.Type, least: 1, most: a.most + b.most}
	if x.Op == rules.Multiply {
		v.most = a.most * b.most
	}
	v.sql = "(" + a.sql + sign + b.sql + ")"
	if v.most < intSafe {
		return v
	}
	v.most = intMost
	exact := term{sql: "(" + a.sql + "::numeric" + sign + b.sql + ")", atom: a.atom && b.atom}
	v.sql = t.once(func(v []term) string {
		return "CASE WHEN " + v[0].sql + bigints + " THEN " + v[0].sql + "::bigint END"
	}, exact)
	return v
}

// toNumber is an int as a number; money in major units, or in minor ones.
func (t *translator) toNumber(v term, major bool) term {
	out := v
	out.kind, out.raw = rules.Number, ""
	isMoney := v.kind == rules.Money && major
	switch {
	case v.kind == rules.Number:
		return v
	case v.constant && v.fixed == nil:
		return null(rules.Number)
	case v.constant:
		n := float64(v.fixed.(int64))
		if isMoney {
			n /= float64(t.bound.Scale)
		}
		return t.constant(&rules.Expr{Type: rules.Number, Value: n})
	}
	out.sql = v.sql + "::double precision"
	if isMoney {
		out.sql = "(" + out.sql + " / " + t.param(float64(t.bound.Scale), "double precision") + ")"
		out.least, out.most = v.least/float64(t.bound.Scale), v.most/float64(t.bound.Scale)
	}
	return out
}

func (t *translator) negate(v term) term {
	out := v
	out.constant, out.fixed, out.raw, out.atom = false, nil, "", v.atom
	out.sql = "(-" + v.sql + ")"
	if v.kind != rules.Number && v.most >= intSafe {
		out.sql = "(-nullif(" + v.sql + ", -9223372036854775808))"
	}
	return out
}

// Magnitudes within which PostgreSQL calculates without stopping at an overflow or an underflow.
const (
	sumSafe                 = 1e300
	leastSafe, mostSafe     = 1e-300, 1e300
	factorLeast, factorMost = 1e-150, 1e150
	sumSafeText             = "1e300"
	factorRangeText         = " BETWEEN 1e-150 AND 1e150"
	lostBits                = 1e-17 // a difference is a multiple of the last bit of the lesser number
)

// numbers calculates in floating point, with operands that are safe. Others make it poison.
func (t *translator) numbers(a, b term, op rules.Op, sign string) term {
	v := term{kind: rules.Number, poison: a.poison || b.poison}
	var unsafe func(v term) string
	switch op {
	case rules.Add, rules.Subtract:
		v.least, v.most = min(a.least, b.least)*lostBits, a.most+b.most
		if v.most > mostSafe {
			unsafe = func(v term) string { return "abs(" + v.sql + ") < " + sumSafeText }
			v.least, v.most = numberLeast, 2*sumSafe
		}
	default:
		v.least, v.most = product(a, b, op)
		if v.least < leastSafe || v.most > mostSafe {
			unsafe = func(v term) string { return "(" + v.sql + " = 0 OR abs(" + v.sql + ")" + factorRangeText + ")" }
			v.least, v.most = leastSafe, mostSafe
		}
	}
	do := func(a, b term) string {
		if op == rules.Divide {
			return "(" + a.sql + " / nullif(" + b.sql + ", 0))"
		}
		return "(" + a.sql + sign + b.sql + ")"
	}
	if unsafe == nil {
		v.sql = do(a, b)
		return v
	}
	v.poison = true
	v.sql = t.once(func(v []term) string {
		known := v[0].sql + " IS NOT NULL AND " + v[1].sql + " IS NOT NULL"
		if op == rules.Divide {
			known += " AND " + v[1].sql + " <> 0"
		}
		return "CASE WHEN " + unsafe(v[0]) + " AND " + unsafe(v[1]) + " THEN " + do(v[0], v[1]) + " WHEN " + known + " THEN 'NaN'::double precision END"
	}, a, b)
	return v
}

// product is between which magnitudes a product or a quotient is.
func product(a, b term, op rules.Op) (least, most float64) {
	if op == rules.Divide {
		return a.least / b.most, a.most / b.least
	}
	return a.least * b.least, a.most * b.most
}

// prop is a property of an event: missing where its JSON is of another type.
func (t *translator) prop(x *rules.Expr) term {
	props := t.levels[x.Level].props
	if props == "" {
		return null(x.Type)
	}
	name := t.param(x.Name, "text")
	json := "(" + props + " -> " + name + ")"
	is := func(kind string) string { return "CASE WHEN jsonb_typeof" + json + " = '" + kind + "' THEN " }
	v := ranged(term{kind: x.Type})
	switch x.Type {
	case rules.Bool:
		v.sql = is("boolean") + json + "::boolean END"
	case rules.Text:
		v.sql = is("string") + props + " ->> " + name + " END"
	case rules.Number:
		v.sql = t.jsonNumber(is("number") + json + "::numeric END")
	case rules.Int:
		number := term{sql: is("number") + json + "::numeric END"}
		v.sql = t.once(func(v []term) string {
			n := v[0].sql
			return "CASE WHEN " + n + " >= -9223372036854775808 AND " + n + " <= 9223372036854775807 AND " + n + " = trunc(" + n + ") THEN " + n + "::bigint END"
		}, number)
	default:
		t.refuse("a property that is a %s has no SQL form", x.Type)
		return null(x.Type)
	}
	return v
}

// jsonNumber reads a decimal as encoding/json does: as the nearest number, missing where that would be infinite. The ends
// are halfway from the greatest number to the next that there would be, and from 0 to the least; PostgreSQL stops there.
func (t *translator) jsonNumber(decimal string) string {
	overflow := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 1024), new(big.Int).Lsh(big.NewInt(1), 970))
	const halves = 1075
	underflow := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Lsh(big.NewInt(1), halves))
	most, least := t.param(overflow.String(), "numeric"), t.param(underflow.FloatString(halves), "numeric")
	return t.once(func(v []term) string {
		n := v[0].sql
		return "CASE WHEN abs(" + n + ") >= " + most + " THEN NULL WHEN abs(" + n + ") <= " + least + " THEN 0 ELSE " + n + "::double precision END"
	}, term{sql: decimal})
}

package audience

import (
	"strings"

	"beckon/engine/rules"
)

// rowsMost is more than the rows that one customer can have.
const rowsMost = 1e8

// aggregate is a value of all elements of a list; missing elements are skipped, as SQL does.
func (t *translator) aggregate(x *rules.Expr) term {
	over := t.relation(x.Args[0])
	if x.Op == rules.Count {
		return t.count(x, over)
	}
	over = over.gathered(t, over.elem.sql)
	v := term{kind: x.Type, least: 1, most: intMost}
	e := over.elem
	switch x.Op {
	case rules.Trues:
		over.where = append(over.where, e.sql)
		v.sql, v.most = t.perCustomer(over, "count(*)", "0"), rowsMost
	case rules.Min, rules.Max:
		return t.extreme(over, strings.ToLower(x.Op.String()), x.Type)
	case rules.Sum:
		if e.kind == rules.Number {
			return t.sumOfNumbers(over)
		}
		sum := "coalesce(sum(" + e.sql + "), 0)"
		v.sql = t.perCustomer(over, "CASE WHEN "+sum+bigints+" THEN "+sum+"::bigint END", "0")
	case rules.Mean:
		return t.mean(over)
	}
	return v
}

// count notes a doubt where the condition of one of the elements cannot be told.
func (t *translator) count(x *rules.Expr, over *relation) term {
	c := t.body(x, over)
	if c.null == unsure {
		t.doubt("EXISTS (" + over.sel("1", "("+c.sql+") IS NULL") + ")")
	}
	counted := *over
	counted.where = append(append([]string{}, over.where...), c.sql)
	return term{sql: t.perCustomer(&counted, "count(*)", "0"), kind: rules.Int, least: 1, most: rowsMost}
}

// extreme is the least or the greatest element. NaN, the poison, is the greatest number to PostgreSQL.
func (t *translator) extreme(over *relation, name string, kind rules.Type) term {
	e := over.elem
	sql := name + "(" + e.sql + ")"
	if e.poison && name == "min" {
		sql = "CASE WHEN bool_or(" + e.sql + " = 'NaN') THEN 'NaN' ELSE " + sql + " END"
	}
	v := widest(term{kind: kind}, e)
	v.sql = t.perCustomer(over, sql, "")
	return v
}

// sumOfNumbers adds in the order of the list. Elements of which a hundred million could overflow are poison.
func (t *translator) sumOfNumbers(over *relation) term {
	v := term{kind: rules.Number, least: numberLeast, poison: over.elem.poison}
	v.most = over.elem.most * rowsMost
	v.sql = t.perCustomer(over, "coalesce("+t.orderedSum(over, &v)+", 0)", "0")
	return v
}

// orderedSum is the sum, NULL for no elements; it says in v what is known of it.
func (t *translator) orderedSum(over *relation, v *term) string {
	element := over.elem.sql
	if v.most > mostSafe {
		element = t.once(func(v []term) string {
			return "CASE WHEN abs(" + v[0].sql + ") < 1e290 THEN " + v[0].sql + " WHEN " + v[0].sql + " IS NOT NULL THEN 'NaN'::double precision END"
		}, over.elem)
		v.most, v.poison = mostSafe, true
	}
	return "sum(" + element + " ORDER BY " + strings.Join(over.order, ", ") + ")"
}

// mean is a number, of money in major units.
func (t *translator) mean(over *relation) term {
	e := over.elem
	v := term{kind: rules.Number, least: numberLeast, most: e.most, poison: e.poison}
	if e.kind != rules.Number {
		sum := "sum(" + e.sql + ")"
		whole := term{sql: "CASE WHEN " + sum + bigints + " THEN " + sum + "::bigint END", kind: e.kind, least: 1, most: intMost}
		major := t.toNumber(whole, true)
		v.least, v.most = major.least/rowsMost, major.most
		v.sql = t.perCustomer(over, major.sql+" / nullif(count("+e.sql+"), 0)", "")
		return v
	}
	v.most = e.most * rowsMost
	sum := t.orderedSum(over, &v)
	count := "count(" + e.sql + ")"
	v.poison = true
	v.sql = t.perCustomer(over, "CASE WHEN "+sum+" = 0 OR abs("+sum+") > 1e-290 THEN "+sum+" / "+count+" WHEN "+sum+" IS NOT NULL THEN 'NaN'::double precision END", "")
	return v
}

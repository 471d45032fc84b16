package audience

import (
	"strconv"
	"strings"
	"time"

	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// A relation is a list as rows of SQL: the rows of a history or single values.
type relation struct {
	from   string   // what stands behind FROM
	where  []string // NULL is false
	order  []string
	elem   term // of single values
	alias  string
	fields map[string]string // of rows: name → type as in store.Place
	props  string            // of events
	// Of a history's rows: the customer's number, and the condition that joins it.
	no, joined string
	// Where the elements are stored, to read their distinct texts.
	history, column string
}

// field is a field of a row; one that is not kept is missing.
func (r *relation) field(t *translator, name string, kind rules.Type) term {
	if r.fields[name] == "" {
		return null(kind)
	}
	return t.stored(r.alias+"."+name, kind)
}

// sel is a SELECT of an expression over the rows, with further conditions.
func (r *relation) sel(expression string, conditions ...string) string {
	all := append(append([]string{}, r.where...), conditions...)
	sql := "SELECT " + expression + " FROM " + r.from
	if len(all) > 0 {
		sql += " WHERE (" + strings.Join(all, ") AND (") + ")"
	}
	return sql
}

// gathered are the rows as a relation of an expression, v, and of what orders them. An aggregate has to stand over such a
// relation: one over nothing but what comes from around it would belong there.
func (r *relation) gathered(t *translator, expression string) *relation {
	alias := t.alias("g")
	columns := []string{expression + " AS v"}
	out := &relation{elem: r.elem, joined: r.joined}
	if r.no != "" {
		columns, out.no = append(columns, r.no), alias+".no"
	}
	for i, by := range r.order {
		key := "k" + strconv.Itoa(i+1)
		columns, out.order = append(columns, by+" AS "+key), append(out.order, alias+"."+key)
	}
	out.from = "(" + r.sel(strings.Join(columns, ", ")) + ") " + alias
	out.elem.sql, out.elem.atom, out.elem.raw = alias+".v", true, ""
	return out
}

// relation writes a list as rows. A missing list has none.
func (t *translator) relation(x *rules.Expr) *relation {
	if !t.visit() {
		return &relation{from: "customers", elem: null(x.Elem)}
	}
	x = t.resolved(x)
	switch x.Op {
	case rules.History:
		return t.history(x.Name)
	case rules.Filter:
		return t.filter(x)
	case rules.Map:
		over := t.relation(x.Args[0])
		out := *over
		out.fields, out.props, out.history, out.column = nil, "", "", ""
		doubts := t.inside(x.Level, over, func() { out.elem = t.term(x.Args[1]) })
		if len(doubts) > 0 {
			t.doubt("EXISTS (" + over.sel("1", strings.Join(doubts, " OR ")) + ")")
		}
		return &out
	}
	if x.Elem == rules.Row {
		if x.Op == rules.Otherwise { // rows are never missing
			return t.relation(x.Args[0])
		}
		t.refuse("a choice between lists of rows has no SQL form")
		return &relation{from: "customers"}
	}
	list, alias := t.array(x, x.Elem), t.alias("e")
	out := &relation{from: "unnest(" + list.sql + ") WITH ORDINALITY AS " + alias + "(v, k1)", order: []string{alias + ".k1"}}
	out.elem = list
	out.elem.sql, out.elem.kind, out.elem.atom, out.elem.raw = alias+".v", x.Elem, true, ""
	if x.Op == rules.Column {
		out.column = x.Name
	}
	return out
}

// resolved looks through variables that stand for lists.
func (t *translator) resolved(x *rules.Expr) *rules.Expr {
	for {
		switch {
		case x.Op == rules.Variable && t.lets[x.Slot].whole != nil:
			x = t.lets[x.Slot].whole
		case x.Op == rules.Let && x.Type == rules.List:
			t.declare(x)
			x = x.Args[1]
		default:
			return x
		}
	}
}

// declare makes the variable of a let around a list known.
func (t *translator) declare(x *rules.Expr) {
	t.lets[x.Slot] = &let{whole: x.Args[0]}
}

// nestedClosuresMax is how many closures of a rule may stand in another one.
const nestedClosuresMax = 2

// inside runs what writes about the elements of a list.
//
// Why not three deep: PostgreSQL would look at each row of the innermost again for each of all the others, for as long as
// a request may take, where the reference counts its steps. For the same reason only nestedClosuresMax stand in another.
func (t *translator) inside(level int, over *relation, do func()) []string {
	if t.depth >= closuresMax {
		t.refuse("closures more than %d deep have no SQL form", closuresMax)
	}
	if t.depth > 0 {
		t.nested++
	}
	if t.nested > nestedClosuresMax {
		t.refuse("more than %d closures in others have no SQL form", nestedClosuresMax)
	}
	around := t.levels[level]
	t.levels[level] = over
	t.depth++
	doubts := t.frame(do)
	t.depth--
	t.levels[level] = around
	return doubts
}

// history is a history's rows up to now, joined by no.
func (t *translator) history(name string) *relation {
	place, known := store.HistoryPlaceOf(name)
	if !known {
		t.refuse("there is no history %s", name)
	}
	alias := t.alias("h")
	now := time.Unix(t.bound.Now, 999_999_000).UTC() // stored times have fractions of a second, which do not count
	sel := place.Select
	if strings.Contains(sel, store.NowMark) {
		sel = strings.ReplaceAll(sel, store.NowMark, t.param(now, "timestamptz"))
	}
	r := &relation{from: "(" + sel + ") " + alias, where: []string{alias + ".no = c.no"}, no: alias + ".no", joined: alias + ".no = c.no", alias: alias, fields: place.Fields, history: name}
	for _, key := range place.Order {
		r.order = append(r.order, alias+"."+key)
	}
	if place.Fields["props"] != "" {
		r.props = alias + ".props"
	}
	if field := seenAt(name); place.Fields[field] != "" {
		at := alias + "." + field
		r.where = append(r.where, "("+at+" >= "+t.second(t.bound.Now+1)+" AND "+at+" < "+t.second(secondLast+1)+") IS NOT TRUE")
	}
	return r
}

// seenAt is the field since when a row of a history is seen.
func seenAt(history string) string {
	switch history {
	case "messages":
		return "sent_at"
	case "coupons":
		return "issued_at"
	case "lots":
		return ""
	}
	return "at"
}

// filter keeps the rows where a condition is true.
func (t *translator) filter(x *rules.Expr) *relation {
	over := t.relation(x.Args[0])
	c := t.body(x, over)
	if c.null == unsure {
		t.doubt("EXISTS (" + over.sel("1", "("+c.sql+") IS NULL") + ")")
	}
	out := *over
	out.where = append(append([]string{}, over.where...), c.sql)
	return &out
}

// body is the condition of a closure.
func (t *translator) body(x *rules.Expr, over *relation) condition {
	var c condition
	t.inside(x.Level, over, func() { c = t.cond(x.Args[1]) })
	return c
}

// any says whether a condition is true for an element.
func (t *translator) any(x *rules.Expr) condition {
	over := t.relation(x.Args[0])
	return t.exists(over, t.body(x, over))
}

func (t *translator) exists(over *relation, c condition) condition {
	if c.null != unsure {
		if c.sql == "TRUE" {
			return condition{"EXISTS (" + over.sel("1") + ")", never}
		}
		return condition{"EXISTS (" + over.sel("1", c.sql) + ")", never}
	}
	all := over.gathered(t, c.sql)
	v := all.elem.sql
	return condition{"(" + all.sel("CASE WHEN bool_or("+v+") THEN TRUE WHEN bool_or("+v+" IS NULL) THEN NULL ELSE FALSE END") + ")", unsure}
}

// in looks a value up in a list; nothing that is missing is in one.
func (t *translator) in(x *rules.Expr) condition {
	of, list := t.term(x.Args[0]), t.resolved(x.Args[1])
	if isNumeric(of.kind) && list.Elem != of.kind && !(list.Op == rules.Items && len(list.Args) == 0) {
		t.refuse("a %s in a list of %s has no SQL form", of.kind, list.Elem)
	}
	switch {
	case of.constant && of.fixed == nil:
		return condition{sql: "FALSE"}
	case list.Op == rules.Column:
		return condition{of.sql + " = ANY (" + t.array(list, of.kind).sql + ")", no}
	case list.Op != rules.Items:
		over := t.relation(list)
		return t.exists(over, t.compare(over.elem, of, " = "))
	}
	var fixed, others []*rules.Expr
	for _, arg := range list.Args {
		if arg.Op == rules.Constant && arg.Value != nil {
			fixed = append(fixed, arg)
		} else if arg.Op != rules.Constant {
			others = append(others, arg)
		}
	}
	return t.guarded(func(v []term) condition {
		parts, null := []condition{{sql: "FALSE"}}, never
		if len(fixed) > 0 {
			parts[0] = condition{v[0].sql + " = ANY (" + t.constants(fixed, of.kind) + ")", no}
		}
		for _, arg := range others {
			parts = append(parts, t.compare(v[0], t.term(arg), " = "))
		}
		for _, part := range parts {
			null = max(null, part.null)
		}
		return condition{join(parts, " OR ", null), null}
	}, of)
}

func isNumeric(t rules.Type) bool {
	return t == rules.Int || t == rules.Number || t == rules.Money
}

// constants are the parameter of a list of values that are written out.
func (t *translator) constants(items []*rules.Expr, kind rules.Type) string {
	var texts []string
	var numbers []float64
	var bools []bool
	var wholes []int64
	for _, item := range items {
		switch n := item.Value.(type) {
		case string:
			texts = append(texts, n)
		case float64:
			numbers = append(numbers, n)
		case bool:
			bools = append(bools, n)
		case int64:
			wholes = append(wholes, n)
		case rules.Date:
			wholes = append(wholes, int64(n))
		case time.Time:
			wholes = append(wholes, n.Unix())
		}
	}
	var list any = wholes
	switch kind {
	case rules.Text:
		list = texts
	case rules.Number:
		list = numbers
	case rules.Bool:
		list = bools
	}
	return t.param(list, sqlType(kind)+"[]")
}

// array writes a list of single values as an array, NULL where it is missing.
func (t *translator) array(x *rules.Expr, elem rules.Type) term {
	x = t.resolved(x)
	out := ranged(term{kind: elem, sql: "NULL::" + sqlType(elem) + "[]"})
	if !t.visit() {
		return out
	}
	switch x.Op {
	case rules.Constant:
	case rules.Column:
		place, known := t.places[x.Name]
		if !known {
			t.refuse("there is no column for %s", x.Name)
		}
		out.sql = place.SQL
	case rules.Items:
		values := make([]term, len(x.Args))
		texts := make([]string, len(x.Args))
		for i, arg := range x.Args {
			values[i] = t.term(arg)
			texts[i] = values[i].sql
		}
		out.sql = "ARRAY[" + strings.Join(texts, ", ") + "]::" + sqlType(elem) + "[]"
		if len(values) > 0 {
			out = widest(out, values...)
		}
	case rules.Choose:
		a, b := t.array(x.Args[1], elem), t.array(x.Args[2], elem)
		out = widest(out, a, b)
		out.sql = "CASE WHEN " + t.told(t.cond(x.Args[0])) + " THEN " + a.sql + " ELSE " + b.sql + " END"
	case rules.Otherwise:
		a, b := t.array(x.Args[0], elem), t.array(x.Args[1], elem)
		out = widest(out, a, b)
		out.sql = "coalesce(" + a.sql + ", " + b.sql + ")"
	default:
		if x.Op != rules.Filter && x.Op != rules.Map {
			t.refuse("a %s that is a list has no SQL form", x.Op)
			return out
		}
		over := t.relation(x)
		out = widest(out, over.elem)
		out.sql = "ARRAY(" + over.sel(over.elem.sql) + " ORDER BY " + strings.Join(over.order, ", ") + ")"
	}
	return out
}

// equalLists compares element by element, as for single values.
func (t *translator) equalLists(a, b *rules.Expr) condition {
	a, b = t.resolved(a), t.resolved(b)
	isOpen := func(x *rules.Expr) bool {
		return x.Op == rules.Constant || x.Op == rules.Items && len(x.Args) == 0
	}
	elem := a.Elem
	if isOpen(a) {
		elem = b.Elem
	}
	if a.Elem == rules.Row || b.Elem == rules.Row || a.Elem != b.Elem && !isOpen(a) && !isOpen(b) {
		t.refuse("lists of %s and of %s cannot be compared in SQL", a.Elem, b.Elem)
		return condition{sql: "FALSE"}
	}
	left, right := t.array(a, elem), t.array(b, elem)
	for _, list := range []term{left, right} {
		if list.poison {
			t.doubt("('NaN' = ANY (" + list.sql + ")) IS TRUE")
		}
	}
	return condition{left.sql + " IS NOT DISTINCT FROM " + right.sql, never}
}

// length counts a text's characters or a list's elements.
func (t *translator) length(x *rules.Expr) term {
	of := x.Args[0]
	if of.Type != rules.List {
		return term{sql: "char_length(" + t.term(of).sql + ")::bigint", kind: rules.Int, least: 1, most: 2e9}
	}
	of = t.resolved(of)
	for of.Op == rules.Map {
		of = t.resolved(of.Args[0])
	}
	switch of.Op {
	case rules.Items:
		return term{sql: strconv.Itoa(len(of.Args)) + "::bigint", kind: rules.Int, atom: true, least: 1, most: float64(len(of.Args))}
	case rules.Column:
		return term{sql: "coalesce(cardinality(" + t.array(of, of.Elem).sql + "), 0)::bigint", kind: rules.Int, least: 1, most: 2e9}
	}
	return term{sql: t.perCustomer(t.relation(of), "count(*)", "0"), kind: rules.Int, least: 1, most: 2e9}
}

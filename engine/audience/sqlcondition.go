package audience

import (
	"strings"

	"beckon/engine/rules"
)

// A condition is SQL of type boolean, and what it means when that is NULL.
type condition struct {
	sql  string
	null nullness
}

// nullness is what NULL means in a condition.
type nullness uint8

const (
	never  nullness = iota // it is never NULL
	no                     // false: a comparison with what is missing
	unsure                 // it cannot be told
)

// sure is a condition that is never NULL; where it cannot be told, that is noted as a doubt.
func (t *translator) sure(c condition) string {
	if c.null == never {
		return c.sql
	}
	t.told(c)
	return "(" + c.sql + ") IS TRUE"
}

// cond writes a condition.
func (t *translator) cond(x *rules.Expr) condition {
	if !t.visit() {
		return condition{sql: "FALSE"}
	}
	var c condition
	doubts := t.frame(func() { c = t.plainCond(x) })
	if len(doubts) > 0 {
		if c.null == no {
			c.sql = "(" + c.sql + ") IS TRUE"
		}
		c = condition{"CASE WHEN NOT (" + strings.Join(doubts, " OR ") + ") THEN " + c.sql + " END", unsure}
	}
	if len(c.sql) > charactersMax {
		t.refuse(tooLong)
		return condition{sql: "FALSE"}
	}
	return c
}

func (t *translator) plainCond(x *rules.Expr) condition {
	if needsGo(x) {
		if input, single := t.input(x); single {
			if c, can := t.decided(x, input); can {
				return c
			}
		}
	}
	switch x.Op {
	case rules.Constant:
		if x.Value == true {
			return condition{sql: "TRUE"}
		}
		return condition{sql: "FALSE"}
	case rules.Not:
		return not(t.cond(x.Args[0]))
	case rules.And, rules.Or:
		return t.joined(x)
	case rules.Truth:
		return condition{t.term(x.Args[0]).sql, no}
	case rules.Let: // of a place among all customers
		return condition{t.term(x).sql, no}
	case rules.Equal:
		if x.Args[0].Type == rules.List {
			return t.equalLists(x.Args[0], x.Args[1])
		}
		return t.equal(t.term(x.Args[0]), t.term(x.Args[1]))
	case rules.Less:
		return t.less(t.term(x.Args[0]), t.term(x.Args[1]), " < ")
	case rules.LessEqual:
		return t.less(t.term(x.Args[0]), t.term(x.Args[1]), " <= ")
	case rules.Within:
		return t.within(x)
	case rules.Between:
		a, low, high := t.term(x.Args[0]), t.term(x.Args[1]), t.term(x.Args[2])
		return condition{a.sql + " BETWEEN " + low.sql + " AND " + high.sql, no}
	case rules.In:
		return t.in(x)
	case rules.Contains, rules.StartsWith, rules.EndsWith:
		return t.textual(x)
	case rules.Any:
		return t.any(x)
	case rules.Matches:
		if spread := t.spread(x); spread.Op != rules.Matches {
			return t.plainCond(spread)
		}
		t.refuse("matches of anything but a stored text has no SQL form")
		return condition{sql: "FALSE"}
	}
	t.refuse("%s has no SQL form", x.Op)
	return condition{sql: "FALSE"}
}

func not(c condition) condition {
	switch {
	case c.sql == "TRUE":
		return condition{sql: "FALSE"}
	case c.sql == "FALSE":
		return condition{sql: "TRUE"}
	case c.null == no:
		return condition{"(" + c.sql + ") IS NOT TRUE", never}
	}
	return condition{"NOT (" + c.sql + ")", c.null}
}

// joined is And or Or. NULL can only mean one thing in it.
func (t *translator) joined(x *rules.Expr) condition {
	parts := make([]condition, len(x.Args))
	out := condition{}
	for i, arg := range x.Args {
		parts[i] = t.cond(arg)
		out.null = max(out.null, parts[i].null)
	}
	operator := " AND "
	if x.Op == rules.Or {
		operator = " OR "
	}
	out.sql = join(parts, operator, out.null)
	return out
}

func join(parts []condition, operator string, null nullness) string {
	texts := make([]string, len(parts))
	for i, part := range parts {
		texts[i] = "(" + part.sql + ")"
		if part.null == no && null == unsure {
			texts[i] += " IS TRUE"
		}
	}
	switch len(parts) {
	case 0:
		return ""
	case 1:
		return parts[0].sql
	}
	return strings.Join(texts, operator)
}

// textual compares texts by their bytes.
func (t *translator) textual(x *rules.Expr) condition {
	a, b := t.term(x.Args[0]), t.term(x.Args[1])
	switch x.Op {
	case rules.Contains:
		return condition{"strpos(" + a.sql + ", " + b.sql + ") > 0", no}
	case rules.StartsWith:
		return condition{"starts_with(" + a.sql + ", " + b.sql + ")", no}
	}
	return condition{t.once(func(v []term) string {
		return "right(" + a.sql + ", char_length(" + v[0].sql + ")) = " + v[0].sql
	}, b), no}
}

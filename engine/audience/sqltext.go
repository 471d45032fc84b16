package audience

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"beckon/engine/rules"
)

// Some functions of texts are never PostgreSQL's, whose answer depends on the database's locale. They are worked out here
// for the distinct texts of the one stored column that they are about, and what comes out is a parameter.

// needsGo says that a tree has such a function.
func needsGo(x *rules.Expr) bool {
	if x.Op == rules.Matches || x.Op == rules.Call && isFold(x.Name) {
		return true
	}
	return slices.ContainsFunc(x.Args, needsGo)
}

func isFold(name string) bool { return name == "lower" || name == "upper" || name == "trim" }

// input is the only stored text that a tree is about; false where there is none, or are more.
func (t *translator) input(x *rules.Expr) (*rules.Expr, bool) {
	var found *rules.Expr
	isSingle := true
	var walk func(x *rules.Expr)
	walk = func(x *rules.Expr) {
		switch x.Op {
		case rules.Column, rules.Field, rules.Element:
			same := found == nil || found.Op == x.Op && found.Name == x.Name && found.Level == x.Level
			isSingle = isSingle && same && x.Type == rules.Text
			found = x
		case rules.Prop, rules.Variable, rules.Let, rules.History, rules.Filter, rules.Map, rules.Any, rules.Count, rules.Power:
			isSingle = false
		}
		for _, arg := range x.Args {
			walk(arg)
		}
	}
	walk(x)
	return found, isSingle && found != nil && t.isStored(found)
}

// isStored says that the texts of a column, a field or an element are kept as they are.
func (t *translator) isStored(x *rules.Expr) bool {
	switch x.Op {
	case rules.Field:
		return t.levels[x.Level].history != ""
	case rules.Element:
		return t.levels[x.Level].column != ""
	}
	return t.places[x.Name].Type == "text"
}

// distinct are the texts that a column, a field or an element can have; false after a refusal.
func (t *translator) distinct(x *rules.Expr) ([]string, bool) {
	history, name := "", x.Name
	switch x.Op {
	case rules.Field:
		history = t.levels[x.Level].history
		if t.levels[x.Level].fields[name] == "" {
			return nil, true
		}
		if history == "coupons" && name == "state" {
			return []string{"lapsed", "open", "used"}, true
		}
	case rules.Element:
		name = t.levels[x.Level].column
	}
	key := history + "." + name
	if found, known := t.read[key]; known {
		if found == nil {
			t.refuse("%s has more than %d distinct texts", name, distinctMax)
		}
		return found, found != nil
	}
	found, few, err := t.texts(history, name)
	if err != nil {
		t.failed = err
		return nil, false
	}
	if !few {
		t.read[key] = nil
		t.refuse("%s has more than %d distinct texts", name, distinctMax)
		return nil, false
	}
	slices.Sort(found)
	t.read[key] = slices.Concat([]string{}, found)
	return found, true
}

// decided is a condition on one stored text, decided for each of the texts that there are; false where it has something
// else that is not worked out here.
func (t *translator) decided(x, input *rules.Expr) (condition, bool) {
	missing, err := decideTexts(x, nil)
	if err != nil {
		return condition{}, false
	}
	all, ok := t.distinct(input)
	if !ok {
		return condition{sql: "FALSE"}, true
	}
	those, others := []string{}, []string{}
	for i, text := range all {
		if i%lookEvery == 0 {
			t.look()
		}
		if t.failed != nil {
			return condition{sql: "FALSE"}, true
		}
		if answer, _ := decideTexts(x, text); answer == true {
			those = append(those, text)
		} else {
			others = append(others, text)
		}
	}
	return t.among(t.term(input).sql, those, others, missing == true), true
}

// among is whether a column has one of those texts and not one of the others; the fewer of them are written.
func (t *translator) among(column string, those, others []string, missing bool) condition {
	if len(those) == 0 && !missing {
		return condition{sql: "FALSE"}
	}
	holds := condition{column + " = ANY (" + t.param(those, "text[]") + ")", no}
	if len(others) < len(those) {
		holds = condition{column + " <> ALL (" + t.param(others, "text[]") + ")", no}
	}
	if len(others) == 0 && !missing {
		return condition{column + " IS NOT NULL", never}
	}
	if missing {
		return condition{"(" + column + " IS NULL OR " + holds.sql + ")", never}
	}
	return holds
}

// mapped is a text made of one stored text, looked up among those that there are.
func (t *translator) mapped(x *rules.Expr) term {
	out := ranged(term{kind: x.Type})
	x = t.spread(x)
	if x.Op != rules.Call {
		return t.term(x)
	}
	input, single := t.input(x)
	if !single {
		t.refuse("%s of anything but one stored text has no SQL form", x.Name)
		return null(x.Type)
	}
	all, ok := t.distinct(input)
	if !ok {
		return null(x.Type)
	}
	table := make(map[string]any, len(all))
	for i, text := range all {
		if i%lookEvery == 0 {
			t.look()
		}
		made, err := decideTexts(x, text)
		if err != nil {
			t.refuse("%v", err)
			return null(x.Type)
		}
		table[text] = made
	}
	missing, err := decideTexts(x, nil)
	if err != nil || missing != nil {
		t.refuse("%s of what may be missing has no SQL form", x.Name)
		return null(x.Type)
	}
	encoded, err := json.Marshal(table)
	if err != nil {
		t.failed = fmt.Errorf("writing a table of texts: %w", err)
	}
	out.sql = "(" + t.param(string(encoded), "jsonb") + " ->> " + t.term(input).sql + ")"
	return out
}

// decideTexts works out a tree about one text, nil for a missing one, as the reference does. Its error says what it cannot.
func decideTexts(x *rules.Expr, text any) (any, error) {
	var args []any
	for _, arg := range x.Args {
		if x.Op == rules.In && arg == x.Args[1] {
			break
		}
		v, err := decideTexts(arg, text)
		if err != nil {
			return nil, err
		}
		args = append(args, v)
	}
	switch x.Op {
	case rules.Constant:
		return x.Value, nil
	case rules.Column, rules.Field, rules.Element:
		return text, nil
	case rules.Not:
		return args[0] != true, nil
	case rules.And:
		return !slices.ContainsFunc(args, func(v any) bool { return v != true }), nil
	case rules.Or:
		return slices.Contains(args, any(true)), nil
	case rules.Truth:
		return args[0] == true, nil
	case rules.Choose:
		if args[0] == true {
			return args[1], nil
		}
		return args[2], nil
	case rules.Otherwise:
		if args[0] != nil {
			return args[0], nil
		}
		return args[1], nil
	case rules.In:
		return decideIn(x, args[0], text)
	}
	if len(args) > 0 && x.Args[0].Type == rules.List {
		return nil, fmt.Errorf("lists with lower, upper, trim or matches have no SQL form")
	}
	return decideText(x, args)
}

func decideIn(x *rules.Expr, of, text any) (any, error) {
	if x.Args[1].Op != rules.Items {
		return nil, fmt.Errorf("lists with lower, upper, trim or matches have no SQL form")
	}
	for _, item := range x.Args[1].Args {
		v, err := decideTexts(item, text)
		if err != nil {
			return nil, err
		}
		if item.Type != x.Args[0].Type || item.Type == rules.Time {
			return nil, fmt.Errorf("a %s in a list has no SQL form with lower, upper, trim or matches", item.Type)
		}
		if v != nil && v == of {
			return true, nil
		}
	}
	return false, nil
}

// decideText is what texts and their lengths are compared with, and made of.
func decideText(x *rules.Expr, args []any) (any, error) {
	if kind := x.Args[0].Type; x.Op == rules.Equal && kind == x.Args[1].Type && kind != rules.Time {
		return args[0] == args[1], nil
	}
	a, isText := args[0].(string)
	n, isInt := args[0].(int64)
	b, both := "", false
	if len(args) > 1 {
		b, both = args[1].(string)
	}
	both = both && isText
	switch x.Op {
	case rules.Less:
		return both && a < b, ofTexts(x)
	case rules.LessEqual:
		return both && a <= b, ofTexts(x)
	case rules.Contains:
		return both && strings.Contains(a, b), nil
	case rules.StartsWith:
		return both && strings.HasPrefix(a, b), nil
	case rules.EndsWith:
		return both && strings.HasSuffix(a, b), nil
	case rules.Matches:
		return isText && x.Pattern.MatchString(a), nil
	case rules.Within:
		if x.Args[0].Type != rules.Int {
			break
		}
		return isInt && x.Low <= n && n <= x.High, nil
	case rules.Length:
		if !isText {
			return nil, nil
		}
		return int64(utf8.RuneCountInString(a)), nil
	case rules.Call:
		if !isFold(x.Name) || !isText {
			return nil, onlyFolds(x)
		}
		return map[string]func(string) string{"lower": strings.ToLower, "upper": strings.ToUpper, "trim": strings.TrimSpace}[x.Name](a), nil
	}
	return nil, fmt.Errorf("%s with lower, upper, trim or matches has no SQL form", x.Op)
}

func ofTexts(x *rules.Expr) error {
	if x.Args[0].Type != rules.Text {
		return fmt.Errorf("%s with lower, upper, trim or matches has no SQL form", x.Op)
	}
	return nil
}

func onlyFolds(x *rules.Expr) error {
	if isFold(x.Name) {
		return nil
	}
	return fmt.Errorf("%s with lower, upper, trim or matches has no SQL form", x.Name)
}

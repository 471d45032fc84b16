package rules

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"
)

// typeOf is the attribute type that a shape came from.
func typeOf(s shape) Type {
	if s.kind == list {
		return TextList
	}
	return s.kind
}

func fieldReader(s shape) func(any) any { return reader(typeOf(s)) }

// load reads an attribute of the customer.
func load(a *attribute) func(any) any {
	if derive := a.derive; derive != nil {
		return func(env any) any { return derive(env.(*evaluation)) }
	}
	name, read := a.name, reader(a.kind)
	return func(env any) any { return read(env.(*evaluation).record[name]) }
}

func field(name string, read func(any) any) func(any) any {
	return func(x any) any {
		r, _ := x.(Record)
		return read(r[name])
	}
}

func property(name string, read func(any) any) func(any) any {
	return func(x any) any {
		props, _ := x.(map[string]any)
		return read(props[name])
	}
}

func intToNumber(x any) any {
	if i, ok := x.(int64); ok {
		return float64(i)
	}
	return nil
}

func negate(t Type) func(any) any {
	if t == Number {
		return func(x any) any {
			if n, ok := x.(float64); ok {
				return -n
			}
			return nil
		}
	}
	return func(x any) any {
		if i, ok := x.(int64); ok && i != math.MinInt64 {
			return -i
		}
		return nil
	}
}

// compareConstant compares with a constant of the same type; nil for a type that has no such function.
func compareConstant(operator string, v any) func(any) bool {
	switch v := v.(type) {
	case int64:
		return compareWith(operator, v)
	case float64:
		return compareWith(operator, v)
	case string:
		return compareWith(operator, v)
	case Date:
		return compareWith(operator, v)
	case bool:
		return func(x any) bool { b, ok := x.(bool); return ok && b == v }
	}
	return nil
}

func compareWith[T cmp.Ordered](operator string, v T) func(any) bool {
	switch operator {
	case "<":
		return func(x any) bool { t, ok := x.(T); return ok && t < v }
	case "<=":
		return func(x any) bool { t, ok := x.(T); return ok && t <= v }
	case ">":
		return func(x any) bool { t, ok := x.(T); return ok && t > v }
	case ">=":
		return func(x any) bool { t, ok := x.(T); return ok && t >= v }
	}
	return func(x any) bool { t, ok := x.(T); return ok && t == v }
}

// order compares two values that are not missing: -1, 0 or 1.
type order func(a, b any) int

// orderOf is how values of two types that can be compared are put in order.
func orderOf(a, b Type, scale int64) order {
	switch {
	case a == Money && b == Number:
		return func(a, b any) int { return compareMoneyNumber(a.(int64), b.(float64), scale) }
	case a == Number && b == Money:
		return func(a, b any) int { return -compareMoneyNumber(b.(int64), a.(float64), scale) }
	}
	return compareValues
}

// compareValues orders values of one type, and an int with a number by exact value. Bools order false before true.
func compareValues(a, b any) int {
	switch a := a.(type) {
	case int64:
		if n, ok := b.(float64); ok {
			return compareIntNumber(a, n)
		}
		return cmp.Compare(a, b.(int64))
	case float64:
		if i, ok := b.(int64); ok {
			return -compareIntNumber(i, a)
		}
		return cmp.Compare(a, b.(float64))
	case string:
		return strings.Compare(a, b.(string))
	case Date:
		return cmp.Compare(a, b.(Date))
	case time.Time:
		return a.Compare(b.(time.Time))
	case bool:
		return cmp.Compare(boolRank(a), boolRank(b.(bool)))
	}
	return 0
}

func boolRank(b bool) int {
	if b {
		return 1
	}
	return 0
}

// ordered is <, <=, > or >=; false with a missing value.
func ordered(operator string, a, b Type, scale int64) func(a, b any) bool {
	compare := orderOf(a, b, scale)
	holds := map[string]func(int) bool{
		"<":  func(c int) bool { return c < 0 },
		"<=": func(c int) bool { return c <= 0 },
		">":  func(c int) bool { return c > 0 },
		">=": func(c int) bool { return c >= 0 },
	}[operator]
	return func(a, b any) bool { return a != nil && b != nil && holds(compare(a, b)) }
}

// equal is IS NOT DISTINCT FROM: two missing values are equal, one is not.
func equal(a, b shape, scale int64) func(a, b any) bool {
	if a.kind == list {
		return equalLists
	}
	compare := orderOf(a.kind, b.kind, scale)
	return func(a, b any) bool {
		if a == nil || b == nil {
			return a == nil && b == nil
		}
		return compare(a, b) == 0
	}
}

func equalLists(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	if size(a) != size(b) {
		return false
	}
	for i := range size(a) {
		if !same(at(a, i), at(b, i)) {
			return false
		}
	}
	return true
}

// same is equality of two elements: as for single values.
func same(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	return compareValues(a, b) == 0
}

// size and at read a list, which is []any, or []string where it is stored so. A missing list is empty.
func size(x any) int {
	switch l := x.(type) {
	case []any:
		return len(l)
	case []string:
		return len(l)
	}
	return 0
}

func at(x any, i int) any {
	switch l := x.(type) {
	case []any:
		return l[i]
	case []string:
		return l[i]
	}
	return nil
}

// isIn looks a value up in a list. Nothing that is missing is in a list.
func isIn(x, l any) bool {
	if x == nil {
		return false
	}
	if texts, ok := l.([]string); ok {
		text, _ := x.(string)
		for _, t := range texts {
			if t == text {
				return true
			}
		}
		return false
	}
	for i := range size(l) {
		if item := at(l, i); item != nil && compareValues(x, item) == 0 {
			return true
		}
	}
	return false
}

// constantSet is `in` a list of literals: a search by halving when the list is long, and a hash look-up of texts.
func constantSet(n *node) (func(any) bool, bool) {
	if n.op != opItems {
		return nil, false
	}
	var items []any
	for _, arg := range n.args {
		if arg.op != opConstant {
			return nil, false
		}
		if arg.value != nil {
			items = append(items, arg.value)
		}
	}
	const few = 8
	switch {
	case len(items) <= few && n.shape.elem == Text:
		return amongFew(items), true
	case n.shape.elem == Text:
		set := make(map[string]struct{}, len(items))
		for _, item := range items {
			set[item.(string)] = struct{}{}
		}
		return func(x any) bool { s, ok := x.(string); _, found := set[s]; return ok && found }, true
	case len(items) <= few:
		return nil, false
	}
	slices.SortFunc(items, compareValues)
	return func(x any) bool {
		if x == nil {
			return false
		}
		_, found := slices.BinarySearchFunc(items, x, compareValues)
		return found
	}, true
}

func amongFew(items []any) func(any) bool {
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = item.(string)
	}
	return func(x any) bool { s, ok := x.(string); return ok && slices.Contains(texts, s) }
}

func textual(operator string) func(a, b any) bool {
	test := map[string]func(a, b string) bool{"contains": strings.Contains, "startsWith": strings.HasPrefix, "endsWith": strings.HasSuffix}[operator]
	return func(a, b any) bool {
		s, ok := a.(string)
		part, known := b.(string)
		return ok && known && test(s, part)
	}
}

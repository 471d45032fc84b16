package rules

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// oracle answers a checked tree the slow and plain way, from the handbook's page on the rule language: exact numbers
// from math/big, the calendar from package time, no rewriting and no VM. A missing value is nil; ints and money are
// *big.Int, numbers float64, dates and times as in a Record, lists []any, rows Record.
type oracle struct {
	s        *scope
	c        Record
	now      time.Time
	zone     *time.Location
	elements []any
	vars     []variable
	all      []Record // all customers, for ranks; nil where they are not known
}

type variable struct {
	name  string
	value any
}

func newOracle(s *Schema, c Record, at Instant) *oracle {
	if at.Zone == nil {
		at.Zone = time.UTC
	}
	return &oracle{s: s.customer, c: c, now: at.Now.Truncate(time.Second).In(at.Zone), zone: at.Zone}
}

func (o *oracle) matches(n *node) bool { return o.eval(n) == true }

func (o *oracle) eval(n *node) any {
	switch n.op {
	case opConstant:
		return plain(n.value)
	case opAttribute:
		return o.named(n.name)
	case opHistory:
		return o.rows(n.shape.rows)
	case opElement:
		return o.elements[len(o.elements)-1]
	case opField:
		return plain(o.eval(n.args[0]).(Record)[n.name])
	case opProp:
		props, _ := o.eval(n.args[0]).(map[string]any)
		return o.property(props[n.name], n.shape)
	case opLet:
		o.vars = append(o.vars, variable{n.name, o.eval(n.args[0])})
		defer func() { o.vars = o.vars[:len(o.vars)-1] }()
		return o.eval(n.args[1])
	case opVariable:
		for _, v := range slices.Backward(o.vars) {
			if v.name == n.name {
				return v.value
			}
		}
	case opNot:
		return o.eval(n.args[0]) != true
	case opMinus:
		return minus(o.eval(n.args[0]))
	case opBinary:
		return o.binary(n)
	case opMatches:
		text, ok := o.eval(n.args[0]).(string)
		return ok && n.pattern.MatchString(text)
	case opChoose:
		if o.eval(n.args[0]) == true {
			return o.eval(n.args[1])
		}
		return o.eval(n.args[2])
	case opItems:
		items := []any{}
		for _, arg := range n.args {
			items = append(items, o.eval(arg))
		}
		return items
	case opCall:
		x := o.eval(n.args[0])
		if n.name == "len" && n.args[0].shape.kind == list {
			items, _ := x.([]any)
			return big.NewInt(int64(len(items)))
		}
		return o.call(n.name, x)
	case opWall:
		return o.wall(int64(n.value.(wall)))
	case opClosure:
		return o.closure(n)
	case opSegment:
		return o.eval(n.args[0]) == true
	case opComputed:
		return o.eval(n.args[0])
	case opRank:
		return o.rank(n)
	case opToNumber:
		if x, ok := o.eval(n.args[0]).(*big.Int); ok {
			return asFloat(x)
		}
		return nil
	}
	panic("the oracle does not know this node")
}

// rank counts the customers who are not behind this one: SQL's ntile is laid out bucket by bucket.
func (o *oracle) rank(n *node) any {
	alone := func(c Record) any { return (&oracle{s: o.s, c: c, now: o.now, zone: o.zone}).eval(n.args[0]) }
	mine, x := alone(o.c), n.args[0].shape
	rank, total := 0, 0
	for _, c := range o.all {
		theirs := alone(c)
		if theirs == nil || mine == nil {
			continue
		}
		total++
		order := o.compare(theirs, x, mine, x)
		id, known := c["id"].(string)
		my, have := o.c["id"].(string)
		if order < 0 || order == 0 && (!known || have && slices.Compare([]rune(id), []rune(my)) <= 0) {
			rank++
		}
	}
	if total == 0 {
		return nil
	}
	if n.name == "percentile" {
		return big.NewInt(int64(math.Ceil(100 * float64(rank) / float64(total))))
	}
	buckets, last := int(n.value.(int64)), 0
	for bucket := 1; ; bucket++ {
		last += total / buckets
		if bucket <= total%buckets {
			last++
		}
		if rank <= last {
			return big.NewInt(int64(bucket))
		}
	}
}

func minus(x any) any {
	switch x := x.(type) {
	case *big.Int:
		return fits(new(big.Int).Neg(x))
	case float64:
		return -x
	}
	return nil
}

// plain turns a stored value or a constant into the oracle's.
func plain(v any) any {
	switch v := v.(type) {
	case int64:
		return big.NewInt(v)
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
	case time.Time:
		return v.Truncate(time.Second)
	case []string:
		items := []any{}
		for _, s := range v {
			items = append(items, s)
		}
		return items
	}
	return v
}

func fits(n *big.Int) any {
	if n.IsInt64() {
		return n
	}
	return nil
}

func asFloat(n *big.Int) float64 {
	f, _ := new(big.Float).SetInt(n).Float64()
	return f
}

func (o *oracle) today() Date { return o.day(o.now).(Date) }

func (o *oracle) day(x any) any {
	switch x := x.(type) {
	case Date:
		return x
	case time.Time:
		year, month, day := o.clock(x).Date()
		return Date(time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Unix() / 86400)
	}
	return nil
}

// clock is a time as the zone's clocks show it, which change from 1800 to 2499 only.
func (o *oracle) clock(t time.Time) time.Time {
	from, to := time.Date(1800, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2500, 1, 1, 0, 0, 0, 0, time.UTC)
	edge := t
	if t.Before(from) {
		edge = from
	}
	if t.After(to) {
		edge = to
	}
	_, offset := edge.In(o.zone).Zone()
	return t.In(time.FixedZone("", offset))
}

// midnight is a date in package time's calendar.
func midnight(d Date) time.Time { return time.Unix(int64(d)*86400, 0).UTC() }

func (o *oracle) day2(t time.Time) int64 {
	unix := t.Unix()
	if unix%86400 != 0 {
		panic("not a midnight")
	}
	return unix / 86400
}

// kept is the birthday in a year, 29 February on 28 February in common years, as a number of days.
func (o *oracle) kept(birthday Date, year int) int64 {
	b := midnight(birthday)
	day := time.Date(year, b.Month(), b.Day(), 0, 0, 0, 0, time.UTC)
	if day.Month() != b.Month() {
		day = day.AddDate(0, 0, -1)
	}
	return o.day2(day)
}

func (o *oracle) nextBirthday() any {
	birthday, ok := o.c["birthday"].(Date)
	if !ok {
		return nil
	}
	for year := midnight(o.today()).Year(); ; year++ {
		if next := o.kept(birthday, year); next >= int64(o.today()) {
			return Date(next)
		}
	}
}

func (o *oracle) named(name string) any {
	switch name {
	case "today":
		return o.today()
	case "now":
		return o.now
	case "next_birthday":
		return o.nextBirthday()
	case "points":
		return o.points(nil)
	case "avg_basket":
		count, known := plain(o.c["purchase_count"]).(*big.Int)
		total, spent := plain(o.c["total_spend"]).(*big.Int)
		if !known || !spent || count.Sign() <= 0 {
			return nil
		}
		// floor((2·total + count) / (2·count))
		doubled := new(big.Int).Add(new(big.Int).Lsh(total, 1), count)
		return new(big.Int).Div(doubled, new(big.Int).Lsh(count, 1))
	}
	return plain(o.c[name])
}

func (o *oracle) points(within *big.Int) any {
	sum := new(big.Int)
	lots, _ := o.c["lots"].([]Record)
	for _, lot := range lots {
		from, ok := lot["active_from"].(Date)
		if !ok || from > o.today() {
			continue
		}
		last, ends := lot["last_valid_on"].(Date)
		if ends && last < o.today() {
			continue
		}
		if within != nil {
			left := big.NewInt(int64(last) - int64(o.today()))
			if !ends || left.Cmp(within) > 0 {
				continue
			}
		}
		if left, ok := lot["remaining"].(int64); ok {
			sum.Add(sum, big.NewInt(left))
		}
	}
	return fits(sum)
}

func (o *oracle) rows(t *table) []any {
	since := map[string]string{"purchases": "at", "items": "at", "events": "at", "redemptions": "at", "messages": "sent_at", "coupons": "issued_at"}
	seen := []any{}
	stored, _ := o.c[t.name].([]Record)
	for _, r := range stored {
		if at, ok := plain(r[since[t.name]]).(time.Time); !ok || !at.After(o.now) {
			seen = append(seen, r)
		}
	}
	return seen
}

// property reads JSON as its registered type.
func (o *oracle) property(v any, s shape) any {
	switch s.kind {
	case Int:
		if f, ok := v.(float64); ok {
			if exact, accuracy := big.NewFloat(f).Int(nil); accuracy == big.Exact {
				return fits(exact)
			}
		}
		return nil
	case Money:
		text, ok := v.(string)
		if f, isNumber := v.(float64); isNumber {
			text, ok = strconv.FormatFloat(f, 'g', -1, 64), true
		}
		amount, parsed := new(big.Rat).SetString(text)
		if !ok || !parsed {
			return nil
		}
		amount.Mul(amount, big.NewRat(int64(math.Pow10(o.s.digits)), 1))
		if !amount.IsInt() {
			return nil
		}
		return fits(amount.Num())
	case DateType:
		text, _ := v.(string)
		if t, err := time.Parse("2006-01-02", text); err == nil {
			return Date(o.day2(t))
		}
		return nil
	case Time:
		text, _ := v.(string)
		if t, err := time.Parse(time.RFC3339, text); err == nil {
			return t.Truncate(time.Second)
		}
		return nil
	case list:
		items, ok := v.([]any)
		if !ok || slices.ContainsFunc(items, func(i any) bool { _, isText := i.(string); return !isText }) {
			return nil
		}
		return items
	}
	switch {
	case s.kind == Bool && isA[bool](v), s.kind == Number && isA[float64](v), s.kind == Text && isA[string](v):
		return v
	}
	return nil
}

func isA[T any](v any) bool { _, ok := v.(T); return ok }

func (o *oracle) binary(n *node) any {
	left := o.eval(n.args[0])
	switch n.name {
	case "&&":
		return left == true && o.eval(n.args[1]) == true
	case "||":
		return left == true || o.eval(n.args[1]) == true
	case "??":
		if left != nil {
			return left
		}
		return o.eval(n.args[1])
	case "in":
		return o.in(left, n)
	}
	right := o.eval(n.args[1])
	a, b := n.args[0].shape, n.args[1].shape
	switch n.name {
	case "==":
		return o.same(left, a, right, b)
	case "!=":
		return !o.same(left, a, right, b)
	case "<", "<=", ">", ">=":
		if left == nil || right == nil {
			return false
		}
		c := o.compare(left, a, right, b)
		return map[string]bool{"<": c < 0, "<=": c <= 0, ">": c > 0, ">=": c >= 0}[n.name]
	case "contains", "startsWith", "endsWith":
		text, ok := left.(string)
		part, known := right.(string)
		return ok && known && map[string]bool{"contains": strings.Contains(text, part), "startsWith": strings.HasPrefix(text, part),
			"endsWith": strings.HasSuffix(text, part)}[n.name]
	}
	if left == nil || right == nil {
		return nil
	}
	return o.arithmetic(n, left, right)
}

func (o *oracle) in(x any, n *node) any {
	if r := n.args[1]; r.op == opRange {
		low, high := o.eval(r.args[0]), o.eval(r.args[1])
		if x == nil || low == nil || high == nil {
			return false
		}
		return low.(*big.Int).Cmp(x.(*big.Int)) <= 0 && x.(*big.Int).Cmp(high.(*big.Int)) <= 0
	}
	items, _ := o.eval(n.args[1]).([]any)
	for _, item := range items {
		if x != nil && item != nil && o.same(x, n.args[0].shape, item, n.args[1].shape.element()) {
			return true
		}
	}
	return false
}

// same is IS NOT DISTINCT FROM.
func (o *oracle) same(left any, a shape, right any, b shape) bool {
	if left == nil || right == nil {
		return left == nil && right == nil
	}
	if a.kind == list {
		return slices.EqualFunc(left.([]any), right.([]any), func(x, y any) bool { return o.same(x, a.element(), y, b.element()) })
	}
	return o.compare(left, a, right, b) == 0
}

func (o *oracle) compare(left any, a shape, right any, b shape) int {
	switch x := left.(type) {
	case bool:
		if x == right.(bool) {
			return 0
		}
		return 1
	case string:
		return slices.Compare([]rune(x), []rune(right.(string)))
	case Date:
		return midnight(x).Compare(midnight(right.(Date)))
	case time.Time:
		return x.Compare(right.(time.Time))
	}
	withMoney := a.kind == Money || b.kind == Money
	return o.exact(left, a, withMoney).Cmp(o.exact(right, b, withMoney))
}

// exact is a numeric value as a fraction in major units; beside money, a number is the decimal that was typed.
func (o *oracle) exact(x any, s shape, beside bool) *big.Rat {
	if n, ok := x.(float64); ok {
		if !beside {
			return new(big.Rat).SetFloat64(n)
		}
		r, _ := new(big.Rat).SetString(strconv.FormatFloat(n, 'g', -1, 64))
		return r
	}
	r := new(big.Rat).SetInt(x.(*big.Int))
	if s.kind == Money {
		r.Quo(r, big.NewRat(int64(math.Pow10(o.s.digits)), 1))
	}
	return r
}

func (o *oracle) arithmetic(n *node, left, right any) any {
	if n.shape.kind != Number {
		x, y := left.(*big.Int), right.(*big.Int)
		switch n.name {
		case "+":
			return fits(new(big.Int).Add(x, y))
		case "-":
			return fits(new(big.Int).Sub(x, y))
		case "*":
			return fits(new(big.Int).Mul(x, y))
		}
		if y.Sign() == 0 {
			return nil
		}
		return new(big.Int).Rem(x, y)
	}
	a, b := n.args[0].shape.kind, n.args[1].shape.kind
	ratio := n.name == "/" && a == Money && b == Money
	x, y := o.major(left, a, ratio), o.major(right, b, ratio)
	var answer float64
	switch n.name {
	case "+":
		answer = x + y
	case "-":
		answer = x - y
	case "*":
		answer = x * y
	case "/":
		answer = x / y
	case "**":
		answer = math.Pow(x, y)
	}
	if n.name == "/" && y == 0 {
		return nil
	}
	return plain(answer)
}

func (o *oracle) major(x any, t Type, ratio bool) float64 {
	if f, ok := x.(float64); ok {
		return f
	}
	f := asFloat(x.(*big.Int))
	if t == Money && !ratio {
		f /= math.Pow10(o.s.digits)
	}
	return f
}

func (o *oracle) call(name string, x any) any {
	if x == nil {
		if name == "birthday_in" {
			return false
		}
		return nil
	}
	switch name {
	case "len":
		return big.NewInt(int64(len([]rune(x.(string)))))
	case "lower":
		return strings.Map(unicode.ToLower, x.(string))
	case "upper":
		return strings.Map(unicode.ToUpper, x.(string))
	case "trim":
		return strings.TrimFunc(x.(string), unicode.IsSpace)
	case "birthday_in":
		next, ok := o.nextBirthday().(Date)
		return ok && big.NewInt(int64(next)-int64(o.today())).Cmp(x.(*big.Int)) <= 0
	case "points_expiring":
		return o.points(x.(*big.Int))
	case "hours_since":
		return big.NewInt(int64(math.Floor(float64(o.now.Unix()-x.(time.Time).Unix()) / 3600)))
	case "minutes_since":
		return big.NewInt(int64(math.Floor(float64(o.now.Unix()-x.(time.Time).Unix()) / 60)))
	case "hours_until":
		return big.NewInt(int64(math.Floor(float64(x.(time.Time).Unix()-o.now.Unix()) / 3600)))
	}
	return o.calendar(name, o.day(x).(Date))
}

func (o *oracle) calendar(name string, d Date) any {
	t := midnight(d)
	switch name {
	case "date":
		return d
	case "year":
		return big.NewInt(int64(t.Year()))
	case "month":
		return big.NewInt(int64(t.Month()))
	case "day":
		return big.NewInt(int64(t.Day()))
	case "weekday":
		return big.NewInt(map[time.Weekday]int64{time.Sunday: 7}[t.Weekday()] + int64(t.Weekday()))
	case "days_since":
		return big.NewInt(int64(o.today()) - int64(d))
	case "days_until":
		return big.NewInt(int64(d) - int64(o.today()))
	case "age":
		this := midnight(o.today()).Year()
		years := int64(this) - int64(t.Year())
		if o.kept(d, this) > int64(o.today()) {
			years--
		}
		return big.NewInt(years)
	}
	panic("the oracle does not know the function " + name)
}

// wall is the first instant at which the clock shows it or later, found by walking through the hours and the seconds.
func (o *oracle) wall(w int64) time.Time {
	shows := func(unix int64) int64 {
		_, offset := o.clock(time.Unix(unix, 0)).Zone()
		return unix + int64(offset)
	}
	t := w - 30*3600
	for _, step := range []int64{900, 60, 1} {
		for shows(t+step) < w {
			t += step
		}
	}
	return time.Unix(t+1, 0)
}

func (o *oracle) closure(n *node) any {
	items, _ := o.eval(n.args[0]).([]any)
	values := items
	if len(n.args) == 2 {
		values = []any{}
		for _, item := range items {
			o.elements = append(o.elements, item)
			values = append(values, o.eval(n.args[1]))
			o.elements = o.elements[:len(o.elements)-1]
		}
	}
	trues := 0
	kept := []any{}
	for i, v := range values {
		if v == true {
			trues++
			kept = append(kept, items[i])
		}
	}
	switch n.name {
	case "all":
		return trues == len(items)
	case "any":
		return trues > 0
	case "none":
		return trues == 0
	case "one":
		return trues == 1
	case "filter":
		return kept
	case "map":
		return values
	case "count":
		if len(n.args) == 1 && n.args[0].shape.elem == row {
			trues = len(items)
		}
		return big.NewInt(int64(trues))
	}
	element := n.args[0].shape.element()
	if len(n.args) == 2 {
		element = n.args[1].shape
	}
	values = slices.DeleteFunc(slices.Clone(values), func(v any) bool { return v == nil })
	return o.aggregate(n.name, values, element)
}

func (o *oracle) aggregate(name string, values []any, element shape) any {
	if name == "min" || name == "max" {
		if len(values) == 0 {
			return nil
		}
		pick := map[string]func([]any, func(a, b any) int) any{"min": slices.MinFunc[[]any], "max": slices.MaxFunc[[]any]}[name]
		return pick(values, func(a, b any) int { return o.compare(a, element, b, element) })
	}
	total, exact := 0.0, new(big.Int)
	for _, v := range values {
		if f, ok := v.(float64); ok {
			total += f
		} else {
			exact.Add(exact, v.(*big.Int))
		}
	}
	if element.kind != Number {
		if name == "sum" || !exact.IsInt64() {
			return fits(exact)
		}
		total = o.major(exact, element.kind, false)
	}
	if name == "mean" {
		if len(values) == 0 {
			return nil
		}
		total /= float64(len(values))
	}
	return plain(total)
}

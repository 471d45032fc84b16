package audience

import (
	"math"
	"strings"
	"unicode/utf8"

	"beckon/engine/rules"
)

// value is a single value for the rows of a frame: worked out once, in the frame where it belongs.
func (w *worker) value(s *step, f *frame) *value {
	at := f.at(s.depth)
	found := at.memo[s.id]
	if found == nil {
		found = w.work(s, at)
		at.memo[s.id] = found
	}
	if at == f {
		return found
	}
	seen := f.memo[s.id]
	if seen == nil {
		if found.fixed {
			seen = w.constant(found.kind, f.rows, found.one)
		} else {
			seen = w.pick(found, w.climb(f, at))
		}
		f.memo[s.id] = seen
	}
	return seen
}

func (w *worker) work(s *step, f *frame) *value {
	if isCondition(s) && s.op != rules.Constant {
		out := w.newValue(rules.Bool, f.rows)
		out.known, out.bits = true, w.ones(f.rows)
		w.refineAlone(s, f, out.bits)
		return out
	}
	switch s.op {
	case rules.Constant:
		return w.constant(s.kind, f.rows, s.value)
	case rules.Column, rules.Field:
		return w.stored(f, s)
	case rules.Choose:
		return w.blend(s.kind, w.test(s.args[0], f), w.value(s.args[1], f), w.value(s.args[2], f))
	case rules.Otherwise:
		return w.otherwise(s, f)
	case rules.Add, rules.Subtract, rules.Multiply, rules.Divide, rules.Rest, rules.Power:
		return w.arithmetic(s, f)
	case rules.Negate:
		return w.negate(s, f)
	case rules.ToNumber:
		return w.number(w.value(s.args[0], f), rules.Int)
	case rules.Call:
		return w.call(s, f)
	case rules.Length:
		return w.length(s, f)
	case rules.Count:
		return w.countOf(s, f)
	case rules.Sum, rules.Min, rules.Max, rules.Mean, rules.Trues:
		return w.aggregate(s, f)
	case rules.RankAmong:
		return w.rankAmong(s, f)
	}
	return w.constant(s.kind, f.rows, nil)
}

func (w *worker) otherwise(s *step, f *frame) *value {
	first := w.as(w.value(s.args[0], f), s.kind)
	valid := w.validOf(first)
	if valid == nil {
		return first
	}
	return w.blend(s.kind, valid, first, w.value(s.args[1], f))
}

// both are the rows where neither is missing, nil for all.
func (w *worker) both(a, b *value) []uint64 {
	x, y := w.validOf(a), w.validOf(b)
	switch {
	case x == nil:
		return y
	case y == nil:
		return x
	}
	out := w.copyOf(x)
	andBits(out, y)
	return out
}

func (w *worker) arithmetic(s *step, f *frame) *value {
	a, b := w.value(s.args[0], f), w.value(s.args[1], f)
	if a.isMissing() || b.isMissing() {
		return w.constant(s.kind, f.rows, nil)
	}
	out := w.newValue(s.kind, f.rows)
	out.known, out.valid = true, w.bits(f.rows)
	if s.kind != rules.Number {
		a, b = w.as(a, rules.Int), w.as(b, rules.Int)
		out.ints = w.ints.take(f.rows)
		calculate(out.ints, out.valid, s.op, w.intsOf(a), w.intsOf(b))
	} else {
		x, y := a.kind, b.kind
		if s.op == rules.Divide && x == rules.Money && y == rules.Money { // a ratio needs no scale
			x, y = rules.Int, rules.Int
		}
		left, right := w.number(a, x), w.number(b, y)
		out.floats = w.floats.take(f.rows)
		reckon(out.floats, out.valid, s.op, w.floatsOf(left), w.floatsOf(right))
	}
	andValid(out.valid, w.both(a, b))
	return out
}

// number is an int, an amount in major units or a number as a number.
func (w *worker) number(v *value, kind rules.Type) *value {
	if v.kind == rules.Number || v.isMissing() {
		return v
	}
	out := w.newValue(rules.Number, v.rows)
	out.known, out.valid, out.floats = true, w.validOf(v), w.floats.take(v.rows)
	ints := w.intsOf(v)
	if kind == rules.Money {
		scale := float64(w.clock.scale)
		for i, n := range ints {
			out.floats[i] = float64(n) / scale
		}
		return out
	}
	for i, n := range ints {
		out.floats[i] = float64(n)
	}
	return out
}

func (w *worker) negate(s *step, f *frame) *value {
	v := w.as(w.value(s.args[0], f), s.kind)
	if v.isMissing() {
		return v
	}
	out := w.newValue(s.kind, f.rows)
	out.known, out.valid = true, w.validOf(v)
	if s.kind == rules.Number {
		out.floats = w.floats.take(f.rows)
		for i, n := range w.floatsOf(v) {
			out.floats[i] = -n
		}
		return out
	}
	out.ints = w.ints.take(f.rows)
	fits := w.bits(f.rows)
	ints := w.intsOf(v)
	decide(fits, f.rows, func(i int) bool { return ints[i] != minInt })
	for i, n := range ints {
		out.ints[i] = -n
	}
	andValid(fits, out.valid)
	out.valid = fits
	return out
}

func (w *worker) length(s *step, f *frame) *value {
	if s.args[0].kind == rules.List {
		list := w.list(s.args[0], f)
		out := w.newValue(rules.Int, f.rows)
		out.known, out.ints = true, w.ints.take(f.rows)
		countIn(out.ints, list.mask, list.frame.start, list.frame.end, list.frame.base)
		return out
	}
	v := w.as(w.value(s.args[0], f), rules.Text)
	if v.isMissing() {
		return w.constant(rules.Int, f.rows, nil)
	}
	out := w.newValue(rules.Int, f.rows)
	out.known, out.valid, out.ints = true, w.validOf(v), w.ints.take(f.rows)
	for i, text := range w.textsOf(v) {
		out.ints[i] = int64(utf8.RuneCountInString(text))
	}
	return out
}

func (w *worker) call(s *step, f *frame) *value {
	v := w.value(s.args[0], f)
	if v.isMissing() {
		return w.constant(s.kind, f.rows, nil)
	}
	switch s.name {
	case "lower", "upper", "trim":
		return w.onText(s, w.as(v, rules.Text))
	case "avg_basket":
		return w.averageBasket(v, w.value(s.args[1], f))
	case "next_birthday":
		return w.nextBirthday(v, s.clock)
	}
	out := w.newValue(s.kind, f.rows)
	out.known, out.valid, out.ints = true, w.validOf(v), w.ints.take(f.rows)
	ints := w.intsOf(v)
	switch s.name {
	case "hours_since":
		elapsed(out.ints, ints, s.clock.now, 3600)
	case "minutes_since":
		elapsed(out.ints, ints, s.clock.now, 60)
	case "hours_until":
		for i, t := range ints {
			out.ints[i] = rules.FloorDiv(t-s.clock.now, 3600)
		}
	default:
		copy(out.ints, ints)
		if v.kind == rules.Time {
			s.clock.days(out.ints, out.ints)
		}
		onDays(s.name, out.ints, s.clock.today)
	}
	return out
}

// elapsed is whole units from a time to now, rounded down.
func elapsed(out, x []int64, now, unit int64) {
	for i, t := range x {
		out[i] = rules.FloorDiv(now-t, unit)
	}
}

// onDays replaces days by what a function of the calendar makes of them. What a missing entry holds need be no day.
func onDays(name string, x []int64, today rules.Date) {
	of := map[string]func(d rules.Date) int64{
		"year":       func(d rules.Date) int64 { return int64(d.Year()) },
		"month":      func(d rules.Date) int64 { return int64(d.Month()) },
		"day":        func(d rules.Date) int64 { return int64(d.Day()) },
		"weekday":    func(d rules.Date) int64 { return int64(d.Weekday()) },
		"age":        func(d rules.Date) int64 { return rules.Age(d, today) },
		"days_since": func(d rules.Date) int64 { return int64(today) - int64(d) },
		"days_until": func(d rules.Date) int64 { return int64(d) - int64(today) },
		"date":       func(d rules.Date) int64 { return int64(d) },
	}[name]
	for i, d := range x {
		x[i] = of(rules.Date(d))
	}
}

// days are the calendar days of times in the zone. Times near each other mostly lie between the same changes of the clocks.
func (c *clock) days(out, x []int64) {
	from, to, offset := int64(1), int64(0), int64(0)
	for i, t := range x {
		if t < from || t >= to {
			from, to, offset = c.stretch(t)
		}
		day := rules.FloorDiv(t+offset, 24*3600)
		out[i] = max(math.MinInt32, min(math.MaxInt32, day))
	}
}

// stretch is how far the clocks are ahead of UTC at a time, and from when to when they are.
func (c *clock) stretch(t int64) (from, to, offset int64) {
	low, high := 0, len(c.from)
	for high-low > 1 {
		if mid := (low + high) / 2; c.from[mid] <= t {
			low = mid
		} else {
			high = mid
		}
	}
	from, to = c.from[low], int64(maxInt)
	if low == 0 {
		from = minInt
	}
	if high < len(c.from) {
		to = c.from[high]
	}
	return from, to, c.offset[low]
}

func (w *worker) onText(s *step, v *value) *value {
	if v.isMissing() {
		return v
	}
	of := map[string]func(string) string{"lower": strings.ToLower, "upper": strings.ToUpper, "trim": strings.TrimSpace}[s.name]
	out := w.newValue(rules.Text, v.rows)
	out.known, out.valid, out.texts = true, w.validOf(v), w.texts.take(v.rows)
	for i, text := range w.textsOf(v) {
		out.texts[i] = of(text)
	}
	return out
}

func (w *worker) averageBasket(total, count *value) *value {
	if total.isMissing() || count.isMissing() {
		return w.constant(rules.Money, total.rows, nil)
	}
	out := w.newValue(rules.Money, total.rows)
	out.known, out.valid, out.ints = true, w.bits(total.rows), w.ints.take(total.rows)
	totals, counts := w.intsOf(total), w.intsOf(count)
	decide(out.valid, out.rows, func(i int) bool {
		if counts[i] > 0 {
			out.ints[i] = rules.AverageBasket(totals[i], counts[i])
		}
		return counts[i] > 0
	})
	andValid(out.valid, w.both(total, count))
	return out
}

func (w *worker) nextBirthday(v *value, c *clock) *value {
	out := w.newValue(rules.DateType, v.rows)
	out.known, out.valid, out.ints = true, w.bits(v.rows), w.ints.take(v.rows)
	days, birthdays := w.intsOf(v), rules.NewAnniversaries(c.today)
	decide(out.valid, out.rows, func(i int) bool {
		next, ok := birthdays.Next(rules.Date(days[i]))
		out.ints[i] = int64(next)
		return ok
	})
	andValid(out.valid, w.validOf(v))
	return out
}

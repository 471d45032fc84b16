package audience

import (
	"math/bits"
	"slices"
	"strings"

	"beckon/engine/rules"
)

// refine keeps those of the rows asked about for which a condition holds. Rows that are already out are not looked at
// where that saves work; the bits behind the last row are unspecified.
func (w *worker) refine(s *step, f *frame, rows []uint64) {
	w.look()
	if s.uses > 1 || s.depth < f.level && !f.domain {
		andBits(rows, w.test(s, f))
		return
	}
	w.refineAlone(s, f, rows)
}

func (w *worker) refineAlone(s *step, f *frame, rows []uint64) {
	switch s.op {
	case rules.And:
		for _, arg := range s.args {
			if isZero(rows) {
				return
			}
			w.refine(arg, f, rows)
		}
	case rules.Or:
		w.refineOr(s, f, rows)
	case rules.Not:
		out := w.copyOf(rows)
		w.refine(s.args[0], f, out)
		for i := range rows {
			rows[i] &^= out[i]
		}
	case rules.Constant:
		if s.value != true {
			clear(rows)
		}
	default:
		if f.domain || !w.refineByDomain(s, f, rows) {
			w.refinePlain(s, f, rows)
		}
	}
}

func (w *worker) refineOr(s *step, f *frame, rows []uint64) {
	rest, try := w.copyOf(rows), w.bits(f.rows)
	for _, arg := range s.args {
		if isZero(rest) {
			break
		}
		copy(try, rest)
		w.refine(arg, f, try)
		for i, t := range try {
			rest[i] &^= t
		}
	}
	for i, r := range rest {
		rows[i] &^= r
	}
}

func (w *worker) refinePlain(s *step, f *frame, rows []uint64) {
	if s.op == rules.Within {
		x := w.as(w.value(s.args[0], f), rules.Int)
		w.refineWithin(rows, x, s.low, s.high)
		return
	}
	out := w.bits(f.rows)
	w.decide(s, f, out, rows)
	andBits(rows, out)
}

// test is a condition for all rows of a frame, worked out once, in the frame where it belongs.
func (w *worker) test(s *step, f *frame) []uint64 {
	at := f.at(s.depth)
	found := at.memo[s.id]
	if found == nil {
		found = w.newValue(rules.Bool, at.rows)
		found.known = true
		found.bits = w.ones(at.rows)
		w.refineAlone(s, at, found.bits)
		at.memo[s.id] = found
	}
	if at == f {
		return w.truthsOf(found)
	}
	seen := f.memo[s.id]
	if seen == nil {
		seen = w.pick(found, w.climb(f, at))
		f.memo[s.id] = seen
	}
	return w.truthsOf(seen)
}

// decide works a condition out; only the bits of the rows asked about matter.
func (w *worker) decide(s *step, f *frame, out, rows []uint64) {
	switch s.op {
	case rules.Truth:
		v := w.as(w.value(s.args[0], f), rules.Bool)
		copy(out, w.truthsOf(v))
		andValid(out, w.validOf(v))
	case rules.Equal:
		if s.args[0].kind == rules.List {
			w.equalLists(s, f, out)
			return
		}
		w.equal(w.value(s.args[0], f), w.value(s.args[1], f), out)
	case rules.Less, rules.LessEqual:
		w.less(s.op, w.value(s.args[0], f), w.value(s.args[1], f), out)
	case rules.Between:
		x := w.value(s.args[0], f)
		w.less(rules.LessEqual, w.value(s.args[1], f), x, out)
		other := w.bits(f.rows)
		w.less(rules.LessEqual, x, w.value(s.args[2], f), other)
		andBits(out, other)
	case rules.In:
		w.in(s, f, out)
	case rules.Contains, rules.StartsWith, rules.EndsWith, rules.Matches:
		w.textual(s, f, out, rows)
	case rules.Any:
		w.anyOf(s, f, out)
	default:
		fill(out, 0)
	}
}

// equal is IS NOT DISTINCT FROM for single values.
func (w *worker) equal(a, b *value, out []uint64) {
	w.same(a, b, out)
	va, vb := w.validOf(a), w.validOf(b)
	if va == nil && vb == nil {
		return
	}
	for i := range out {
		x, y := ^uint64(0), ^uint64(0)
		if va != nil {
			x = va[i]
		}
		if vb != nil {
			y = vb[i]
		}
		out[i] = out[i]&x&y | ^x&^y
	}
}

// same compares values as if none were missing. Values of types that do not go together are all missing on one side.
func (w *worker) same(a, b *value, out []uint64) {
	x, y := class(a.kind), class(b.kind)
	switch {
	case a.isMissing() || b.isMissing():
		clear(out)
	case x == rules.Bool && y == rules.Bool:
		xs, ys := w.truthsOf(a), w.truthsOf(b)
		for i := range out {
			out[i] = ^(xs[i] ^ ys[i])
		}
	case x == rules.Int && y == rules.Int:
		equalOrdered(out, w.intsOf(a), w.intsOf(b))
	case x == rules.Number && y == rules.Number:
		equalOrdered(out, w.floatsOf(a), w.floatsOf(b))
	case x == rules.Text && y == rules.Text:
		equalOrdered(out, w.textsOf(a), w.textsOf(b))
	case x == rules.Int && y == rules.Number:
		w.mixed(a, b, out, func(c int) bool { return c == 0 })
	case x == rules.Number && y == rules.Int:
		w.mixed(b, a, out, func(c int) bool { return c == 0 })
	default:
		clear(out)
	}
}

// less is < or <=, false with a missing value.
func (w *worker) less(op rules.Op, a, b *value, out []uint64) {
	x, y := class(a.kind), class(b.kind)
	orEqual := op == rules.LessEqual
	switch {
	case a.isMissing() || b.isMissing():
		clear(out)
	case x == rules.Int && y == rules.Int:
		ordered(orEqual, out, w.intsOf(a), w.intsOf(b))
	case x == rules.Number && y == rules.Number:
		ordered(orEqual, out, w.floatsOf(a), w.floatsOf(b))
	case x == rules.Text && y == rules.Text:
		ordered(orEqual, out, w.textsOf(a), w.textsOf(b))
	case x == rules.Int && y == rules.Number:
		w.mixed(a, b, out, func(c int) bool { return c < 0 || orEqual && c == 0 })
	case x == rules.Number && y == rules.Int:
		w.mixed(b, a, out, func(c int) bool { return c > 0 || orEqual && c == 0 })
	default:
		clear(out)
	}
	andValid(out, w.validOf(a))
	andValid(out, w.validOf(b))
}

func ordered[T int64 | float64 | string](orEqual bool, out []uint64, x, y []T) {
	if orEqual {
		lessEqualOrdered(out, x, y)
	} else {
		lessOrdered(out, x, y)
	}
}

// mixed compares ints or money with numbers by exact value.
func (w *worker) mixed(a, b *value, out []uint64, holds func(int) bool) {
	x, y := w.intsOf(a), w.floatsOf(b)
	va, vb := w.validOf(a), w.validOf(b)
	scale := w.clock.scale
	decide(out, a.rows, func(i int) bool {
		if !isSet(va, i) || !isSet(vb, i) {
			return false
		}
		if a.kind == rules.Money {
			return holds(rules.CompareMoneyNumber(x[i], y[i], scale))
		}
		return holds(rules.CompareIntNumber(x[i], y[i]))
	})
}

func isSet(x []uint64, i int) bool { return x == nil || x[i/wordBits]>>(i%wordBits)&1 != 0 }

// in looks for a value among the elements of a list. What is missing is in none.
func (w *worker) in(s *step, f *frame, out []uint64) {
	x := w.value(s.args[0], f)
	if list := s.args[1]; list.op == rules.Items {
		if set := w.intSet(s); set != nil && class(x.kind) == rules.Int && !x.isMissing() {
			xs := w.intsOf(x)
			decide(out, f.rows, func(i int) bool { _, is := slices.BinarySearch(set, xs[i]); return is })
			andValid(out, w.validOf(x))
			return
		}
		clear(out)
		one := w.bits(f.rows)
		for _, arg := range list.args {
			item := w.value(arg, f)
			w.same(x, item, one)
			andValid(one, w.validOf(item))
			for i, o := range one {
				out[i] |= o
			}
		}
		andValid(out, w.validOf(x))
		return
	}
	list := w.list(s.args[1], f)
	e := list.frame
	wanted := w.pick(x, w.parents(e))
	found := w.bits(e.rows)
	w.same(wanted, list.items, found)
	andValid(found, w.validOf(wanted))
	andValid(found, w.validOf(list.items))
	andValid(found, list.mask)
	anyIn(out, found, e.start, e.end, e.base)
}

// intSet has the ints, amounts, days or seconds of a long list that is written out, in order; nil for another list.
func (w *worker) intSet(s *step) []int64 {
	const long = 8
	items := s.args[1].args
	if len(items) < long {
		return nil
	}
	if found, known := w.sets[s.id]; known {
		return found
	}
	var set []int64
	for _, item := range items {
		raw, is := rules.Raw(item.value)
		if item.op != rules.Constant || item.value != nil && (!is || class(item.kind) != rules.Int) {
			set = nil
			break
		}
		if item.value != nil {
			set = append(set, raw)
		}
	}
	slices.Sort(set)
	w.sets[s.id] = set
	return set
}

// textual looks into texts, those of the rows asked about.
func (w *worker) textual(s *step, f *frame, out, rows []uint64) {
	clear(out)
	x := w.as(w.value(s.args[0], f), rules.Text)
	if x.isMissing() {
		return
	}
	todo := w.copyOf(rows)
	todo = todo[:wordsOf(f.rows)]
	trim(todo, f.rows)
	andValid(todo, w.validOf(x))
	texts := w.textsOf(x)
	if s.op == rules.Matches {
		eachBit(todo, func(i int) { out[i/wordBits] |= bit(s.pattern.MatchString(texts[i])) << (i % wordBits) })
		return
	}
	y := w.as(w.value(s.args[1], f), rules.Text)
	if y.isMissing() {
		return
	}
	andValid(todo, w.validOf(y))
	parts := w.textsOf(y)
	is := map[rules.Op]func(text, part string) bool{rules.Contains: strings.Contains, rules.StartsWith: strings.HasPrefix, rules.EndsWith: strings.HasSuffix}[s.op]
	eachBit(todo, func(i int) { out[i/wordBits] |= bit(is(texts[i], parts[i])) << (i % wordBits) })
}

func andBits(out, x []uint64) {
	for i := range out {
		out[i] &= x[i]
	}
}

// andValid keeps what is valid; nil is all.
func andValid(out, valid []uint64) {
	if valid != nil {
		andBits(out, valid)
	}
}

func isZero(x []uint64) bool {
	for _, word := range x {
		if word != 0 {
			return false
		}
	}
	return true
}

// trim clears the bits behind the last row.
func trim(x []uint64, rows int) {
	if rows%wordBits != 0 {
		x[rows/wordBits] &= 1<<(rows%wordBits) - 1
	}
}

func eachBit(x []uint64, each func(i int)) {
	for at, word := range x {
		for ; word != 0; word &= word - 1 {
			each(at*wordBits + bits.TrailingZeros64(word))
		}
	}
}

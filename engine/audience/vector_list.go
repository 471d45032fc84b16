package audience

import "beckon/engine/rules"

// list is a list as the rows of a frame see it.
func (w *worker) list(s *step, f *frame) *value {
	at := f.at(s.depth)
	found := at.memo[s.id]
	if found == nil {
		found = w.workList(s, at)
		at.memo[s.id] = found
	}
	if at == f {
		return w.inner(found, f)
	}
	seen := f.memo[s.id]
	if seen == nil {
		seen = w.inner(found, f)
		f.memo[s.id] = seen
	}
	return seen
}

// inner is a list of an outer frame for the rows of f.
func (w *worker) inner(list *value, f *frame) *value {
	from := list.frame
	if from.outer == f {
		return list
	}
	out := w.newValue(rules.List, f.rows)
	out.frame = w.seenFrom(from, f)
	index := w.rowsIn(out.frame, from)
	if list.mask != nil {
		out.mask = w.bits(out.frame.rows)
		gatherBits(out.mask, list.mask, index)
	}
	if list.items != nil {
		out.items = w.pick(list.items, index)
	}
	if list.present != nil {
		out.present = w.bits(f.rows)
		gatherBits(out.present, list.present, w.climb(f, from.outer))
	}
	return out
}

func (w *worker) workList(s *step, f *frame) *value {
	switch s.op {
	case rules.History:
		return w.history(s, f)
	case rules.Column:
		return w.storedList(s, f)
	case rules.Items:
		return w.itemList(s, f)
	case rules.Filter, rules.Map:
		return w.derived(s, f)
	case rules.Choose:
		return w.chooseList(s, w.test(s.args[0], f), w.list(s.args[1], f), w.list(s.args[2], f), f)
	case rules.Otherwise:
		first := w.list(s.args[0], f)
		if first.present == nil {
			return first
		}
		return w.chooseList(s, first.present, first, w.list(s.args[1], f), f)
	}
	return w.noList(s, f)
}

// noList is a missing list.
func (w *worker) noList(s *step, f *frame) *value {
	out := w.newValue(rules.List, f.rows)
	out.frame, out.present = w.empty(f), w.zeros(f.rows)
	out.items = w.constant(s.elem, 0, nil)
	return out
}

// history has the rows up to now. A row without a time is seen.
func (w *worker) history(s *step, f *frame) *value {
	out := w.newValue(rules.List, f.rows)
	out.frame = w.child(f, s.name)
	c := out.frame.columns[s.table]
	if s.table == "" || c == nil || c.isEmpty() || c.high <= s.low {
		return out
	}
	at := w.newValue(rules.Time, out.frame.rows)
	at.column, at.first, at.index = c, out.frame.first, out.frame.index
	out.mask = w.ones(out.frame.rows)
	w.refineWithin(out.mask, at, s.low+1, maxInt)
	for i, later := range out.mask {
		out.mask[i] = ^later
	}
	return out
}

func (w *worker) storedList(s *step, f *frame) *value {
	table := w.chunk.lists[s.name]
	if table == nil {
		return w.noList(s, f)
	}
	out := w.newValue(rules.List, f.rows)
	out.frame = w.child(f, s.name)
	if table.present != nil {
		out.present = w.bits(f.rows)
		if f.index != nil {
			gatherBits(out.present, table.present, f.index)
		} else {
			copyBits(out.present, table.present, f.first)
		}
	}
	out.items = w.stored(out.frame, &step{op: rules.Field, kind: rules.Text})
	return out
}

// itemList puts the values of one row beside each other.
func (w *worker) itemList(s *step, f *frame) *value {
	k := len(s.args)
	out := w.newValue(rules.List, f.rows)
	out.frame = w.interleaved(f, k)
	out.items = w.constant(s.elem, out.frame.rows, nil)
	if k == 0 || out.frame.rows == 0 {
		return out
	}
	values := make([]*value, k)
	for i, arg := range s.args {
		values[i] = w.value(arg, f)
	}
	out.items = w.join(s.elem, out.frame.rows, values, func(each func(out, from int, v *value)) {
		for j, v := range values {
			for i := range f.rows {
				each(i*k+j, i, v)
			}
		}
	})
	return out
}

// join makes one value of the rows of several; pairs gives, for each row of it, the row and the value it comes from.
func (w *worker) join(kind rules.Type, rows int, from []*value, pairs func(each func(out, from int, v *value))) *value {
	out := w.newValue(kind, rows)
	out.known, out.valid = true, w.zeros(rows)
	for i, v := range from {
		from[i] = w.as(v, kind)
	}
	set := w.setter(out, from)
	pairs(func(to, at int, v *value) {
		v = w.as(v, kind)
		if isSet(w.validOf(v), at) {
			out.valid[to/wordBits] |= 1 << (to % wordBits)
			set(to, at, v)
		}
	})
	return out
}

// setter copies one value of the type that out has.
func (w *worker) setter(out *value, from []*value) func(to, at int, v *value) {
	switch class(out.kind) {
	case rules.Number:
		out.floats = w.floats.take(out.rows)
		clear(out.floats)
		return func(to, at int, v *value) { out.floats[to] = w.floatsOf(v)[at] }
	case rules.Text:
		out.texts = w.texts.take(out.rows)
		clear(out.texts)
		return func(to, at int, v *value) { out.texts[to] = w.textsOf(v)[at] }
	case rules.Bool:
		out.bits = w.zeros(out.rows)
		return func(to, at int, v *value) {
			if isSet(w.truthsOf(v), at) {
				out.bits[to/wordBits] |= 1 << (to % wordBits)
			}
		}
	}
	out.ints = w.ints.take(out.rows)
	clear(out.ints)
	return func(to, at int, v *value) { out.ints[to] = w.intsOf(v)[at] }
}

// elements binds a closure's element to the list's values, and gives the frame in which its body is worked out.
func (w *worker) elements(s *step, f *frame) *value {
	list := w.list(s.args[0], f)
	if s.element != nil {
		list.frame.memo[s.element.id] = list.items
	}
	return list
}

func (w *worker) derived(s *step, f *frame) *value {
	list := w.elements(s, f)
	out := w.newValue(rules.List, f.rows)
	out.frame, out.mask, out.items = list.frame, list.mask, list.items
	if s.op == rules.Map {
		out.items = w.value(s.args[1], list.frame)
		return out
	}
	out.mask = w.kept(list, s.args[1])
	return out
}

// kept are the elements of a list for which a condition holds.
func (w *worker) kept(list *value, cond *step) []uint64 {
	rows := list.frame.rows
	mask := w.bits(rows)
	if list.mask != nil {
		copy(mask, list.mask)
	} else {
		fill(mask, ^uint64(0))
	}
	w.refine(cond, list.frame, mask)
	return mask
}

func (w *worker) anyOf(s *step, f *frame, out []uint64) {
	list := w.elements(s, f)
	e := list.frame
	anyIn(out, w.kept(list, s.args[1]), e.start, e.end, e.base)
}

func (w *worker) countOf(s *step, f *frame) *value {
	list := w.elements(s, f)
	e := list.frame
	out := w.newValue(rules.Int, f.rows)
	out.known, out.ints = true, w.ints.take(f.rows)
	countIn(out.ints, w.kept(list, s.args[1]), e.start, e.end, e.base)
	return out
}

// chooseList has the one list where the condition holds, else the other. Rows of one history stand on one frame; lists of
// single values are put together anew.
func (w *worker) chooseList(s *step, cond []uint64, yes, no *value, f *frame) *value {
	out := w.newValue(rules.List, f.rows)
	if yes.present != nil || no.present != nil {
		out.present = w.bits(f.rows)
		blendBits(out.present, cond, yes.present, no.present)
	}
	if s.elem == rules.Row {
		w.chooseRows(out, cond, yes, no)
		return out
	}
	lists := func(i int) *value {
		if isSet(cond, i) {
			return yes
		}
		return no
	}
	e := w.newFrame(0, f)
	out.frame = e
	e.start, e.end = w.places.take(f.rows), w.places.take(f.rows)
	n := 0
	for i := range f.rows {
		e.start[i] = uint32(n)
		n += int(lists(i).frame.end[i] - lists(i).frame.start[i])
		e.end[i] = uint32(n)
	}
	if e.rows = w.within(n); e.rows < n {
		clear(e.start)
		clear(e.end)
		n = 0
	}
	e.rows = n
	out.mask = w.zeros(n)
	out.items = w.join(s.elem, n, []*value{yes.items, no.items}, func(each func(out, from int, v *value)) {
		for i := range f.rows {
			l := lists(i)
			for r := e.start[i]; r < e.end[i]; r++ {
				at := int(l.frame.start[i] - l.frame.base + r - e.start[i])
				if isSet(l.mask, at) {
					out.mask[r/wordBits] |= 1 << (r % wordBits)
				}
				each(int(r), at, l.items)
			}
		}
	})
	return out
}

func (w *worker) chooseRows(out *value, cond []uint64, yes, no *value) {
	a, b := yes.frame, no.frame
	switch {
	case a == b:
		parents := w.parents(a)
		out.frame, out.mask = a, w.bits(a.rows)
		chosen := w.bits(a.rows)
		gatherBits(chosen, cond, parents)
		blendBits(out.mask, chosen, yes.mask, no.mask)
	case a.rows == 0:
		out.frame, out.mask = b, w.bits(b.rows)
		chosen := w.bits(b.rows)
		gatherBits(chosen, cond, w.parents(b))
		for i, c := range chosen {
			out.mask[i] = ^c
		}
		andValid(out.mask, no.mask)
	default:
		out.frame, out.mask = a, w.bits(a.rows)
		gatherBits(out.mask, cond, w.parents(a))
		andValid(out.mask, yes.mask)
	}
}

// equalLists is IS NOT DISTINCT FROM for lists: as many elements, equal one by one; a missing list equals a missing one.
func (w *worker) equalLists(s *step, f *frame, out []uint64) {
	a, b := w.list(s.args[0], f), w.list(s.args[1], f)
	same := func(i int) bool {
		if isSet(a.present, i) != isSet(b.present, i) {
			return false
		}
		x, y := a.cursor(i), b.cursor(i)
		for {
			p, more := x.next()
			q, also := y.next()
			if !more || !also {
				return more == also
			}
			if !w.equalElements(a.items, p, b.items, q) {
				return false
			}
		}
	}
	decide(out, f.rows, func(i int) bool { return !isSet(a.present, i) && !isSet(b.present, i) || same(i) })
}

// cursor walks the elements of one row's list.
type cursor struct {
	at, end int
	mask    []uint64
}

func (v *value) cursor(i int) cursor {
	return cursor{int(v.frame.start[i] - v.frame.base), int(v.frame.end[i] - v.frame.base), v.mask}
}

func (c *cursor) next() (int, bool) {
	for c.at < c.end && !isSet(c.mask, c.at) {
		c.at++
	}
	c.at++
	return c.at - 1, c.at <= c.end
}

func (w *worker) equalElements(a *value, p int, b *value, q int) bool {
	x, y := isSet(w.validOf(a), p), isSet(w.validOf(b), q)
	if !x || !y {
		return x == y
	}
	switch kind, other := class(a.kind), class(b.kind); {
	case kind == rules.Int && other == rules.Number:
		return rules.CompareIntNumber(w.intsOf(a)[p], w.floatsOf(b)[q]) == 0
	case kind == rules.Number && other == rules.Int:
		return rules.CompareIntNumber(w.intsOf(b)[q], w.floatsOf(a)[p]) == 0
	case kind != other:
		return false
	case kind == rules.Number:
		return w.floatsOf(a)[p] == w.floatsOf(b)[q]
	case kind == rules.Text:
		return w.textsOf(a)[p] == w.textsOf(b)[q]
	case kind == rules.Bool:
		return isSet(w.truthsOf(a), p) == isSet(w.truthsOf(b), q)
	}
	return w.intsOf(a)[p] == w.intsOf(b)[q]
}

package audience

import "beckon/engine/rules"

// frameRowsMax bounds the rows of a frame, and so the memory of a worker: a batch that has more of them is halved.
const frameRowsMax = 1 << 19

// A frame is a space of rows in which steps are worked out. The root frame has the customers of a batch; any other has the
// elements of one list for each row of its outer frame, those of one row beside each other.
//
// Why frames: what does not depend on an element is worked out in the outer frame, once, and read through an index where
// it is used further in; a closure is plain work over the rows of its frame, and a reduction over the ranges.
type frame struct {
	rows  int
	level int
	outer *frame
	// Row i of the outer frame has the rows start[i]-base … end[i]-base-1 of this one.
	start, end []uint32
	base       uint32
	up         []uint32 // the outer frame's row of each row; found when first asked for

	// Where stored columns are read: entry first+i for row i, or entry index[i].
	columns map[string]*column
	first   int
	index   []uint32

	origin *frame // of an expanded list: the frame that its rows were in
	table  *childTable
	domain bool // its rows are all the values of one column: every step is worked out here
	memo   []*value
	spread []spread // lists of outer frames as seen from here
	maps   []mapped
}

// spread is a list's frame as it is seen from a deeper frame.
type spread struct{ from, to *frame }

// mapped is where the rows of a frame are in another one: the outer rows that they belong to, or, of the same list further
// out, the same elements.
type mapped struct {
	to    *frame
	same  bool
	index []uint32
}

// at is the frame around f, or f itself, in which a step of a depth is worked out.
func (f *frame) at(depth int) *frame {
	for !f.domain && f.level > depth {
		f = f.outer
	}
	return f
}

func (w *worker) newFrame(rows int, outer *frame) *frame {
	f := &w.frames.take(1)[0]
	*f = frame{rows: rows, outer: outer, memo: w.memos.take(len(w.steps.all)), spread: f.spread[:0], maps: f.maps[:0]}
	clear(f.memo)
	if outer != nil {
		f.level = outer.level + 1
	}
	return f
}

// parents are the outer frame's rows of a frame's rows. Rows that belong to nobody have some.
func (w *worker) parents(f *frame) []uint32 {
	if f.up == nil {
		f.up = w.places.take(f.rows)
		clear(f.up)
		for i, from := range f.start {
			for r := from; r < f.end[i]; r++ {
				f.up[r-f.base] = uint32(i)
			}
		}
	}
	return f.up
}

// climb are the rows of an outer frame for the rows of f.
func (w *worker) climb(f, to *frame) []uint32 {
	for _, m := range f.maps {
		if m.to == to && !m.same {
			return m.index
		}
	}
	index := w.parents(f)
	for g := f.outer; g != to; g = g.outer {
		index = compose(w.places.take(f.rows), w.parents(g), index)
	}
	f.maps = append(f.maps, mapped{to, false, index})
	return index
}

// child is the frame of a stored list's rows for the root frame.
func (w *worker) child(root *frame, name string) *frame {
	table := w.chunk.lists[name]
	for _, s := range root.spread {
		if s.from == nil && s.to.table == table && table != nil {
			return s.to
		}
	}
	if table == nil {
		return w.empty(root)
	}
	f := w.newFrame(0, root)
	f.table, f.columns = table, table.columns
	if root.index == nil {
		w.window(f, root)
	} else {
		w.picked(f, root)
	}
	root.spread = append(root.spread, spread{nil, f})
	return f
}

// empty is the frame of a list that has no elements anywhere.
func (w *worker) empty(outer *frame) *frame {
	f := w.newFrame(0, outer)
	f.start = w.places.take(outer.rows)
	clear(f.start)
	f.end = f.start
	return f
}

// window reads a table's rows in place. Customers whose rows are elsewhere have none here.
func (w *worker) window(f, root *frame) {
	t := f.table
	f.start, f.end = t.start[root.first:root.first+root.rows], t.end[root.first:root.first+root.rows]
	if t.patched != nil && anyBit(t.patched, root.first, root.rows) {
		f.start, f.end = w.unpatched(t, root)
	}
	from, to := f.start[0], f.end[root.rows-1]
	f.base, f.first = from, int(from)
	f.rows = w.within(int(to) - int(from))
	if f.rows == 0 {
		f.start = w.places.take(root.rows)
		clear(f.start)
		f.end, f.base = f.start, 0
	}
}

// unpatched are the ranges of a window without those of patched customers; an empty range lies at the one before.
func (w *worker) unpatched(t *childTable, root *frame) (start, end []uint32) {
	start, end = w.places.take(root.rows), w.places.take(root.rows)
	last := uint32(0)
	seen := false
	for i := range start {
		at := root.first + i
		if t.patched[at/wordBits]>>(at%wordBits)&1 == 0 && t.start[at] < t.end[at] {
			start[i], end[i] = t.start[at], t.end[at]
			if !seen {
				for j := range start[:i] {
					start[j], end[j] = start[i], start[i]
				}
				seen = true
			}
			last = end[i]
			continue
		}
		start[i], end[i] = last, last
	}
	return start, end
}

// picked gathers the rows of the customers of a root frame that is no window.
func (w *worker) picked(f, root *frame) {
	t := f.table
	total := 0
	for _, at := range root.index {
		total += int(t.end[at] - t.start[at])
	}
	f.start, f.end = w.places.take(root.rows), w.places.take(root.rows)
	if f.rows = w.within(total); f.rows < total {
		clear(f.start)
		clear(f.end)
		return
	}
	f.index = w.places.take(total)
	n := uint32(0)
	for i, at := range root.index {
		f.start[i] = n
		for r := t.start[at]; r < t.end[at]; r++ {
			f.index[n] = r
			n++
		}
		f.end[i] = n
	}
}

// within is a number of rows, 0 when it is beyond what a frame may have: the batch is then done in halves.
func (w *worker) within(rows int) int {
	if rows > w.rowsMax {
		w.tooLarge = true
		return 0
	}
	return rows
}

// seenFrom is a list's frame for the rows of a deeper frame f: the list's rows again for each row of f.
func (w *worker) seenFrom(list, f *frame) *frame {
	if list.outer == f {
		return list
	}
	origin := list
	if list.origin != nil {
		origin = list.origin
	}
	for _, s := range f.spread {
		if s.from == origin {
			return s.to
		}
	}
	out := w.newFrame(0, f)
	out.origin, out.columns, out.table = origin, origin.columns, origin.table
	up := w.climb(f, origin.outer)
	total := 0
	for _, row := range up {
		total += int(origin.end[row] - origin.start[row])
	}
	out.start, out.end = w.places.take(f.rows), w.places.take(f.rows)
	if out.rows = w.within(total); out.rows < total {
		clear(out.start)
		clear(out.end)
		total = 0
	} else {
		n := uint32(0)
		for i, row := range up {
			out.start[i] = n
			n += origin.end[row] - origin.start[row]
			out.end[i] = n
		}
	}
	index := w.rowsIn(out, origin)
	if origin.index != nil {
		out.index = compose(w.places.take(out.rows), origin.index, index)
	} else {
		out.index = w.places.take(out.rows)
		for i, row := range index {
			out.index[i] = uint32(origin.first) + row
		}
	}
	f.spread = append(f.spread, spread{origin, out})
	return out
}

// rowsIn is, for each row of an expanded frame, the same row in another frame of the same list further out.
func (w *worker) rowsIn(f, list *frame) []uint32 {
	for _, m := range f.maps {
		if m.to == list && m.same {
			return m.index
		}
	}
	index := w.places.take(f.rows)
	up := w.climb(f.outer, list.outer)
	if f.rows > 0 {
		for i, row := range up {
			from := list.start[row] - list.base
			for r := f.start[i]; r < f.end[i]; r++ {
				index[r] = from + r - f.start[i]
			}
		}
	}
	f.maps = append(f.maps, mapped{list, true, index})
	return index
}

// interleaved is the frame of a list of k values for each row of f.
func (w *worker) interleaved(f *frame, k int) *frame {
	if w.within(f.rows*k) < f.rows*k {
		return w.empty(f)
	}
	out := w.newFrame(f.rows*k, f)
	out.start, out.end = w.places.take(f.rows), w.places.take(f.rows)
	for i := range out.start {
		out.start[i], out.end[i] = uint32(i*k), uint32(i*k+k)
	}
	return out
}

func (w *worker) column(f *frame, s *step) *column {
	if s.op == rules.Column {
		return w.chunk.columns[s.name]
	}
	return f.columns[s.name]
}

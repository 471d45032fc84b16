package audience

import (
	"unsafe"

	"beckon/engine/rules"
)

// A value is what a step is for the rows of a frame: a single value for each row, or a list for each.
//
// Single values are stored (a column, read where the frame says), constant, or worked out (one of the slices); a stored or
// constant one is turned into slices only where something needs it so.
type value struct {
	kind rules.Type
	rows int

	column *column
	first  int
	index  []uint32

	fixed   bool // constant; missing when one is nil
	one     any
	known   bool     // valid has been found
	valid   []uint64 // nil: none is missing
	bits    []uint64
	ints    []int64
	floats  []float64
	texts   []string
	codes   []uint32
	frame   *frame // of a list: its elements' rows
	mask    []uint64
	present []uint64 // of a list: for which outer rows it is not missing; nil: all
	items   *value   // of a list of single values
}

const (
	minInt = -1 << 63
	maxInt = 1<<63 - 1
)

// class is how values of a type are held.
func class(t rules.Type) rules.Type {
	switch t {
	case rules.Money, rules.DateType, rules.Time:
		return rules.Int
	}
	return t
}

func (w *worker) newValue(kind rules.Type, rows int) *value {
	w.look()
	v := &w.values.take(1)[0]
	*v = value{kind: kind, rows: rows}
	return v
}

func (w *worker) constant(kind rules.Type, rows int, one any) *value {
	v := w.newValue(kind, rows)
	v.fixed, v.one, v.known = true, one, true
	if one == nil {
		v.valid = w.zeros(rows)
	}
	return v
}

func (v *value) isMissing() bool { return v.fixed && v.one == nil }

// stored is a column as a frame reads it.
func (w *worker) stored(f *frame, s *step) *value {
	c := w.column(f, s)
	if c == nil || c.isEmpty() {
		return w.constant(s.kind, f.rows, nil)
	}
	v := w.newValue(s.kind, f.rows)
	v.column, v.first, v.index = c, f.first, f.index
	return v
}

// isEmpty says that a column has no value at all.
func (c *column) isEmpty() bool {
	switch c.kind {
	case rules.Text:
		return c.texts == nil || c.texts.size() == 0
	case rules.Number:
		return c.f64 == nil
	case rules.Bool:
		return c.bits == nil
	}
	return c.low > c.high
}

// as is a value where a type is expected: nothing but missing values has another.
func (w *worker) as(v *value, kind rules.Type) *value {
	if class(v.kind) == class(kind) || v.isMissing() {
		return v
	}
	return w.constant(kind, v.rows, nil)
}

// validOf is which values are not missing, nil for all.
func (w *worker) validOf(v *value) []uint64 {
	if v.known || v.column == nil {
		return v.valid
	}
	v.known = true
	if v.column.valid != nil {
		v.valid = w.bits(v.rows)
		if v.index != nil {
			gatherBits(v.valid, v.column.valid, v.index)
		} else {
			copyBits(v.valid, v.column.valid, v.first)
		}
	}
	return v.valid
}

// intsOf are ints, amounts, days or seconds.
func (w *worker) intsOf(v *value) []int64 {
	if v.ints != nil {
		return v.ints
	}
	v.ints = w.ints.take(v.rows)
	if v.fixed || v.column == nil {
		raw, _ := rules.Raw(v.one)
		fill(v.ints, raw)
		return v.ints
	}
	c := v.column
	switch {
	case c.i8 != nil:
		widen(v.ints, c.i8, v.first, v.index)
	case c.i16 != nil:
		widen(v.ints, c.i16, v.first, v.index)
	case c.i32 != nil:
		widen(v.ints, c.i32, v.first, v.index)
	default:
		widen(v.ints, c.i64, v.first, v.index)
	}
	return v.ints
}

// floatsOf are numbers; ints and, in major units, money as such when the value has them.
func (w *worker) floatsOf(v *value) []float64 {
	switch {
	case v.floats != nil:
	case v.column != nil && v.index == nil:
		v.floats = v.column.f64[v.first : v.first+v.rows]
	case v.column != nil:
		v.floats = gather(w.floats.take(v.rows), v.column.f64, v.index)
	default:
		v.floats = w.floats.take(v.rows)
		number, _ := v.one.(float64)
		fill(v.floats, number)
	}
	return v.floats
}

// codesOf are the codes of a stored text.
func (w *worker) codesOf(v *value) []uint32 {
	if v.codes == nil {
		v.codes = w.places.take(v.rows)
		c := v.column
		switch {
		case c.c8 != nil:
			widen(v.codes, c.c8, v.first, v.index)
		case c.c16 != nil:
			widen(v.codes, c.c16, v.first, v.index)
		default:
			widen(v.codes, c.c32, v.first, v.index)
		}
	}
	return v.codes
}

// textsOf are texts; they share the bytes of the dictionary.
func (w *worker) textsOf(v *value) []string {
	if v.texts != nil {
		return v.texts
	}
	v.texts = w.texts.take(v.rows)
	if v.column == nil {
		text, _ := v.one.(string)
		fill(v.texts, text)
		return v.texts
	}
	for i, code := range w.codesOf(v) {
		text := v.column.texts.text(code)
		v.texts[i] = unsafe.String(unsafe.SliceData(text), len(text))
	}
	return v.texts
}

// truthsOf are bools; those that are missing have any.
func (w *worker) truthsOf(v *value) []uint64 {
	if v.bits != nil {
		return v.bits
	}
	v.bits = w.bits(v.rows)
	switch {
	case v.column == nil && v.one == true:
		fill(v.bits, ^uint64(0))
	case v.column == nil:
		clear(v.bits)
	case v.index != nil:
		gatherBits(v.bits, v.column.bits, v.index)
	default:
		copyBits(v.bits, v.column.bits, v.first)
	}
	return v.bits
}

// pick is a value for other rows: row i has that of row index[i].
func (w *worker) pick(v *value, index []uint32) *value {
	out := w.newValue(v.kind, len(index))
	switch {
	case v.fixed:
		return w.constant(v.kind, len(index), v.one)
	case v.column != nil:
		out.column = v.column
		out.index = w.places.take(len(index))
		if v.index != nil {
			gather(out.index, v.index, index)
			return out
		}
		for i, row := range index {
			out.index[i] = uint32(v.first) + row
		}
		return out
	case v.ints != nil:
		out.ints = gather(w.ints.take(out.rows), v.ints, index)
	case v.floats != nil:
		out.floats = gather(w.floats.take(out.rows), v.floats, index)
	case v.texts != nil:
		out.texts = gather(w.texts.take(out.rows), v.texts, index)
	case v.bits != nil:
		out.bits = w.bits(out.rows)
		gatherBits(out.bits, v.bits, index)
	}
	if v.valid != nil {
		out.valid = w.bits(out.rows)
		gatherBits(out.valid, v.valid, index)
	}
	out.known = true
	return out
}

// blend is yes where the condition holds, else no.
func (w *worker) blend(kind rules.Type, cond []uint64, yes, no *value) *value {
	yes, no = w.as(yes, kind), w.as(no, kind)
	out := w.newValue(kind, yes.rows)
	out.known = true
	if a, b := w.validOf(yes), w.validOf(no); a != nil || b != nil {
		out.valid = w.bits(out.rows)
		blendBits(out.valid, cond, a, b)
	}
	switch class(kind) {
	case rules.Number:
		out.floats = blendInto(w.floats.take(out.rows), cond, w.floatsOf(yes), w.floatsOf(no))
	case rules.Text:
		out.texts = blendInto(w.texts.take(out.rows), cond, w.textsOf(yes), w.textsOf(no))
	case rules.Bool:
		out.bits = w.bits(out.rows)
		for i, c := range cond {
			out.bits[i] = w.truthsOf(yes)[i]&c | w.truthsOf(no)[i]&^c
		}
	default:
		out.ints = blendInto(w.ints.take(out.rows), cond, w.intsOf(yes), w.intsOf(no))
	}
	return out
}

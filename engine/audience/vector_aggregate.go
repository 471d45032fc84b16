package audience

import (
	"math/bits"

	"beckon/engine/rules"
)

// aggregate reduces the elements of each list to one value; missing elements are skipped.
func (w *worker) aggregate(s *step, f *frame) *value {
	list := w.list(s.args[0], f)
	elem := s.args[0].elem
	items := w.as(list.items, elem)
	if s.op == rules.Trues {
		return w.trues(list, items, f)
	}
	mask := list.mask
	if valid := w.validOf(items); valid != nil {
		mask = w.copyOf(valid)
		andValid(mask, list.mask)
	}
	e := list.frame
	out := w.newValue(s.kind, f.rows)
	out.known, out.valid = true, w.bits(f.rows)
	if elem == rules.Number {
		out.floats = w.floats.take(f.rows)
		reduceNumbers(s.op, out.floats, out.valid, w.floatsOf(items), mask, e)
		return out
	}
	if s.op == rules.Min || s.op == rules.Max {
		out.ints = w.ints.take(f.rows)
		extremeInts(s.op == rules.Max, out.ints, out.valid, w.intsOf(items), mask, e)
		return out
	}
	sums, counts := w.ints.take(f.rows), []int64(nil)
	if s.op == rules.Mean {
		counts = w.ints.take(f.rows)
	}
	w.sum(sums, counts, out.valid, items, mask, e)
	if s.op == rules.Sum {
		out.ints = sums
		return out
	}
	return w.mean(out, elem, sums, counts)
}

// trues counts what is true.
func (w *worker) trues(list, items *value, f *frame) *value {
	out := w.newValue(rules.Int, f.rows)
	out.known, out.ints = true, w.ints.take(f.rows)
	mask := w.copyOf(w.truthsOf(w.as(items, rules.Bool)))
	andValid(mask, w.validOf(items))
	andValid(mask, list.mask)
	countIn(out.ints, mask, list.frame.start, list.frame.end, list.frame.base)
	return out
}

// mean is the sum in major units over the count; missing for none, and where the sum does not fit.
func (w *worker) mean(out *value, elem rules.Type, sums, counts []int64) *value {
	out.floats = w.floats.take(out.rows)
	scale := 1.0
	if elem == rules.Money {
		scale = float64(w.clock.scale)
	}
	fits := out.valid
	out.valid = w.bits(out.rows)
	decide(out.valid, out.rows, func(i int) bool {
		total := float64(sums[i])
		if elem == rules.Money {
			total /= scale
		}
		out.floats[i] = total / float64(counts[i])
		return counts[i] > 0 && isFinite(out.floats[i])
	})
	andBits(out.valid, fits)
	return out
}

// sum adds up ints exactly, and counts them where counts is not nil. fits has the rows whose sum is an int64.
func (w *worker) sum(sums, counts []int64, fits []uint64, items *value, mask []uint64, f *frame) {
	fill(fits, ^uint64(0))
	if counts != nil {
		countIn(counts, mask, f.start, f.end, f.base)
	}
	if items.fits(f.rows) {
		w.sumFitting(sums, items, mask, f)
		return
	}
	x := w.intsOf(items)
	for i := range sums {
		var total rules.Wide
		eachIn(mask, f, i, func(row int) { total.Add(x[row]) })
		n, ok := total.Int64()
		sums[i] = n
		if !ok {
			fits[i/wordBits] &^= 1 << (i % wordBits)
		}
	}
}

// fits says that no sum of so many of a column's values can overflow.
func (v *value) fits(rows int) bool {
	if v.column == nil || v.column.kind == rules.Number {
		return false
	}
	most := uint64(max(v.column.high, -v.column.low, 0))
	high, low := bits.Mul64(most, uint64(rows)+1)
	return v.column.low > minInt && high == 0 && low < 1<<62
}

// sumFitting adds up a column in its own width.
func (w *worker) sumFitting(sums []int64, items *value, mask []uint64, f *frame) {
	c, first, end := items.column, items.first, items.first+items.rows
	switch {
	case items.index != nil || items.ints != nil || c.i64 != nil:
		sumIn(sums, w.intsOf(items), mask, f.start, f.end, f.base)
	case c.i8 != nil:
		sumIn(sums, c.i8[first:end], mask, f.start, f.end, f.base)
	case c.i16 != nil:
		sumIn(sums, c.i16[first:end], mask, f.start, f.end, f.base)
	default:
		sumIn(sums, c.i32[first:end], mask, f.start, f.end, f.base)
	}
}

// eachIn gives the elements of row i, in order.
func eachIn(mask []uint64, f *frame, i int, each func(row int)) {
	from, to := f.start[i]-f.base, f.end[i]-f.base
	for r := from; r < to; r++ {
		if isSet(mask, int(r)) {
			each(int(r))
		}
	}
}

func extremeInts(most bool, out []int64, found []uint64, x []int64, mask []uint64, f *frame) {
	decide(found, len(out), func(i int) bool {
		best, any := int64(0), false
		eachIn(mask, f, i, func(row int) {
			if n := x[row]; !any || most && n > best || !most && n < best {
				best, any = n, true
			}
		})
		out[i] = best
		return any
	})
}

// reduceNumbers is sum, min, max or mean of numbers, in the order of the rows.
func reduceNumbers(op rules.Op, out []float64, found []uint64, x []float64, mask []uint64, f *frame) {
	decide(found, len(out), func(i int) bool {
		best, total, n := 0.0, 0.0, 0
		eachIn(mask, f, i, func(row int) {
			v := x[row]
			if n == 0 || op == rules.Max && v > best || op == rules.Min && v < best {
				best = v
			}
			total += v
			n++
		})
		switch op {
		case rules.Sum:
			out[i] = total
			return isFinite(total)
		case rules.Mean:
			out[i] = total / float64(n)
		default:
			out[i] = best
		}
		return n > 0 && isFinite(out[i])
	})
}

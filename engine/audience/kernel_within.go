package audience

// refineWithin keeps the rows whose value lies from low to high.
func (w *worker) refineWithin(rows []uint64, v *value, low, high int64) {
	if v.isMissing() {
		clear(rows)
		return
	}
	c := v.column
	if c != nil && (c.low > high || c.high < low) {
		clear(rows)
		return
	}
	if c == nil || c.low < low || c.high > high {
		span := uint64(high) - uint64(low)
		switch {
		case c == nil || v.index != nil || v.ints != nil:
			within(rows, w.intsOf(v), low, span)
		case c.i8 != nil:
			within(rows, c.i8[v.first:v.first+v.rows], low, span)
		case c.i16 != nil:
			within(rows, c.i16[v.first:v.first+v.rows], low, span)
		case c.i32 != nil:
			within(rows, c.i32[v.first:v.first+v.rows], low, span)
		default:
			within(rows, c.i64[v.first:v.first+v.rows], low, span)
		}
	}
	andValid(rows, w.validOf(v))
}

// within clears the bits of the values that are not from low to low+span. Words without a bit are skipped.
func within[T integer](out []uint64, x []T, low int64, span uint64) {
	for w := range out {
		if out[w] == 0 {
			continue
		}
		word := uint64(0)
		for i, n := range x[w*wordBits : min(len(x), w*wordBits+wordBits)] {
			word |= bit(uint64(int64(n)-low) <= span) << i
		}
		out[w] &= word
	}
}

// lookDays says which days have their bit set in a table that begins with first and has n.
func lookDays[T integer](out []uint64, x []T, yes []uint64, first int64, n int) {
	clear(out)
	for i, day := range x {
		at := uint64(int64(day) - first)
		if at < uint64(n) {
			out[i/wordBits] |= yes[at/wordBits] >> (at % wordBits) & 1 << (i % wordBits)
		}
	}
}

// lookNarrow looks codes up in a table of bytes, lookCodes in one of bits.
func lookNarrow(out []uint64, codes []uint8, yes *[256]uint8) {
	clear(out)
	for i, code := range codes {
		out[i/wordBits] |= uint64(yes[code]) << (i % wordBits)
	}
}

func lookCodes[T uint8 | uint16 | uint32](out []uint64, codes []T, yes []uint64) {
	clear(out)
	for i, code := range codes {
		out[i/wordBits] |= yes[code/wordBits] >> (code % wordBits) & 1 << (i % wordBits)
	}
}

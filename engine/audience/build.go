package audience

import (
	"math"
	"math/bits"

	"beckon/engine/rules"
)

// newColumn has so many entries, all missing.
func newColumn(kind rules.Type, rows int) *column {
	c := &column{kind: kind, rows: rows, valid: make([]uint64, words(rows)), low: math.MaxInt64, high: math.MinInt64}
	switch kind {
	case rules.Bool:
		c.bits = make([]uint64, words(rows))
	case rules.Number:
		c.f64 = make([]float64, rows)
	case rules.Text:
		c.c8, c.texts = make([]uint8, rows), &dictionary{}
	default:
		c.i8 = make([]int8, rows)
	}
	return c
}

func words(bits int) int { return (bits + wordBits - 1) / wordBits }

func bitOf(set []uint64, i int) bool { return set[i/wordBits]>>(i%wordBits)&1 != 0 }
func setBit(set []uint64, i int)     { set[i/wordBits] |= 1 << (i % wordBits) }
func clearBit(set []uint64, i int)   { set[i/wordBits] &^= 1 << (i % wordBits) }

func popcount(set []uint64) int {
	n := 0
	for _, word := range set {
		n += bits.OnesCount64(word)
	}
	return n
}

func extended[T any](s []T, rows int) []T {
	if s == nil || len(s) >= rows {
		return s
	}
	return append(s, make([]T, rows-len(s))...)
}

// grow gives the column more entries; each is to be set.
func (c *column) grow(rows int) {
	c.i8, c.i16, c.i32, c.i64 = extended(c.i8, rows), extended(c.i16, rows), extended(c.i32, rows), extended(c.i64, rows)
	c.c8, c.c16, c.c32 = extended(c.c8, rows), extended(c.c16, rows), extended(c.c32, rows)
	c.f64, c.bits, c.valid = extended(c.f64, rows), extended(c.bits, words(rows)), extended(c.valid, words(rows))
	c.rows = rows
}

// present says that an entry is not missing.
func (c *column) present(i int) {
	if c.valid != nil {
		setBit(c.valid, i)
	}
}

func (c *column) setMissing(i int) {
	if c.valid == nil {
		c.valid = make([]uint64, words(c.rows))
		for w := range c.valid {
			c.valid[w] = math.MaxUint64
		}
	}
	clearBit(c.valid, i)
}

// setInt sets an Int, Money, DateType or Time.
func (c *column) setInt(i int, v int64) {
	c.present(i)
	c.low, c.high = min(c.low, v), max(c.high, v)
	switch {
	case c.i8 != nil && v == int64(int8(v)):
		c.i8[i] = int8(v)
	case c.i16 != nil && v == int64(int16(v)):
		c.i16[i] = int16(v)
	case c.i32 != nil && v == int64(int32(v)):
		c.i32[i] = int32(v)
	case c.i64 != nil:
		c.i64[i] = v
	default:
		c.widen(v)
		c.setInt(i, v)
	}
}

// int is what setInt set.
func (c *column) int(i int) int64 {
	switch {
	case c.i8 != nil:
		return int64(c.i8[i])
	case c.i16 != nil:
		return int64(c.i16[i])
	case c.i32 != nil:
		return int64(c.i32[i])
	}
	return c.i64[i]
}

// widen moves the values to the narrowest entries that hold v too.
func (c *column) widen(v int64) {
	switch {
	case v == int64(int16(v)):
		c.i16 = widened[int8, int16](c.i8)
	case v == int64(int32(v)) && c.i8 != nil:
		c.i32 = widened[int8, int32](c.i8)
	case v == int64(int32(v)):
		c.i32 = widened[int16, int32](c.i16)
	case c.i8 != nil:
		c.i64 = widened[int8, int64](c.i8)
	case c.i16 != nil:
		c.i64 = widened[int16, int64](c.i16)
	default:
		c.i64 = widened[int32, int64](c.i32)
	}
	c.i8 = nil
	if c.i32 != nil || c.i64 != nil {
		c.i16 = nil
	}
	if c.i64 != nil {
		c.i32 = nil
	}
}

type whole interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32
}

func widened[From, To whole](from []From) []To {
	to := make([]To, len(from), cap(from))
	for i, v := range from {
		to[i] = To(v)
	}
	return to
}

// setNumber sets a Number; what is not finite is missing.
func (c *column) setNumber(i int, v float64) {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		c.setMissing(i)
		return
	}
	c.present(i)
	c.f64[i] = v
}

func (c *column) setBool(i int, v bool) {
	c.present(i)
	if v {
		setBit(c.bits, i)
	} else {
		clearBit(c.bits, i)
	}
}

// setCode sets a text that the dictionary has.
func (c *column) setCode(i int, code uint32) {
	c.present(i)
	switch {
	case c.c8 != nil && code <= math.MaxUint8:
		c.c8[i] = uint8(code)
	case c.c16 != nil && code <= math.MaxUint16:
		c.c16[i] = uint16(code)
	case c.c32 != nil:
		c.c32[i] = code
	case c.c8 != nil && code <= math.MaxUint16:
		c.c16, c.c8 = widened[uint8, uint16](c.c8), nil
		c.c16[i] = uint16(code)
	case c.c8 != nil:
		c.c32, c.c8 = widened[uint8, uint32](c.c8), nil
		c.c32[i] = code
	default:
		c.c32, c.c16 = widened[uint16, uint32](c.c16), nil
		c.c32[i] = code
	}
}

// code is what setCode set.
func (c *column) code(i int) uint32 {
	switch {
	case c.c8 != nil:
		return uint32(c.c8[i])
	case c.c16 != nil:
		return uint32(c.c16[i])
	}
	return c.c32[i]
}

func (c *column) isMissing(i int) bool { return c.valid != nil && !bitOf(c.valid, i) }

// take sets an entry to another column's of the same kind.
func (c *column) take(i int, from *column, j int, index *textIndex) {
	switch {
	case from.isMissing(j):
		c.setMissing(i)
	case c.kind == rules.Bool:
		c.setBool(i, bitOf(from.bits, j))
	case c.kind == rules.Number:
		c.setNumber(i, from.f64[j])
	case c.kind == rules.Text:
		c.setCode(i, index.code(from.texts.text(from.code(j))))
	default:
		c.setInt(i, from.int(j))
	}
}

// settle ends building: a missing entry has a legal code, and validity goes where all entries that matter are present
// (those of live; nil: all); the others then hold some value that is within the bounds.
func (c *column) settle(live []uint64) {
	if c.kind == rules.Text {
		if c.texts.size() == 0 {
			c.texts.add(nil)
		}
		c.texts.fresh = 0
	}
	if c.rows == 0 {
		c.valid = nil
		return
	}
	filler, some := 0, false
	for w, valid := range c.valid {
		care := uint64(math.MaxUint64)
		if live != nil {
			care = live[w]
		} else if rest := c.rows - w*wordBits; rest < wordBits {
			care = 1<<rest - 1
		}
		if care&^valid != 0 {
			return
		}
		if !some && valid != 0 {
			filler, some = w*wordBits+bits.TrailingZeros64(valid), true
		}
	}
	if !some {
		return
	}
	if live != nil {
		c.fill(filler)
	}
	c.valid = nil
}

// fill gives every missing entry the value of one that is not.
func (c *column) fill(from int) {
	for w, valid := range c.valid {
		for rest := ^valid; rest != 0; rest &= rest - 1 {
			i := w*wordBits + bits.TrailingZeros64(rest)
			switch {
			case i >= c.rows:
			case c.kind == rules.Text:
				c.setCode(i, c.code(from))
			case c.i8 != nil || c.i16 != nil || c.i32 != nil || c.i64 != nil:
				c.setInt(i, c.int(from))
			}
		}
	}
}

// bytes is the memory that a column holds.
func (c *column) bytes() int64 {
	n := cap(c.i8) + 2*cap(c.i16) + 4*cap(c.i32) + 8*cap(c.i64) + cap(c.c8) + 2*cap(c.c16) + 4*cap(c.c32) + 8*(cap(c.f64)+cap(c.bits)+cap(c.valid))
	if c.texts != nil {
		n += cap(c.texts.bytes) + 4*cap(c.texts.ends)
	}
	return int64(n)
}

package audience

import (
	"encoding/binary"
	"math/bits"
)

// Kernels that keep the rows for which something holds clear the bits of the others. A word of 64 rows without a bit is
// skipped, and where it has few of them only those rows are looked at.
//
// Why so: a word is built from 64 comparisons without a branch, eight at a time, so that what the values are does not slow
// it down; the order of conditions then makes most words sparse.

// sparseMax is up to how many bits of a word the rows are looked at one by one.
const sparseMax = 10

// within keeps the values from low to high. The range must overlap with what T can hold. U is T without a sign.
func within[T int8 | int16 | int32, U uint8 | uint16 | uint32](rows []uint64, x []T, low, high int64) {
	least, most := reachOf[T]()
	low, high = max(low, least), min(high, most)
	from, limit := U(low), uint64(high-low)+1
	for w := range rows {
		word := rows[w]
		at := w * wordBits
		switch {
		case word == 0:
		case bits.OnesCount64(word) <= sparseMax || len(x)-at < wordBits:
			for b := word; b != 0; b &= b - 1 {
				i := at + bits.TrailingZeros64(b)
				if i >= len(x) {
					break
				}
				word &^= (^(uint64(U(x[i])-from) - limit) >> 63) << (uint(i) % wordBits)
			}
			rows[w] = word
		default:
			rows[w] = word & withinWord((*[wordBits]T)(x[at:]), from, limit)
		}
	}
}

// withinWord says which of 64 values are less than limit away from the first: the borrow of a subtraction is the answer.
func withinWord[T int8 | int16 | int32, U uint8 | uint16 | uint32](x *[wordBits]T, from U, limit uint64) uint64 {
	word := uint64(0)
	for i := 0; i < wordBits; i += 8 {
		p := (*[8]T)(x[i : i+8])
		a := (uint64(U(p[0])-from) - limit) >> 63
		b := (uint64(U(p[1])-from) - limit) >> 63
		c := (uint64(U(p[2])-from) - limit) >> 63
		d := (uint64(U(p[3])-from) - limit) >> 63
		e := (uint64(U(p[4])-from) - limit) >> 63
		f := (uint64(U(p[5])-from) - limit) >> 63
		g := (uint64(U(p[6])-from) - limit) >> 63
		h := (uint64(U(p[7])-from) - limit) >> 63
		word |= ((a + 2*b) + 4*(c+2*d) + 16*((e+2*f)+4*(g+2*h))) << (uint(i) % wordBits)
	}
	return word
}

// reachOf is what a type can hold.
func reachOf[T int8 | int16 | int32]() (least, most int64) {
	top := T(1)
	for top<<1 > 0 {
		top <<= 1
	}
	return -int64(top) * 2, int64(top)*2 - 1
}

// withinLong keeps the values from low to low+span.
func withinLong(rows []uint64, x []int64, low int64, span uint64) {
	for w := range rows {
		word := rows[w]
		at := w * wordBits
		switch {
		case word == 0:
		case bits.OnesCount64(word) <= sparseMax || len(x)-at < wordBits:
			for b := word; b != 0; b &= b - 1 {
				i := at + bits.TrailingZeros64(b)
				if i >= len(x) {
					break
				}
				word &^= bit(uint64(x[i]-low) > span) << (uint(i) % wordBits)
			}
			rows[w] = word
		default:
			rows[w] = word & withinLongWord((*[wordBits]int64)(x[at:]), low, span)
		}
	}
}

func withinLongWord(x *[wordBits]int64, low int64, span uint64) uint64 {
	word := uint64(0)
	for i := 0; i < wordBits; i += 4 {
		p := (*[4]int64)(x[i : i+4])
		a, b := bit(uint64(p[0]-low) <= span), bit(uint64(p[1]-low) <= span)
		c, d := bit(uint64(p[2]-low) <= span), bit(uint64(p[3]-low) <= span)
		word |= (a + 2*b + 4*(c+2*d)) << (uint(i) % wordBits)
	}
	return word
}

// equalCode keeps the rows of one code. Eight codes are compared at once.
func equalCode(rows []uint64, codes []uint8, code uint8) {
	const ones, lows, high = 0x0101010101010101, 0x7F7F7F7F7F7F7F7F, 0x8080808080808080
	const collect = 0x0002040810204081 // moves the top bit of each byte into the top byte
	wanted := uint64(code) * ones
	for w := range rows {
		if rows[w] == 0 {
			continue
		}
		some := codes[w*wordBits : min(len(codes), w*wordBits+wordBits)]
		word := uint64(0)
		if len(some) < wordBits {
			for i, c := range some {
				word |= bit(c == code) << (uint(i) % wordBits)
			}
			rows[w] &= word
			continue
		}
		for i := 0; i < wordBits; i += 8 {
			y := binary.LittleEndian.Uint64(some[i:i+8]) ^ wanted
			zero := ^((y&lows + lows) | y) & high
			word |= (zero * collect >> 56) << (uint(i) % wordBits)
		}
		rows[w] &= word
	}
}

// chosenCodes keeps the rows whose code has a 1 in a table that has every code; dense works on 64 of them.
func chosenCodes[T uint8 | uint16 | uint32](rows []uint64, codes []T, table []uint8, dense func(x *[wordBits]T, table []uint8) uint64) {
	for w := range rows {
		word := rows[w]
		at := w * wordBits
		switch {
		case word == 0:
		case bits.OnesCount64(word) <= sparseMax || len(codes)-at < wordBits:
			for b := word; b != 0; b &= b - 1 {
				i := at + bits.TrailingZeros64(b)
				if i >= len(codes) {
					break
				}
				word &^= uint64(1-table[codes[i]]) << (uint(i) % wordBits)
			}
			rows[w] = word
		default:
			rows[w] = word & dense((*[wordBits]T)(codes[at:]), table)
		}
	}
}

func chosenWord[T uint8 | uint16 | uint32](x *[wordBits]T, table []uint8) uint64 {
	word := uint64(0)
	for i := 0; i < wordBits; i += 8 {
		p := (*[8]T)(x[i : i+8])
		low := table[p[0]] + 2*table[p[1]] + 4*(table[p[2]]+2*table[p[3]])
		high := table[p[4]] + 2*table[p[5]] + 4*(table[p[6]]+2*table[p[7]])
		word |= uint64(low+16*high) << (uint(i) % wordBits)
	}
	return word
}

// chosenBytesWord is chosenWord over a table that has all bytes.
func chosenBytesWord(x *[wordBits]uint8, all []uint8) uint64 {
	table, word := (*[256]uint8)(all), uint64(0)
	for i := 0; i < wordBits; i += 8 {
		p := (*[8]uint8)(x[i : i+8])
		low := table[p[0]] + 2*table[p[1]] + 4*(table[p[2]]+2*table[p[3]])
		high := table[p[4]] + 2*table[p[5]] + 4*(table[p[6]]+2*table[p[7]])
		word |= uint64(low+16*high) << (uint(i) % wordBits)
	}
	return word
}

// chosenDays keeps the days that have a 1 in a table that begins with the day first, and ends with what is said of all
// others, which only a missing day can be.
func chosenDays[T int8 | int16 | int32 | int64](rows []uint64, x []T, table []uint8, first int64) {
	last := uint64(len(table) - 1)
	for w := range rows {
		word := rows[w]
		at := w * wordBits
		switch {
		case word == 0:
		case bits.OnesCount64(word) <= sparseMax || len(x)-at < wordBits:
			for b := word; b != 0; b &= b - 1 {
				i := at + bits.TrailingZeros64(b)
				if i >= len(x) {
					break
				}
				word &^= uint64(1-table[min(uint64(int64(x[i])-first), last)]) << (uint(i) % wordBits)
			}
			rows[w] = word
		default:
			rows[w] = word & chosenDaysWord((*[wordBits]T)(x[at:]), table, first)
		}
	}
}

func chosenDaysWord[T int8 | int16 | int32 | int64](x *[wordBits]T, table []uint8, first int64) uint64 {
	last, word := uint64(len(table)-1), uint64(0)
	for i := 0; i < wordBits; i += 4 {
		p := (*[4]T)(x[i : i+4])
		a, b := table[min(uint64(int64(p[0])-first), last)], table[min(uint64(int64(p[1])-first), last)]
		c, d := table[min(uint64(int64(p[2])-first), last)], table[min(uint64(int64(p[3])-first), last)]
		word |= uint64(a+2*b+4*(c+2*d)) << (uint(i) % wordBits)
	}
	return word
}

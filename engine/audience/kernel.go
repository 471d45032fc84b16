package audience

import (
	"cmp"
	"math"
	"math/bits"

	"beckon/engine/rules"
)

type integer interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32
}

// widen reads entries first…, or those of an index, into a wider type.
func widen[W, N integer](out []W, x []N, first int, index []uint32) {
	if index != nil {
		for i, at := range index {
			out[i] = W(x[at])
		}
		return
	}
	x = x[first:]
	x = x[:len(out)]
	for i, n := range x {
		out[i] = W(n)
	}
}

// gather reads x at each place of an index.
func gather[T any](out, x []T, index []uint32) []T {
	out = out[:len(index)]
	for i, at := range index {
		out[i] = x[at]
	}
	return out
}

// compose is the index of an index.
func compose(out, outer, inner []uint32) []uint32 { return gather(out, outer, inner) }

// gatherBits reads the bits of x at each place of an index.
func gatherBits(out, x []uint64, index []uint32) {
	for len(index) > 0 {
		n := min(len(index), wordBits)
		word := uint64(0)
		for i, at := range index[:n] {
			word |= x[at/wordBits] >> (at % wordBits) & 1 << i
		}
		out[0], out, index = word, out[1:], index[n:]
	}
}

// copyBits reads bits from a place on. What lies behind the end of x is 0.
func copyBits(out, x []uint64, first int) {
	x = x[min(first/wordBits, len(x)):]
	shift := uint(first % wordBits)
	if shift == 0 {
		clear(out[copy(out, x):])
		return
	}
	for i := range out {
		word := uint64(0)
		if i < len(x) {
			word = x[i] >> shift
		}
		if i+1 < len(x) {
			word |= x[i+1] << (wordBits - shift)
		}
		out[i] = word
	}
}

func anyBit(x []uint64, first, n int) bool {
	for i := first; i < first+n; {
		if i%wordBits == 0 && i+wordBits <= first+n {
			if x[i/wordBits] != 0 {
				return true
			}
			i += wordBits
			continue
		}
		if x[i/wordBits]>>(i%wordBits)&1 != 0 {
			return true
		}
		i++
	}
	return false
}

// blendBits is yes where cond, else no; nil has all bits.
func blendBits(out, cond, yes, no []uint64) {
	for i, c := range cond[:len(out)] {
		a, b := ^uint64(0), ^uint64(0)
		if yes != nil {
			a = yes[i]
		}
		if no != nil {
			b = no[i]
		}
		out[i] = a&c | b&^c
	}
}

func blendInto[T any](out []T, cond []uint64, yes, no []T) []T {
	for i := range out {
		if cond[i/wordBits]>>(i%wordBits)&1 != 0 {
			out[i] = yes[i]
		} else {
			out[i] = no[i]
		}
	}
	return out
}

func bit(is bool) uint64 {
	if is {
		return 1
	}
	return 0
}

// decide sets bit i of out to what is said of i.
func decide(out []uint64, rows int, is func(i int) bool) {
	for w := range out[:wordsOf(rows)] {
		word := uint64(0)
		for i := w * wordBits; i < min(rows, w*wordBits+wordBits); i++ {
			word |= bit(is(i)) << (i % wordBits)
		}
		out[w] = word
	}
}

// equalOrdered, lessOrdered and lessEqualOrdered compare row by row.
func equalOrdered[T cmp.Ordered](out []uint64, x, y []T) {
	y = y[:len(x)]
	clear(out)
	for i, a := range x {
		out[i/wordBits] |= bit(a == y[i]) << (i % wordBits)
	}
}

func lessOrdered[T cmp.Ordered](out []uint64, x, y []T) {
	y = y[:len(x)]
	clear(out)
	for i, a := range x {
		out[i/wordBits] |= bit(a < y[i]) << (i % wordBits)
	}
}

func lessEqualOrdered[T cmp.Ordered](out []uint64, x, y []T) {
	y = y[:len(x)]
	clear(out)
	for i, a := range x {
		out[i/wordBits] |= bit(a <= y[i]) << (i % wordBits)
	}
}

// calculate is an exact operator on ints; ok has the rows where the answer fits.
func calculate(out []int64, ok []uint64, op rules.Op, x, y []int64) {
	clear(ok)
	y = y[:len(x)]
	for i, a := range x {
		b := y[i]
		n, fits := int64(0), false
		switch op {
		case rules.Add:
			n = a + b
			fits = (n > a) == (b > 0)
		case rules.Subtract:
			n = a - b
			fits = (n < a) == (b > 0)
		case rules.Multiply:
			n, fits = rules.MultiplyInts(a, b)
		default:
			if fits = b != 0; fits {
				n = a % b
			}
		}
		out[i] = n
		ok[i/wordBits] |= bit(fits) << (i % wordBits)
	}
}

// reckon is an operator on numbers; ok has the rows where the answer is finite.
func reckon(out []float64, ok []uint64, op rules.Op, x, y []float64) {
	clear(ok)
	y = y[:len(x)]
	for i, a := range x {
		b := y[i]
		n := 0.0
		switch op {
		case rules.Add:
			n = a + b
		case rules.Subtract:
			n = a - b
		case rules.Multiply:
			n = a * b
		case rules.Divide:
			n = a / b // of zero ±Inf or NaN
		default:
			n = math.Pow(a, b)
		}
		out[i] = n
		ok[i/wordBits] |= bit(isFinite(n)) << (i % wordBits)
	}
}

func isFinite(n float64) bool {
	const exponent = 0x7FF << 52
	return math.Float64bits(n)&exponent != exponent
}

// rangeBits are the bits from … from+n-1 of a bitmap with spare words, less than 64 of them.
func rangeBits(x []uint64, from, n uint32) uint64 {
	at, shift := from/wordBits, from%wordBits
	word := x[at]>>shift | x[at+1]<<1<<(wordBits-1-shift)
	return word & (1<<(n%wordBits) - 1)
}

// anyIn says for each range of rows whether one of them has its bit set.
func anyIn(out, mask []uint64, start, end []uint32, base uint32) {
	mask = mask[:len(mask)+spareWords]
	for w := range out {
		some := start[w*wordBits : min(len(start), w*wordBits+wordBits)]
		ends := end[w*wordBits:][:len(some)]
		word := uint64(0)
		for i, from := range some {
			n := ends[i] - from
			if n < wordBits {
				word |= bit(rangeBits(mask, from-base, n) != 0) << (uint(i) % wordBits)
			} else {
				word |= bit(countRange(mask, from-base, n) > 0) << (uint(i) % wordBits)
			}
		}
		out[w] = word
	}
}

// countIn counts for each range of rows those whose bit is set; mask nil: all.
func countIn(out []int64, mask []uint64, start, end []uint32, base uint32) {
	end, out = end[:len(start)], out[:len(start)]
	if mask == nil {
		for i, from := range start {
			out[i] = int64(end[i] - from)
		}
		return
	}
	mask = mask[:len(mask)+spareWords]
	for i, from := range start {
		if n := end[i] - from; n < wordBits {
			out[i] = int64(bits.OnesCount64(rangeBits(mask, from-base, n)))
		} else {
			out[i] = countRange(mask, from-base, n)
		}
	}
}

func countRange(mask []uint64, from, n uint32) int64 {
	const step = wordBits - 1
	count := 0
	for ; n > 0; n -= min(n, step) {
		count += bits.OnesCount64(rangeBits(mask, from, min(n, step)))
		from += step
	}
	return int64(count)
}

// sumIn adds up the values of each range whose bit is set; mask nil: all. The sums must fit.
func sumIn[T integer](out []int64, x []T, mask []uint64, start, end []uint32, base uint32) {
	end, out = end[:len(start)], out[:len(start)]
	if mask != nil {
		mask = mask[:len(mask)+spareWords]
	}
	for i, from := range start {
		from, to, total := from-base, end[i]-base, int64(0)
		if mask == nil {
			for _, n := range x[from:to] {
				total += int64(n)
			}
			out[i] = total
			continue
		}
		for from < to {
			n := min(to-from, wordBits-1)
			for word := rangeBits(mask, from, n); word != 0; word &= word - 1 {
				total += int64(x[int(from)+bits.TrailingZeros64(word)])
			}
			from += n
		}
		out[i] = total
	}
}

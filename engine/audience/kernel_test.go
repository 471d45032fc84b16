package audience

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"beckon/engine/rules"
)

// rowsBefore draws which rows are still in question: none, few or many of a word.
func rowsBefore(t *rapid.T, n int) []uint64 {
	word := rapid.OneOf(rapid.Just(uint64(0)), rapid.Just(^uint64(0)), rapid.Map(rapid.IntRange(0, 63), func(i int) uint64 { return 1 << i }), rapid.Uint64())
	out := rapid.SliceOfN(word, wordsOf(n), wordsOf(n)).Draw(t, "rows")
	if len(out) > 0 {
		trim(out, n)
	}
	return out
}

// keeps compares what a kernel leaves of some rows with what is said of each.
func keeps(t *rapid.T, n int, kernel func(rows []uint64), is func(i int) bool) {
	t.Helper()
	before := rowsBefore(t, n)
	after := append([]uint64(nil), before...)
	kernel(after)
	for i := range n {
		if want := isSet(before, i) && is(i); isSet(after, i) != want {
			t.Fatalf("row %d of %d: %v, want %v", i, n, !want, want)
		}
	}
}

func someLength() *rapid.Generator[int] {
	return rapid.OneOf(rapid.IntRange(0, 10), rapid.SampledFrom([]int{63, 64, 65, 127, 128, 200}))
}

func TestRangesOfEveryWidthAreWhatComparisonsSay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := someLength().Draw(t, "n")
		within8(t, n)
		checkWithin(t, n, rapid.OneOf(rapid.Int16(), rapid.Int16Range(-3, 3)), within[int16, uint16])
		checkWithin(t, n, rapid.OneOf(rapid.Int32(), rapid.Int32Range(-3, 3)), within[int32, uint32])
		x := rapid.SliceOfN(rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3)), n, n).Draw(t, "x")
		low, high := someRange(t)
		keeps(t, n, func(rows []uint64) { withinLong(rows, x, low, uint64(high)-uint64(low)) }, func(i int) bool { return low <= x[i] && x[i] <= high })
	})
}

func within8(t *rapid.T, n int) {
	checkWithin(t, n, rapid.OneOf(rapid.Int8(), rapid.Int8Range(-3, 3)), within[int8, uint8])
}

func someRange(t *rapid.T) (low, high int64) {
	ends := rapid.OneOf(rapid.Int64Range(-4, 4), rapid.Int64Range(-200, 200), rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, math.MinInt32, math.MaxInt32, math.MinInt16, math.MaxInt16, -128, 127}))
	low, high = ends.Draw(t, "low"), ends.Draw(t, "high")
	return min(low, high), max(low, high)
}

func checkWithin[T int8 | int16 | int32](t *rapid.T, n int, values *rapid.Generator[T], kernel func(rows []uint64, x []T, low, high int64)) {
	x := rapid.SliceOfN(values, n, n).Draw(t, "x")
	low, high := someRange(t)
	if least, most := reachOf[T](); high < least || low > most {
		return
	}
	keeps(t, n, func(rows []uint64) { kernel(rows, x, low, high) }, func(i int) bool { return low <= int64(x[i]) && int64(x[i]) <= high })
}

func TestReachOfATypeIsWhatItCanHold(t *testing.T) {
	low8, high8 := reachOf[int8]()
	low16, high16 := reachOf[int16]()
	low32, high32 := reachOf[int32]()
	if low8 != math.MinInt8 || high8 != math.MaxInt8 || low16 != math.MinInt16 || high16 != math.MaxInt16 || low32 != math.MinInt32 || high32 != math.MaxInt32 {
		t.Error(low8, high8, low16, high16, low32, high32)
	}
}

func TestCodesAreLookedUpOneByOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := someLength().Draw(t, "n")
		narrow := rapid.SliceOfN(rapid.OneOf(rapid.Uint8Range(0, 3), rapid.Uint8()), n, n).Draw(t, "codes")
		wanted := rapid.OneOf(rapid.Uint8Range(0, 3), rapid.Uint8()).Draw(t, "wanted")
		keeps(t, n, func(rows []uint64) { equalCode(rows, narrow, wanted) }, func(i int) bool { return narrow[i] == wanted })
		table := rapid.SliceOfN(rapid.Uint8Range(0, 1), 256, 256).Draw(t, "table")
		keeps(t, n, func(rows []uint64) { chosenCodes(rows, narrow, table, chosenBytesWord) }, func(i int) bool { return table[narrow[i]] == 1 })
		wide := rapid.SliceOfN(rapid.Uint16Range(0, 255), n, n).Draw(t, "wide")
		keeps(t, n, func(rows []uint64) { chosenCodes(rows, wide, table, chosenWord) }, func(i int) bool { return table[wide[i]] == 1 })
		days := rapid.SliceOfN(rapid.Int16Range(-50, 77), n, n).Draw(t, "days")
		keeps(t, n, func(rows []uint64) { chosenDays(rows, days, table[:120], -50) }, func(i int) bool { return table[min(int(days[i])+50, 119)] == 1 })
	})
}

// someRanges are ranges of rows behind each other, with gaps, from a base on.
func someRanges(t *rapid.T) (start, end []uint32, base uint32, rows int) {
	base = rapid.Uint32Range(0, 1000).Draw(t, "base")
	at := base
	for range rapid.IntRange(0, 130).Draw(t, "lists") {
		at += rapid.SampledFrom([]uint32{0, 0, 0, 1, 70}).Draw(t, "gap")
		start = append(start, at)
		at += rapid.SampledFrom([]uint32{0, 1, 2, 3, 5, 62, 63, 64, 65, 150}).Draw(t, "length")
		end = append(end, at)
	}
	return start, end, base, int(at - base)
}

func TestReductionsOverRangesAreLoops(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start, end, base, rows := someRanges(t)
		s := &scratch{}
		mask := s.bits(rows)
		copy(mask, rapid.SliceOfN(rapid.Uint64(), len(mask), len(mask)).Draw(t, "mask"))
		if rapid.IntRange(0, 4).Draw(t, "empty") == 0 {
			clear(mask)
		}
		x := rapid.SliceOfN(rapid.Int32(), rows, rows).Draw(t, "x")
		n := len(start)
		any, count, sum, all, total := s.bits(n), make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
		anyIn(any, mask, start, end, base)
		countIn(count, mask, start, end, base)
		countIn(all, nil, start, end, base)
		sumIn(sum, x, mask, start, end, base)
		sumIn(total, x, nil, start, end, base)
		for i := range start {
			k, masked, whole := int64(0), int64(0), int64(0)
			for r := start[i] - base; r < end[i]-base; r++ {
				whole += int64(x[r])
				if isSet(mask, int(r)) {
					k++
					masked += int64(x[r])
				}
			}
			if isSet(any, i) != (k > 0) || count[i] != k || sum[i] != masked || total[i] != whole || all[i] != int64(end[i]-start[i]) {
				t.Fatalf("list %d, rows %d to %d", i, start[i], end[i])
			}
		}
	})
}

func TestBitsAreMovedAsTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.SliceOfN(rapid.Uint64(), 1, 5).Draw(t, "x")
		all := len(x) * wordBits
		first := rapid.IntRange(0, all-1).Draw(t, "first")
		n := rapid.IntRange(0, all-first).Draw(t, "n")
		out := make([]uint64, wordsOf(n))
		copyBits(out, x, first)
		index := make([]uint32, n)
		for i := range index {
			index[i] = rapid.Uint32Range(0, uint32(all-1)).Draw(t, "index")
		}
		picked := make([]uint64, wordsOf(n))
		gatherBits(picked, x, index)
		if len(out) > 0 {
			trim(out, n)
		}
		pasted := make([]uint64, len(x)+1)
		pasteBits(pasted, out, first)
		for i := range n {
			if isSet(out, i) != isSet(x, first+i) || isSet(pasted, first+i) != isSet(x, first+i) || isSet(picked, i) != isSet(x, int(index[i])) {
				t.Fatalf("bit %d of %d from %d", i, n, first)
			}
		}
		if n > 0 && anyBit(x, first, n) == isZero(out) {
			t.Fatalf("a bit among %d from %d: %v", n, first, isZero(out))
		}
	})
}

func TestArithmeticIsTheReferences(t *testing.T) {
	ints := rapid.OneOf(rapid.Int64Range(-9, 9), rapid.Int64(), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, math.MinInt64 + 1, 1 << 32}))
	rapid.Check(t, func(t *rapid.T) {
		x, y := []int64{ints.Draw(t, "x")}, []int64{ints.Draw(t, "y")}
		out, ok := make([]int64, 1), make([]uint64, 1)
		for op, want := range map[rules.Op]func(a, b int64) (int64, bool){rules.Multiply: rules.MultiplyInts,
			rules.Add:      func(a, b int64) (int64, bool) { return wideSum(a, b) },
			rules.Subtract: func(a, b int64) (int64, bool) { return wideSum(a, -b) },
			rules.Rest: func(a, b int64) (int64, bool) {
				if b == 0 {
					return 0, false
				}
				return a % b, true
			}} {
			if op == rules.Subtract && y[0] == math.MinInt64 {
				continue
			}
			calculate(out, ok, op, x, y)
			if n, fits := want(x[0], y[0]); fits != isSet(ok, 0) || fits && out[0] != n {
				t.Fatalf("%d %v %d: %d %v", x[0], op, y[0], out[0], ok)
			}
		}
	})
}

func wideSum(a, b int64) (int64, bool) {
	var sum rules.Wide
	sum.Add(a)
	sum.Add(b)
	return sum.Int64()
}

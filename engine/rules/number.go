package rules

import (
	"cmp"
	"math"
	"math/big"
	"math/bits"
	"strconv"
)

// shortest is the shortest decimal that reads back as n: what was typed to get it.
func shortest(n float64) string { return strconv.FormatFloat(n, 'e', -1, 64) }

// addInts, subtractInts and multiplyInts are exact; false when the answer does not fit.
func addInts(a, b int64) (int64, bool) {
	sum := a + b
	return sum, (sum > a) == (b > 0)
}

func subtractInts(a, b int64) (int64, bool) {
	difference := a - b
	return difference, (difference < a) == (b > 0)
}

func multiplyInts(a, b int64) (int64, bool) {
	high, low := bits.Mul64(magnitude(a), magnitude(b))
	if (a < 0) != (b < 0) {
		return -int64(low), high == 0 && low <= 1<<63
	}
	return int64(low), high == 0 && low < 1<<63
}

func magnitude(n int64) uint64 {
	if n < 0 {
		return -uint64(n)
	}
	return uint64(n)
}

// compareIntNumber compares by exact value: -1, 0 or 1. The number is finite.
func compareIntNumber(i int64, n float64) int {
	switch {
	case n >= math.MaxInt64: // as a float64 this is 2^63
		return -1
	case n < math.MinInt64:
		return 1
	}
	whole := math.Floor(n)
	if c := cmp.Compare(i, int64(whole)); c != 0 {
		return c
	}
	return cmp.Compare(whole, n)
}

// compareMoneyNumber compares an amount in minor units with a number in major units by the number's shortest decimal
// form. Nearly always the two are far enough apart for floating point to decide.
func compareMoneyNumber(minor int64, n float64, scale int64) int {
	const certain = 1e-12
	left, right := float64(minor), n*float64(scale)
	if d := left - right; math.Abs(d) > certain*(math.Abs(left)+math.Abs(right)) && isFinite(right) {
		return cmp.Compare(d, 0)
	}
	if !isFinite(right) {
		return cmp.Compare(0, n)
	}
	exact, ok := new(big.Rat).SetString(shortest(n))
	if !ok {
		return cmp.Compare(left, right)
	}
	return new(big.Rat).SetFrac64(minor, scale).Cmp(exact)
}

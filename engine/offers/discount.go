// Package offers prices: what an offer takes off, how that falls on the lines, and the codes by which an offer is called.
// Everything in it is a pure function: the same input gives the same bytes.
//
// Why integers: money is int64 minor units from end to end, a percentage is hundredths of a percent, and a discount is
// rounded once, half up, as a whole. Shares of lines come out of the rounded discount, so that they always add up to it.
//
// Why codes are computed: a batch of a thousand million codes is a range of serials and a key. A code is its serial under
// a keyed permutation, so that no two are alike, none can be guessed from another, and rows are needed only for codes
// that somebody holds.
package offers

import (
	"cmp"
	"math/bits"
	"slices"
)

// Kind is what an effect does to the price.
type Kind string

// The kinds of effect.
const (
	PercentOff Kind = "percent_off"
	AmountOff  Kind = "amount_off"
)

// whole is a hundred percent in hundredths of a percent.
const whole = 10_000

// Effect is what an offer takes off the order.
type Effect struct {
	Kind              Kind
	PercentHundredths int64 // of percent_off, 1 to 10000: 12.5 % is 1250
	AmountMinor       int64 // of amount_off, above zero
	MaxMinor          int64 // the most that is taken off; 0: no limit
}

// Discount is what the effect takes off an order of which left minor units are still to be paid. A percentage is taken of
// base: the initial amount, or again what is left, as the offer says. The result lies between 0 and left.
func (e Effect) Discount(base, left int64) int64 {
	off := e.AmountMinor
	if e.Kind == PercentOff {
		off = part(max(base, 0), e.PercentHundredths)
	}
	if e.MaxMinor > 0 {
		off = min(off, e.MaxMinor)
	}
	return max(min(off, left), 0)
}

// part is amount × hundredths / 10000, rounded half up; hundredths lie between 0 and 10000.
func part(amount, hundredths int64) int64 {
	high, low := bits.Mul64(uint64(amount), uint64(min(max(hundredths, 0), whole)))
	low, carry := bits.Add64(low, whole/2, 0)
	quotient, _ := bits.Div64(high+carry, low, whole)
	return int64(quotient)
}

// Split spreads an amount over lines in proportion to what they cost, by largest remainder, ties to the earlier line. The
// shares add up to the amount and none exceeds its line. An amount is at most the sum of the lines, and lines are not
// negative: what lies outside counts as the nearest that does not.
func Split(amount int64, lines []int64) []int64 {
	shares := make([]int64, len(lines))
	total := int64(0)
	for _, line := range lines {
		total += max(line, 0)
	}
	rest := max(min(amount, total), 0)
	if rest == 0 {
		return shares
	}
	quota, remainders := uint64(rest), make([]uint64, len(lines))
	for i, line := range lines {
		high, low := bits.Mul64(quota, uint64(max(line, 0)))
		share, remainder := bits.Div64(high, low, uint64(total))
		shares[i], remainders[i] = int64(share), remainder
		rest -= int64(share)
	}
	// What is left is fewer units than there are lines with a remainder, and a line with a remainder has room for one.
	for _, i := range largest(remainders)[:rest] {
		shares[i]++
	}
	return shares
}

// largest lists the places of values from the largest down; of equal ones the earlier first.
func largest(values []uint64) []int {
	places := make([]int, len(values))
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, func(a, b int) int { return cmp.Compare(values[b], values[a]) })
	return places
}

// Package lift says who is held out and what a campaign caused: assignment by hash, and the statistics of the difference.
//
// Why a hash and not a draw: the arm of a customer must be the same after a restart, on another node and in the next
// batch, and must be worked out again from what is stored. The hash is GrowthBook's version 2, FNV-1a twice with the
// decimal digits between: plain FNV correlates the arms of different campaigns.
//
// Why from sums: a report is made from the count, the sum and the sum of squares of each arm, never from rows, so that
// a million customers cost as much as ten, and any report can be worked out again.
//
// Why two scales: the p-value belongs to the absolute difference. The relative lift has Fieller's interval with the
// same t quantile, so that both intervals leave out zero together; the delta method stands beside it for comparison
// with other tools.
//
// Why refusals: where no honest number exists the functions say which of the reasons it is. They return no NaN, no
// infinity and no silent zero. Refusing the relative lift never hides the absolute one.
package lift

import (
	"errors"
	"hash/fnv"
	"math"
	"strconv"
)

// Buckets is the resolution of assignment: shares are exact to 1/10000.
const Buckets = 10000

// separator stands between salt and key. Salts are ours and keys are hashes or numbers: neither holds a control character.
const separator = "\x1f"

// Bucket is fnv1a32(decimal(fnv1a32(seed + id))) mod 10000, from 0 to 9999, over the bytes as they are (UTF-8).
// Assignment calls it through KeyBucket, which keeps seed and id apart.
func Bucket(seed, id string) int {
	first := fnv1a(seed + id)
	return int(fnv1a(strconv.FormatUint(uint64(first), 10)) % Buckets)
}

// KeyBucket is the bucket of an arm key under a campaign's salt. The two are joined by a separator that neither may
// contain, so that ("ab", "c") and ("a", "bc") are different pairs.
func KeyBucket(salt, key string) int { return Bucket(salt+separator, key) }

func fnv1a(s string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s)) // a hash never fails
	return h.Sum32()
}

// Range is the half-open range of buckets [From, To) of one arm; it may be empty.
type Range struct{ From, To int }

// Ranges gives arm i the buckets from the sum of the weights before it, coverage × weight wide. Widening the coverage
// therefore moves nobody from one arm to another; changing the weights does. Coverage is clamped to [0, 1]. Weights
// that hold a negative number or do not add up to 1 within 0.01 are replaced by equal ones, as GrowthBook does; callers
// that want an error instead make their weights with Arms.
func Ranges(weights []float64, coverage float64) []Range {
	if !(coverage > 0) { // also not a number
		coverage = 0
	}
	coverage = math.Min(coverage, 1)
	if !addUp(weights) {
		weights = equal(len(weights))
	}
	ranges := make([]Range, len(weights))
	from := 0.0
	for i, w := range weights {
		ranges[i] = Range{From: bound(from), To: bound(from + coverage*w)}
		from += w
	}
	return ranges
}

// bound is the first bucket at or after a share, as the comparison bucket/10000 < share would have it; sums of weights
// miss a whole bucket by rounding, and the small allowance takes them for what they mean.
func bound(share float64) int {
	return min(int(math.Ceil(share*Buckets-1e-6)), Buckets)
}

func addUp(weights []float64) bool {
	sum := 0.0
	for _, w := range weights {
		if !(w >= 0) {
			return false
		}
		sum += w
	}
	return sum >= 0.99 && sum <= 1.01
}

func equal(n int) []float64 {
	weights := make([]float64, n)
	for i := range weights {
		weights[i] = 1 / float64(n)
	}
	return weights
}

// Choose is the index of the first range that holds the bucket, -1 when none does.
func Choose(bucket int, ranges []Range) int {
	for i, r := range ranges {
		if r.From <= bucket && bucket < r.To {
			return i
		}
	}
	return -1
}

// Arms turns a holdout share and the variants' weights into shares that add up to 1: arm 0 is the holdout, arm i+1 is
// variant i with its part of the rest. Weights need not add up to anything. The holdout is in [0, 1), weights are finite
// and not negative, and one of them is above zero.
func Arms(holdout float64, weights []float64) ([]float64, error) {
	if !(holdout >= 0 && holdout < 1) {
		return nil, errors.New("the holdout is a share from 0 to below 1")
	}
	sum := 0.0
	for _, w := range weights {
		if !(w >= 0) {
			return nil, errors.New("a variant's weight is zero or more")
		}
		sum += w
	}
	if sum == 0 || math.IsInf(sum, 1) {
		return nil, errors.New("the variants' weights add up to more than zero and stay finite")
	}
	shares := make([]float64, 1, len(weights)+1)
	shares[0] = holdout
	for _, w := range weights {
		shares = append(shares, (1-holdout)*(w/sum))
	}
	return shares, nil
}

package lift

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// SampleRatio tests the customers counted in each arm against the configured weights by chi-squared and returns its
// p-value. Arms of weight zero are dropped from counts, total and degrees of freedom. Where there is nothing to test
// (fewer than two weighted arms, no customers, counts and weights of different length) tested is false and p is 1.
func SampleRatio(counts []int64, weights []float64) (p float64, tested bool) {
	if len(counts) != len(weights) {
		return 1, false
	}
	total, sum, arms := 0.0, 0.0, 0
	for i, w := range weights {
		if w > 0 {
			total += float64(counts[i])
			sum += w
			arms++
		}
	}
	if arms < 2 || total <= 0 || math.IsInf(sum, 1) {
		return 1, false
	}
	chi := 0.0
	for i, w := range weights {
		if w > 0 {
			expected := total * (w / sum)
			chi += square(float64(counts[i])-expected) / expected
		}
	}
	return distuv.ChiSquared{K: float64(arms - 1)}.Survival(chi), true
}

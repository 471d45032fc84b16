package lift

import "math"

// Kind says how the variance of a metric follows from its sums.
type Kind int

// The kinds of metric.
const (
	Mean Kind = iota // a number per customer: revenue, orders; variance with n-1
	Rate             // 0 or 1 per customer: Sum counts the converters; variance p(1-p), and SumSquares is not read
)

// Sums is what a report keeps of one arm and one metric, over everybody counted, zeros included.
//
// The values come from exact sums (numeric in SQL) and are float64 here: 15 digits of the sums, of which the variance
// loses as many as the mean stands above the spread. Money is in major units, so that the report's figures are; the
// caller divides Sum by the minor units of one and SumSquares by their square. A variance below the rounding of its
// sums counts as none.
type Sums struct {
	N          int64
	Sum        float64
	SumSquares float64
}

// Mean is the sum per customer; 0 for an empty arm.
func (s Sums) Mean() float64 {
	if s.N == 0 {
		return 0
	}
	return s.Sum / float64(s.N)
}

// rounding is the share of SumSquares below which a spread cannot be told from rounding.
const rounding = 1e-13

// variance is that of one customer, 0 or below when there is none.
func (s Sums) variance(kind Kind) float64 {
	n := float64(s.N)
	if kind == Rate {
		p := s.Sum / n
		return p * (1 - p)
	}
	spread := s.SumSquares - s.Sum*(s.Sum/n)
	if math.Abs(spread) <= rounding*math.Abs(s.SumSquares) {
		return 0
	}
	return spread / (n - 1)
}

// usable refuses sums that cannot be those of customers.
func (s Sums) usable(kind Kind) Refusal {
	switch {
	case s.N <= 1:
		return TooSmall
	case math.IsNaN(s.Sum) || math.IsInf(s.Sum, 0) || math.IsNaN(s.SumSquares) || math.IsInf(s.SumSquares, 0):
		return NotFinite
	case kind == Rate && (s.Sum < 0 || s.Sum > float64(s.N)):
		return NotARate
	}
	return ""
}

// Refusal is the reason why there is no number; empty when there is one.
type Refusal string

// The reasons, each a stable word for programs; Sentence has the words for people.
const (
	TooSmall     Refusal = "too_small"
	NoVariance   Refusal = "no_variance"
	TooFew       Refusal = "too_few"
	ZeroBaseline Refusal = "zero_baseline"
	NotFinite    Refusal = "not_finite"
	NotARate     Refusal = "not_a_rate"
	BadAlpha     Refusal = "bad_alpha"
)

// Sentence says the reason to a person.
func (r Refusal) Sentence() string {
	switch r {
	case "":
		return ""
	case TooSmall:
		return "an arm has fewer than two customers"
	case NoVariance:
		return "all customers of an arm have the same value"
	case TooFew:
		return "fewer than 10 customers of the holdout converted"
	case ZeroBaseline:
		return "the holdout's mean is zero, so there is nothing to be relative to"
	case NotFinite:
		return "the sums are too large to calculate with"
	case NotARate:
		return "an arm has fewer than none or more converters than customers"
	case BadAlpha:
		return "alpha lies between 0 and 1"
	}
	return string(r)
}

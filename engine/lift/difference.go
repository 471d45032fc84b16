package lift

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// The limits for rates (Newcombe 1998 and our own simulations): below the first in the control nothing is said, below
// the second in an arm Welch's interval misses too often on one side.
const (
	convertersMin   = 10
	convertersWelch = 400
)

// Method names how an interval was made.
type Method string

// The methods.
const (
	Welch    Method = "welch"
	Newcombe Method = "newcombe"
	Fieller  Method = "fieller"
	Delta    Method = "delta"
)

// Estimate is a difference with its uncertainty, in the units of the metric (major units of money, shares of customers)
// or, from Relative, as a share of the control's mean: 0.54 is +54 %.
type Estimate struct {
	Method    Method
	Value     float64
	SE        float64 // standard error; of a Fieller estimate the delta method's, for information
	Low, High float64 // the interval at 1-alpha; both 0 and meaningless when Unbounded
	P         float64 // two-sided, right down to 1e-100 and beyond
	DF        float64 // Welch–Satterthwaite degrees of freedom; 0 where none are used
	Unbounded bool    // only of Fieller: the control's mean may be zero, so the interval has no end
}

// Difference is the absolute lift that a verdict rests on: Newcombe's interval for a rate with fewer than 400 converters
// in an arm, Welch's otherwise.
func Difference(kind Kind, t, c Sums, alpha float64) (Estimate, Refusal) {
	if kind == Rate && isSparse(t, c) {
		return newcombe(t, c, alpha)
	}
	return Absolute(kind, t, c, alpha)
}

func isSparse(t, c Sums) bool { return t.Sum < convertersWelch || c.Sum < convertersWelch }

// Absolute is mean(t) - mean(c) with Welch's unequal-variances t interval and p-value.
func Absolute(kind Kind, t, c Sums, alpha float64) (Estimate, Refusal) {
	p, refused := compare(kind, t, c, alpha)
	if refused != "" {
		return Estimate{}, refused
	}
	value, se := p.meanT-p.meanC, math.Sqrt(p.varT+p.varC)
	return p.estimate(Welch, value, se)
}

// pair holds two arms made comparable: their means and the variances of these means.
type pair struct {
	meanT, meanC float64
	varT, varC   float64
	df           float64
	quantile     float64 // of Student's t at 1-alpha/2
}

func check(kind Kind, t, c Sums, alpha float64) Refusal {
	if !(alpha > 0 && alpha < 1) {
		return BadAlpha
	}
	for _, s := range []Sums{t, c} {
		if refused := s.usable(kind); refused != "" {
			return refused
		}
	}
	if kind == Rate && c.Sum < convertersMin {
		return TooFew
	}
	return ""
}

func compare(kind Kind, t, c Sums, alpha float64) (pair, Refusal) {
	if refused := check(kind, t, c, alpha); refused != "" {
		return pair{}, refused
	}
	vt, vc := t.variance(kind), c.variance(kind)
	if vt <= 0 || vc <= 0 {
		return pair{}, NoVariance
	}
	p := pair{meanT: t.Mean(), meanC: c.Mean(), varT: vt / float64(t.N), varC: vc / float64(c.N)}
	// Satterthwaite with the shares of the variance, so that neither tiny nor huge units under- or overflow.
	sum := p.varT + p.varC
	wt, wc := p.varT/sum, p.varC/sum
	p.df = 1 / (wt*wt/float64(t.N-1) + wc*wc/float64(c.N-1))
	p.quantile = distuv.StudentsT{Mu: 0, Sigma: 1, Nu: p.df}.Quantile(1 - alpha/2)
	if !finite(p.df, p.quantile, sum) || sum <= 0 {
		return pair{}, NotFinite
	}
	return p, ""
}

// estimate is value ± t × se with the p-value by the survival function: 1-CDF would end at 1e-16.
func (p pair) estimate(method Method, value, se float64) (Estimate, Refusal) {
	e := Estimate{
		Method: method, Value: value, SE: se, DF: p.df,
		Low: value - p.quantile*se, High: value + p.quantile*se,
		P: 2 * distuv.StudentsT{Mu: 0, Sigma: 1, Nu: p.df}.Survival(math.Abs(value)/se),
	}
	if !finite(e.Value, e.SE, e.Low, e.High, e.P) {
		return Estimate{}, NotFinite
	}
	return e, ""
}

func finite(values ...float64) bool {
	for _, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}

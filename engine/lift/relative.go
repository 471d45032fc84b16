package lift

import "math"

// RelativeDifference is the relative lift that a verdict rests on, the other view of Difference: Newcombe's interval for a
// ratio where Difference has Newcombe's, Fieller's otherwise, so that both leave out zero together.
func RelativeDifference(kind Kind, t, c Sums, alpha float64) (Estimate, Refusal) {
	if kind == Rate && isSparse(t, c) {
		return newcombeRatio(t, c, alpha)
	}
	return Relative(kind, t, c, alpha, Fieller)
}

// Relative is (mean(t) - mean(c)) / abs(mean(c)). Fieller's interval uses the t quantile of Absolute, and its p-value is
// that of the absolute difference, of which it is the other view; Delta has its own standard error and so another
// p-value, which must not be printed beside the absolute interval.
func Relative(kind Kind, t, c Sums, alpha float64, method Method) (Estimate, Refusal) {
	p, refused := compare(kind, t, c, alpha)
	if refused != "" {
		return Estimate{}, refused
	}
	if p.meanC == 0 {
		return Estimate{}, ZeroBaseline
	}
	base := math.Abs(p.meanC)
	value := (p.meanT - p.meanC) / base
	se := math.Hypot(math.Sqrt(p.varT)/base, math.Sqrt(p.varC)/base*(p.meanT/base))
	delta, refused := p.estimate(Delta, value, se)
	if refused != "" || method == Delta {
		return delta, refused
	}
	absolute, refused := p.estimate(Welch, p.meanT-p.meanC, math.Sqrt(p.varT+p.varC))
	if refused != "" {
		return Estimate{}, refused
	}
	e := Estimate{Method: Fieller, Value: value, SE: se, DF: p.df, P: absolute.P}
	e.Low, e.High, e.Unbounded = p.fieller()
	return e, ""
}

// fieller solves (D - r·b)² ≤ q²(varT + (1 + s·r)²·varC) for r, where b = abs(mC) and s is the sign of mC (Fieller 1954).
// All terms are divided by b² first. The solutions are one interval exactly when the control's mean differs from zero
// at the same level; otherwise there is no end to say.
func (p pair) fieller() (low, high float64, unbounded bool) {
	base := math.Abs(p.meanC)
	d, sign := (p.meanT-p.meanC)/base, math.Copysign(1, p.meanC)
	gt := square(p.quantile * math.Sqrt(p.varT) / base)
	gc := square(p.quantile * math.Sqrt(p.varC) / base)
	a := 1 - gc
	if a <= 0 {
		return 0, 0, true
	}
	// The root of b²-ac without the cancellation: with u = 1 + s·d it is gt·(1-gc) + gc·u².
	middle := (d + sign*gc) / a
	half := math.Sqrt(gt*a+gc*square(1+sign*d)) / a
	if !finite(middle, half) {
		return 0, 0, true
	}
	return middle - half, middle + half, false
}

func square(x float64) float64 { return x * x }

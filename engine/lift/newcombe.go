package lift

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// newcombe is the difference of two rates with the hybrid score interval: Newcombe 1998, Statistics in Medicine 17:873,
// method 10. It holds for few converters and for none in the treated arm, where Welch has no variance to go by. The
// p-value is the level at which the interval just touches zero, so that the two never disagree.
func newcombe(t, c Sums, alpha float64) (Estimate, Refusal) {
	if refused := check(Rate, t, c, alpha); refused != "" {
		return Estimate{}, refused
	}
	value := t.Mean() - c.Mean()
	z := distuv.UnitNormal.Quantile(1 - alpha/2)
	e := Estimate{
		Method: Newcombe, Value: value, P: 1,
		SE: math.Sqrt(t.variance(Rate)/float64(t.N) + c.variance(Rate)/float64(c.N)),
	}
	e.Low, e.High = newcombeInterval(t, c, z)
	if value != 0 {
		e.P = math.Erfc(touching(t, c) / math.Sqrt2)
	}
	return e, ""
}

// newcombeRatio is the relative difference of two rates with the interval of their ratio by the same limits (MOVER-R,
// Newcombe 2016, Statistical Methods in Medical Research 25:1774): it is the ratios at which the hybrid score interval of
// mean(t) - ratio × mean(c) holds zero, so that at ratio 1 it agrees with newcombe. Fieller's, which takes the rates for
// normal, misses on one side up to twice as often when few convert.
func newcombeRatio(t, c Sums, alpha float64) (Estimate, Refusal) {
	e, refused := newcombe(t, c, alpha)
	if refused != "" {
		return Estimate{}, refused
	}
	z := distuv.UnitNormal.Quantile(1 - alpha/2)
	pt, pc := t.Mean(), c.Mean()
	lowT, highT := wilson(t, z)
	lowC, highC := wilson(c, z)
	if lowC <= 0 { // by rounding only: the control has converters
		return Estimate{}, NotFinite
	}
	e.Value /= pc
	e.SE = math.Hypot(math.Sqrt(t.variance(Rate)/float64(t.N))/pc, math.Sqrt(c.variance(Rate)/float64(c.N))/pc*(pt/pc))
	lowest, highest := lowT*(2*pt-lowT), highT*(2*pt-highT)
	e.Low, e.High = -1, (pt*pc+root(pt*pt*pc*pc-highest*lowC*(2*pc-lowC)))/(lowC*(2*pc-lowC))-1
	if pt > 0 {
		e.Low = lowest/(pt*pc+root(pt*pt*pc*pc-lowest*highC*(2*pc-highC))) - 1
	}
	if !finite(e.Value, e.SE, e.Low, e.High) {
		return Estimate{}, NotFinite
	}
	return e, ""
}

// root is the square root of what is below zero by rounding only.
func root(x float64) float64 { return math.Sqrt(math.Max(0, x)) }

func newcombeInterval(t, c Sums, z float64) (low, high float64) {
	pt, pc := t.Mean(), c.Mean()
	lowT, highT := wilson(t, z)
	lowC, highC := wilson(c, z)
	return pt - pc - math.Hypot(pt-lowT, highC-pc), pt - pc + math.Hypot(highT-pt, pc-lowC)
}

// wilson is the score interval of one rate (Wilson 1927).
func wilson(s Sums, z float64) (low, high float64) {
	n, p, zz := float64(s.N), s.Mean(), z*z
	middle := (p + zz/(2*n)) / (1 + zz/n)
	half := z / (1 + zz/n) * math.Sqrt(p*(1-p)/n+zz/(4*n*n))
	return math.Max(0, middle-half), math.Min(1, middle+half)
}

// touching is the z at which zero is an end of the interval, by halving: the interval widens with z, and at 1e9 it holds
// zero for every pair of arms that can be counted.
func touching(t, c Sums) float64 {
	inside := func(z float64) bool {
		low, high := newcombeInterval(t, c, z)
		return low <= 0 && high >= 0
	}
	from, to := 0.0, 1e9
	for range 120 {
		middle := (from + to) / 2
		if inside(middle) {
			to = middle
		} else {
			from = middle
		}
	}
	return to
}

package lift

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
	"pgregory.net/rapid"
)

// Newcombe 1998, table II, method 10, examples (a), (b), (d) and (f).
func TestNewcombeReproducesItsPaper(t *testing.T) {
	cases := []struct {
		t, c      Sums
		low, high float64
	}{
		{Sums{N: 70, Sum: 56}, Sums{N: 80, Sum: 48}, 0.0524, 0.3339},
		{Sums{N: 10, Sum: 9}, Sums{N: 10, Sum: 3}, 0.1705, 0.8090},
		{Sums{N: 56, Sum: 5}, Sums{N: 29, Sum: 0}, -0.0381, 0.1926},
		{Sums{N: 10, Sum: 10}, Sums{N: 20, Sum: 0}, 0.6791, 1},
	}
	for _, c := range cases {
		low, high := newcombeInterval(c.t, c.c, 1.959963984540054)
		near(t, "low", low, c.low, 5e-5)
		near(t, "high", high, c.high, 5e-5)
	}
}

func TestRatesWithFewConvertersGetNewcombesInterval(t *testing.T) {
	many, few := Sums{N: 9000, Sum: 450}, Sums{N: 9000, Sum: 399}
	cases := map[string]struct {
		kind Kind
		t, c Sums
		want Method
	}{
		"few in the treated arm": {Rate, few, many, Newcombe},
		"few in the control":     {Rate, many, few, Newcombe},
		"many in both":           {Rate, many, many, Welch},
		"a mean":                 {Mean, Sums{90, 45, 60}, Sums{90, 39, 60}, Welch},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, refused := Difference(c.kind, c.t, c.c, 0.05)
			if refused != "" || got.Method != c.want {
				t.Errorf("%+v, %q", got, refused)
			}
		})
	}
	if _, refused := Difference(Rate, many, Sums{N: 9000, Sum: 9}, 0.05); refused != TooFew {
		t.Errorf("nine converters in the control: %q", refused)
	}
	if got, refused := Difference(Rate, Sums{N: 900}, Sums{N: 900, Sum: 30}, 0.05); refused != "" || got.High >= 0 {
		t.Errorf("nobody of the treated converted: %+v, %q", got, refused)
	}
}

func TestNewcombesPValueAgreesWithItsInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string, least int64) Sums {
			n := rapid.Int64Range(20, 1e6).Draw(t, name)
			return Sums{N: n, Sum: float64(rapid.Int64Range(least, min(n, 399)).Draw(t, name+" converters"))}
		}
		treated, control := draw("treated", 0), draw("control", 10)
		got, refused := Difference(Rate, treated, control, 0.05)
		if refused != "" {
			t.Fatal(refused)
		}
		if without := got.Low > 0 || got.High < 0; without != (got.P < 0.05) {
			t.Fatalf("%+v", got)
		}
		if got.Low > got.Value || got.Value > got.High || got.Low < -1 || got.High > 1 {
			t.Fatalf("%+v", got)
		}
	})
}

func TestTheTwoViewsOfFewConvertersLeaveOutZeroTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string, least int64) Sums {
			n := rapid.Int64Range(500, 1_000_000).Draw(t, name+" n")
			return Sums{N: n, Sum: float64(rapid.Int64Range(least, 450).Draw(t, name+" converters"))}
		}
		treated, control := draw("treated", 0), draw("control", convertersMin)
		absolute, refused := Difference(Rate, treated, control, 0.05)
		relative, also := RelativeDifference(Rate, treated, control, 0.05)
		if refused != also {
			t.Fatalf("%q, %q", refused, also)
		}
		if refused != "" || math.Abs(absolute.P-0.05) < 1e-9 {
			t.Skip(refused)
		}
		without := func(e Estimate) bool { return e.Low > 0 || e.High < 0 }
		if without(absolute) != without(relative) || relative.P != absolute.P || !(relative.Low >= -1 && relative.Low <= relative.Value && relative.Value <= relative.High) {
			t.Fatalf("absolute %+v, relative %+v", absolute, relative)
		}
	})
}

func TestTheRelativeLiftOfFewConvertersMissesOnBothSidesAlike(t *testing.T) {
	const n, rate, lift, draws = 100_000, 0.005, 0.2, 10_000
	random := rand.New(rand.NewPCG(1, 2))
	draw := func(n int64, p float64) Sums {
		return Sums{N: n, Sum: distuv.Binomial{N: float64(n), P: p, Src: random}.Rand()}
	}
	below, above := 0, 0
	for range draws {
		e, refused := RelativeDifference(Rate, draw(n*9/10, rate*(1+lift)), draw(n/10, rate), 0.05)
		if refused != "" {
			t.Fatal(refused)
		}
		if e.Low > lift {
			below++
		}
		if e.High < lift {
			above++
		}
	}
	for side, misses := range map[string]int{"below": below, "above": above} {
		if share := float64(misses) / draws; share < 0.017 || share > 0.033 {
			t.Errorf("the truth lies %s the interval's end in %.2f %% of the draws", side, 100*share)
		}
	}
}

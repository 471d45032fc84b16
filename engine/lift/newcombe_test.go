package lift

import (
	"testing"

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

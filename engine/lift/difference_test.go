package lift

import (
	"compress/gzip"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

type effectVectors struct {
	EffectTests []struct {
		ID, Test string
		Config   struct {
			DifferenceType string `json:"difference_type"`
		}
		Control, Treatment struct {
			Type       string
			N          int64
			Sum        float64
			SumSquares float64 `json:"sum_squares"`
		}
		Computed struct {
			PointEstimate float64  `json:"point_estimate"`
			StandardError float64  `json:"standard_error"`
			CI            []any    `json:"ci"`
			Error         *string  `json:"error"`
			PValue        float64  `json:"p_value"`
			DF            *float64 `json:"dof_welch"`
		}
	} `json:"effect_tests"`
	SRM []struct {
		Users     []int64
		Weights   []float64
		Published float64  `json:"published_p_value"`
		Python    *float64 `json:"gbstats_python_p_value"`
		Note      string
	} `json:"srm_chi_squared"`
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance) {
		t.Errorf("%s = %.12g, want %.12g", what, got, want)
	}
}

func TestWelchReproducesThePublishedEffects(t *testing.T) {
	var vectors effectVectors
	decode(t, "vectors/lift_growthbook.json", &vectors)
	seen := 0
	for _, v := range vectors.EffectTests {
		if v.Test != "two_sided_t" || v.Control.Type != "mean" && v.Control.Type != "proportion" {
			continue
		}
		seen++
		t.Run(v.ID, func(t *testing.T) {
			kind := Mean
			if v.Control.Type == "proportion" {
				kind = Rate
			}
			treated := Sums{N: v.Treatment.N, Sum: v.Treatment.Sum, SumSquares: v.Treatment.SumSquares}
			control := Sums{N: v.Control.N, Sum: v.Control.Sum, SumSquares: v.Control.SumSquares}
			got, refused := Absolute(kind, treated, control, 0.05)
			if v.Config.DifferenceType == "relative" {
				got, refused = Relative(kind, treated, control, 0.05, Delta)
			}
			if v.Computed.Error != nil {
				if refused == "" {
					t.Fatalf("%+v was not refused", got)
				}
				return
			}
			if refused != "" {
				t.Fatalf("it was refused: %s", refused.Sentence())
			}
			near(t, "value", got.Value, v.Computed.PointEstimate, 1e-9)
			near(t, "standard error", got.SE, v.Computed.StandardError, 1e-9)
			near(t, "low", got.Low, v.Computed.CI[0].(float64), 1e-9)
			near(t, "high", got.High, v.Computed.CI[1].(float64), 1e-9)
			near(t, "p", got.P, v.Computed.PValue, 1e-9)
			near(t, "degrees of freedom", got.DF, *v.Computed.DF, 1e-6)
		})
	}
	if seen != 12 {
		t.Fatalf("%d vectors were read, want 12", seen)
	}
}

func TestSampleRatioReproducesThePublishedMismatches(t *testing.T) {
	var vectors effectVectors
	decode(t, "vectors/lift_growthbook.json", &vectors)
	for _, v := range vectors.SRM {
		p, tested := SampleRatio(v.Users, v.Weights)
		near(t, "p", p, v.Published, 1e-9)
		if untestable := len(v.Users) == 1 || v.Weights[0] == 1 || v.Users[0] == 0 && v.Users[1] == 0; tested == untestable {
			t.Errorf("%v against %v: tested is %v", v.Users, v.Weights, tested)
		}
		if v.Python != nil && v.Note == "" {
			near(t, "p at full length", p, *v.Python, 1e-12)
		}
	}
	if len(vectors.SRM) != 10 {
		t.Fatalf("%d vectors were read, want 10", len(vectors.SRM))
	}
}

// hillstrom adds up the randomised e-mail test by arm and metric.
func hillstrom(t *testing.T) map[string]map[string]Sums {
	t.Helper()
	unzipped, err := gzip.NewReader(shared(t, "data/hillstrom.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	rows := csv.NewReader(unzipped)
	head, err := rows.Read()
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]map[string]Sums{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return sums
		}
		if err != nil {
			t.Fatal(err)
		}
		arm := row[9]
		if sums[arm] == nil {
			sums[arm] = map[string]Sums{}
		}
		for column := 10; column <= 12; column++ {
			x, err := strconv.ParseFloat(row[column], 64)
			if err != nil {
				t.Fatal(err)
			}
			s := sums[arm][head[column]]
			sums[arm][head[column]] = Sums{N: s.N + 1, Sum: s.Sum + x, SumSquares: s.SumSquares + x*x}
		}
	}
}

const mens, womens, none = "Mens E-Mail", "Womens E-Mail", "No E-Mail"

func TestHillstromsArmsHaveThePublishedRates(t *testing.T) {
	sums := hillstrom(t)
	for metric, want := range map[string][3]float64{
		"visit": {0.18276, 0.15140, 0.10617}, "conversion": {0.012531, 0.008837, 0.005726}, "spend": {1.4226, 1.0772, 0.6528},
	} {
		for i, arm := range []string{mens, womens, none} {
			near(t, arm+" "+metric, sums[arm][metric].Mean(), want[i], 6e-5)
		}
	}
}

func TestHillstromsLiftsAreThePublishedOnes(t *testing.T) {
	sums := hillstrom(t)
	visit, refused := Absolute(Rate, sums[mens]["visit"], sums[none]["visit"], 0.05)
	if refused != "" {
		t.Fatal(refused)
	}
	near(t, "men's visit", visit.Value, 0.076590, 5e-7)
	near(t, "men's visit SE", visit.SE, 0.003386, 5e-7)
	// In 40 digits; with n/(n-1) in the variance, which the published vectors leave out, it is 1.364e-112.
	near(t, "men's visit p in 1e-112", visit.P*1e112, 1.348335278488716, 1e-9)
	spend, refused := Absolute(Mean, sums[womens]["spend"], sums[none]["spend"], 0.05)
	if refused != "" {
		t.Fatal(refused)
	}
	near(t, "women's spend", spend.Value, 0.424412, 5e-7)
	near(t, "women's spend SE", spend.SE, 0.130333, 5e-7)
	near(t, "women's spend p", spend.P, 0.0011, 5e-5)
	relative, refused := Relative(Mean, sums[womens]["spend"], sums[none]["spend"], 0.05, Delta)
	if refused != "" {
		t.Fatal(refused)
	}
	near(t, "women's spend p on the relative scale", relative.P, 0.0110, 5e-5)
}

func TestHillstromsRelativeIntervalsAreThePublishedOnes(t *testing.T) {
	sums := hillstrom(t)
	for method, want := range map[Method][2]float64{Fieller: {0.64, 1.98}, Delta: {0.54, 1.81}} {
		got, refused := Relative(Mean, sums[mens]["spend"], sums[none]["spend"], 0.05, method)
		if refused != "" {
			t.Fatal(refused)
		}
		if got.Method != method {
			t.Errorf("the method is %q, want %q", got.Method, method)
		}
		near(t, "value", got.Value, 1.18, 5e-3)
		near(t, string(method)+" low", got.Low, want[0], 5e-3)
		near(t, string(method)+" high", got.High, want[1], 5e-3)
	}
}

func TestRefusalsSayTheirReason(t *testing.T) {
	huge := math.MaxFloat64
	cases := map[string]struct {
		kind Kind
		t, c Sums
		want Refusal
	}{
		"an empty control":           {Mean, Sums{9, 9, 19}, Sums{}, TooSmall},
		"one customer":               {Mean, Sums{1, 9, 81}, Sums{9, 9, 19}, TooSmall},
		"all the same":               {Mean, Sums{9, 9, 19}, Sums{9, 9, 9}, NoVariance},
		"all the same but rounding":  {Mean, Sums{9, 9, 19}, Sums{3, 0.3, 0.030000000000000002}, NoVariance},
		"nine converters":            {Rate, Sums{N: 900, Sum: 90}, Sums{N: 900, Sum: 9}, TooFew},
		"everybody converts":         {Rate, Sums{N: 900, Sum: 900}, Sums{N: 900, Sum: 90}, NoVariance},
		"more converters than heads": {Rate, Sums{N: 9, Sum: 10}, Sums{N: 900, Sum: 90}, NotARate},
		"sums that overflow":         {Mean, Sums{9, huge, huge}, Sums{9, huge, huge}, NoVariance},
		"sums of no number":          {Mean, Sums{9, math.NaN(), 9}, Sums{9, 9, 19}, NotFinite},
		"infinite sums":              {Mean, Sums{9, 9, math.Inf(1)}, Sums{9, 9, 19}, NotFinite},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, refused := Absolute(c.kind, c.t, c.c, 0.05)
			if refused != c.want {
				t.Errorf("the reason is %q, want %q: %+v", refused, c.want, got)
			}
			if refused.Sentence() == "" || refused.Sentence() == string(refused) {
				t.Errorf("%q has no sentence", refused)
			}
		})
	}
	if _, refused := Absolute(Mean, Sums{9, 9, 19}, Sums{9, 9, 19}, 0); refused != BadAlpha {
		t.Errorf("alpha 0: the reason is %q", refused)
	}
}

func TestAZeroBaselineRefusesTheRelativeLiftOnly(t *testing.T) {
	treated, control := Sums{100, 50, 80}, Sums{100, 0, 80}
	if got, refused := Absolute(Mean, treated, control, 0.05); refused != "" || got.Value != 0.5 {
		t.Errorf("the absolute lift is %+v, %q", got, refused)
	}
	if _, refused := Relative(Mean, treated, control, 0.05, Fieller); refused != ZeroBaseline {
		t.Errorf("the relative lift's reason is %q", refused)
	}
}

func TestAFiellerIntervalOverABaselineNearZeroSaysItHasNoEnd(t *testing.T) {
	got, refused := Relative(Mean, Sums{100, 50, 80}, Sums{100, 1, 80}, 0.05, Fieller)
	if refused != "" || !got.Unbounded || got.Low != 0 || got.High != 0 {
		t.Errorf("%+v, %q", got, refused)
	}
}

// arms draws two arms with some spread; means of both signs.
func arms(t *rapid.T) (treated, control Sums) {
	draw := func(name string) Sums {
		n := rapid.Int64Range(2, 1e7).Draw(t, name+" n")
		mean := rapid.Float64Range(-1e6, 1e6).Draw(t, name+" mean")
		sd := rapid.Float64Range(1e-3, 1e6).Draw(t, name+" sd")
		return Sums{N: n, Sum: mean * float64(n), SumSquares: mean*mean*float64(n) + sd*sd*float64(n-1)}
	}
	return draw("treated"), draw("control")
}

func TestNothingIsEverNaN(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		anything := func(name string) Sums {
			return Sums{rapid.Int64Range(-2, 1<<50).Draw(t, name+" n"), rapid.Float64().Draw(t, name+" sum"), rapid.Float64().Draw(t, name+" squares")}
		}
		treated, control := anything("treated"), anything("control")
		kind := rapid.SampledFrom([]Kind{Mean, Rate}).Draw(t, "kind")
		absolute, _ := Absolute(kind, treated, control, 0.05)
		difference, _ := Difference(kind, treated, control, 0.05)
		fieller, _ := Relative(kind, treated, control, 0.05, Fieller)
		delta, _ := Relative(kind, treated, control, 0.05, Delta)
		for _, e := range []Estimate{absolute, difference, fieller, delta} {
			if !finite(e.Value, e.SE, e.Low, e.High, e.P, e.DF) {
				t.Fatalf("%+v", e)
			}
		}
	})
}

func TestFiellerAndWelchLeaveOutZeroTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		treated, control := arms(t)
		absolute, refused := Absolute(Mean, treated, control, 0.05)
		if refused != "" {
			t.Skip(refused)
		}
		relative, refused := Relative(Mean, treated, control, 0.05, Fieller)
		if refused != "" || relative.Unbounded || math.Abs(math.Abs(absolute.Value)/absolute.SE-1.96) < 1e-6 {
			t.Skip(refused)
		}
		without := func(e Estimate) bool { return e.Low > 0 || e.High < 0 }
		if without(absolute) != without(relative) {
			t.Fatalf("absolute %+v, relative %+v", absolute, relative)
		}
		if relative.Low > relative.Value || relative.Value > relative.High || relative.P != absolute.P {
			t.Fatalf("%+v", relative)
		}
	})
}

func TestExchangingTheArmsChangesTheSignOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		treated, control := arms(t)
		there, refused := Absolute(Mean, treated, control, 0.05)
		back, also := Absolute(Mean, control, treated, 0.05)
		if refused != also || there.Value != -back.Value || there.Low != -back.High || there.P != back.P {
			t.Fatalf("%+v, back %+v", there, back)
		}
	})
}

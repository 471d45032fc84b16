package lift

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// shared opens a file of the folder that stands beside the repository, or skips the test.
func shared(t *testing.T, name string) *os.File {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if file, err := os.Open(filepath.Join(dir, "shared", name)); err == nil {
			t.Cleanup(func() { _ = file.Close() })
			return file
		}
	}
	t.Skipf("shared/%s does not stand beside the repository", name)
	return nil
}

func decode(t *testing.T, name string, into any) {
	t.Helper()
	if err := json.NewDecoder(shared(t, name)).Decode(into); err != nil {
		t.Fatal(err)
	}
}

type hashVectors struct {
	Hash []struct {
		Seed, Value string
		Version     int
		Expected    *float64
	}
	GetBucketRange []struct {
		Name          string
		NumVariations int
		Coverage      float64
		Weights       []float64
		Expected      [][2]float64
	}
	ChooseVariation []struct {
		Name     string
		N        float64
		Ranges   [][2]float64
		Expected int
	}
	NonASCII []map[string]any `json:"non_ascii_trap"`
	Counts   []struct {
		Seed         string
		HoldoutRange [2]float64 `json:"holdout_range"`
		Count        int
	} `json:"holdout_counts_regression"`
}

// scaled says a share in buckets, for comparing with vectors that speak of shares.
func scaled(ranges [][2]float64) []Range {
	out := make([]Range, len(ranges))
	for i, r := range ranges {
		out[i] = Range{From: bound(r[0]), To: bound(r[1])}
	}
	return out
}

func TestBucketReproducesThePublishedHashes(t *testing.T) {
	var vectors hashVectors
	decode(t, "vectors/hash.json", &vectors)
	seen := 0
	for _, v := range vectors.Hash {
		if v.Version != 2 {
			continue
		}
		seen++
		if got, want := Bucket(v.Seed, v.Value), bound(*v.Expected); got != want {
			t.Errorf("Bucket(%q, %q) = %d, want %d", v.Seed, v.Value, got, want)
		}
	}
	for _, v := range vectors.NonASCII {
		seen++
		want := bound(v["utf8_bytes(Go,Python,most SDKs)"].(float64))
		if got := Bucket(v["seed"].(string), v["value"].(string)); got != want {
			t.Errorf("Bucket(%q, %q) = %d, want %d", v["seed"], v["value"], got, want)
		}
	}
	if seen != 11 {
		t.Fatalf("%d vectors were read, want 11", seen)
	}
}

func TestHoldoutsOfAHundredThousandIdsHaveThePublishedSizes(t *testing.T) {
	var vectors hashVectors
	decode(t, "vectors/hash.json", &vectors)
	for _, v := range vectors.Counts {
		holdout := scaled([][2]float64{v.HoldoutRange})
		count := 0
		for i := 1; i <= 100000; i++ {
			if Choose(Bucket(v.Seed, strconv.Itoa(i)), holdout) == 0 {
				count++
			}
		}
		if count != v.Count {
			t.Errorf("%s: %d held out, want %d", v.Seed, count, v.Count)
		}
	}
}

func TestRangesReproduceThePublishedOnes(t *testing.T) {
	var vectors hashVectors
	decode(t, "vectors/hash.json", &vectors)
	for _, v := range vectors.GetBucketRange {
		weights := v.Weights
		if len(weights) != v.NumVariations {
			weights = equal(v.NumVariations)
		}
		got, want := Ranges(weights, v.Coverage), scaled(v.Expected)
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: arm %d has %v, want %v", v.Name, i, got[i], want[i])
			}
		}
	}
	if len(vectors.GetBucketRange) != 13 {
		t.Fatalf("%d vectors were read, want 13", len(vectors.GetBucketRange))
	}
}

func TestChoiceReproducesThePublishedOnes(t *testing.T) {
	var vectors hashVectors
	decode(t, "vectors/hash.json", &vectors)
	for _, v := range vectors.ChooseVariation {
		if got := Choose(bound(v.N), scaled(v.Ranges)); got != v.Expected {
			t.Errorf("%s: arm %d, want %d", v.Name, got, v.Expected)
		}
	}
	if len(vectors.ChooseVariation) != 13 {
		t.Fatalf("%d vectors were read, want 13", len(vectors.ChooseVariation))
	}
}

func TestSaltAndKeyAreKeptApart(t *testing.T) {
	if KeyBucket("campaign-1", "23") != Bucket("campaign-1\x1f23", "") {
		t.Error("salt and key are joined by the separator")
	}
	if KeyBucket("campaign-12", "3") == KeyBucket("campaign-1", "23") {
		t.Error("two different pairs share the hash of their concatenation")
	}
}

func TestWideningCoverageMovesNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights, err := Arms(rapid.Float64Range(0, 0.9).Draw(t, "holdout"), rapid.SliceOfN(rapid.Float64Range(0.1, 9), 1, 6).Draw(t, "weights"))
		if err != nil {
			t.Fatal(err)
		}
		narrow := rapid.Float64Range(0, 1).Draw(t, "narrow")
		wide := rapid.Float64Range(narrow, 1).Draw(t, "wide")
		before, after := Ranges(weights, narrow), Ranges(weights, wide)
		for bucket := range Buckets {
			if arm := Choose(bucket, before); arm >= 0 && Choose(bucket, after) != arm {
				t.Fatalf("bucket %d moved from arm %d to %d", bucket, arm, Choose(bucket, after))
			}
		}
	})
}

func TestFullCoverageGivesEveryBucketAnArmOfItsShare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		shares, err := Arms(rapid.Float64Range(0, 0.99).Draw(t, "holdout"), rapid.SliceOfN(rapid.Float64Range(0.01, 100), 1, 8).Draw(t, "weights"))
		if err != nil {
			t.Fatal(err)
		}
		ranges := Ranges(shares, 1)
		next := 0
		for i, r := range ranges {
			if r.From != next || r.To < r.From {
				t.Fatalf("arm %d has %v after bucket %d", i, r, next)
			}
			if width := float64(r.To - r.From); width < shares[i]*Buckets-1 || width > shares[i]*Buckets+1 {
				t.Fatalf("arm %d of share %v is %v buckets wide", i, shares[i], width)
			}
			next = r.To
		}
		if next != Buckets {
			t.Fatalf("the last bucket with an arm is %d", next-1)
		}
	})
}

func TestTheHoldoutIsArmZeroAndVariantsSplitTheRest(t *testing.T) {
	shares, err := Arms(0.1, []float64{2, 1})
	if err != nil {
		t.Fatal(err)
	}
	want := []Range{{0, 1000}, {1000, 7000}, {7000, 10000}}
	for i, r := range Ranges(shares, 1) {
		if r != want[i] {
			t.Errorf("arm %d has %v, want %v", i, r, want[i])
		}
	}
}

func TestArmsRefusesWhatIsNoSplit(t *testing.T) {
	zero := 0.0
	cases := map[string]struct {
		holdout float64
		weights []float64
		says    string
	}{
		"everybody held out":     {1, []float64{1}, "holdout"},
		"a negative holdout":     {-0.1, []float64{1}, "holdout"},
		"a holdout of no number": {zero / zero, []float64{1}, "holdout"},
		"no variants":            {0.1, nil, "more than zero"},
		"weights of zero":        {0.1, []float64{0, 0}, "more than zero"},
		"a negative weight":      {0.1, []float64{2, -1}, "zero or more"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := Arms(c.holdout, c.weights); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the error is %v, want one with %q", err, c.says)
			}
		})
	}
}

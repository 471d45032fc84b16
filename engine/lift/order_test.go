package lift

import "testing"

func TestAShufflesSharesAreWhatTheySayAndNested(t *testing.T) {
	a, b := NewShuffle("campaign sample 2026-11-21"), NewShuffle("campaign sample 2026-11-22")
	const n = 100_000
	counts, both := map[float64]int{}, 0
	for no := range int64(n) {
		for _, share := range []float64{0, 0.01, 0.3, 1} {
			if a.Within(no, share) {
				counts[share]++
			}
		}
		if a.Within(no, 0.01) && !a.Within(no, 0.3) {
			t.Fatalf("customer %d is within a share and not within a larger one", no)
		}
		if a.Within(no, 0.3) && b.Within(no, 0.3) {
			both++
		}
	}
	if counts[0] != 0 || counts[1] != n || counts[0.01] < 850 || counts[0.01] > 1150 || counts[0.3] < 29_400 || counts[0.3] > 30_600 {
		t.Errorf("of %d customers %v are within", n, counts)
	}
	if both < 8_600 || both > 9_400 {
		t.Errorf("%d are within 0.3 of two shuffles, about 9000 should be", both)
	}
}

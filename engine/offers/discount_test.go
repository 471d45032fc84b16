package offers

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSplitGivesTheSharesOfTheTable(t *testing.T) {
	cases := map[string]struct {
		amount      int64
		lines, want []int64
	}{
		"three thirds":           {1000, []int64{3333, 3333, 3333}, []int64{334, 333, 333}},
		"20, 45, 60":             {1000, []int64{2000, 4500, 6000}, []int64{160, 360, 480}},
		"four dimes":             {5, []int64{10, 10, 10, 10}, []int64{2, 1, 1, 1}},
		"seven alike and a cent": {2, []int64{999, 999, 999, 999, 999, 999, 999, 1}, []int64{1, 1, 0, 0, 0, 0, 0, 0}},
		"small ones":             {8, []int64{99, 9, 9, 2}, []int64{7, 1, 0, 0}},
		"one line for nothing":   {1500, []int64{2200, 1400, 4300, 750, 0}, []int64{381, 243, 746, 130, 0}},
		"nothing":                {0, []int64{10, 20}, []int64{0, 0}},
		"everything":             {30, []int64{10, 20}, []int64{10, 20}},
		"more than there is":     {31, []int64{10, 20}, []int64{10, 20}},
		"less than nothing":      {-1, []int64{10, 20}, []int64{0, 0}},
		"no lines":               {5, nil, []int64{}},
		"lines for nothing":      {5, []int64{0, 0}, []int64{0, 0}},
		"huge lines":             {math.MaxInt64 - 1, []int64{math.MaxInt64 - 2, 2}, []int64{math.MaxInt64 - 3, 2}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Split(c.amount, c.lines); !slices.Equal(got, c.want) {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// prices draws the lines of a basket, some alike and some for nothing.
func prices(t *rapid.T) []int64 {
	return rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(0, 3), rapid.Int64Range(0, 10_000), rapid.Int64Range(0, 1e15)), 1, 60).Draw(t, "lines")
}

func sum(lines []int64) (total int64) {
	for _, line := range lines {
		total += line
	}
	return total
}

func TestSharesSumExactlyAndStayWithinTheirLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := prices(t)
		amount := rapid.Int64Range(0, sum(lines)).Draw(t, "amount")
		shares := Split(amount, lines)
		if sum(shares) != amount {
			t.Fatalf("%v add up to %d, not %d", shares, sum(shares), amount)
		}
		for i, share := range shares {
			if share < 0 || share > lines[i] {
				t.Fatalf("share %d of a line of %d", share, lines[i])
			}
			fair := new(big.Rat).Mul(big.NewRat(amount, 1), big.NewRat(lines[i], max(sum(lines), 1)))
			if off := new(big.Rat).Sub(fair, big.NewRat(share, 1)); off.Abs(off).Cmp(big.NewRat(1, 1)) >= 0 {
				t.Fatalf("share %d is a unit or more away from %s", share, fair.FloatString(3))
			}
		}
	})
}

// TestPermutingLinesChangesNoTotalAndNoShareButTies moves lines about. Each keeps its share, unless its remainder is the
// very one at which the last unit is given: lines with equal remainders, whatever their amounts, are a tie.
func TestPermutingLinesChangesNoTotalAndNoShareButTies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := prices(t)
		order := make([]int, len(lines))
		for i := range order {
			order[i] = i
		}
		order = rapid.Permutation(order).Draw(t, "order")
		permuted := make([]int64, len(lines))
		for to, from := range order {
			permuted[to] = lines[from]
		}
		e := Effect{Kind: PercentOff, PercentHundredths: rapid.Int64Range(1, whole).Draw(t, "percent")}
		amount := e.Discount(sum(lines), sum(lines))
		if again := e.Discount(sum(permuted), sum(permuted)); again != amount {
			t.Fatalf("%d off, permuted %d", amount, again)
		}
		one, other := Split(amount, lines), Split(amount, permuted)
		if sum(one) != amount || sum(other) != amount {
			t.Fatalf("%v and %v should add up to %d", one, other, amount)
		}
		for to, from := range order {
			if one[from] != other[to] && !tied(amount, lines, from) {
				t.Fatalf("line %d of %v has %d, permuted %d, and is no tie", from, lines, one[from], other[to])
			}
		}
	})
}

// tied says whether another line has the same remainder as this one.
func tied(amount int64, lines []int64, i int) bool {
	remainder := func(line int64) *big.Int {
		product := new(big.Int).Mul(big.NewInt(amount), big.NewInt(line))
		return product.Mod(product, big.NewInt(max(sum(lines), 1)))
	}
	for j := range lines {
		if j != i && remainder(lines[j]).Cmp(remainder(lines[i])) == 0 {
			return true
		}
	}
	return false
}

func TestAMoreExpensiveLineNeverGetsLess(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := prices(t)
		shares := Split(rapid.Int64Range(0, sum(lines)).Draw(t, "amount"), lines)
		for i := range lines {
			for j := range lines {
				if lines[i] > lines[j] && shares[i] < shares[j] {
					t.Fatalf("lines %v have shares %v", lines, shares)
				}
			}
		}
	})
}

func TestOffersOneAfterAnotherGiveTheTotalsOfTheTable(t *testing.T) {
	five := Effect{Kind: AmountOff, AmountMinor: 500}
	ten, thirty := Effect{Kind: PercentOff, PercentHundredths: 1000}, Effect{Kind: PercentOff, PercentHundredths: 3000}
	pay := func(initial bool, effects ...Effect) int64 {
		left := int64(10_000)
		for _, e := range effects {
			base := left
			if initial {
				base = 10_000
			}
			left -= e.Discount(base, left)
		}
		return left
	}
	if got := pay(false, five, ten, thirty); got != 5985 {
		t.Errorf("in that order: %d", got)
	}
	if got := pay(false, thirty, ten, five); got != 5800 {
		t.Errorf("in the reverse order: %d", got)
	}
	if got := pay(true, five, ten, thirty); got != 5500 {
		t.Errorf("on the initial price: %d", got)
	}
}

func TestADiscountIsRoundedHalfUpOnceAndCapped(t *testing.T) {
	percent := func(hundredths int64) Effect { return Effect{Kind: PercentOff, PercentHundredths: hundredths} }
	cases := map[string]struct {
		effect           Effect
		base, left, want int64
	}{
		"half up":                  {percent(5000), 5, 5, 3},
		"below half":               {percent(3333), 100, 100, 33},
		"above half":               {percent(6667), 100, 100, 67},
		"a fraction of a percent":  {percent(1250), 9999, 9999, 1250},
		"all":                      {percent(whole), 9999, 9999, 9999},
		"no more than is left":     {percent(5000), 10_000, 3000, 3000},
		"no more than its most":    {Effect{Kind: PercentOff, PercentHundredths: 5000, MaxMinor: 2000}, 10_000, 10_000, 2000},
		"an amount":                {Effect{Kind: AmountOff, AmountMinor: 500}, 10_000, 10_000, 500},
		"an amount of what is not": {Effect{Kind: AmountOff, AmountMinor: 500}, 300, 300, 300},
		"nothing left":             {Effect{Kind: AmountOff, AmountMinor: 500}, 300, 0, 0},
		"below nothing":            {percent(5000), -10, -10, 0},
		"the largest order":        {percent(9999), math.MaxInt64, math.MaxInt64, 9222449699651090329},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := c.effect.Discount(c.base, c.left); got != c.want {
				t.Errorf("%d, want %d", got, c.want)
			}
		})
	}
}

func TestADiscountNeverGoesBelowZeroOrAboveWhatIsLeft(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := Effect{
			Kind:              rapid.SampledFrom([]Kind{PercentOff, AmountOff, "other"}).Draw(t, "kind"),
			PercentHundredths: rapid.Int64().Draw(t, "percent"), AmountMinor: rapid.Int64().Draw(t, "amount"), MaxMinor: rapid.Int64().Draw(t, "max"),
		}
		base, left := rapid.Int64().Draw(t, "base"), rapid.Int64().Draw(t, "left")
		if got := e.Discount(base, left); got < 0 || got > max(left, 0) {
			t.Fatalf("%d off %d", got, left)
		}
	})
}

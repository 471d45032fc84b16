package bench

import (
	"context"
	"slices"
)

// A side does its part of a round and gives its rate per second.
type side func(ctx context.Context, round int) (float64, error)

// rates are what the sides of a measure reached, by side and round.
type rates [][]float64

// alternate runs all sides in each round, one after another, every other round in the opposite order: what drifts on the
// machine meets all of them alike. Before each side what was written is brought to the disk, so that none pays for another.
func (g *ground) alternate(ctx context.Context, name string, sides ...side) (rates, error) {
	all := make(rates, len(sides))
	for round := range g.Rounds {
		order := make([]int, len(sides))
		for i := range order {
			order[i] = i
		}
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, i := range order {
			if err := g.do(ctx, "CHECKPOINT"); err != nil {
				return nil, err
			}
			rate, err := sides[i](ctx, round)
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], rate)
		}
		line := make([]float64, len(sides))
		for i := range sides {
			line[i] = all[i][round]
		}
		g.Say("%s: round %d of %d: %.0f a second", name, round+1, g.Rounds, line)
	}
	return all, nil
}

// row compares two sides.
func (r rates) row(name, unit string, ours, beside int, bar float64) Row {
	ratios := make([]float64, len(r[ours]))
	for i := range ratios {
		ratios[i] = r[ours][i] / r[beside][i]
	}
	ratio := median(ratios)
	return Row{Name: name, Value: median(r[ours]), Unit: unit, Beside: median(r[beside]), Ratio: ratio, Bar: bar, Met: ratio >= bar}
}

// below is a row whose value may be at most a limit.
func below(name, unit string, value, most float64) Row {
	ratio := most / value
	return Row{Name: name, Value: value, Unit: unit, Beside: most, Ratio: ratio, Bar: 1, Met: ratio >= 1}
}

// median of an odd number of values is the middle one, of an even number the mean of the middle two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

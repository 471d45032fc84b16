package rules

import (
	"fmt"
	"slices"
	"strings"
)

// didYouMean names the known name nearest to what was written, where one is near enough to be meant.
func didYouMean(written string, known []string) string {
	letters := len([]rune(written))
	best, least := "", 1+max(1, min(3, letters/3, letters-1)) // something of it has to stay
	slices.Sort(known)
	for _, name := range known {
		if d := distance(written, name, least); d < least && d < letters {
			best, least = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean `%s`?", best)
}

// distance is how many letters to insert, delete, replace or swap with their neighbour; enough and more are alike.
// Source: Damerau–Levenshtein, optimal string alignment. Letter case and underscores count little.
func distance(a, b string, enough int) int {
	const lengthMax = 64
	if len(a) > lengthMax || len(b) > lengthMax || max(len(a)-len(b), len(b)-len(a)) > 2*enough {
		return enough
	}
	fold := func(s string) []rune { return []rune(strings.ReplaceAll(strings.ToLower(s), "_", "")) }
	x, y := fold(a), fold(b)
	before, last, next := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(x); i++ {
		next[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			next[j] = min(last[j]+1, next[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, last, next = last, next, before
	}
	return last[len(y)]
}

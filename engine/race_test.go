//go:build race

package engine_test

// yearCustomers and yearDays are small under the race detector: .ci/run has a line of its own for the whole year.
const (
	yearCustomers = 1_000
	yearDays      = 30
)

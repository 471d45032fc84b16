//go:build race

package engine_test

// yearCustomers and yearDays are small under the race detector: go test without it has the whole year.
const (
	yearCustomers = 1_000
	yearDays      = 30
)

//go:build !race

package engine_test

// yearCustomers is how many customers live through the virtual year, and yearDays how long it is.
const (
	yearCustomers = 20_000
	yearDays      = 366
)

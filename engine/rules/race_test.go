//go:build race

package rules

// slower is how many times slower than usual the tests may be.
const slower = 20

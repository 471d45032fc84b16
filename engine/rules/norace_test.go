//go:build !race

package rules

// slower is how many times slower than usual the tests may be.
const slower = 1

// Slower is slower, for the tests outside the package.
const Slower = slower

//go:build race

package channel

// slowed is how many times longer than usual the race detector may make what is measured.
const slowed = 6

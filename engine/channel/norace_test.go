//go:build !race

package channel

const slowed = 1

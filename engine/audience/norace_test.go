//go:build !race

package audience

// changedMost is how many customers change at once, historiesMost how many are drawn of an image that follows.
const (
	changedMost   = 10_000
	historiesMost = 100
)

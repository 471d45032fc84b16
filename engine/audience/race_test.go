//go:build race

package audience

// changedMost and historiesMost are fewer under the race detector: go test without it has them all.
const (
	changedMost   = 2_000
	historiesMost = 30
)

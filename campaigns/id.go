package campaigns

import (
	"crypto/rand"
	"encoding/binary"
	"time"

	"github.com/google/uuid"
)

// ID is a UUIDv7: it begins with its time in milliseconds, so that ids sort by age and a message's month is known from
// its id alone (messages are partitioned by month).
type ID = uuid.UUID

// NewID makes an id for something that begins to exist at now. The time is the caller's: tests, the demo and the
// simulation move it.
func NewID(now time.Time) ID {
	var id ID
	_, _ = rand.Read(id[6:]) // never fails: crypto/rand ends the program instead
	var head [8]byte
	binary.BigEndian.PutUint64(head[:], uint64(now.UnixMilli()))
	copy(id[:6], head[2:])
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// TimeOf is the millisecond in an id made by NewID.
func TimeOf(id ID) time.Time {
	var head [8]byte
	copy(head[2:], id[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(head[:]))).UTC()
}

// ParseID reads an id that a client sent; what names the thing, for the error.
func ParseID(what, text string) (ID, error) {
	id, err := uuid.Parse(text)
	if err != nil {
		return ID{}, NotFound(what, shorten(text))
	}
	return id, nil
}

// Secret is n random bytes for keys and tokens: the one place that makes them.
func Secret(n int) []byte {
	secret := make([]byte, n)
	_, _ = rand.Read(secret)
	return secret
}

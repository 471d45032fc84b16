package channel

import (
	"context"
	"errors"
	"net"
	"time"
)

// answerMax is how many bytes a server may say until it is told something again. Answers have hundreds, a certificate's
// chain has thousands.
const answerMax = 64 << 10

var errAnswerTooLong = errors.New("the server's answer has no end")

// A line is a connection to a server whose answers end: one that talks on and on would else fill the memory until its time
// is over.
type line struct {
	net.Conn
	heard int // bytes since something was said
}

// Read gives what the server says, and an error when that is too much.
func (l *line) Read(to []byte) (int, error) {
	if l.heard > answerMax {
		return 0, errAnswerTooLong
	}
	n, err := l.Conn.Read(to)
	l.heard += n
	return n, err
}

// Write says something to the server.
func (l *line) Write(text []byte) (int, error) {
	l.heard = 0
	return l.Conn.Write(text)
}

// interruptible makes a connection's reading and writing end with a context, until it is told otherwise.
func interruptible(ctx context.Context, conn net.Conn) (end func() bool) {
	return context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) }) // a closed one ends anyway
}

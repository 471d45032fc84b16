package api

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// The limits of a file that is streamed in.
const (
	uploadMax  = 10 << 30
	uploadIdle = 2 * time.Minute
)

// patient is a streamed body. A client that sends nothing for uploadIdle while it is waited for is cut off, so that it
// holds no import open. The timer runs during a read alone and knows the connection itself: echo's response is lent to
// the next request, which may be another client's.
type patient struct {
	io.ReadCloser
	idle *time.Timer
}

func newPatient(body io.ReadCloser, w http.ResponseWriter) *patient {
	connection := http.NewResponseController(w)
	idle := time.AfterFunc(uploadIdle, func() {
		_ = connection.SetReadDeadline(time.Unix(1, 0)) // long past: what waits for the client ends now
	})
	idle.Stop()
	return &patient{body, idle}
}

// Read reads on.
func (p *patient) Read(b []byte) (int, error) {
	p.idle.Reset(uploadIdle)
	defer p.idle.Stop()
	return p.ReadCloser.Read(b)
}

// upload is a streamed body, up to uploadMax bytes. What is wrong with the body is a problem of the client's.
type upload struct {
	body  io.Reader
	read  int64
	start []byte
}

// Read reads on.
func (u *upload) Read(p []byte) (int, error) {
	n, err := u.body.Read(p)
	u.read += int64(n)
	if missing := 2 - len(u.start); missing > 0 {
		u.start = append(u.start, p[:min(n, missing)]...)
	}
	switch {
	case u.read > uploadMax:
		return n, tooLarge(uploadMax)
	case err != nil && !errors.Is(err, io.EOF):
		return n, malformed("the upload ended before the file did: post it again; rows that are there already do not change").with("body", "broke off")
	}
	return n, err
}

// blame turns what a broken file leads to into a problem of the file.
func (u *upload) blame(err error) error {
	if isGzip(u.start) && (brokenFile(err) || endedEarly(err)) {
		return malformed("the file is gzip, and it is broken: pack it again").with("body", "is broken gzip")
	}
	return err
}

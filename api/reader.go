package api

import (
	"io"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"
)

// readerIdle is how long the client of a whole table may take for a piece of it.
const readerIdle = 30 * time.Second

// reader is who reads a whole table, which is written while PostgreSQL gives it. A client that takes nothing for its idle time
// is cut off: it holds a connection and a snapshot that sending needs, and a few such clients would hold them all. As with a
// body, the timer runs during a write alone and knows the connection itself.
type reader struct {
	io.Writer
	idle *time.Timer
	most time.Duration
}

func newReader(w io.Writer, most time.Duration) io.Writer {
	answer, is := w.(http.ResponseWriter)
	if !is {
		return w
	}
	if lent, is := w.(*echo.Response); is {
		answer = lent.Writer
	}
	connection := http.NewResponseController(answer)
	idle := time.AfterFunc(most, func() {
		_ = connection.SetWriteDeadline(time.Unix(1, 0)) // long past: what waits for the client ends now
	})
	idle.Stop()
	return &reader{w, idle, most}
}

// Write writes on.
func (r *reader) Write(b []byte) (int, error) {
	r.idle.Reset(r.most)
	defer r.idle.Stop()
	return r.Writer.Write(b)
}

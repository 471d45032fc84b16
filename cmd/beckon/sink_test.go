package main

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"
)

// A sink is a real SMTP server that counts what it accepted by recipient, and that a test can put into a mood.
type sink struct {
	t    *testing.T
	mood func(to string, attempt int) mood // nil: a good one

	mu       sync.Mutex
	accepted map[string]int
	attempts map[string]int  // how often a recipient was named
	cut      map[string]bool // accepted, and the answer was never given
	total    int
	port     int
	closing  chan struct{}
}

// A mood is how the sink takes one attempt at a message.
type mood struct {
	refuse *smtp.SMTPError // said to its recipient
	hangUp bool            // when it hears its recipient
	cut    bool            // after it accepted the message, instead of an answer
	wait   time.Duration   // before it answers the content; it answers at once when the sink is closed
	noise  string          // said in place of an answer to the recipient, before it hangs up
	cries  string          // the same without end, until the sender hangs up
	murmur string          // said in place of an answer to the content, which is not accepted
}

func newSink(t *testing.T, m func(to string, attempt int) mood) *sink {
	t.Helper()
	s := &sink{t: t, mood: m, accepted: map[string]int{}, attempts: map[string]int{}, cut: map[string]bool{}, closing: make(chan struct{})}
	server := smtp.NewServer(s)
	server.Domain, server.AllowInsecureAuth, server.ErrorLog = "localhost", true, quiet{}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = listener.Addr().(*net.TCPAddr).Port
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := server.Serve(listener); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { close(s.closing); server.Close(); <-ended })
	return s
}

// quiet takes the server's log: sessions that end in the middle are what these tests are about.
type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

// NewSession begins a session of the sink.
func (s *sink) NewSession(c *smtp.Conn) (smtp.Session, error) {
	return &sinkSession{sink: s, conn: c}, nil
}

func (s *sink) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// taken is a copy of what was accepted by recipient, and of whom no answer was given to.
func (s *sink) taken() (accepted map[string]int, cut map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.accepted), maps.Clone(s.cut)
}

type sinkSession struct {
	sink *sink
	conn *smtp.Conn
	to   string
	mood mood
}

var errHungUp = errors.New("hung up")

func (s *sinkSession) Mail(string, *smtp.MailOptions) error { return nil }
func (s *sinkSession) Reset()                               {}
func (s *sinkSession) Logout() error                        { return nil }

func (s *sinkSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to, s.mood = to, mood{}
	s.sink.mu.Lock()
	s.sink.attempts[to]++
	attempt := s.sink.attempts[to]
	s.sink.mu.Unlock()
	if s.sink.mood != nil {
		s.mood = s.sink.mood(to, attempt)
	}
	switch {
	case s.mood.hangUp:
		_ = s.conn.Conn().Close() // that is the mood
		return errHungUp
	case s.mood.noise != "":
		_, _ = io.WriteString(s.conn.Conn(), s.mood.noise)
		_ = s.conn.Conn().Close() // nothing follows it
		return errHungUp
	case s.mood.cries != "":
		for {
			if _, err := io.WriteString(s.conn.Conn(), s.mood.cries); err != nil {
				return err
			}
		}
	case s.mood.refuse != nil:
		return s.mood.refuse
	}
	return nil
}

func (s *sinkSession) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if head, _, _ := bytes.Cut(content, []byte("\r\n\r\n")); bytes.Contains(head, []byte("\nBcc:")) {
		s.sink.t.Errorf("a header came in from outside:\n%s", head)
	}
	if s.mood.wait > 0 {
		s.sink.hold(s.mood.wait)
	}
	if s.mood.murmur != "" {
		_, _ = io.WriteString(s.conn.Conn(), s.mood.murmur)
		_ = s.conn.Conn().Close() // nothing follows it
		return errHungUp
	}
	s.sink.mu.Lock()
	s.sink.accepted[s.to]++
	s.sink.total++
	s.sink.cut[s.to] = s.sink.cut[s.to] || s.mood.cut
	s.sink.mu.Unlock()
	if s.mood.cut {
		_ = s.conn.Conn().Close() // that is the mood
		return errHungUp
	}
	return nil
}

// hold waits as a slow provider does.
func (s *sink) hold(wait time.Duration) {
	select {
	case <-time.After(wait):
	case <-s.closing:
	}
}

package channel

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"beckon/campaigns"
)

// postbox is a real SMTP server that does what the test tells it to.
type postbox struct {
	address string
	server  *smtp.Server
	stop    func() // hangs up on everybody; may be called again

	mu       sync.Mutex
	sessions int
	got      []delivered
	envelope *smtp.MailOptions // of the last MAIL
	orders   orders
}

// orders say what the server does at each step; nil accepts.
type orders struct {
	mail     func(c *smtp.Conn) error
	rcpt     func(c *smtp.Conn, to string) error
	within   func(c *smtp.Conn) error // after the first bytes of the content
	data     func(c *smtp.Conn) error // instead of taking the content
	taken    func(c *smtp.Conn)       // after taking it and before the reply
	password string
}

func (p *postbox) order(o orders) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.orders = o
}

func (p *postbox) ordered() orders {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.orders
}

type delivered struct{ from, to, content string }

// open starts a postbox on an address, "127.0.0.1:0" for any.
func open(t *testing.T, address string, options ...func(*smtp.Server)) *postbox {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return openOn(t, listener, options...)
}

// openPlain starts a postbox that offers no PIPELINING, where the library talks alone.
func openPlain(t *testing.T) *postbox {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return openOn(t, plainListener{listener})
}

// plainListener calls PIPELINING something else in what the server says.
type plainListener struct{ net.Listener }

func (l plainListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return plainConn{conn}, err
}

type plainConn struct{ net.Conn }

func (c plainConn) Write(said []byte) (int, error) {
	return c.Conn.Write(bytes.ReplaceAll(said, []byte("PIPELINING"), []byte("XPIPELININ")))
}

func openOn(t *testing.T, listener net.Listener, options ...func(*smtp.Server)) *postbox {
	t.Helper()
	p := &postbox{address: listener.Addr().String()}
	p.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		p.mu.Lock()
		p.sessions++
		p.mu.Unlock()
		return &session{postbox: p, conn: c}, nil
	}))
	p.server.AllowInsecureAuth = true
	p.server.ErrorLog = log.New(io.Discard, "", 0)
	for _, option := range options {
		option(p.server)
	}
	served := make(chan error, 1)
	go func() { served <- p.server.Serve(listener) }()
	p.stop = sync.OnceFunc(func() {
		_ = p.server.Close()
		_ = listener.Close() // the server knows it only once it serves
		<-served
	})
	t.Cleanup(p.stop)
	return p
}

func (p *postbox) settings() campaigns.ChannelSettings {
	address, err := net.ResolveTCPAddr("tcp", p.address)
	if err != nil {
		panic(err)
	}
	return campaigns.ChannelSettings{Host: "127.0.0.1", Port: address.Port, TLS: "none", EmailSettings: campaigns.EmailSettings{From: "shop@example.com", FromName: "The Shop"}}
}

func (p *postbox) received() []delivered {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]delivered(nil), p.got...)
}

func (p *postbox) sessionCount() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sessions
}

// session is one connection's; a hook that is nil accepts.
type session struct {
	postbox  *postbox
	conn     *smtp.Conn
	from, to string
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

func (s *session) AuthMechanisms() []string {
	if s.postbox.ordered().password == "" {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, _, password string) error {
		if password != s.postbox.ordered().password {
			return smtp.ErrAuthFailed
		}
		return nil
	}), nil
}

func (s *session) Mail(from string, o *smtp.MailOptions) error {
	s.from = from
	s.postbox.mu.Lock()
	s.postbox.envelope = o
	s.postbox.mu.Unlock()
	if mail := s.postbox.ordered().mail; mail != nil {
		return mail(s.conn)
	}
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if rcpt := s.postbox.ordered().rcpt; rcpt != nil {
		return rcpt(s.conn, to)
	}
	return nil
}

func (s *session) Data(r io.Reader) error {
	if within := s.postbox.ordered().within; within != nil {
		if _, err := io.CopyN(io.Discard, r, 1000); err != nil {
			return err
		}
		return within(s.conn)
	}
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if data := s.postbox.ordered().data; data != nil {
		return data(s.conn)
	}
	s.postbox.mu.Lock()
	s.postbox.got = append(s.postbox.got, delivered{s.from, s.to, string(content)})
	s.postbox.mu.Unlock()
	if taken := s.postbox.ordered().taken; taken != nil {
		taken(s.conn)
	}
	return nil
}

func refuse(code int, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCodeNotSet, Message: text}
}

// drop breaks the connection without an answer.
func drop(c *smtp.Conn) error {
	_ = c.Conn().Close()
	return errors.New("dropped")
}

func noon() time.Time { return time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC) }

// openWith opens a sender of a kind with settings.
func openWith(kind string, s campaigns.ChannelSettings) (Sender, error) {
	return Open(campaigns.Channel{ID: "test", Name: "Test", Kind: kind, Settings: s}, Options{Clock: noon})
}

// sender opens an SMTP sender to the postbox.
func sender(t *testing.T, s campaigns.ChannelSettings) Sender {
	t.Helper()
	opened, err := openWith("smtp", s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	return opened
}

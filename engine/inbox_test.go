package engine_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapserver"
	"github.com/emersion/go-imap/v2/imapserver/imapmemserver"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// A postman keeps a mailbox on a real IMAP server in the test's process.
type postman struct {
	user *imapmemserver.User
	port int
	cut  func(sent int) bool // says whether a connection ends after so many bytes were sent on it

	mu     sync.Mutex
	logins int
}

func newPostman(t *testing.T) *postman {
	t.Helper()
	memory := imapmemserver.New()
	p := &postman{user: imapmemserver.NewUser("bounces", "secret")}
	if err := p.user.Create("INBOX", nil); err != nil {
		t.Fatal(err)
	}
	memory.AddUser(p.user)
	server := imapserver.New(&imapserver.Options{
		NewSession: func(*imapserver.Conn) (imapserver.Session, *imapserver.GreetingData, error) {
			p.mu.Lock()
			p.logins++
			p.mu.Unlock()
			return memory.NewSession(), nil, nil
		},
		Caps: imap.CapSet{imap.CapIMAP4rev1: {}}, InsecureAuth: true, Logger: quiet{},
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.port = listener.Addr().(*net.TCPAddr).Port
	go func() { _ = server.Serve(cutting{listener, p}) }()
	t.Cleanup(func() { _ = server.Close() })
	return p
}

type quiet struct{}

func (quiet) Printf(string, ...any) {}

// cutting ends connections where the postman says so.
type cutting struct {
	net.Listener
	postman *postman
}

func (l cutting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &cutConn{Conn: conn, postman: l.postman}, err
}

type cutConn struct {
	net.Conn
	postman *postman
	sent    int
}

func (c *cutConn) Write(b []byte) (int, error) {
	c.sent += len(b)
	c.postman.mu.Lock()
	cut := c.postman.cut
	c.postman.mu.Unlock()
	if cut != nil && cut(c.sent) {
		_ = c.Close()
		return 0, io.ErrClosedPipe
	}
	return c.Conn.Write(b)
}

func (p *postman) cuts(when func(sent int) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = when
}

// times is how often somebody connected.
func (p *postman) times() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.logins
}

func (p *postman) put(t *testing.T, raw string) {
	t.Helper()
	if _, err := p.user.Append("INBOX", bytes.NewReader([]byte(raw)), &imap.AppendOptions{}); err != nil {
		t.Fatal(err)
	}
}

// unseen is how many messages nobody has read.
func (p *postman) unseen(t *testing.T) int {
	t.Helper()
	status, err := p.user.Status("INBOX", &imap.StatusOptions{NumUnseen: true})
	if err != nil {
		t.Fatal(err)
	}
	return int(*status.NumUnseen)
}

func (p *postman) settings(s *campaigns.ChannelSettings) {
	s.InboxHost, s.InboxPort, s.InboxTLS, s.InboxUsername, s.InboxPassword = "127.0.0.1", p.port, "none", "bounces", new("secret")
}

// look reads the mailbox once, a minute later than before.
func (r *returning) look() int {
	r.Helper()
	r.clock.Advance(time.Minute)
	read, err := r.engine.Inboxes(r.ctx)
	r.must(err)
	return read
}

// inbox is what the channel says of its mailbox.
func (r *returning) inbox() (inbox campaigns.Inbox) {
	r.Helper()
	r.view(func(tx *store.Tx) error {
		inboxes, err := tx.Inboxes(r.ctx)
		inbox = inboxes["mail"]
		return err
	})
	return inbox
}

// bounced are the messages of which a hard bounce was kept, and how often.
func (r *returning) bounced() map[campaigns.ID]int {
	times := map[campaigns.ID]int{}
	for _, receipt := range r.kept() {
		if receipt.Hard {
			times[receipt.MessageID]++
		}
	}
	return times
}

func TestBouncesAreReadFromTheMailboxOnce(t *testing.T) {
	p := newPostman(t)
	r := newReturning(t, 3, p.settings)
	p.put(t, dsn(r.in.letter("c1@example.com").from, "c1@example.com", "5.1.1", "Subject: x"))
	p.put(t, "From: ann@example.org\r\nTo: bounces@mail.example.com\r\nSubject: Out of office\r\nAuto-Submitted: auto-replied\r\n\r\nI am away.\r\n")
	p.put(t, dsn("bounces@mail.example.com", "c2@example.com", "5.1.1", "Subject: nobody knows which"))
	p.put(t, "\x00\x01\r\n")
	p.put(t, dsn(r.in.letter("c2@example.com").from, "c2@example.com", "5.1.1", strings.Repeat("X-Long: "+strings.Repeat("x", 990)+"\r\n", 5000)))
	if read := r.look(); read != 5 || p.unseen(t) != 0 {
		t.Errorf("%d read, %d unseen", read, p.unseen(t))
	}
	got := r.bounced()
	if len(got) != 2 || got[r.message(1).ID] != 1 || got[r.message(2).ID] != 1 {
		t.Errorf("%v", got)
	}
	if inbox := r.inbox(); inbox.Reports != 2 || inbox.Others != 3 || inbox.Error != "" || inbox.LookedAt == nil {
		t.Errorf("%+v", inbox)
	}
	if read := r.look(); read != 0 || len(r.kept()) != 2 {
		t.Errorf("%d read again, %d receipts", read, len(r.kept()))
	}
}

func TestAMailboxIsReadByOneNodeAndOnceAMinute(t *testing.T) {
	p := newPostman(t)
	r := newReturning(t, 1, p.settings)
	errs := make(chan error, 8)
	for range cap(errs) {
		other := engine.New(r.store, engine.Options{})
		go func() { _, err := other.Inboxes(r.ctx); errs <- err }()
	}
	for range cap(errs) {
		r.must(<-errs)
	}
	if p.times() != 1 {
		t.Errorf("%d nodes looked", p.times())
	}
	r.clock.Advance(30 * time.Second)
	_, err := r.engine.Inboxes(r.ctx)
	r.must(err)
	if p.times() != 1 {
		t.Errorf("it was read twice in a minute")
	}
	if r.look(); p.times() != 2 {
		t.Errorf("it was not read after a minute")
	}
}

func TestAMailboxThatBreaksOffLosesNoBounce(t *testing.T) {
	const n = 12
	p := newPostman(t)
	r := newReturning(t, n, p.settings)
	for i := range n {
		to := fmt.Sprintf("c%d@example.com", i)
		p.put(t, dsn(r.in.letter(to).from, to, "5.1.1", "Subject: x"))
	}
	for cut, looks := 300, 0; p.unseen(t) > 0; cut, looks = cut+500, looks+1 {
		if looks > 60 {
			t.Fatalf("after %d looks %d are unseen", looks, p.unseen(t))
		}
		p.cuts(func(sent int) bool { return sent > cut })
		r.look()
		if p.unseen(t) > 0 && r.inbox().Error == "" {
			t.Fatal("the channel says nothing of it")
		}
	}
	p.cuts(nil)
	if r.look(); r.inbox().Error != "" {
		t.Errorf("%+v", r.inbox())
	}
	got := r.bounced()
	for i := range n {
		if got[r.message(i).ID] == 0 {
			t.Errorf("the bounce of customer %d was lost", i)
		}
	}
}

func TestAMailboxThatCannotBeReadSaysSoOnceAndOnItsChannel(t *testing.T) {
	p := newPostman(t)
	r := newReturning(t, 1, p.settings)
	r.channel(func(s *campaigns.ChannelSettings) { s.InboxPassword = new("wrong") })
	var log bytes.Buffer
	r.engine = engine.New(r.store, engine.Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	for range 3 {
		r.look()
	}
	if inbox := r.inbox(); !strings.Contains(inbox.Error, "logging in") {
		t.Errorf("%+v", inbox)
	}
	if n := strings.Count(log.String(), "mailbox"); n != 1 || strings.Contains(log.String(), "password=") || strings.Contains(log.String(), "wrong") {
		t.Errorf("logged %d times: %s", n, log.String())
	}
	for what, change := range map[string]func(s *campaigns.ChannelSettings){
		"tls":        func(s *campaigns.ChannelSettings) { s.InboxTLS = "tls" },
		"connecting": func(s *campaigns.ChannelSettings) { s.InboxPort = 1 },
	} {
		r.channel(p.settings)
		r.channel(change)
		if r.look(); !strings.Contains(r.inbox().Error, what) {
			t.Errorf("%s: %+v", what, r.inbox())
		}
	}
	r.channel(p.settings)
	if r.look(); r.inbox().Error != "" {
		t.Errorf("%+v", r.inbox())
	}
}

// A full look is followed by another at once, so that a blast's bounces do not take an hour.
func TestAFullMailboxIsReadToItsEnd(t *testing.T) {
	p := newPostman(t)
	r := newReturning(t, 1, p.settings)
	for range 450 {
		p.put(t, "Subject: nothing\r\n\r\nx\r\n")
	}
	r.settle()
	if p.unseen(t) != 0 || r.inbox().Others != 450 {
		t.Errorf("%d unseen, %+v", p.unseen(t), r.inbox())
	}
}

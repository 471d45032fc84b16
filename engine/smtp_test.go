package engine_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// An inbox is a real SMTP server in the test's process that keeps what it accepts.
type inbox struct {
	mu       sync.Mutex
	accepted map[string]int // by recipient
	mails    map[string]letter
	refuse   func(to string) error
	at       func(to string) error // likewise, of several sessions at once
	port     int
}

// A letter is what came last for a recipient.
type letter struct{ from, content string }

func newInbox(t *testing.T) *inbox {
	t.Helper()
	in := &inbox{accepted: map[string]int{}, mails: map[string]letter{}}
	server := smtp.NewServer(in)
	server.Domain, server.AllowInsecureAuth = "localhost", true
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	in.port = listener.Addr().(*net.TCPAddr).Port
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); err != nil && !errors.Is(err, smtp.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { server.Close(); <-done })
	return in
}

func (in *inbox) NewSession(*smtp.Conn) (smtp.Session, error) { return &inboxSession{inbox: in}, nil }

func (in *inbox) received() map[string]int {
	in.mu.Lock()
	defer in.mu.Unlock()
	copied := map[string]int{}
	for to, n := range in.accepted {
		copied[to] = n
	}
	return copied
}

// letter is what a recipient got last.
func (in *inbox) letter(to string) letter {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.mails[to]
}

type inboxSession struct {
	inbox    *inbox
	from, to string
}

func (s *inboxSession) Reset()        {}
func (s *inboxSession) Logout() error { return nil }

func (s *inboxSession) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *inboxSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = to
	if s.inbox.at != nil {
		if err := s.inbox.at(to); err != nil {
			return err
		}
	}
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	if s.inbox.refuse != nil {
		return s.inbox.refuse(to)
	}
	return nil
}

func (s *inboxSession) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	s.inbox.accepted[s.to]++
	s.inbox.mails[s.to] = letter{s.from, string(content)}
	return nil
}

// smtpChannel makes a channel that leads to an inbox, and a public address for the links.
func (w *world) smtpChannel(in *inbox) string {
	w.Helper()
	settings := campaigns.ChannelSettings{Host: "127.0.0.1", Port: in.port, TLS: "none", EmailSettings: campaigns.EmailSettings{From: "shop@example.com", FromName: "The Shop"}}
	w.update(func(tx *store.Tx) error {
		space, err := tx.LockWorkspace(w.ctx)
		if err != nil {
			return err
		}
		space.PublicURL = "https://shop.example.com"
		if err := tx.SaveWorkspace(w.ctx, space); err != nil {
			return err
		}
		return tx.CreateChannel(w.ctx, &campaigns.Channel{ID: "mail", Name: "Mail", Kind: "smtp", Settings: settings})
	})
	return "mail"
}

func TestMessagesLeaveThroughSMTPOnceEach(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	channel := w.smtpChannel(in)
	w.customers(100, nil)
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].ChannelID = channel })
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Messages["sent"] != 100 || run.Status != campaigns.Done {
		t.Fatalf("messages %v", run.Messages)
	}
	got := in.received()
	for to, n := range got {
		if n != 1 {
			t.Errorf("%s got %d", to, n)
		}
	}
	if len(got) != 100 {
		t.Errorf("%d recipients", len(got))
	}
}

func TestATemporaryRefusalIsTriedAgainAndAFinalOneIsNot(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	channel := w.smtpChannel(in)
	busy := true
	in.refuse = func(to string) error {
		switch {
		case strings.HasPrefix(to, "c1@"):
			return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
		case strings.HasPrefix(to, "c2@") && busy:
			return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "try later"}
		}
		return nil
	}
	w.customers(4, nil)
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].ChannelID = channel })
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 2 || run.Messages["failed"] != 1 || run.Messages["queued"] != 1 || run.Status != campaigns.Sending {
		t.Fatalf("messages %v, status %s", run.Messages, run.Status)
	}
	in.mu.Lock()
	busy = false
	in.mu.Unlock()
	w.clock.Advance(2 * time.Minute)
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Messages["sent"] != 3 || run.Status != campaigns.Done || in.received()["c2@example.com"] != 1 {
		t.Errorf("messages %v, status %s", run.Messages, run.Status)
	}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID, Status: campaigns.MessageFailed}) {
		if last := m.History[len(m.History)-1]; !strings.Contains(last.Detail, "no such mailbox") {
			t.Errorf("the history does not tell what the provider said: %+v", m.History)
		}
	}
}

func TestAProviderThatIsDownLosesNothing(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	channel := w.smtpChannel(in)
	port := in.port
	in.port = 1
	w.customers(5, nil)
	w.update(func(tx *store.Tx) error {
		c, err := tx.LockChannel(w.ctx, channel)
		if err != nil {
			return err
		}
		c.Settings.Port = 1
		return tx.SaveChannel(w.ctx, &c)
	})
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].ChannelID = channel })
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["queued"] != 5 {
		t.Fatalf("messages %v", run.Messages)
	}
	w.update(func(tx *store.Tx) error {
		c, err := tx.LockChannel(w.ctx, channel)
		if err != nil {
			return err
		}
		c.Settings.Port = port
		return tx.SaveChannel(w.ctx, &c)
	})
	w.clock.Advance(5 * time.Minute)
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 5 || len(in.received()) != 5 {
		t.Errorf("messages %v, received %v", run.Messages, in.received())
	}
}

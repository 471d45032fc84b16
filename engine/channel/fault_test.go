package channel

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"beckon/campaigns"
)

// says is a refusal with an enhanced code, such as "550 5.1.1 no such mailbox".
func says(code int, status smtp.EnhancedCode, text string) error {
	return &smtp.SMTPError{Code: code, EnhancedCode: status, Message: text}
}

func atMail(err error) orders { return orders{mail: func(*smtp.Conn) error { return err }} }
func atRcpt(err error) orders { return orders{rcpt: func(*smtp.Conn, string) error { return err }} }
func atEnd(err error) orders  { return orders{data: func(*smtp.Conn) error { return err }} }

// A row of the table beside classify.
type answerRow struct {
	orders orders
	want   Outcome // without Detail
}

func answerRows() map[string]answerRow {
	temporary, permanent := Outcome{Status: Temporary}, Outcome{Status: Permanent}
	unavailable, slower := Outcome{Status: Temporary, Unavailable: true}, Outcome{Status: Temporary, Throttled: true}
	nobody := Outcome{Status: Permanent, Hard: true}
	both := Outcome{Status: Temporary, Unavailable: true, Throttled: true}
	no := smtp.EnhancedCodeNotSet
	return map[string]answerRow{
		"450 at MAIL":                     {atMail(says(450, no, "try later")), temporary},
		"421 at MAIL":                     {atMail(says(421, smtp.EnhancedCode{4, 3, 2}, "going down")), unavailable},
		"421 at MAIL for the rate":        {atMail(says(421, smtp.EnhancedCode{4, 7, 28}, "unusual rate of unsolicited mail")), both},
		"451 at MAIL for the rate":        {atMail(says(451, smtp.EnhancedCode{4, 7, 0}, "Rate limit reached")), slower},
		"454 at MAIL, Amazon's":           {atMail(says(454, no, "Throttling failure: Maximum sending rate exceeded.")), slower},
		"530 at MAIL":                     {atMail(says(530, smtp.EnhancedCode{5, 7, 0}, "Authentication required")), unavailable},
		"550 at MAIL, no such sender":     {atMail(says(550, smtp.EnhancedCode{5, 1, 8}, "Sender address rejected")), permanent},
		"550 5.1.1 at MAIL":               {atMail(says(550, smtp.EnhancedCode{5, 1, 1}, "no such user")), permanent},
		"421 at RCPT":                     {atRcpt(says(421, smtp.EnhancedCode{4, 3, 0}, "try another time")), temporary},
		"450 at RCPT, greylisted":         {atRcpt(says(450, smtp.EnhancedCode{4, 7, 1}, "Greylisted, come back in 5 minutes")), temporary},
		"452 at RCPT, full":               {atRcpt(says(452, smtp.EnhancedCode{4, 2, 2}, "mailbox full, quota exceeded")), temporary},
		"452 at RCPT, too many":           {atRcpt(says(452, smtp.EnhancedCode{4, 5, 3}, "too many recipients this hour")), slower},
		"450 at RCPT, Exchange's":         {atRcpt(says(450, smtp.EnhancedCode{4, 7, 500}, "Server busy")), slower},
		"550 5.1.1 at RCPT":               {atRcpt(says(550, smtp.EnhancedCode{5, 1, 1}, "The account does not exist")), nobody},
		"553 5.1.3 at RCPT":               {atRcpt(says(553, smtp.EnhancedCode{5, 1, 3}, "bad syntax")), nobody},
		"551 5.1.6 at RCPT":               {atRcpt(says(551, smtp.EnhancedCode{5, 1, 6}, "moved away")), nobody},
		"550 5.1.10 at RCPT":              {atRcpt(says(550, smtp.EnhancedCode{5, 1, 10}, "the domain takes no mail")), nobody},
		"550 5.2.1 at RCPT, disabled":     {atRcpt(says(550, smtp.EnhancedCode{5, 2, 1}, "mailbox disabled")), permanent},
		"550 in words":                    {atRcpt(says(550, smtp.NoEnhancedCode, "User unknown")), nobody},
		"550 without a word":              {atRcpt(says(550, smtp.NoEnhancedCode, "rejected")), permanent},
		"550 5.7.1 that speaks of a user": {atRcpt(says(550, smtp.EnhancedCode{5, 7, 1}, "no such user may be written to from here")), permanent},
		"552 at RCPT, too large":          {atRcpt(says(552, smtp.EnhancedCode{5, 2, 2}, "mailbox full")), permanent},
		"554 5.1.1 at RCPT":               {atRcpt(says(554, smtp.EnhancedCode{5, 1, 1}, "no")), permanent},
		"503 at RCPT":                     {atRcpt(says(503, smtp.EnhancedCode{5, 5, 1}, "MAIL first")), temporary},
		"451 after the content":           {atEnd(says(451, smtp.EnhancedCode{4, 6, 0}, "try later")), temporary},
		"452 after the content, rate":     {atEnd(says(452, smtp.EnhancedCode{4, 7, 0}, "too many messages")), slower},
		"550 5.1.1 after the content":     {atEnd(says(550, smtp.EnhancedCode{5, 1, 1}, "no such mailbox")), nobody},
		"550 5.7.1 after the content":     {atEnd(says(550, smtp.EnhancedCode{5, 7, 1}, "this is spam")), permanent},
		"554 5.6.0 after the content":     {atEnd(says(554, smtp.EnhancedCode{5, 6, 0}, "bad content")), permanent},
		"dropped at MAIL":                 {orders{mail: drop}, temporary},
		"dropped at RCPT":                 {orders{rcpt: func(c *smtp.Conn, _ string) error { return drop(c) }}, temporary},
		"dropped after DATA":              {orders{data: drop}, Outcome{Status: Unknown}},
		"dropped before the reply":        {orders{taken: func(c *smtp.Conn) { _ = drop(c) }}, Outcome{Status: Unknown}},
		"dropped in the content":          {orders{within: drop}, temporary},
		"silence at MAIL":                 {orders{mail: silent}, temporary},
		"silence at RCPT":                 {orders{rcpt: func(c *smtp.Conn, _ string) error { return silent(c) }}, temporary},
		"silence in the content":          {orders{within: stuck}, temporary},
		"silence after the content":       {orders{data: silent}, Outcome{Status: Unknown}},
		"silence after it was taken":      {orders{taken: func(c *smtp.Conn) { _ = silent(c) }}, Outcome{Status: Unknown}},
	}
}

// silent says nothing until the other side hangs up.
func silent(c *smtp.Conn) error {
	_, err := io.Copy(io.Discard, c.Conn())
	return err
}

// stuck reads nothing for longer than any of these tests is patient.
func stuck(*smtp.Conn) error {
	<-time.After(3 * time.Second)
	return errors.New("stuck")
}

func TestEveryAnswerOfAServerHasOneMeaning(t *testing.T) {
	for name, row := range answerRows() {
		for way, start := range map[string]func(t *testing.T) *postbox{"pipelined": func(t *testing.T) *postbox { return open(t, "127.0.0.1:0") }, "one by one": openPlain} {
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				p := start(t)
				p.order(row.orders)
				s, err := openSMTP(p.settings(), noon, time.Second)
				if err != nil {
					t.Fatal(err)
				}
				m := message("a")
				m.Parts["text"] = strings.Repeat("a line of text\r\n", 1<<20) // more than the kernel takes from a sender that nobody reads
				if !strings.Contains(name, "in the content") {
					m.Parts["text"] = "short"
				}
				got := s.Send(t.Context(), m)
				if got.Detail == "" {
					t.Error("nothing is said about it")
				}
				detail := got.Detail
				got.Detail = ""
				if !sameOutcome(got, row.want) {
					t.Errorf("%+v (%s), want %+v", got, detail, row.want)
				}
				p.order(orders{})
				if got := s.Send(t.Context(), message("b")); got.Status != Sent {
					t.Errorf("the next message: %+v", got)
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

func sameOutcome(a, b Outcome) bool {
	return a.Status == b.Status && a.Throttled == b.Throttled && a.Unavailable == b.Unavailable && a.Hard == b.Hard && a.ProviderID == b.ProviderID
}

// greet accepts connections, says one line to each and hangs up when the other side does; "" says nothing.
func greet(t *testing.T, line string) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if line != "" {
					_, _ = io.WriteString(conn, line+"\r\n")
				}
				_, _ = io.Copy(io.Discard, conn)
			}()
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func TestAProviderThatLetsNobodyInIsUnavailable(t *testing.T) {
	cases := map[string]struct {
		settings  func(t *testing.T) campaigns.ChannelSettings
		throttled bool
	}{
		"421 as greeting":              {greeted("421 4.3.2 closed for today"), false},
		"421 for too many connections": {greeted("421 4.7.0 too many connections from your address"), true},
		"554 as greeting":              {greeted("554 no SMTP here"), false},
		"nonsense as greeting":         {greeted("HTTP/1.1 400 Bad Request"), false},
		"no greeting":                  {greeted(""), false},
		"nobody there": {func(t *testing.T) campaigns.ChannelSettings {
			p := open(t, "127.0.0.1:0")
			p.stop()
			return p.settings()
		}, false},
		"no TLS": {func(t *testing.T) campaigns.ChannelSettings {
			s := open(t, "127.0.0.1:0").settings()
			s.TLS = "starttls"
			return s
		}, false},
		"a wrong password": {func(t *testing.T) campaigns.ChannelSettings {
			p := open(t, "127.0.0.1:0")
			p.order(orders{password: "right"})
			s := p.settings()
			s.Username, s.Password = "shop", new("wrong")
			return s
		}, false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := openSMTP(c.settings(t), noon, 500*time.Millisecond)
			if err != nil {
				t.Fatal(err)
			}
			got := s.Send(t.Context(), message("a"))
			if want := (Outcome{Status: Temporary, Unavailable: true, Throttled: c.throttled}); !sameOutcome(got, want) || got.Detail == "" {
				t.Errorf("%+v", got)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func greeted(line string) func(t *testing.T) campaigns.ChannelSettings {
	return func(t *testing.T) campaigns.ChannelSettings {
		s := (&postbox{address: "127.0.0.1:1"}).settings()
		s.Port = greet(t, line)
		return s
	}
}

// A node that stops while it dials says nothing against the provider.
func TestANodeThatStopsBlamesNobody(t *testing.T) {
	settings := greeted("")(t)
	s, err := openSMTP(settings, noon, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	s.settings.Port = listener.Addr().(*net.TCPAddr).Port
	cancel()
	if got := s.Send(ctx, message("a")); got.Status != Temporary || got.Unavailable {
		t.Errorf("%+v", got)
	}
}

func TestAnEnhancedCodeIsReadWhereItStands(t *testing.T) {
	cases := map[string][3]int{
		"sending RCPT TO: 550 5.1.1 no":               {5, 1, 1},
		"550-5.1.1 The account\n5.1.1 does not exist": {5, 1, 1},
		"550 no 5.1.1 here":                           {},
		"550 5.1 no":                                  {},
		"550 5.1.1000 no":                             {},
		"550 3.1.1 no":                                {3, 1, 1},
		"nothing":                                     {},
	}
	for detail, want := range cases {
		if got := enhanced(550, detail); got != want {
			t.Errorf("%q: %v, want %v", detail, got, want)
		}
	}
}

package channel

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"mime"
	"mime/multipart"
	"net"
	"net/http/httptest"
	"net/mail"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/emersion/go-smtp"

	"beckon/campaigns"
	"beckon/templates"
)

func message(id string) Message {
	return Message{
		ID: id, To: "ann@example.org",
		Parts:           templates.Parts{"subject": "Grüße, Ann", "html": "<p>Hé = <b>Ann</b></p>\r\n.\r\n<p>end</p>", "text": "Hé = Ann\r\n.\r\nend"},
		ListUnsubscribe: "https://shop.test/u/abc?x=1",
	}
}

func TestAnEmailArrivesAsItWasMeant(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	m := message("0190-a")
	m.Headers = map[string]string{"X-Campaign": "Spring"}
	got := sender(t, p.settings()).Send(t.Context(), m)
	if got.Status != Sent || got.ProviderID != "0190-a@example.com" || got.Keep {
		t.Fatalf("%+v", got)
	}
	arrived := p.received()
	if len(arrived) != 1 || arrived[0].from != "shop@example.com" || arrived[0].to != "ann@example.org" {
		t.Fatalf("%+v", arrived)
	}
	parsed, err := mail.ReadMessage(strings.NewReader(arrived[0].content))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
	if err != nil || subject != "Grüße, Ann" {
		t.Errorf("the subject is %q, %v", subject, err)
	}
	for name, want := range map[string]string{
		"From": `"The Shop" <shop@example.com>`, "To": "<ann@example.org>", "Message-Id": "<0190-a@example.com>",
		"Date": "Fri, 20 Nov 2026 12:00:00 +0000", "List-Unsubscribe": "<https://shop.test/u/abc?x=1>",
		"List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "X-Campaign": "Spring",
	} {
		if got := parsed.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	kind, params, err := mime.ParseMediaType(parsed.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s, %v", kind, err)
	}
	parts := multipart.NewReader(parsed.Body, params["boundary"])
	for _, want := range []struct{ kind, body string }{{"text/plain", m.Parts["text"]}, {"text/html", m.Parts["html"]}} {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(part)
		if err != nil || string(body) != want.body || !strings.HasPrefix(part.Header.Get("Content-Type"), want.kind) {
			t.Errorf("%q, %q, %v, want %q", part.Header, body, err, want)
		}
	}
}

func TestAnEmailOfOnePartIsNoMultipart(t *testing.T) {
	for _, part := range []string{"text", "html"} {
		p := open(t, "127.0.0.1:0")
		got := sender(t, p.settings()).Send(t.Context(), Message{ID: "a", To: "ann@example.org", Parts: templates.Parts{"subject": "s", part: "hello"}})
		if got.Status != Sent || strings.Contains(p.received()[0].content, "multipart") || strings.Contains(p.received()[0].content, "List-Unsubscribe") {
			t.Errorf("%+v, %q", got, p.received())
		}
	}
}

func TestTheSameMessageIsTheSameBytes(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	s := sender(t, p.settings())
	s.Send(t.Context(), message("a"))
	s.Send(t.Context(), message("a"))
	if got := p.received(); len(got) != 2 || got[0] != got[1] {
		t.Errorf("%q", got)
	}
}

func TestManyMessagesShareOneSession(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	s := sender(t, p.settings())
	for range 50 {
		if got := s.Send(t.Context(), message("a")); got.Status != Sent {
			t.Fatalf("%+v", got)
		}
	}
	if p.sessionCount() != 1 || len(p.received()) != 50 {
		t.Errorf("%d sessions, %d messages", p.sessionCount(), len(p.received()))
	}
}

func TestRefusalsAreTemporaryOrPermanentAsTheServerSays(t *testing.T) {
	cases := map[string]struct {
		set      func(err error) orders
		code     int
		want     Status
		sessions int // after a second message
	}{
		"450 at MAIL":           {func(err error) orders { return orders{mail: func(*smtp.Conn) error { return err }} }, 450, Temporary, 1},
		"550 at MAIL":           {func(err error) orders { return orders{mail: func(*smtp.Conn) error { return err }} }, 550, Permanent, 1},
		"530 at MAIL":           {func(err error) orders { return orders{mail: func(*smtp.Conn) error { return err }} }, 530, Temporary, 2},
		"450 at RCPT":           {func(err error) orders { return orders{rcpt: func(*smtp.Conn, string) error { return err }} }, 450, Temporary, 1},
		"550 at RCPT":           {func(err error) orders { return orders{rcpt: func(*smtp.Conn, string) error { return err }} }, 550, Permanent, 1},
		"452 after the content": {func(err error) orders { return orders{data: func(*smtp.Conn) error { return err }} }, 452, Temporary, 1},
		"554 after the content": {func(err error) orders { return orders{data: func(*smtp.Conn) error { return err }} }, 554, Permanent, 1},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := open(t, "127.0.0.1:0")
			p.order(c.set(refuse(c.code, "not today")))
			s := sender(t, p.settings())
			for range 2 {
				got := s.Send(t.Context(), message("a"))
				if got.Status != c.want || !strings.Contains(got.Detail, "not today") || strings.Contains(got.Detail, "affected") {
					t.Errorf("%+v", got)
				}
			}
			if p.sessionCount() != c.sessions || len(p.received()) != 0 {
				t.Errorf("%d sessions, %d messages", p.sessionCount(), len(p.received()))
			}
		})
	}
}

func TestARefusedMessageDoesNotSpoilTheNext(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	p.order(orders{rcpt: func(_ *smtp.Conn, to string) error {
		if to == "bob@example.org" {
			return refuse(550, "no Bob")
		}
		return nil
	}})
	s := sender(t, p.settings())
	bob := message("b")
	bob.To = "bob@example.org"
	for _, m := range []Message{message("a"), bob, message("c")} {
		want := Sent
		if m.To == bob.To {
			want = Permanent
		}
		if got := s.Send(t.Context(), m); got.Status != want {
			t.Errorf("%s: %+v", m.ID, got)
		}
	}
	if p.sessionCount() != 1 || len(p.received()) != 2 {
		t.Errorf("%d sessions, %d messages", p.sessionCount(), len(p.received()))
	}
}

func TestAConnectionLostBeforeTheContentIsTemporary(t *testing.T) {
	cases := map[string]orders{
		"at MAIL": {mail: drop},
		"at RCPT": {rcpt: func(c *smtp.Conn, _ string) error { return drop(c) }},
	}
	for name, lost := range cases {
		t.Run(name, func(t *testing.T) {
			p := open(t, "127.0.0.1:0")
			p.order(lost)
			if got := sender(t, p.settings()).Send(t.Context(), message("a")); got.Status != Temporary {
				t.Errorf("%+v", got)
			}
			if p.sessionCount() != 1 {
				t.Errorf("a fresh session that broke was opened %d times", p.sessionCount())
			}
		})
	}
}

func TestAConnectionLostAfterTheContentIsUnknownAndIsNotRepeated(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	s := sender(t, p.settings())
	if got := s.Send(t.Context(), message("a")); got.Status != Sent {
		t.Fatalf("%+v", got)
	}
	p.order(orders{taken: func(c *smtp.Conn) { _ = drop(c) }})
	if got := s.Send(t.Context(), message("b")); got.Status != Unknown || got.ProviderID != "" {
		t.Errorf("%+v", got)
	}
	if got := len(p.received()); got != 2 {
		t.Errorf("%d messages were taken, want 2", got)
	}
	p.order(orders{})
	if got := s.Send(t.Context(), message("c")); got.Status != Sent || p.sessionCount() != 2 {
		t.Errorf("%+v after %d sessions", got, p.sessionCount())
	}
}

// A server that hangs up in the middle of a large content has not seen its end, and must not get it afterwards either.
func TestAConnectionLostWithinTheContentDeliversNothing(t *testing.T) {
	p := open(t, "127.0.0.1:0", func(s *smtp.Server) { s.MaxMessageBytes = 1 << 10 })
	m := message("a")
	m.Parts = templates.Parts{"subject": "s", "text": strings.Repeat("long line of text\r\n", 1<<12)}
	if got := sender(t, p.settings()).Send(t.Context(), m); got.Status != Permanent || !strings.Contains(got.Detail, "552") {
		t.Errorf("%+v", got)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	heard := make(chan string, 1)
	go func() { heard <- hangUpWithinData(listener) }()
	settings := p.settings()
	settings.Port = listener.Addr().(*net.TCPAddr).Port
	m.Parts["text"] = strings.Repeat("long line of text\r\n", 1<<18)
	if got := sender(t, settings).Send(t.Context(), m); got.Status != Temporary {
		t.Errorf("%+v", got)
	}
	if got := <-heard; strings.Contains(got, "\r\n.\r\n") || !strings.Contains(got, "Subject: s") {
		t.Errorf("the server heard the end of the content, or nothing: %d bytes", len(got))
	}
}

// hangUpWithinData talks SMTP up to DATA, reads some content and hangs up.
func hangUpWithinData(listener net.Listener) string {
	conn, err := listener.Accept()
	if err != nil {
		return err.Error()
	}
	_ = listener.Close()
	buffer := make([]byte, 4096)
	for _, answer := range []string{"220 hi", "250 hi", "250 ok", "250 ok", "354 go"} {
		if _, err := io.WriteString(conn, answer+"\r\n"); err != nil {
			return err.Error()
		}
		if _, err := conn.Read(buffer); err != nil {
			return err.Error()
		}
	}
	content := string(buffer)
	for range 8 {
		n, err := conn.Read(buffer)
		if err != nil {
			break
		}
		content += string(buffer[:n])
	}
	_ = conn.Close()
	return content
}

func TestAServerThatRestartsBetweenMessagesIsDialledAnew(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	s := sender(t, p.settings())
	if got := s.Send(t.Context(), message("a")); got.Status != Sent {
		t.Fatalf("%+v", got)
	}
	p.stop()
	if got := s.Send(t.Context(), message("b")); got.Status != Temporary {
		t.Errorf("while it is down: %+v", got)
	}
	again := open(t, p.address)
	if got := s.Send(t.Context(), message("b")); got.Status != Sent {
		t.Errorf("%+v", got)
	}
	if len(again.received()) != 1 {
		t.Errorf("%d messages", len(again.received()))
	}
}

func TestADeadIdleSessionCostsNoMessage(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	s := sender(t, p.settings())
	s.Send(t.Context(), message("a"))
	p.stop()
	again := open(t, p.address)
	if got := s.Send(t.Context(), message("b")); got.Status != Sent || len(again.received()) != 1 {
		t.Errorf("%+v, %d messages", got, len(again.received()))
	}
}

func TestAServerThatHangsUpPolitelyIsDialledAnewOnce(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	s := sender(t, p.settings())
	s.Send(t.Context(), message("a"))
	var mails atomic.Int32
	p.order(orders{mail: func(*smtp.Conn) error {
		if mails.Add(1) == 1 {
			return refuse(421, "idle too long")
		}
		return nil
	}})
	if got := s.Send(t.Context(), message("b")); got.Status != Sent || p.sessionCount() != 2 {
		t.Errorf("%+v after %d sessions", got, p.sessionCount())
	}
	p.order(orders{mail: func(*smtp.Conn) error { return refuse(421, "closed for today") }})
	if got := s.Send(t.Context(), message("c")); got.Status != Temporary || p.sessionCount() != 3 {
		t.Errorf("%+v after %d sessions", got, p.sessionCount())
	}
}

func TestNobodyThereIsTemporary(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	settings := p.settings()
	p.stop()
	if got := sender(t, settings).Send(t.Context(), message("a")); got.Status != Temporary || !strings.Contains(got.Detail, "connecting") {
		t.Errorf("%+v", got)
	}
}

func TestAWrongPasswordIsTemporaryAndARightOneSends(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	p.order(orders{password: "right"})
	settings := p.settings()
	settings.Username, settings.Password = "shop", new("wrong")
	if got := sender(t, settings).Send(t.Context(), message("a")); got.Status != Temporary || !strings.Contains(got.Detail, "535") {
		t.Errorf("%+v", got)
	}
	settings.Password = new("right")
	if got := sender(t, settings).Send(t.Context(), message("a")); got.Status != Sent {
		t.Errorf("%+v", got)
	}
}

func TestAServerWithoutTLSIsRefusedWhereTLSIsAsked(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	for _, mode := range []string{"starttls", "tls", ""} {
		settings := p.settings()
		settings.TLS = mode
		if got := sender(t, settings).Send(t.Context(), message("a")); got.Status != Temporary || len(p.received()) != 0 {
			t.Errorf("%s: %+v", mode, got)
		}
	}
}

func TestTLSSendsToATrustedServerAndToNoOther(t *testing.T) {
	trusted := httptest.NewTLSServer(nil) // for its certificate, which is good for 127.0.0.1
	defer trusted.Close()
	roots := x509.NewCertPool()
	roots.AddCert(trusted.Certificate())
	secured := &tls.Config{Certificates: trusted.TLS.Certificates}
	p := open(t, "127.0.0.1:0", func(s *smtp.Server) { s.TLSConfig = secured })
	p.order(orders{password: "right"})
	outer, err := tls.Listen("tcp", "127.0.0.1:0", secured)
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = p.server.Serve(outer) }()
	for mode, port := range map[string]int{"starttls": p.settings().Port, "tls": outer.Addr().(*net.TCPAddr).Port} {
		settings := p.settings()
		settings.TLS, settings.Port, settings.Username, settings.Password = mode, port, "shop", new("right")
		if got := sender(t, settings).Send(t.Context(), message("a")); got.Status != Temporary || !strings.Contains(got.Detail, "certificate") {
			t.Errorf("%s without trust: %+v", mode, got)
		}
		s := sender(t, settings)
		s.(*email).tls.RootCAs = roots
		if got := s.Send(t.Context(), message("a")); got.Status != Sent {
			t.Errorf("%s: %+v", mode, got)
		}
	}
	if got := len(p.received()); got != 2 {
		t.Errorf("%d messages", got)
	}
}

func TestAStoppedContextSendsNothing(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := sender(t, p.settings()).Send(ctx, message("a")); got.Status != Temporary || p.sessionCount() != 0 {
		t.Errorf("%+v", got)
	}
}

func TestTheServersNameOfAMessageIsKept(t *testing.T) {
	cases := map[string]string{
		"2.0.0 Ok: queued as 4F0C1": "4F0C1", "OK id=1tXy-00A": "1tXy-00A", "OK: queued as <abc@host>": "abc@host", "OK": "",
		"Ok 0102018f6d2c1a2b-0d0e-4e4f-000000": "0102018f6d2c1a2b-0d0e-4e4f-000000", "Ok then": "",
	}
	for response, want := range cases {
		if got := queueID(response); got != want {
			t.Errorf("%q: %q, want %q", response, got, want)
		}
	}
}

func TestASubjectThatLooksEncodedIsReadAsItWasTyped(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	settings, dns := signed(t, p.settings(), privatePEM(t, ed25519Key(t)))
	s := sender(t, settings)
	for i, subject := range []string{"=?utf-8?q?=0D=0ABcc: bob@example.org?=", "=?utf-8?q?é?=", strings.Repeat("=?utf-8?b?YQ==?= ", 40) + "end", "a =? b"} {
		m := message("a")
		m.Parts["subject"] = subject
		if got := s.Send(t.Context(), m); got.Status != Sent {
			t.Fatalf("%+v", got)
		}
		content := p.received()[i].content
		parsed, err := mail.ReadMessage(strings.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		got, err := new(mime.WordDecoder).DecodeHeader(parsed.Header.Get("Subject"))
		if err != nil || got != subject || verify(content, dns) != nil || parsed.Header.Get("Bcc") != "" {
			t.Errorf("%q, want %q (%v, %v)", got, subject, err, verify(content, dns))
		}
	}
}

func TestEachMessageHasAReturnPathOfItsOwn(t *testing.T) {
	for way, p := range map[string]*postbox{"pipelined": open(t, "127.0.0.1:0", func(s *smtp.Server) { s.EnableDSN = true }), "one by one": openPlain(t)} {
		settings := p.settings()
		settings.ReturnPath = "newsletter-bounces@mail.example.com"
		s := sender(t, settings)
		longest := strings.Repeat("a", campaigns.BounceTagMax)
		for _, tag := range []string{"", longest} {
			m := message("a")
			m.BounceTag = tag
			if got := s.Send(t.Context(), m); got.Status != Sent {
				t.Fatalf("%s: %+v", way, got)
			}
		}
		got := p.received()
		if got[0].from != "newsletter-bounces@mail.example.com" || got[1].from != "newsletter-bounces+"+longest+"@mail.example.com" {
			t.Errorf("%s: %s, %s", way, got[0].from, got[1].from)
		}
		if local, _, _ := strings.Cut(got[1].from, "@"); len(local) != 64 {
			t.Errorf("%s: the local part has %d bytes", way, len(local))
		}
		parsed, err := mail.ReadMessage(strings.NewReader(got[1].content))
		if err != nil || parsed.Header.Get("CFBL-Feedback-Id") != longest || parsed.Header.Get("From") != `"The Shop" <shop@example.com>` || strings.Contains(got[0].content, "CFBL") {
			t.Errorf("%s: %v, %v", way, err, parsed.Header)
		}
		p.mu.Lock()
		if envelope := p.envelope; way == "pipelined" && (envelope == nil || envelope.EnvelopeID != longest || envelope.Return != smtp.DSNReturnHeaders) {
			t.Errorf("the envelope is %+v", envelope)
		}
		p.mu.Unlock()
	}
}

package channel

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"beckon/campaigns"
)

const (
	timeout     = 60 * time.Second // for dialling, and for one message from MAIL to the answer after its content
	quitTimeout = 2 * time.Second
	detailMax   = 300
)

// email sends over one SMTP session, which it opens with the first message and keeps.
//
// What is known when a session breaks follows from RFC 5321: a server accepts a message only after the line with the
// single dot that ends its content. The library writes that line after everything else and then waits, so whatever fails
// before it was not accepted, and only a lost answer to it is unknown. A session that broke within the content is cut off
// and never ended politely: the next command would be preceded by the very dot that must not be sent.
type email struct {
	settings campaigns.ChannelSettings
	clock    func() time.Time
	patience time.Duration    // timeout, but for tests
	dkim     *mail.DKIMSigner // nil: messages are not signed
	signs    *signature       // where the library does not; nil likewise
	client   *mail.Client
	tls      *tls.Config  // also of starttls
	dialled  net.Conn     // the last connection, which the library leaves open when its greeting fails
	session  *smtp.Client // nil: none
	content  bytes.Buffer // of the message at hand
	dotted   []byte       // the same as DATA carries it
}

func openSMTP(s campaigns.ChannelSettings, clock func() time.Time, patience time.Duration) (*email, error) {
	signer, err := OpenDKIM(s, clock)
	if err != nil {
		return nil, err
	}
	e := &email{settings: s, clock: clock, patience: patience, dkim: signer, signs: newSignature(signer), tls: &tls.Config{ServerName: s.Host, MinVersion: tls.VersionTLS12}}
	policy, port := mail.NoTLS, 25
	switch s.TLS {
	case "starttls", "":
		policy, port = mail.TLSMandatory, 587
	case "tls":
		port = 465
	}
	if s.Port != 0 {
		port = s.Port
	}
	options := []mail.Option{
		mail.WithPort(port), mail.WithTimeout(patience), mail.WithTLSPolicy(policy), mail.WithTLSConfig(e.tls),
		mail.WithDialContextFunc(e.connect),
		mail.WithoutNoop(), // a dead session shows at MAIL, without a round trip for each living one
		mail.WithoutRset(), // after an accepted message the session is at its start anyway
	}
	if s.Username != "" {
		options = append(options, mail.WithUsername(s.Username), mail.WithPassword(campaigns.Text(s.Password)), mail.WithOpportunisticSMTPAuth(
			mail.SMTPAuthSCRAMSHA256, mail.SMTPAuthSCRAMSHA1, mail.SMTPAuthCramMD5, mail.SMTPAuthPlain, mail.SMTPAuthLogin))
	}
	client, err := mail.NewClient(s.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("preparing the SMTP client: %w", err)
	}
	e.client = client
	return e, nil
}

func (e *email) connect(ctx context.Context, network, address string) (conn net.Conn, err error) {
	dialer := net.Dialer{}
	if conn, err = dialer.DialContext(ctx, network, address); err != nil {
		return nil, err
	}
	conn = &line{Conn: conn}
	if e.settings.TLS == "tls" {
		secure := tls.Client(conn, e.tls)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		conn = secure
	}
	e.dialled = conn
	return conn, nil
}

// Send hands the message over. A handover has its own timeout; the context's end interrupts it, and what had its content
// handed over by then is unknown. A session that turns out dead before the content is handed over is opened anew once.
func (e *email) Send(ctx context.Context, m Message) Outcome {
	msg, err := compose(e.settings, m, e.clock())
	if err != nil {
		return Outcome{Status: Permanent, Detail: err.Error()}
	}
	reused := e.session != nil
	outcome, dead := e.attempt(ctx, m, msg)
	if reused && dead {
		outcome, _ = e.attempt(ctx, m, msg)
	}
	if outcome.Status == Sent {
		outcome.ProviderID = queueID(outcome.Detail)
		if outcome.ProviderID == "" {
			outcome.ProviderID = messageID(e.settings, m)
		}
	}
	outcome.Detail = shorten(outcome.Detail)
	return outcome
}

// attempt sends once. Dead says that the session was over before the content was handed over.
func (e *email) attempt(ctx context.Context, m Message, msg *mail.Msg) (o Outcome, dead bool) {
	if err := ctx.Err(); err != nil {
		return Outcome{Status: Temporary, Detail: "stopped before sending: " + err.Error()}, false
	}
	if e.session == nil {
		session, err := e.client.DialToSMTPClientWithContext(ctx)
		if err != nil {
			e.cut()
			o = unreachable(err)
			o.Unavailable = !errors.Is(ctx.Err(), context.Canceled) // the node is stopping
			return o, false
		}
		e.session = session
	}
	defer interruptible(ctx, e.dialled)()
	answer, failed := e.handOver(e.session, m, msg)
	if failed == nil {
		return Outcome{Status: Sent, Detail: answer}, false
	}
	o, keep, dead := classify(failed)
	if !keep {
		e.cut()
	}
	return o, dead
}

// handOver gives a message to the server and says what it answered, or what was wrong.
func (e *email) handOver(session *smtp.Client, m Message, msg *mail.Msg) (string, *fault) {
	if together, _ := session.Extension("PIPELINING"); together {
		return e.pipeline(session, m, msg)
	}
	if e.dkim != nil {
		msg.SetDKIM(e.dkim)
	}
	err := e.client.SendWithSMTPClient(session, msg)
	if msg.IsDelivered() { // what failed after the acceptance is not the message's business
		if err != nil {
			e.cut()
		}
		return msg.ServerResponse(), nil
	}
	var failed *mail.SendError
	if !errors.As(err, &failed) {
		return "", &fault{step: mail.ErrSMTPDataClose, detail: fmt.Sprint(err)}
	}
	detail, _, _ := strings.Cut(failed.Error(), ", affected ")
	return "", &fault{step: failed.Reason, code: failed.ErrorCode(), detail: unquoted(failed.ErrorCode(), detail)}
}

// Window is 1: a session does one thing at a time.
func (e *email) Window() int { return 1 }

// cut ends the session without another word.
func (e *email) cut() {
	if e.session != nil {
		_ = e.session.Close() // it is broken: there is nothing to learn from closing it
	} else if e.dialled != nil {
		_ = e.dialled.Close()
	}
	e.session, e.dialled = nil, nil
}

// Close says goodbye to the server; a server that no longer listens is no error.
func (e *email) Close() error {
	if e.session == nil {
		return nil
	}
	if err := e.session.UpdateDeadline(quitTimeout); err == nil {
		_ = e.session.Quit() // everything is delivered or refused by now
	}
	e.cut()
	return nil
}

// queueID finds the server's own name for the message, as Postfix, Exim, Amazon SES and others say it: "queued as 4F0C1",
// "id=1a2b3c", "Ok 0102018f6d2c1a2b-…".
func queueID(response string) string {
	if words := strings.Fields(response); len(words) == 2 && words[0] == "Ok" && len(words[1]) >= 16 && len(words[1]) <= 100 && strings.Contains(words[1], "-") {
		return words[1]
	}
	for _, mark := range []string{"queued as ", "id="} {
		if _, after, ok := strings.Cut(response, mark); ok {
			id, _, _ := strings.Cut(after, " ")
			if id = strings.Trim(id, "<>.,;\r\n"); id != "" && len(id) <= 100 {
				return id
			}
		}
	}
	return ""
}

// shorten makes one bounded line of what a server said.
func shorten(detail string) string {
	detail = strings.Join(strings.Fields(strings.ToValidUTF8(detail, "?")), " ")
	if len(detail) > detailMax {
		detail = strings.ToValidUTF8(detail[:detailMax], "") + "…"
	}
	return detail
}

package channel

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	netmail "net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wneessen/go-mail"

	"beckon/campaigns"
)

// compose builds the e-mail, or says why the message cannot be one.
func compose(s campaigns.ChannelSettings, m Message, now time.Time) (*mail.Msg, error) {
	if err := checkMessage(m); err != nil {
		return nil, err
	}
	msg := mail.NewMsg(mail.WithNoDefaultUserAgent(), mail.WithBoundary(boundary(m)))
	msg.EnvelopeFromMailAddress(&netmail.Address{Address: returnPath(s, m)})
	msg.FromMailAddress(&netmail.Address{Name: s.FromName, Address: s.From})
	msg.ToMailAddress(&netmail.Address{Address: m.To})
	if subject := m.Parts["subject"]; strings.Contains(subject, "=?") && isASCII(subject) {
		msg.SetGenHeaderPreformatted(mail.HeaderSubject, encodedWords(subject))
	} else {
		msg.Subject(subject)
	}
	msg.SetDateWithValue(now)
	msg.SetMessageIDWithValue(messageID(s, m))
	if m.ListUnsubscribe != "" {
		msg.SetGenHeader(mail.HeaderListUnsubscribe, "<"+m.ListUnsubscribe+">")
		msg.SetGenHeader(mail.HeaderListUnsubscribePost, "List-Unsubscribe=One-Click")
	}
	if m.BounceTag != "" {
		msg.SetGenHeader(headerFeedbackID, m.BounceTag)
	}
	for name, value := range m.Headers {
		msg.SetGenHeader(mail.Header(name), value)
	}
	text, html := m.Parts["text"], m.Parts["html"]
	switch {
	case text == "":
		msg.SetBodyString(mail.TypeTextHTML, html)
	case html == "":
		msg.SetBodyString(mail.TypeTextPlain, text)
	default:
		msg.SetBodyString(mail.TypeTextPlain, text)
		msg.AddAlternativeString(mail.TypeTextHTML, html)
	}
	return msg, nil
}

// encodedWords writes an ASCII text that looks like encoded words (RFC 2047) as such words itself: the library would leave it
// as it is, and mail programs would decode what somebody only typed.
func encodedWords(text string) string {
	var words []string
	for line := range slices.Chunk([]byte(text), 45) {
		words = append(words, "=?UTF-8?B?"+base64.StdEncoding.EncodeToString(line)+"?=")
	}
	return strings.Join(words, "\r\n ")
}

func isASCII(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool { return c > unicode.MaxASCII })
}

// headerFeedbackID carries a message's token (RFC 9477): complaints and bounces return a message's header more often than
// its envelope.
const headerFeedbackID = "CFBL-Feedback-ID"

// returnPath is where a message's bounces go: the token before the @ says which message it was (VERP).
func returnPath(s campaigns.ChannelSettings, m Message) string {
	if s.ReturnPath == "" {
		return s.From
	}
	local, domain, _ := strings.Cut(s.ReturnPath, "@")
	if m.BounceTag == "" {
		return s.ReturnPath
	}
	return local + "+" + m.BounceTag + "@" + domain
}

// boundary follows from what it divides: an attempt repeats the same bytes, and no text can hold its own hash.
func boundary(m Message) string {
	h := sha256.New()
	for _, text := range []string{m.ID, m.Parts["text"], m.Parts["html"]} {
		_, _ = fmt.Fprintf(h, "%d %s", len(text), text) // a hash never fails
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// messageID is the same for every attempt at a message, so that a receiver who gets two can tell.
func messageID(s campaigns.ChannelSettings, m Message) string {
	_, domain, _ := strings.Cut(s.From, "@")
	return m.ID + "@" + domain
}

func checkMessage(m Message) error {
	if err := campaigns.CheckBareAddress(m.To); err != nil {
		return err
	}
	if m.ID == "" || len(m.ID) > 60 || strings.Trim(m.ID, idLetters) != "" {
		return fmt.Errorf("the id %q is not up to 60 letters, digits, dots, dashes and underscores", m.ID)
	}
	if m.Parts["text"] == "" && m.Parts["html"] == "" {
		return fmt.Errorf("the message has neither text nor html")
	}
	if !oneLine(m.Parts["subject"]) {
		return fmt.Errorf("the subject holds control characters")
	}
	if !utf8.ValidString(m.Parts["text"]) || !utf8.ValidString(m.Parts["html"]) {
		return fmt.Errorf("the text is not valid UTF-8")
	}
	if len(m.BounceTag) > campaigns.BounceTagMax || strings.Trim(m.BounceTag, tagLetters) != "" {
		return fmt.Errorf("the token %q is not up to %d small letters and digits", m.BounceTag, campaigns.BounceTagMax)
	}
	if m.ListUnsubscribe != "" {
		u, err := url.Parse(m.ListUnsubscribe)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.ContainsAny(m.ListUnsubscribe, "<> ,\"") || !oneLine(m.ListUnsubscribe) {
			return fmt.Errorf("the address for unsubscribing is not an http or https address")
		}
	}
	for name, value := range m.Headers {
		if strings.Trim(name, idLetters) != "" || name == "" || strings.ContainsAny(name, "._") {
			return fmt.Errorf("%q is not the name of a header", name)
		}
		if slices.Contains(ownHeaders(), strings.ToLower(name)) {
			return fmt.Errorf("the header %s is written by the sender itself", name)
		}
		if !oneLine(value) {
			return fmt.Errorf("the header %s holds control characters", name)
		}
	}
	return nil
}

const idLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

// tagLetters are those of base32: servers fold the case of what stands before the @.
const tagLetters = "abcdefghijklmnopqrstuvwxyz234567"

func ownHeaders() []string {
	return []string{
		"from", "to", "cc", "bcc", "sender", "subject", "date", "message-id", "mime-version", "content-type",
		"content-transfer-encoding", "list-unsubscribe", "list-unsubscribe-post", "return-path", "dkim-signature", "cfbl-feedback-id",
	}
}

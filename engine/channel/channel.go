// Package channel hands finished messages to providers and says what became of them: e-mail over SMTP, and the catcher
// that keeps everything on this machine.
//
// Why four outcomes: a message must be sent at most once and none may be forgotten. Whoever calls Send repeats what is
// Temporary and nothing else, so Temporary is said only when the provider cannot have accepted the message. Where the
// connection ended between the last byte and the answer nobody can know, and that is Unknown.
//
// Why a Sender belongs to one goroutine: an SMTP session does one thing at a time. Parallel sending is several Senders.
package channel

import (
	"context"
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"beckon/campaigns"
	"beckon/templates"
)

// Message is one finished message to one address.
type Message struct {
	ID              string            // ours, letters, digits, . _ and -; it becomes the local part of the Message-ID
	To              string            // a bare address
	Parts           templates.Parts   // subject, html and text of an email, text of an sms
	ListUnsubscribe string            // an http or https address for one-click unsubscription (RFC 8058), may be empty
	Headers         map[string]string // further header fields, none that the sender writes itself
}

// Status says what is known about a message after Send.
type Status string

// The statuses.
const (
	Sent      Status = "sent"      // the provider accepted it
	Temporary Status = "temporary" // it was not accepted and may be sent again
	Permanent Status = "permanent" // it was refused, or cannot be sent as it is: the same message would be refused again
	Unknown   Status = "unknown"   // it was handed over, and the answer was lost: sending it again may send it twice
)

// Outcome is the result of one Send.
type Outcome struct {
	Status     Status
	ProviderID string        // the provider's name for a message that it accepted
	Detail     string        // what the provider answered, or what was wrong
	RetryAfter time.Duration // how long the provider asks to wait after Temporary; 0: it does not say
	Keep       bool          // the caller stores the content, because nobody else has it
}

// Sender hands messages to one provider. It is used by one goroutine at a time.
type Sender interface {
	// Send returns when the outcome is known, or known to be unknown. It never fails otherwise.
	Send(ctx context.Context, m Message) Outcome
	// Close ends the session with the provider. Sending after it begins a new one.
	Close() error
}

// Settings say how to reach a provider. Connections and RatePerSecond are for the caller, who opens so many Senders and
// paces them; 0 means the caller's own preset.
type Settings struct {
	Host          string  `json:"host,omitempty"`
	Port          int     `json:"port,omitempty"` // 0: 25 without TLS, 587 with starttls, 465 with tls
	TLS           string  `json:"tls,omitempty"`  // "none", "starttls" (also when empty) or "tls"; the latter two insist
	Username      string  `json:"username,omitempty"`
	Password      string  `json:"password,omitempty"`
	From          string  `json:"from,omitempty"`
	FromName      string  `json:"from_name,omitempty"`
	Connections   int     `json:"connections,omitempty"`
	RatePerSecond float64 `json:"rate_per_second,omitempty"`

	CostPerMessage campaigns.Decimal `json:"cost_per_message,omitempty"` // in the workspace's currency, up to six decimals
	CostPerSegment campaigns.Decimal `json:"cost_per_segment,omitempty"` // of a text message
}

// CostMicros is what a message costs, and what each of its segments costs, in millionths of the currency; 0 for unknown.
func (s Settings) CostMicros() (perMessage, perSegment int64, err error) {
	for _, cost := range []struct {
		text  campaigns.Decimal
		to    *int64
		field string
	}{{s.CostPerMessage, &perMessage, "cost_per_message"}, {s.CostPerSegment, &perSegment, "cost_per_segment"}} {
		if cost.text == "" {
			continue
		}
		if *cost.to, err = campaigns.ParseMoney(string(cost.text), microDigits); err != nil || *cost.to < 0 || *cost.to > costMicrosMax {
			return 0, 0, campaigns.Invalid("settings."+cost.field, "%q should be an amount of money from 0 to 1000 with at most 6 decimals", cost.text)
		}
	}
	return perMessage, perSegment, nil
}

const (
	microDigits   = 6
	costMicrosMax = 1000 * 1_000_000
)

// Open makes the Sender of a kind, "smtp" or "catcher". It connects nowhere: the session begins with the first message.
// The clock dates the messages. Errors are campaigns.Errors.
func Open(kind string, s Settings, clock func() time.Time) (Sender, error) {
	if err := s.Check(kind); err != nil {
		return nil, err
	}
	if kind == "catcher" {
		return catcher{}, nil
	}
	return openSMTP(s, clock)
}

const (
	connectionsMax = 100
	ratePerSecMax  = 100_000
	ratePerSecMin  = 1.0 / 3600
)

// Check names what is wrong with the settings of a channel of this kind, all at once.
func (s Settings) Check(kind string) error {
	if kind != "smtp" && kind != "catcher" {
		return campaigns.Invalid("kind", `there is no kind of channel %q: use "smtp" or "catcher"`, kind)
	}
	var problems []campaigns.Problem
	check := func(ok bool, field, message string) {
		if !ok {
			problems = append(problems, campaigns.Problem{Field: "settings." + field, Message: message})
		}
	}
	check(s.Connections >= 0 && s.Connections <= connectionsMax, "connections", "there are up to 100 connections")
	rated := s.RatePerSecond == 0 || s.RatePerSecond >= ratePerSecMin && s.RatePerSecond <= ratePerSecMax
	check(rated, "rate_per_second", "a rate lies between one message an hour and 100000 a second, or is 0 (no limit)")
	_, _, err := s.CostMicros()
	check(err == nil, "cost_per_message", "a cost (per message, per segment) lies between 0 and 1000 and has at most 6 decimals")
	if kind == "catcher" {
		return campaigns.InvalidAll(problems)
	}
	check(plainWord(s.Host), "host", "the name or address of the server is missing or holds spaces")
	check(s.Port >= 0 && s.Port <= 65535, "port", "a port lies between 1 and 65535")
	check(s.TLS == "" || s.TLS == "none" || s.TLS == "starttls" || s.TLS == "tls", "tls", "use none, starttls or tls")
	check(oneLine(s.Username), "username", "it holds control characters")
	check(oneLine(s.Password), "password", "it holds control characters")
	check(s.Password == "" || s.Username != "", "username", "it is missing beside the password")
	from := checkAddress(s.From)
	check(from == nil, "from", fmt.Sprint(from))
	check(oneLine(s.FromName), "from_name", "it holds control characters")
	return campaigns.InvalidAll(problems)
}

// checkAddress accepts a bare address, local@domain, as RFC 5321 limits it. Display names, comments, quoted local parts
// and control characters are refused: they are how headers get into a message from outside.
func checkAddress(address string) error {
	switch {
	case address == "":
		return fmt.Errorf("the address is missing")
	case !utf8.ValidString(address):
		return fmt.Errorf("the address is not valid UTF-8")
	case !oneLine(address):
		return fmt.Errorf("the address holds control characters")
	}
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Name != "" || parsed.Address != address {
		return fmt.Errorf("%q is not an address such as ann@example.com", address)
	}
	local, domain, _ := strings.Cut(address, "@")
	if len(local) > 64 || len(domain) > 253 || len(address) > 254 {
		return fmt.Errorf("the address is too long")
	}
	return nil
}

func oneLine(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

func plainWord(text string) bool {
	return text != "" && oneLine(text) && !strings.ContainsFunc(text, unicode.IsSpace)
}

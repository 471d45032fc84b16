package campaigns

import (
	"fmt"
	"math"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Channel is a configured provider that messages leave through.
type Channel struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Kind      string          `json:"kind" enum:"smtp,smpp,gateway,catcher"`
	Settings  ChannelSettings `json:"settings"`
	Inbox     *Inbox          `json:"inbox,omitempty" readOnly:"true" doc:"the mailbox for bounces, where it has one"`
	Revision  int64           `json:"-"`
	CreatedAt time.Time       `json:"created_at"`
	ChangedAt time.Time       `json:"changed_at"`
}

// The kinds of channels.
const (
	KindSMTP    = "smtp"
	KindSMPP    = "smpp"
	KindGateway = "gateway" // an HTTP service described by its settings
	KindCatcher = "catcher" // keeps every message on this machine
)

// ChannelKinds lists them.
func ChannelKinds() []string { return []string{KindSMTP, KindSMPP, KindGateway, KindCatcher} }

// Catcher is the id of the channel that a fresh service has: it keeps every message and sends none.
const Catcher = "catcher"

// Carries says whether a channel can carry a kind of address; the catcher carries all.
func (c *Channel) Carries(channel string) bool {
	switch c.Kind {
	case KindSMTP:
		return channel == Email
	case KindSMPP:
		return channel == SMS
	case KindGateway:
		return channel == c.Settings.Carries()
	case KindCatcher:
		return true
	}
	return false
}

// ChannelSettings say how to reach a provider; which of them a kind takes, its own part says. What is left out is the
// kind's preset. Connections and RatePerSecond hold for all nodes together and for each of them respectively.
type ChannelSettings struct {
	Host           string   `json:"host,omitempty" doc:"smtp, smpp: the server's name or address"`
	Port           int      `json:"port,omitempty" doc:"smtp: 25 without TLS, 587 with starttls, 465 with tls, if left out; smpp: 2775"`
	TLS            string   `json:"tls,omitempty" enum:"none,starttls,tls" doc:"starttls and tls insist; starttls if left out (smpp: none)"`
	Username       string   `json:"username,omitempty" doc:"smpp: the system_id"`
	Password       *string  `json:"password,omitempty" doc:"written, and never read back"`
	Connections    int      `json:"connections,omitempty" doc:"sessions of each node, 3 if left out"`
	RatePerSecond  *float64 `json:"rate_per_second,omitempty" doc:"of all nodes together; no limit when it is left out"`
	CostPerMessage Decimal  `json:"cost_per_message,omitempty" doc:"in the workspace's currency, up to six decimals"`
	CostPerSegment Decimal  `json:"cost_per_segment,omitempty" doc:"of a text message"`
	Fallback       string   `json:"fallback,omitempty" doc:"the id of a channel for the same kind of address that takes over while this one fails"`
	KeepContent    bool     `json:"keep_content,omitempty" doc:"keeps the full text of each message beside its values"`
	HookSecret     *string  `json:"hook_secret,omitempty" doc:"what the provider proves itself with when it calls /hooks; written, and never read back"`

	EmailSettings
	SMSSettings
	ReplySettings
	SMPPSettings
	GatewaySettings
}

// Secrets are the fields that are sealed where they are kept and never shown, by name.
func (s *ChannelSettings) Secrets() map[string]**string {
	return map[string]**string{"password": &s.Password, "hook_secret": &s.HookSecret, "dkim_key": &s.DKIMKey, "inbox_password": &s.InboxPassword,
		"access_secret": &s.AccessSecret}
}

// WithoutSecrets are the settings as they may be shown, with what follows from their secrets and is public.
func (s ChannelSettings) WithoutSecrets() ChannelSettings {
	s.DKIMRecord = s.dkimRecord()
	for _, secret := range s.Secrets() {
		*secret = nil
	}
	return s
}

// KeepSecrets carries the secrets over that an edit leaves out.
func (s *ChannelSettings) KeepSecrets(old ChannelSettings) {
	before := old.Secrets()
	for name, secret := range s.Secrets() {
		if *secret == nil {
			*secret = *before[name]
		}
	}
}

// Text is a secret's text, empty for none.
func Text(secret *string) string {
	if secret == nil {
		return ""
	}
	return *secret
}

// Rate is how many messages may leave in a second; 0 for no limit.
func (s *ChannelSettings) Rate() float64 {
	if s.RatePerSecond == nil {
		return 0
	}
	return *s.RatePerSecond
}

// CostMicros is what a message costs, and what each of its segments costs, in millionths of the currency; 0 for unknown.
func (s *ChannelSettings) CostMicros() (perMessage, perSegment int64, err error) {
	for _, cost := range []struct {
		text  Decimal
		to    *int64
		field string
	}{{s.CostPerMessage, &perMessage, "cost_per_message"}, {s.CostPerSegment, &perSegment, "cost_per_segment"}} {
		if cost.text == "" {
			continue
		}
		if *cost.to, err = ParseMoney(string(cost.text), microDigits); err != nil || *cost.to < 0 || *cost.to > costMicrosMax {
			return 0, 0, Invalid("settings."+cost.field, "%q should be an amount of money from 0 to 1000 with at most 6 decimals", cost.text)
		}
	}
	return perMessage, perSegment, nil
}

const (
	microDigits    = 6
	costMicrosMax  = 1000 * 1_000_000
	connectionsMax = 100
	ratePerSecMax  = 100_000
	ratePerSecMin  = 1.0 / 3600
)

// Check says what is wrong with a channel, all at once.
func (c *Channel) Check() error {
	var checks Checks
	checks.Add(CheckID("id", c.ID))
	checks.Add(CheckID("name", c.Name))
	if !slices.Contains(ChannelKinds(), c.Kind) {
		checks.Add(Invalid("kind", "there is no kind of channel %q: use %s", shorten(c.Kind), strings.Join(ChannelKinds(), ", ")))
		return checks.Err()
	}
	checks.Under("settings.", c.Settings.check(c.Kind))
	checks.Require(c.Settings.Fallback == "" || c.Settings.Fallback != c.ID, "settings.fallback", "should name another channel")
	return checks.Err()
}

func (s *ChannelSettings) check(kind string) error {
	var checks Checks
	checks.Require(s.Connections >= 0 && s.Connections <= connectionsMax, "connections", "there are up to 100 connections")
	rate := s.Rate()
	checks.Require(rate == 0 || !math.IsNaN(rate) && rate >= ratePerSecMin && rate <= ratePerSecMax, "rate_per_second",
		"a rate lies between one message an hour and 100000 a second, or is left out (no limit)")
	_, _, err := s.CostMicros()
	checks.Require(err == nil, "cost_per_message", "a cost (per message, per segment) lies between 0 and 1000 and has at most 6 decimals")
	checks.Require(isOneLine(Text(s.HookSecret)), "hook_secret", "it holds control characters")
	checks.Require(s.Port >= 0 && s.Port <= 65535, "port", "a port lies between 1 and 65535")
	checks.Require(isOneLine(s.Username), "username", "it holds control characters")
	checks.Require(isOneLine(Text(s.Password)), "password", "it holds control characters")
	checks.Require(Text(s.Password) == "" || s.Username != "", "username", "it is missing beside the password")
	switch kind {
	case KindSMTP:
		s.checkHost(&checks)
		checks.Add(s.EmailSettings.check())
	case KindSMPP:
		s.checkHost(&checks)
		checks.Require(s.TLS != "starttls", "tls", "use none or tls: SMPP has no starttls")
		checks.Add(s.checkSource())
		checks.Add(s.SMSSettings.check())
		checks.Add(s.ReplySettings.check())
		checks.Add(s.SMPPSettings.check())
	case KindGateway:
		checks.Require(s.Window >= 0 && s.Window <= 1000, "window", "a gateway takes up to 1000 requests at once")
		checks.Add(s.SMSSettings.check())
		checks.Add(s.ReplySettings.check())
		checks.Add(s.GatewaySettings.check())
	}
	return checks.Err()
}

func (s *ChannelSettings) checkHost(checks *Checks) {
	checks.Require(isOneWord(s.Host), "host", "the name or address of the server is missing or holds spaces")
	checks.Require(slices.Contains([]string{"", "none", "starttls", "tls"}, s.TLS), "tls", "use none, starttls or tls")
}

// CheckBareAddress accepts a bare address, local@domain, as RFC 5321 limits it. Display names, comments, quoted local parts
// and control characters are refused: they are how headers get into a message from outside.
func CheckBareAddress(address string) error {
	switch {
	case address == "":
		return fmt.Errorf("the address is missing")
	case !utf8.ValidString(address):
		return fmt.Errorf("the address is not valid UTF-8")
	case !isOneLine(address):
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

func isOneLine(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, unicode.IsControl)
}

func isOneWord(text string) bool {
	return text != "" && isOneLine(text) && !strings.ContainsFunc(text, unicode.IsSpace)
}

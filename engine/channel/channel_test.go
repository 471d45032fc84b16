package channel

import (
	"errors"
	"math"
	"strings"
	"testing"

	"beckon/campaigns"
	"beckon/templates"

	"pgregory.net/rapid"
)

func TestTheCatcherKeepsEverything(t *testing.T) {
	s, err := openWith("catcher", campaigns.ChannelSettings{})
	if err != nil {
		t.Fatal(err)
	}
	got := s.Send(t.Context(), Message{ID: "a", To: "+4917012345678", Parts: templates.Parts{"text": "hi"}})
	if got.Status != Sent || !got.Keep || got.ProviderID != "a" || s.Close() != nil {
		t.Errorf("%+v", got)
	}
}

func TestSettingsAreCheckedByField(t *testing.T) {
	good := campaigns.ChannelSettings{Host: "mail.example.com", Port: 587, TLS: "starttls", EmailSettings: campaigns.EmailSettings{From: "shop@example.com"}}
	cases := map[string]struct {
		kind   string
		change func(s *campaigns.ChannelSettings)
		field  string
	}{
		"all well":                  {"smtp", func(*campaigns.ChannelSettings) {}, ""},
		"nothing for the catcher":   {"catcher", func(s *campaigns.ChannelSettings) { *s = campaigns.ChannelSettings{} }, ""},
		"an unknown kind":           {"pigeon", func(*campaigns.ChannelSettings) {}, "kind"},
		"no host":                   {"smtp", func(s *campaigns.ChannelSettings) { s.Host = "" }, "settings.host"},
		"a host of two words":       {"smtp", func(s *campaigns.ChannelSettings) { s.Host = "a b" }, "settings.host"},
		"a port too high":           {"smtp", func(s *campaigns.ChannelSettings) { s.Port = 65536 }, "settings.port"},
		"some TLS":                  {"smtp", func(s *campaigns.ChannelSettings) { s.TLS = "maybe" }, "settings.tls"},
		"a password of nobody":      {"smtp", func(s *campaigns.ChannelSettings) { s.Password = new("x") }, "settings.username"},
		"no sender":                 {"smtp", func(s *campaigns.ChannelSettings) { s.From = "" }, "settings.from"},
		"a sender with its name":    {"smtp", func(s *campaigns.ChannelSettings) { s.From = "Shop <shop@example.com>" }, "settings.from"},
		"a name with a line break":  {"smtp", func(s *campaigns.ChannelSettings) { s.FromName = "a\r\nBcc: b" }, "settings.from_name"},
		"a return path":             {"smtp", func(s *campaigns.ChannelSettings) { s.ReturnPath = "newsletter-bounces@mail.example.com" }, ""},
		"a long return path":        {"smtp", func(s *campaigns.ChannelSettings) { s.ReturnPath = "newsletter-bounces2@mail.example.com" }, "settings.return_path"},
		"a return path with a +":    {"smtp", func(s *campaigns.ChannelSettings) { s.ReturnPath = "a+b@mail.example.com" }, "settings.return_path"},
		"a return path with a name": {"smtp", func(s *campaigns.ChannelSettings) { s.ReturnPath = "Shop <b@mail.example.com>" }, "settings.return_path"},
		"a mailbox": {"smtp", func(s *campaigns.ChannelSettings) {
			s.InboxHost, s.InboxUsername, s.InboxPassword = "imap.example.com", "b", new("x")
		}, ""},
		"a mailbox of nobody":     {"smtp", func(s *campaigns.ChannelSettings) { s.InboxHost, s.InboxPassword = "imap.example.com", new("x") }, "settings.inbox_username"},
		"a mailbox without a key": {"smtp", func(s *campaigns.ChannelSettings) { s.InboxHost, s.InboxUsername = "imap.example.com", "b" }, "settings.inbox_password"},
		"a mailbox nowhere":       {"smtp", func(s *campaigns.ChannelSettings) { s.InboxUsername = "b" }, "settings.inbox_host"},
		"a mailbox with starttls": {"smtp", func(s *campaigns.ChannelSettings) {
			s.InboxHost, s.InboxUsername, s.InboxPassword, s.InboxTLS = "imap.example.com", "b", new("x"), "starttls"
		}, "settings.inbox_tls"},
		"a mailbox's port": {"smtp", func(s *campaigns.ChannelSettings) {
			s.InboxHost, s.InboxUsername, s.InboxPassword, s.InboxPort = "imap.example.com", "b", new("x"), -1
		}, "settings.inbox_port"},
		"too many connections":   {"smtp", func(s *campaigns.ChannelSettings) { s.Connections = 101 }, "settings.connections"},
		"a rate of no number":    {"smtp", func(s *campaigns.ChannelSettings) { s.RatePerSecond = new(math.NaN()) }, "settings.rate_per_second"},
		"a rate next to nothing": {"smtp", func(s *campaigns.ChannelSettings) { s.RatePerSecond = new(1e-300) }, "settings.rate_per_second"},
		"a catcher without end":  {"catcher", func(s *campaigns.ChannelSettings) { s.RatePerSecond = new(1e300) }, "settings.rate_per_second"},
		"a catcher before zero":  {"catcher", func(s *campaigns.ChannelSettings) { s.RatePerSecond = new(-1.0) }, "settings.rate_per_second"},
		"a catcher of thousands": {"catcher", func(s *campaigns.ChannelSettings) { s.Connections = 1000 }, "settings.connections"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := good
			c.change(&s)
			opened, err := openWith(c.kind, s)
			var e *campaigns.Error
			switch {
			case c.field == "":
				if err != nil || opened == nil {
					t.Error(err)
				}
			case !errors.As(err, &e) || e.Problems[0].Field != c.field || e.Problems[0].Message == "":
				t.Errorf("%v, want a problem with %s", err, c.field)
			}
		})
	}
}

func TestWhatCannotBeAMessageIsPermanentAndNeverDialled(t *testing.T) {
	cases := map[string]struct {
		change func(m *Message)
		says   string
	}{
		"no address":             {func(m *Message) { m.To = "" }, "missing"},
		"a display name":         {func(m *Message) { m.To = "Ann <ann@example.org>" }, "not an address"},
		"two addresses":          {func(m *Message) { m.To = "ann@example.org, bob@example.org" }, "not an address"},
		"a comment":              {func(m *Message) { m.To = "ann@example.org (Ann)" }, "not an address"},
		"an injected header":     {func(m *Message) { m.To = "ann@example.org\r\nBcc: bob@example.org" }, "control"},
		"bytes of no text":       {func(m *Message) { m.To = "ann\xff@example.org" }, "UTF-8"},
		"no domain":              {func(m *Message) { m.To = "ann" }, "not an address"},
		"a long local part":      {func(m *Message) { m.To = strings.Repeat("a", 65) + "@example.org" }, "too long"},
		"an id with a bracket":   {func(m *Message) { m.ID = "a>" }, "id"},
		"no id":                  {func(m *Message) { m.ID = "" }, "id"},
		"nothing to say":         {func(m *Message) { m.Parts = templates.Parts{"subject": "s"} }, "neither text nor html"},
		"a subject of two lines": {func(m *Message) { m.Parts["subject"] = "a\nBcc: b" }, "subject"},
		"an address to nowhere":  {func(m *Message) { m.ListUnsubscribe = "javascript:alert(1)" }, "unsubscribing"},
		"an address with an end": {func(m *Message) { m.ListUnsubscribe = "https://a.test/>,<mailto:x" }, "unsubscribing"},
		"a text of no text":      {func(m *Message) { m.Parts["html"] = "a\xff" }, "UTF-8"},
		"a subject of no text":   {func(m *Message) { m.Parts["subject"] = "a\xff" }, "subject"},
		"a token with a space":   {func(m *Message) { m.BounceTag = "a> SIZE=1" }, "token"},
		"a token without end":    {func(m *Message) { m.BounceTag = strings.Repeat("a", 46) }, "token"},
		"a signature of others":  {func(m *Message) { m.Headers = map[string]string{"DKIM-Signature": "v=1"} }, "itself"},
		"a header of ours":       {func(m *Message) { m.Headers = map[string]string{"BCC": "bob@example.org"} }, "itself"},
		"a header with a colon":  {func(m *Message) { m.Headers = map[string]string{"X: a\r\nBcc": "b"} }, "name of a header"},
		"a header of two lines":  {func(m *Message) { m.Headers = map[string]string{"X-A": "b\r\nBcc: c"} }, "control"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			p := open(t, "127.0.0.1:0")
			m := message("a")
			c.change(&m)
			if got := sender(t, p.settings()).Send(t.Context(), m); got.Status != Permanent || !strings.Contains(got.Detail, c.says) || p.sessionCount() != 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestAnAcceptedAddressHoldsNoRoomForAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		address := rapid.StringOf(rapid.RuneFrom([]rune("ab.@<>()\",;: \r\n\t\x00é\\"))).Draw(t, "address")
		if campaigns.CheckBareAddress(address) != nil {
			return
		}
		if strings.ContainsAny(address, "<>,; \r\n\t\x00\"") || strings.Count(address, "@") != 1 {
			t.Fatalf("%q was accepted", address)
		}
	})
}

// fieldOf is the field of an error's first problem, empty for none.
func fieldOf(err error) string {
	var e *campaigns.Error
	if !errors.As(err, &e) {
		return ""
	}
	return e.Problems[0].Field
}

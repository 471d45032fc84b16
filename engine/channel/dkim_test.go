package channel

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"
	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/templates"
)

// privatePEM is a key as it stands in settings.
func privatePEM(t *testing.T, key crypto.Signer) *string {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return new(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

func ed25519Key(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// signed are settings that sign, and the DNS that says what they publish.
func signed(t *testing.T, s campaigns.ChannelSettings, key *string) (campaigns.ChannelSettings, *dkim.VerifyOptions) {
	t.Helper()
	s.DKIMDomain, s.DKIMSelector, s.DKIMKey = "mail.example.com", "2026a", key
	return s, publishes(t, s)
}

func publishes(t *testing.T, s campaigns.ChannelSettings) *dkim.VerifyOptions {
	t.Helper()
	name, text, found := strings.Cut(s.WithoutSecrets().DKIMRecord, " TXT ")
	if !found {
		t.Fatalf("there is no record to publish: %q", s.WithoutSecrets().DKIMRecord)
	}
	return &dkim.VerifyOptions{LookupTXT: func(asked string) ([]string, error) {
		if asked != name {
			return nil, fmt.Errorf("nobody publishes %s, but %s", asked, name)
		}
		return []string{text}, nil
	}}
}

// verify fails unless a message carries one signature that holds.
func verify(content string, dns *dkim.VerifyOptions) error {
	found, err := dkim.VerifyWithOptions(strings.NewReader(content), dns)
	if err != nil {
		return err
	}
	if len(found) != 1 {
		return fmt.Errorf("%d signatures", len(found))
	}
	return found[0].Err
}

func TestASignatureHoldsThroughBothWaysOfSending(t *testing.T) {
	long := message("0190-b")
	long.Parts = templates.Parts{"subject": strings.Repeat("Grüße 🎁 an alle, ", 60), "html": strings.Repeat("<p>ü  \t</p>\n", 500), "text": "a \t b\r\n\r\n.\r\n\r\n\r\n"}
	long.ListUnsubscribe = "https://shop.test/u/" + strings.Repeat("abcdefghij", 30)
	long.BounceTag = "abcdefg234567"
	bare := Message{ID: "a", To: "ann@example.org", Parts: templates.Parts{"text": "\r\n\r\n"}}
	pkcs1 := rsaKey(t, 2048)
	keys := map[string]*string{"ed25519": privatePEM(t, ed25519Key(t)), "rsa of 2048": privatePEM(t, rsaKey(t, 2048)), "rsa of 1024": privatePEM(t, rsaKey(t, 1024)), "rsa of 4096": privatePEM(t, rsaKey(t, 4096)),
		"pkcs1": new(string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(pkcs1)})))}
	for name, key := range keys {
		for way, p := range map[string]*postbox{"pipelined": open(t, "127.0.0.1:0"), "one by one": openPlain(t)} {
			t.Run(name+" "+way, func(t *testing.T) {
				settings, dns := signed(t, p.settings(), key)
				settings.FromName = "Der große Laden 🛍 " + strings.Repeat("für alle ", 20)
				s := sender(t, settings)
				for _, m := range []Message{message("a"), long, bare} {
					if got := s.Send(t.Context(), m); got.Status != Sent {
						t.Fatalf("%+v", got)
					}
				}
				for _, d := range p.received() {
					if err := verify(d.content, dns); err != nil {
						t.Errorf("%v in\n%.2000s", err, d.content)
					}
					changed := strings.Replace(d.content, "Message-ID: <", "Message-ID: <x", 1)
					if err := verify(changed, dns); err == nil || changed == d.content {
						t.Errorf("a message that was changed verifies")
					}
				}
				if len(p.received()) != 3 {
					t.Errorf("%d messages", len(p.received()))
				}
			})
		}
	}
}

func TestASignatureHoldsForAllMessages(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	key := privatePEM(t, ed25519Key(t))
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("ab .,:;=?_\t\r\n<>é中🎁\u00a0\u2028\u200b")))
		line := rapid.StringOf(rapid.RuneFrom([]rune("ab .,:;=?_<>\"\\()@é中🎁\u00a0\u2028\u200b")))
		label := rapid.StringMatching(`[a-z0-9]{1,30}`)
		settings := p.settings()
		settings.FromName = line.Draw(r, "from")
		settings.DKIMKey = key
		settings.DKIMDomain = label.Draw(r, "host") + "." + label.Draw(r, "domain") + ".example"
		settings.DKIMSelector = label.Draw(r, "selector") + "." + label.Draw(r, "more")
		dns := publishes(t, settings)
		opened, err := openWith("smtp", settings)
		if err != nil {
			r.Fatal(err)
		}
		defer opened.Close()
		m := Message{ID: "0190-a", To: "ann@example.org", Parts: templates.Parts{"subject": line.Draw(r, "subject"), "text": "x" + text.Draw(r, "text"), "html": text.Draw(r, "html")}}
		if rapid.Bool().Draw(r, "unsubscribe") {
			m.ListUnsubscribe = "https://shop.test/u/" + strings.Repeat(label.Draw(r, "token"), 6)
		}
		before := len(p.received())
		if got := opened.Send(t.Context(), m); got.Status != Sent {
			r.Fatalf("%+v", got)
		}
		content := p.received()[before].content
		if err := verify(content, dns); err != nil {
			r.Fatalf("%v in\n%s", err, content)
		}
		parsed, err := mail.ReadMessage(strings.NewReader(content))
		if err != nil || len(parsed.Header["Bcc"]) != 0 || len(parsed.Header["Subject"]) > 1 || len(parsed.Header["From"]) != 1 {
			r.Fatalf("%v: %v", err, parsed)
		}
	})
}

func TestSessionsSignWithOneKeyAtOnce(t *testing.T) {
	for name, key := range map[string]crypto.Signer{"ed25519": ed25519Key(t), "rsa": rsaKey(t, 2048)} {
		settings, dns := signed(t, campaigns.ChannelSettings{EmailSettings: campaigns.EmailSettings{From: "shop@example.com"}}, privatePEM(t, key))
		signer, err := OpenDKIM(settings, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		header, body := "From: shop@example.com\r\nSubject: Hello\r\n\r\n", "Hello\r\n"
		errs := make([]error, 4)
		var sessions sync.WaitGroup
		for i := range errs {
			sessions.Go(func() {
				signature, err := signer.Sign([]byte(header), []byte(body))
				errs[i] = errors.Join(err, verify(signature+header+body, dns))
			})
		}
		sessions.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAKeyThatSignsNothingIsRefusedByName(t *testing.T) {
	good := privatePEM(t, ed25519Key(t))
	elliptic := "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgevZzL1gdAFr88hb2\nOF/2NxApJCzGCEDdfSp6VQO30hyhRANCAAQRWz+jn65BtOMvdyHKcvjBeBSDZH2r\n1RTwjmYSi9R/zpBnuQ4EiMnCqfMPWiZqB4QdbAd0E7oH50VpuZ1P087G\n-----END PRIVATE KEY-----\n"
	cases := map[string]struct {
		change func(s *campaigns.ChannelSettings)
		field  string
	}{
		"all well":               {func(*campaigns.ChannelSettings) {}, ""},
		"no PEM":                 {func(s *campaigns.ChannelSettings) { s.DKIMKey = new("MIIE") }, "settings.dkim_key"},
		"half a PEM":             {func(s *campaigns.ChannelSettings) { s.DKIMKey = new((*good)[:60]) }, "settings.dkim_key"},
		"no key":                 {func(s *campaigns.ChannelSettings) { s.DKIMKey = nil }, "settings.dkim_key"},
		"a key that was removed": {func(s *campaigns.ChannelSettings) { s.DKIMKey = new("") }, "settings.dkim_key"},
		"an elliptic key":        {func(s *campaigns.ChannelSettings) { s.DKIMKey = &elliptic }, "settings.dkim_key"},
		"a public key": {func(s *campaigns.ChannelSettings) {
			der, _ := x509.MarshalPKIXPublicKey(ed25519Key(t).Public())
			s.DKIMKey = new(string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
		}, "settings.dkim_key"},
		"no domain":               {func(s *campaigns.ChannelSettings) { s.DKIMDomain = "" }, "settings.dkim_domain"},
		"a domain with a tag":     {func(s *campaigns.ChannelSettings) { s.DKIMDomain = "a.example; t=y" }, "settings.dkim_domain"},
		"a domain without end":    {func(s *campaigns.ChannelSettings) { s.DKIMDomain = strings.Repeat("a.", 35) + "example" }, "settings.dkim_domain"},
		"no selector":             {func(s *campaigns.ChannelSettings) { s.DKIMSelector = "" }, "settings.dkim_selector"},
		"a selector of two lines": {func(s *campaigns.ChannelSettings) { s.DKIMSelector = "a\r\nb" }, "settings.dkim_selector"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := campaigns.ChannelSettings{Host: "mail.example.com", EmailSettings: campaigns.EmailSettings{From: "shop@example.com", DKIMDomain: "example.com", DKIMSelector: "a", DKIMKey: good}}
			c.change(&s)
			_, err := openWith("smtp", s)
			if got := fieldOf(err); got != c.field {
				t.Errorf("%v: %v, want a problem with %q", got, err, c.field)
			}
			if err != nil && strings.Contains(err.Error(), "MC4C") {
				t.Errorf("the key is told: %v", err)
			}
		})
	}
}

// The record is read without the key, and the key with nothing.
func TestTheRecordToPublishIsShownWithoutTheKey(t *testing.T) {
	s, _ := signed(t, campaigns.ChannelSettings{}, privatePEM(t, rsaKey(t, 2048)))
	shown := s.WithoutSecrets()
	if shown.DKIMKey != nil || !strings.HasPrefix(shown.DKIMRecord, "2026a._domainkey.mail.example.com TXT v=DKIM1; k=rsa; p=MIIB") {
		t.Errorf("%+v", shown.EmailSettings)
	}
	if shown := (campaigns.ChannelSettings{EmailSettings: campaigns.EmailSettings{DKIMRecord: "mine"}}).WithoutSecrets(); shown.DKIMRecord != "" {
		t.Errorf("%+v", shown.EmailSettings)
	}
}

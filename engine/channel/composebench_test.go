package channel

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/templates"
)

// BenchmarkCompose builds the e-mail of a usual newsletter, as DATA carries it.
func BenchmarkCompose(b *testing.B) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		b.Fatal(err)
	}
	s := campaigns.ChannelSettings{EmailSettings: campaigns.EmailSettings{From: "shop@example.com", FromName: "The Shop"}}
	s.DKIMDomain, s.DKIMSelector, s.DKIMKey = "example.com", "bench", new(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	signer, err := OpenDKIM(s, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	m := Message{ID: "019ab8e2-3f7c-7cc1-8a51-0123456789ab", To: "c12345@example.com", ListUnsubscribe: "https://shop.example.com/u/ZYCAAQECAwQFBgcICQoLDAabcdefghijklmn",
		BounceTag: "abcdefghijklmnopqrstuvwxyz234567abcdefgh", Parts: templates.Parts{"subject": "Customer 12345, the autumn collection is here",
			"text": strings.Repeat("The autumn collection has arrived in Shanghai: coats, scarves and boots.\n", 5),
			"html": "<html><body>" + strings.Repeat("<p style=\"margin:0\">The autumn collection has arrived in Shanghai: <a href=\"https://shop.example.com\">coats</a>.</p>\n", 12) + "</body></html>"}}
	now := time.Now()
	for how, e := range map[string]*email{"bare": {}, "signed": {signs: newSignature(signer)}, "signed by the library": {dkim: signer}} {
		b.Run(how, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				msg, err := compose(s, m, now)
				if err != nil {
					b.Fatal(err)
				}
				if e.dkim != nil {
					msg.SetDKIM(e.dkim)
				}
				if err := e.write(msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

package engine

import (
	"encoding/json"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/templates"
)

// newsletter are the words of a usual short newsletter.
func newsletter(t testing.TB) *templates.Template {
	t.Helper()
	parsed, err := templates.Parse(templates.Source{Channel: campaigns.Email, Language: "en", Parts: map[string]string{
		"subject": "{{ customer.name }}, the autumn collection is here",
		"html": `<!doctype html><html><body style="font-family:sans-serif"><h1>Hello {{ customer.name }},</h1>
<p>The autumn collection has arrived in {{ customer.city }}: coats, scarves and boots in the colours of the season.
As one of our best customers you see it two days before everybody else.</p>
<table><tr><td>Coats</td><td>from 399.00</td></tr><tr><td>Scarves</td><td>from 59.00</td></tr><tr><td>Boots</td><td>from 299.00</td></tr></table>
<p>{% if customer.city == "Shanghai" %}Come and try them on in Nanjing Road, every day until ten.{% else %}Order until noon and it is with you tomorrow.{% endif %}</p>
<p><a href="https://shop.example.com/autumn">See the collection</a></p>
<p style="font-size:small">You get this because you subscribed. <a href="{{ links.unsubscribe }}">Unsubscribe</a></p></body></html>`,
		"text": `Hello {{ customer.name }},
the autumn collection has arrived in {{ customer.city }}: coats, scarves and boots in the colours of the season.
See it at https://shop.example.com/autumn two days before everybody else.
Unsubscribe: {{ links.unsubscribe }}
`,
	}}, templates.Known([]string{"name", "city"}))
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// newsletterTo is a queued message of the newsletter.
func newsletterTo(t testing.TB) *campaigns.Message {
	t.Helper()
	l, id := someLinks(), campaigns.NewID(time.UnixMilli(1_800_000_000_000))
	vars := map[string]any{"customer": map[string]any{"name": "Customer 12345", "city": "Shanghai"},
		linksGroup: map[string]any{"unsubscribe": l.unsubscribeFrom(id, 12345, campaigns.Email), trackName: l.base}}
	text, err := json.Marshal(vars)
	if err != nil {
		t.Fatal(err)
	}
	m := &campaigns.Message{ID: id, No: 12345, Channel: campaigns.Email, Address: "c12345@example.com"}
	if err := json.Unmarshal(text, &m.Vars); err != nil {
		t.Fatal(err)
	}
	return m
}

// BenchmarkContent is what one message of a usual newsletter costs: its words, its links and picture, its hash.
func BenchmarkContent(b *testing.B) {
	parsed, m, l := newsletter(b), newsletterTo(b), someLinks()
	l.stamps = newStamps(l.key) // as an engine's
	parts, err := say(parsed, m)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("words", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := say(parsed, m); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("links and picture", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.track(parts["html"], m.No, m.ID)
		}
	})
	b.Run("hash", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			contentHash(parts)
		}
	})
	b.Run("link for leaving and token", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			l.bounceTag(m.No, m.ID)
			l.unsubscribeFrom(m.ID, m.No, m.Channel)
		}
	})
}

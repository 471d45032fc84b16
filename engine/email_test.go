package engine_test

import (
	"errors"
	"mime"
	"net/mail"
	"strings"
	"testing"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

func asError(err error, to **campaigns.Error) bool { return errors.As(err, to) }

// opened is a letter as a mail program reads it.
func opened(t *testing.T, l letter) (m *mail.Message, subject string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(l.content))
	if err != nil {
		t.Fatalf("%v in %.300q", err, l.content)
	}
	subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject"))
	if err != nil {
		t.Fatal(err)
	}
	return m, subject
}

func TestAnOddCustomerIsNobodyElsesTrouble(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	channel := w.smtpChannel(in)
	long := strings.Repeat("é🎁", 300)
	names := []string{"Ann", "Ann\r\nBcc: victim@example.com", "Ann\nContent-Type: text/html\n\n<script>", strings.Repeat("x", 1<<20), long, "<b>&amp;\"'", "李雷", "=?utf-8?q?a?=\u2028b\u0085c"}
	w.customers(len(names), func(i int, c *campaigns.Customer) { c.Name = &names[i] })
	c := w.campaign(func(d *campaigns.Definition) {
		d.Variants[0].ChannelID = channel
		d.Variants[0].TemplateID = w.emailTemplate(map[string]string{"subject": "Hello {{ customer.name }}", "html": "<p>Hi {{ customer.name }}</p><p><a href=\"{{ links.unsubscribe }}\">leave</a></p>"})
	})
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Status != campaigns.Done || run.Messages["sent"]+run.Gates["template"] != int64(len(names)) || run.Gates["template"] == 0 {
		t.Fatalf("messages %v, gates %v", run.Messages, run.Gates)
	}
	got := in.received()
	if got["victim@example.com"] != 0 || len(got) != int(run.Messages["sent"]) {
		t.Errorf("received by %v", got)
	}
	for i, name := range names {
		to := campaignsAddress(i)
		if got[to] == 0 {
			if len(name) < 1<<20 && i != 4 {
				t.Errorf("%s (%.20q) got nothing", to, name)
			}
			continue
		}
		m, subject := opened(t, in.letter(to))
		if len(m.Header["Bcc"]) != 0 || len(m.Header["Subject"]) != 1 || len(m.Header["Content-Type"]) != 1 || m.Header.Get("To") != "<"+to+">" {
			t.Errorf("%s: %v", to, m.Header)
		}
		if want := "Hello " + strings.Join(strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune(" \r\n\u2028\u0085", r) }), " "); subject != want {
			t.Errorf("%s: the subject is %q, want %q", to, subject, want)
		}
		if !strings.HasPrefix(m.Header.Get("Content-Type"), "multipart/alternative") || !strings.Contains(in.letter(to).content, "Content-Type: text/plain") {
			t.Errorf("%s has no text beside the html: %v", to, m.Header.Get("Content-Type"))
		}
	}
}

func campaignsAddress(i int) string { return "c" + string(rune('0'+i)) + "@example.com" }

func (w *world) emailTemplate(parts map[string]string) campaigns.ID {
	w.Helper()
	t := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: "t", Channel: campaigns.Email, Parts: parts}}
	w.update(func(tx *store.Tx) error { return tx.CreateTemplate(w.ctx, &t) })
	return t.ID
}

// A mail program offers to leave what one can leave: marketing, and not the message that one's own doing asked for.
func TestOnlyWhatOneCanLeaveOffersToUnsubscribe(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	channel := w.smtpChannel(in)
	w.customers(1, nil)
	for purpose, offers := range map[string]bool{"marketing": true, "service": true, "transactional": false} {
		w.campaign(func(d *campaigns.Definition) { d.Purpose, d.Variants[0].ChannelID = purpose, channel })
		w.settle()
		m, _ := opened(t, in.letter("c0@example.com"))
		link, click := m.Header.Get("List-Unsubscribe"), m.Header.Get("List-Unsubscribe-Post")
		if offers != strings.HasPrefix(link, "<https://shop.example.com/u/") || offers != (click == "List-Unsubscribe=One-Click") || !offers && link+click != "" {
			t.Errorf("%s: %q, %q", purpose, link, click)
		}
		if in.received()["c0@example.com"] == 0 {
			t.Errorf("%s was not sent", purpose)
		}
	}
}

func TestNothingWithLinksIsLaunchedWithoutAPublicAddress(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	w.smtpChannel(in)
	w.settings(func(s *campaigns.Workspace) { s.PublicURL = " " })
	w.update(func(tx *store.Tx) error {
		return tx.CreateChannel(w.ctx, &campaigns.Channel{ID: "sms", Name: "SMS", Kind: campaigns.KindSMPP, Settings: campaigns.ChannelSettings{Host: "127.0.0.1", EmailSettings: campaigns.EmailSettings{From: "Shop"}}})
	})
	w.customers(1, nil)
	cases := []struct {
		what, channel string
		template      campaigns.ID
		refused       bool
	}{
		{"e-mail", "mail", w.template("Hello", "Hello"), true},
		{"e-mail that stays here", campaigns.Catcher, w.template("Hello", "{{ links.unsubscribe }}"), false},
		{"a text with a link", "sms", w.sms("Hello {{ links.unsubscribe }}"), true},
		{"a text without", "sms", w.sms("Hello"), false},
	}
	for _, c := range cases {
		none := 0.0
		made, err := w.engine.CreateCampaign(w.ctx, "test", campaigns.Definition{Name: c.what, Kind: campaigns.Once, Rule: "true", Holdout: &none,
			Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: c.channel, TemplateID: c.template}}})
		w.must(err)
		_, err = w.engine.MoveCampaign(w.ctx, "test", made.ID, 0, campaigns.Launch)
		var e *campaigns.Error
		refused := asError(err, &e) && e.Problems[0].Field == "variants[0].channel_id" && strings.Contains(e.Problems[0].Message, "BECKON_PUBLIC_URL")
		if refused != c.refused || !refused && err != nil {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

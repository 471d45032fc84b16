package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

func TestALinkWhoseHostACustomersDataNamesIsNotSigned(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.settings(func(s *campaigns.Workspace) { s.PublicURL, s.LinkHosts = "https://pub.test", []string{"partner.test"} })
	cities := []string{"evil.test", "partner.test", "shop.test"}
	w.customers(3, func(i int, c *campaigns.Customer) {
		withPhone(i, c)
		c.City = &cities[i]
	})
	email := w.saved(campaigns.TemplateDefinition{Name: "e", Channel: campaigns.Email, Parts: map[string]string{"subject": "Hi",
		"html": `<a href="https://shop.test/a">own</a><a href="https://{{ customer.city }}/b">data</a><a href="https://shop.test.{{ customer.city }}/c">both</a>`}})
	text := w.saved(campaigns.TemplateDefinition{Name: "s", Channel: campaigns.SMS, Parts: map[string]string{"text": "https://shop.test/a https://{{ customer.city }}/b {{ links.unsubscribe }}"}})
	mails := w.campaign(func(d *campaigns.Definition) { d.Variants[0].TemplateID = email })
	texts := w.campaign(func(d *campaigns.Definition) { d.Variants[0].TemplateID = text })
	w.settle()
	want := map[string]int{"c0": 1, "c1": 2, "c2": 2}
	for _, m := range w.messages(store.MessageFilter{Campaign: mails.ID}) {
		page := m.Content["html"]
		if strings.Count(page, "https://pub.test/t/") != want[m.CustomerID] || !strings.Contains(page, `"https://shop.test.`) || strings.Contains(page, `"https://evil.test/b"`) != (m.CustomerID == "c0") {
			t.Errorf("%s: %s", m.CustomerID, page)
		}
	}
	for _, m := range w.messages(store.MessageFilter{Campaign: texts.ID}) {
		if words := m.Content["text"]; strings.Count(words, "https://pub.test/s/") != want[m.CustomerID]+1 {
			t.Errorf("%s: %s", m.CustomerID, words)
		}
	}
	w.settings(func(s *campaigns.Workspace) { s.LinkHosts = nil })
	for _, m := range w.messages(store.MessageFilter{}) {
		kept := m.Content
		m.Content = nil
		again, err := w.engine.MessageContent(w.ctx, &m)
		if err != nil || again["html"] != kept["html"] || again["text"] != kept["text"] {
			t.Errorf("read again %v, sent %v (%v)", again, kept, err)
		}
	}
}

func TestANewsletterThatLinksToManyShopsReachesEverybody(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.settings(func(s *campaigns.Workspace) { s.PublicURL = "https://pub.test" })
	w.customers(2, nil)
	page := ""
	for i := range 300 {
		page += fmt.Sprintf(`<a href="https://shop-%03d.example.com/a">go</a>`, i)
	}
	email := w.saved(campaigns.TemplateDefinition{Name: "e", Channel: campaigns.Email, Parts: map[string]string{"subject": "Hi", "html": page}})
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].TemplateID = email })
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 2 || run.Gates["template"] != 0 {
		t.Fatalf("%v at %v", run.Messages, run.Gates)
	}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		counted, plain := strings.Count(m.Content["html"], "https://pub.test/t/"), strings.Count(m.Content["html"], `"https://shop-`)
		if counted < 100 || plain == 0 || counted+plain != 300 || !strings.Contains(m.Content["html"], `"https://shop-299.example.com/a"`) {
			t.Errorf("%d links are counted and %d are not", counted, plain)
		}
	}
}

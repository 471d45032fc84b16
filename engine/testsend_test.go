package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

func TestATestGoesToNamedAddressesOnlyAndLeavesNoTrace(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	in.refuse = func(to string) error {
		if to == "broken@example.com" {
			return errors.New("no such mailbox")
		}
		return nil
	}
	mail := w.smtpChannel(in)
	w.customers(20, func(i int, c *campaigns.Customer) {
		english := "en"
		if i == 2 {
			c.Name = nil
		}
		c.Language = &english
	})
	w.update(func(tx *store.Tx) error {
		return tx.Suppress(w.ctx, &campaigns.Suppression{Channel: campaigns.Email, Address: "never@example.com", Reason: "complained"})
	})
	offer := w.offer()
	words := w.written(campaigns.TemplateDefinition{Channel: campaigns.Email, Parts: map[string]string{"subject": "您好", "text": "t"}, Languages: map[string]map[string]string{
		"en": {"subject": "Hello {{ customer.name }}", "text": "{{ code }} {{ links.unsubscribe }}"}}})
	short := w.written(campaigns.TemplateDefinition{Channel: campaigns.SMS, Parts: map[string]string{"text": "Hi {{ customer.name }}"}})
	none := 0.0
	c, err := w.engine.CreateCampaign(w.ctx, "test", campaigns.Definition{Name: "Test", Kind: campaigns.Once, Rule: `name != "Customer 0"`, Holdout: &none, OfferID: &offer, Variants: []campaigns.Variant{
		{Name: "A", Weight: 1, ChannelID: mail, TemplateID: words, Fallback: []campaigns.Way{{ChannelID: campaigns.Catcher, TemplateID: short}}},
		{Name: "B", Weight: 1, ChannelID: mail, TemplateID: words}}})
	w.must(err)
	sent, err := w.engine.TestCampaign(w.ctx, "test", c.ID, engine.TestAsk{To: []string{"Me@Example.com", "me@example.com", "broken@example.com", "never@example.com", "13800138000"}})
	w.must(err)
	got := map[string]engine.TestSent{}
	for _, s := range sent {
		got[s.Variant+" "+s.To] = s
	}
	for to, status := range map[string]string{"A me@example.com": "sent", "B me@example.com": "sent", "A never@example.com": "refused", "A +8613800138000": "sent", "B +8613800138000": "refused"} {
		if got[to].Status != status {
			t.Errorf("%s: %+v, want %s", to, got[to], status)
		}
	}
	if s := got["A broken@example.com"]; s.Status == "sent" || !strings.Contains(s.Detail, "no such mailbox") {
		t.Errorf("%+v", s)
	}
	mine := got["A me@example.com"]
	if mine.Parts["subject"] != "[Test] Hello Customer 1" || mine.Language != "en" || !strings.Contains(mine.Parts["text"], "/u/test") || !strings.Contains(mine.Parts["text"], "0000") {
		t.Errorf("%+v", mine)
	}
	if s := got["A +8613800138000"]; s.Parts["text"] != "[Test] Hi Customer 1" || s.SMS.Segments != 1 {
		t.Errorf("%+v", s)
	}
	if received := in.received(); len(received) != 1 || received["me@example.com"] != 2 {
		t.Errorf("received %v", received)
	}
	if n := len(w.messages(store.MessageFilter{})); n != 0 || len(w.runs(c.ID)) != 0 {
		t.Errorf("%d messages were kept", n)
	}
	w.view(func(tx *store.Tx) error {
		log, err := tx.AuditLog(w.ctx, campaigns.ID{}, 10)
		if !slices.ContainsFunc(log, func(e store.AuditEntry) bool { return e.Action == "test" && e.SubjectID == c.ID.String() }) {
			t.Errorf("the audit log tells nothing of it: %+v", log)
		}
		return err
	})
	w.launched(c.ID)
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 18 { // all but the one without a name: a test enters nobody
		t.Errorf("%v %v", run.Gates, run.Messages)
	}
}

// launched launches a draft and lets its run go through.
func (w *world) launched(id campaigns.ID) {
	w.Helper()
	_, err := w.engine.MoveCampaign(w.ctx, "test", id, 0, campaigns.Launch)
	w.must(err)
	w.settle()
}

// offer makes a live one whose codes are issued.
func (w *world) offer() campaigns.ID {
	w.Helper()
	o := campaigns.Offer{Status: campaigns.OfferLive, OfferDefinition: campaigns.OfferDefinition{Name: "Ten off", Effect: campaigns.Effect{Kind: "percent_off", Value: "10"}, Reach: "issued"}}
	w.update(func(tx *store.Tx) error { return tx.CreateOffer(w.ctx, &o) })
	return o.ID
}

func TestATestNamesWhatIsWrongWithIt(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(2, func(i int, c *campaigns.Customer) {
		if i == 0 {
			c.Name = nil
		}
	})
	id := w.template("Hello {{ customer.name }}", "Hi")
	for name, c := range map[string]struct {
		ask  engine.TestAsk
		code campaigns.Code
	}{
		"nobody":           {engine.TestAsk{}, campaigns.CodeInvalid},
		"too many":         {engine.TestAsk{To: strings.Fields(strings.Repeat("a@example.com ", 11))}, campaigns.CodeInvalid},
		"a display name":   {engine.TestAsk{To: []string{"Ann <a@example.com>"}}, campaigns.CodeInvalid},
		"a header":         {engine.TestAsk{To: []string{"a@example.com\r\nBcc: b@example.com"}}, campaigns.CodeInvalid},
		"neither":          {engine.TestAsk{To: []string{"somebody"}}, campaigns.CodeInvalid},
		"no such customer": {engine.TestAsk{To: []string{"a@example.com"}, CustomerID: "x"}, campaigns.CodeNotFound},
	} {
		_, err := w.engine.TestTemplate(w.ctx, "test", engine.Trial{Template: id, ChannelID: campaigns.Catcher}, c.ask)
		if campaigns.CodeOf(err) != c.code {
			t.Errorf("%s: %v", name, err)
		}
	}
	sent, err := w.engine.TestTemplate(w.ctx, "test", engine.Trial{Template: id, ChannelID: campaigns.Catcher}, engine.TestAsk{To: []string{"a@example.com"}})
	w.must(err)
	if sent[0].Status != "refused" || !strings.Contains(sent[0].Detail, "customer.name") {
		t.Errorf("%+v", sent)
	}
	sent, err = w.engine.TestTemplate(w.ctx, "test", engine.Trial{Template: id, ChannelID: campaigns.Catcher}, engine.TestAsk{To: []string{"a@example.com"}, CustomerID: "c1"})
	w.must(err)
	if sent[0].Status != "sent" || sent[0].Parts["subject"] != "[Test] Hello Customer 1" {
		t.Errorf("%+v", sent)
	}
}

package engine_test

import (
	"fmt"
	"maps"
	"regexp"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

const page = `<html><body><p>Hi {{ customer.name }}</p><a href="https://a.test/?b=1&amp;c=2">go</a> <a href="{{ links.unsubscribe }}">out</a></body></html>`

func (w *world) pages() campaigns.ID {
	w.Helper()
	t := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: "t", Channel: campaigns.Email,
		Parts: map[string]string{"subject": "Hi", "html": page, "text": "https://a.test/ {{ links.unsubscribe }}"}}}
	w.update(func(tx *store.Tx) error { return tx.CreateTemplate(w.ctx, &t) })
	return t.ID
}

// tokenIn finds a token of a kind of link in a text.
func tokenIn(t *testing.T, text, kind string) string {
	t.Helper()
	found := regexp.MustCompile(`/` + kind + `/([A-Za-z0-9_-]+)`).FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("no /%s/ in %s", kind, text)
	}
	return found[1]
}

func TestOpensAndClicksAreCountedOfPeopleAlone(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(4, nil)
	template := w.pages()
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].TemplateID = template })
	w.settle()
	byCustomer := map[string]campaigns.Message{}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		byCustomer[m.CustomerID] = m
		if strings.Contains(m.Content["text"], "/t/") || strings.Contains(m.Content["html"], `"https://a.test`) {
			t.Fatalf("links in %v", m.Content)
		}
	}
	at := w.clock.Now()
	open, click := tokenIn(t, byCustomer["c0"].Content["html"], "o"), tokenIn(t, byCustomer["c0"].Content["html"], "t")
	w.must(w.engine.Track(w.ctx, open, campaigns.AgentMachine))
	for range 3 {
		w.clock.Advance(time.Minute)
		w.must(w.engine.Track(w.ctx, open, campaigns.AgentPerson))
	}
	for _, agent := range []string{"", campaigns.AgentMachine, campaigns.AgentPerson, campaigns.AgentPerson} {
		url, err := w.engine.Click(w.ctx, click, agent)
		if err != nil || url != "https://a.test/?b=1&c=2" {
			t.Errorf("the link leads to %q (%v)", url, err)
		}
	}
	w.must(w.engine.Track(w.ctx, tokenIn(t, byCustomer["c1"].Content["html"], "o"), campaigns.AgentMachine))
	_, err := w.engine.Unsubscribe(w.ctx, tokenIn(t, byCustomer["c2"].Content["html"], "u"), "test")
	w.must(err)
	for _, broken := range []string{open, "x", strings.ToUpper(click)} {
		if _, err := w.engine.Click(w.ctx, broken, campaigns.AgentPerson); campaigns.CodeOf(err) != campaigns.CodeNotFound {
			t.Errorf("%s leads somewhere: %v", broken, err)
		}
	}
	if got := w.runs(c.ID)[0].Tracking; got != (campaigns.Tracking{Opened: 1, Clicked: 1, Unsubscribed: 1}) {
		t.Errorf("the run counts %+v", got)
	}
	w.view(func(tx *store.Tx) error {
		m := byCustomer["c0"]
		tracks, err := tx.Tracks(w.ctx, m.No, m.ID)
		if len(tracks) != 7 || tracks[0].Agent != campaigns.AgentMachine || !tracks[1].At.Equal(at.Add(time.Minute)) {
			t.Errorf("tracks %+v", tracks)
		}
		return err
	})
	for rule, want := range map[string]int64{
		`any(messages, .opened_at != nil)`: 1, `any(messages, .clicked_at != nil)`: 1, `all(messages, .opened_at == nil)`: 3,
	} {
		count, err := w.engine.CountRule(w.ctx, rule, time.Time{}, "")
		if err != nil || count.Matching != want {
			t.Errorf("%s is true of %+v (%v), want %d", rule, count, err, want)
		}
	}
}

func TestTheImageFollowsWhatPeopleDoWithMessages(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(3, nil)
	template := w.pages()
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].TemplateID = template })
	w.settle()
	rule, before := `any(messages, .opened_at != nil)`, int64(0)
	for i, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		count, err := w.engine.CountRule(w.ctx, rule, time.Time{}, "")
		w.must(err)
		if before = count.Matching; before != int64(i) {
			t.Fatalf("%d opened, %s counts %d", i, count.Executor, before)
		}
		w.must(w.engine.Track(w.ctx, tokenIn(t, m.Content["html"], "o"), campaigns.AgentPerson))
	}
}

func TestAMessageReadsAsItWasSentWhenTheSettingsChangedSince(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	channel := w.smtpChannel(in)
	w.customers(2, nil)
	template := w.pages()
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].TemplateID, d.Variants[0].ChannelID = template, channel })
	w.settle()
	w.settings(func(s *campaigns.Workspace) { s.PublicURL = "https://other.example.com" })
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID, Status: campaigns.MessageSent}) {
		parts, err := w.engine.MessageContent(w.ctx, &m)
		if err != nil || !strings.Contains(parts["html"], "https://shop.example.com/t/") || strings.Contains(parts["html"], "other") {
			t.Errorf("%v %v", parts, err)
		}
	}
	off := false
	plain := w.campaign(func(d *campaigns.Definition) { d.Variants[0].TemplateID, d.Tracking = template, &off })
	w.settle()
	for _, m := range w.messages(store.MessageFilter{Campaign: plain.ID}) {
		if !strings.Contains(m.Content["html"], `href="https://a.test/?b=1&amp;c=2"`) || strings.Contains(m.Content["html"], "/o/") {
			t.Errorf("a campaign that does not track says %s", m.Content["html"])
		}
	}
}

func TestShortLinksInTextMessagesLeadThereUntilTheyExpire(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.settings(func(s *campaigns.Workspace) {
		s.ShortDomain, s.ShortLinkDays, s.PublicURL = "s.example.cn", 30, "https://shop.example.com"
	})
	w.phones(20)
	template := w.texts("看https://a.test/{{ customer.id }}?x=1 和 https://b.test/。退订{{ links.unsubscribe }}")
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].TemplateID = template })
	w.settle()
	form, codes := regexp.MustCompile(`^看https://s\.example\.cn/([0-9A-Za-z]{10}) 和 https://s\.example\.cn/([0-9A-Za-z]{10})。退订https://s\.example\.cn/([0-9A-Za-z]{10})$`), map[string]string{}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		found := form.FindStringSubmatch(m.Content["text"])
		if found == nil {
			t.Fatalf("the text %q", m.Content["text"])
		}
		m.Content = nil
		if again, err := w.engine.MessageContent(w.ctx, &m); err != nil || again["text"] != found[0] {
			t.Errorf("%q is read as %q (%v)", found[0], again["text"], err)
		}
		codes[found[1]], codes[found[2]], codes[found[3]] = "https://a.test/"+m.CustomerID+"?x=1", "https://b.test/", "https://shop.example.com/u/"
	}
	if len(codes) != 60 {
		t.Fatalf("%d codes", len(codes))
	}
	for code, want := range codes {
		url, err := w.engine.FollowShort(w.ctx, code, campaigns.AgentPerson)
		if err != nil || !strings.HasPrefix(url, want) {
			t.Errorf("%s leads to %q (%v), want %q", code, url, err, want)
		}
	}
	if got := w.runs(c.ID)[0].Tracking; got.Clicked != 20 {
		t.Errorf("the run counts %+v", got)
	}
	w.clock.Advance(31 * 24 * time.Hour)
	for _, housed := range []bool{false, true} {
		if housed {
			_, err := w.engine.House(w.ctx)
			w.must(err)
		}
		for code, was := range maps.All(codes) {
			_, err := w.engine.FollowShort(w.ctx, code, campaigns.AgentPerson)
			if leaves := strings.Contains(was, "/u/"); leaves != (err == nil) {
				t.Errorf("after a month the link to %s: %v", was, err)
			}
		}
	}
}

func TestALinkIsOpenedInALoopWithoutEnd(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(1, nil)
	template := w.pages()
	w.campaign(func(d *campaigns.Definition) { d.Variants[0].TemplateID = template })
	w.settle()
	m := w.messages(store.MessageFilter{})[0]
	errs := make(chan error)
	for range 8 {
		go func() {
			var err error
			for range 20 {
				if err == nil {
					err = w.engine.Track(w.ctx, tokenIn(t, m.Content["html"], "o"), campaigns.AgentPerson)
				}
			}
			errs <- err
		}()
	}
	for range 8 {
		w.must(<-errs)
	}
	w.view(func(tx *store.Tx) error {
		tracks, err := tx.Tracks(w.ctx, m.No, m.ID)
		if len(tracks) < 50 || len(tracks) > 108 {
			return fmt.Errorf("%d tracks (%w)", len(tracks), err)
		}
		return err
	})
	if got := w.runs(m.CampaignID)[0].Tracking.Opened; got != 1 {
		t.Errorf("opened %d times", got)
	}
}

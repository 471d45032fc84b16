package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// phones makes n customers with consent and a number of their own.
func (w *world) phones(n int) {
	w.Helper()
	w.customers(n, func(i int, c *campaigns.Customer) {
		yes, phone := true, fmt.Sprintf("+861380013%04d", i)
		c.Phone, c.SMSConsent = &phone, &yes
	})
}

// texts makes a template for text messages.
func (w *world) texts(text string) campaigns.ID {
	w.Helper()
	t := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: "t", Channel: campaigns.SMS, Parts: map[string]string{"text": text}}}
	w.update(func(tx *store.Tx) error { return tx.CreateTemplate(w.ctx, &t) })
	return t.ID
}

func (w *world) no(id string) (no int64) {
	w.Helper()
	w.view(func(tx *store.Tx) error {
		c, err := tx.Customer(w.ctx, id)
		no = c.No
		return err
	})
	return no
}

func (w *world) say(id string, c campaigns.Consent) {
	w.Helper()
	no := w.no(id)
	if c.Source == "" {
		c.Source = "test"
	}
	w.update(func(tx *store.Tx) error { return tx.AddConsent(w.ctx, no, c) })
}

// word is a customer's latest word on a channel and topic: yes, no or none.
func (w *world) word(id, channel, topic string) string {
	w.Helper()
	no, said := w.no(id), "none"
	w.view(func(tx *store.Tx) error {
		history, err := tx.Consents(w.ctx, no)
		for i := len(history) - 1; i >= 0; i-- {
			if c := history[i]; c.Channel == channel && c.Topic == topic {
				said = map[bool]string{true: "yes", false: "no"}[c.Granted]
			}
		}
		return err
	})
	return said
}

func (w *world) gateOf(run campaigns.ID, id string) (gate campaigns.Gate) {
	w.Helper()
	no := w.no(id)
	w.view(func(tx *store.Tx) (err error) {
		gate, _, err = tx.GateOf(w.ctx, run, no)
		return err
	})
	return gate
}

// wordsOnTopics gives twelve customers every pair of a word on the channel and one on the topic, and says who consents.
func (w *world) wordsOnTopics() map[string]bool {
	w.Helper()
	w.settings(func(s *campaigns.Workspace) { s.Topics = []campaigns.Topic{{Name: "news"}, {Name: "deals"}} })
	w.customers(12, func(_ int, c *campaigns.Customer) { c.EmailConsent = nil })
	consents, i := map[string]bool{}, 0
	for _, channel := range []string{"none", "yes", "no"} {
		for _, topic := range []string{"none", "yes", "no", "yes, then no"} {
			id := fmt.Sprintf("c%d", i)
			i++
			if channel != "none" {
				w.say(id, campaigns.Consent{Channel: campaigns.Email, Granted: channel == "yes", At: w.clock.Now().Add(-time.Hour)})
			}
			if topic != "none" {
				w.say(id, campaigns.Consent{Channel: campaigns.Email, Topic: "news", Granted: topic != "no", At: w.clock.Now().Add(-time.Minute)})
			}
			if topic == "yes, then no" {
				w.say(id, campaigns.Consent{Channel: campaigns.Email, Topic: "news"})
			}
			consents[id] = channel != "no" && (topic == "yes" || topic == "none" && channel == "yes")
		}
	}
	return consents
}

func TestWhoRefusedATopicGetsNothingOfIt(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	consents := w.wordsOnTopics()
	c := w.campaign(func(d *campaigns.Definition) { d.Topic = "news" })
	each := w.campaign(func(d *campaigns.Definition) {
		d.Topic, d.Kind, d.Trigger = "news", campaigns.Triggered, &campaigns.Trigger{Event: "visit"}
	})
	for i := range 12 {
		w.happens(fmt.Sprintf("c%d", i), "visit", fmt.Sprint(i))
	}
	w.settle()
	run := w.runs(c.ID)[0]
	sent := map[string]bool{}
	for _, m := range w.messages(store.MessageFilter{Campaign: each.ID}) {
		sent[m.CustomerID] = true
	}
	for id, want := range consents {
		if gate := w.gateOf(run.ID, id); (gate == campaigns.GatePassed) != want || !want && gate != campaigns.GateConsent {
			t.Errorf("%s stands at %s; consents: %v", id, gate, want)
		}
		if sent[id] != want {
			t.Errorf("the event of %s is answered: %v; consents: %v", id, sent[id], want)
		}
	}
	d := c.Definition
	d.Topic = "nothing"
	if _, err := w.engine.CreateCampaign(w.ctx, "test", d); campaigns.CodeOf(err) != campaigns.CodeInvalid {
		t.Errorf("a topic that the workspace does not have: %v", err)
	}
}

func TestATopicThatIsRefusedWhileItsMessageWaitsIsNotSent(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.settings(func(s *campaigns.Workspace) { s.Topics = []campaigns.Topic{{Name: "news"}} })
	w.customers(4, nil)
	c := w.campaign(func(d *campaigns.Definition) { d.Topic = "news" })
	w.queued()
	w.say("c1", campaigns.Consent{Channel: campaigns.Email, Topic: "news"})
	w.say("c2", campaigns.Consent{Channel: campaigns.Email, Topic: "deals"})
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["sent"] != 3 || run.Messages["cancelled"] != 1 {
		t.Errorf("messages %v", run.Messages)
	}
}

// TestNoMessageThatIsClaimedAfterSomebodyLeftIsSent lets everybody leave while the provider has the first message: what was
// marked by then may still be sent, and nothing else.
func TestNoMessageThatIsClaimedAfterSomebodyLeftIsSent(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	in := newInbox(t)
	channel := w.smtpChannel(in)
	w.customers(300, nil)
	w.campaign(func(d *campaigns.Definition) { d.Variants[0].ChannelID = channel })
	w.queued()
	waiting := w.messages(store.MessageFilter{})
	if len(waiting) != 300 {
		t.Fatalf("%d messages wait", len(waiting))
	}
	marked, left := map[string]bool{}, false
	in.refuse = func(string) error {
		if left {
			return nil
		}
		left = true
		for _, m := range waiting {
			url, _ := m.Vars["links"].(map[string]any)["unsubscribe"].(string)
			if _, err := w.engine.Unsubscribe(w.ctx, url[strings.LastIndex(url, "/")+1:], "test"); err != nil {
				return err
			}
		}
		for _, m := range waiting {
			err := w.store.View(w.ctx, func(tx *store.Tx) error {
				now, err := tx.Message(w.ctx, m.ID)
				marked[m.Address] = now.Status != campaigns.MessageQueued
				return err
			})
			if err != nil {
				return err
			}
		}
		return nil
	}
	w.settle()
	got := in.received()
	for to := range got {
		if !marked[to] {
			t.Errorf("%s left before the message was claimed, and got it", to)
		}
	}
	if len(got) == 0 || len(got) > 200 {
		t.Errorf("%d were sent: not what a window in flight is", len(got))
	}
}

func TestASuppressedAddressIsSentNothingHoweverItComesIn(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(3, nil)
	first := w.campaign(func(*campaigns.Definition) {})
	each := w.campaign(func(d *campaigns.Definition) {
		d.Kind, d.Trigger = campaigns.Triggered, &campaigns.Trigger{Event: "visit"}
	})
	w.queued()
	w.update(func(tx *store.Tx) error {
		return tx.Suppress(w.ctx, &campaigns.Suppression{Channel: campaigns.Email, Address: "C1@Example.com", Reason: "manual"})
	})
	w.bringIn(campaigns.ImportOptions{Kind: "customers", Format: "csv"}, "id,name,email,email_consent\nc1,Ann,c1@example.com,true\nagain,Ann,C1@example.com,true\n", 2)
	w.update(func(tx *store.Tx) error { // as a PUT of somebody new writes it, and a PATCH of somebody known
		yes, name, email := true, "Ann", "c1@example.com"
		if err := tx.SaveCustomer(w.ctx, &campaigns.Customer{ID: "put", Name: &name, Email: &email, EmailConsent: &yes}); err != nil {
			return err
		}
		c, err := tx.LockCustomer(w.ctx, "c2")
		if err != nil {
			return err
		}
		c.Email = &email
		return tx.SaveCustomer(w.ctx, c)
	})
	later := w.campaign(func(*campaigns.Definition) {})
	for _, id := range []string{"c1", "again", "put", "c2", "c0"} {
		w.happens(id, "visit", id)
	}
	w.settle()
	for _, c := range []campaigns.ID{first.ID, each.ID, later.ID} {
		sent := 0
		for _, m := range w.messages(store.MessageFilter{Campaign: c}) {
			if m.Status == campaigns.MessageSent {
				sent++
				if m.Address == "c1@example.com" {
					t.Errorf("%s was sent to", m.Address)
				}
			}
		}
		if sent == 0 {
			t.Error("nobody else was sent to either")
		}
	}
}

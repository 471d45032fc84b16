package engine_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/linxGnu/gosmpp/data"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/channel/smsctest"
	"beckon/templates"
)

// smscChannel makes a channel that leads to an SMSC.
func (w *world) smscChannel(change func(s *campaigns.ChannelSettings)) *smsctest.SMSC {
	w.Helper()
	c, err := smsctest.New()
	w.must(err)
	w.Cleanup(func() { _ = c.Close() })
	settings := campaigns.ChannelSettings{Host: "127.0.0.1", Port: c.Port(), Username: "shop", Password: new("secret"), Connections: 1,
		EmailSettings: campaigns.EmailSettings{From: "Shop"}}
	if change != nil {
		change(&settings)
	}
	w.update(func(tx *store.Tx) error {
		return tx.CreateChannel(w.ctx, &campaigns.Channel{ID: "texts", Name: "Texts", Kind: campaigns.KindSMPP, Settings: settings})
	})
	return c
}

// withPhones makes n customers with consent and a mobile number of their own.
func (w *world) withPhones(n int, change func(i int, c *campaigns.Customer)) {
	w.Helper()
	w.customers(n, func(i int, c *campaigns.Customer) {
		phone, yes := fmt.Sprintf("+86138%08d", i), true
		c.Phone, c.SMSConsent, c.Email, c.EmailConsent = &phone, &yes, nil, nil
		if change != nil {
			change(i, c)
		}
	})
}

// textCampaign launches a campaign of text messages.
func (w *world) textCampaign(words string, change func(d *campaigns.Definition)) campaigns.Campaign {
	w.Helper()
	return w.campaign(func(d *campaigns.Definition) {
		d.Variants[0].ChannelID, d.Variants[0].TemplateID = "texts", w.sms(words)
		if change != nil {
			change(d)
		}
	})
}

func (w *world) textOf(m *campaigns.Message) string {
	w.Helper()
	parts, err := w.engine.MessageContent(w.ctx, m)
	w.must(err)
	return parts["text"]
}

func TestATextCarriesItsSendersWordsAndKeepsThem(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	c := w.smscChannel(func(s *campaigns.ChannelSettings) { s.SignOff, s.OptOut = "【晨光】", "拒收请回复R" })
	w.withPhones(1, nil)
	for _, purpose := range []string{"marketing", "transactional"} {
		sent := w.textCampaign("{{ customer.name }}您好", func(d *campaigns.Definition) { d.Purpose = purpose })
		w.settle()
		want := "【晨光】Customer 0您好"
		if purpose == "marketing" {
			want += "拒收请回复R"
		}
		submits := c.Submits()
		if got := string(utf16BE(submits[len(submits)-1].Octets)); got != want {
			t.Errorf("%s: %q was sent, want %q", purpose, got, want)
		}
		w.update(func(tx *store.Tx) error {
			ch, err := tx.LockChannel(w.ctx, "texts")
			if err != nil {
				return err
			}
			ch.Settings.SignOff = "【another】"
			return tx.SaveChannel(w.ctx, &ch)
		})
		m := w.messages(store.MessageFilter{Campaign: sent.ID})[0]
		if got := w.textOf(&m); got != want || m.Status != campaigns.MessageSent || m.Segments != 1 || m.ProviderID == "" {
			t.Errorf("%s: %q is read, want %q; %+v", purpose, got, want, m)
		}
		w.update(func(tx *store.Tx) error {
			ch, err := tx.LockChannel(w.ctx, "texts")
			if err != nil {
				return err
			}
			ch.Settings.SignOff = "【晨光】"
			return tx.SaveChannel(w.ctx, &ch)
		})
	}
}

func utf16BE(octets []byte) string {
	var text strings.Builder
	for i := 0; i+1 < len(octets); i += 2 {
		text.WriteRune(rune(octets[i])<<8 | rune(octets[i+1]))
	}
	return text.String()
}

func TestASendersWordsCountInSegmentsAndCost(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.smscChannel(func(s *campaigns.ChannelSettings) {
		s.SignOff, s.OptOut, s.CostPerSegment = "Shop:", "Reply STOP", "0.05"
	})
	w.withPhones(2, nil)
	sent := w.textCampaign(strings.Repeat("a", 150), func(d *campaigns.Definition) { d.Budget = &campaigns.Budget{Cost: "0.15"} })
	w.settle()
	messages := w.messages(store.MessageFilter{Campaign: sent.ID})
	if len(messages) != 1 || messages[0].Segments != 2 {
		t.Errorf("a budget of three segments pays for one message of two, not %d", len(messages))
	}
	if words := w.textOf(&messages[0]); words != "Shop: "+strings.Repeat("a", 150)+" Reply STOP" || templates.Segments(words).Segments != 2 {
		t.Errorf("%q", words)
	}
}

func TestALandlineFailsAloneAndSaysWhy(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	c := w.smscChannel(nil)
	w.withPhones(5, func(i int, c *campaigns.Customer) {
		if i == 2 {
			*c.Phone = "+861065529988"
		}
	})
	sent := w.textCampaign("Hi {{ customer.name }}", nil)
	w.settle()
	if run := w.runs(sent.ID)[0]; run.Messages["sent"] != 4 || run.Messages["failed"] != 1 || run.Status != campaigns.Done || len(c.Submits()) != 4 {
		t.Errorf("%v, %s, %d submits", run.Messages, run.Status, len(c.Submits()))
	}
	failed := w.messages(store.MessageFilter{Campaign: sent.ID, Status: campaigns.MessageFailed})[0]
	if last := failed.History[len(failed.History)-1]; failed.CustomerID != "c2" || !strings.Contains(last.Detail, "landline") {
		t.Errorf("%s: %+v", failed.CustomerID, failed.History)
	}
}

func TestAnSMSCThatHangsUpGetsNothingTwiceAndNothingIsLost(t *testing.T) {
	const people, window = 150, 4
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	c := w.smscChannel(func(s *campaigns.ChannelSettings) { s.Window = window })
	w.withPhones(people, nil)
	var mu sync.Mutex
	taken := map[string]int{} // whatever may have been accepted
	c.Order(smsctest.Orders{Answer: func(n int, s smsctest.Submit) smsctest.Answer {
		mu.Lock()
		defer mu.Unlock()
		if n%40 != 10 {
			taken[s.To]++
		}
		switch {
		case n%40 == 0:
			return smsctest.Answer{HangUp: true}
		case n%40 == 20:
			return smsctest.Answer{HangUpThen: true}
		case n%40 == 10:
			return smsctest.Answer{Status: data.ESME_RTHROTTLED}
		case n%40 == 30:
			return smsctest.Answer{Raw: []byte("HTTP/1.1 502 Bad Gateway\r\n\r\n")}
		}
		return smsctest.Answer{}
	}})
	sent := w.textCampaign("Hi {{ customer.name }}", func(d *campaigns.Definition) { d.ValidFor = new(7 * campaigns.Day) })
	var run campaigns.Run
	for range 60 {
		w.settle()
		if run = w.runs(sent.ID)[0]; run.Status == campaigns.Done {
			break
		}
		w.clock.Advance(time.Hour)
	}
	broken := len(c.Submits()) / 20 // half of all sessions' ends cost what was under way
	if run.Status != campaigns.Done || run.Messages["sent"]+run.Messages["unknown"] != people || run.Messages["unknown"] > int64(broken*window) {
		t.Errorf("%v, %s after %d submits", run.Messages, run.Status, len(c.Submits()))
	}
	mu.Lock()
	defer mu.Unlock()
	for to, n := range taken {
		if n > 1 {
			t.Errorf("%s was taken %d times", to, n)
		}
	}
	if lost := people - len(taken); int64(lost) > run.Messages["unknown"] { // what was on its way when the SMSC hung up never came to be read
		t.Errorf("%d of %d were tried, and %d are unknown", len(taken), people, run.Messages["unknown"])
	}
}

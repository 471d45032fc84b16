package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
	"beckon/engine/channel"
)

// TestOfTwoMovedMessagesClaimedByTwoNodesAtOnceTheEarlierGoes has one node claim a customer's e-mail and hang in the one
// beside it, so that nothing of what it decided is written, while another node claims the customer's text message.
func TestOfTwoMovedMessagesClaimedByTwoNodesAtOnceTheEarlierGoes(t *testing.T) {
	for _, times := range [][2]string{{"08:00", "09:00"}, {"09:00", "08:00"}, {"09:00", "09:00"}} {
		t.Run("mail from "+times[0]+", text from "+times[1], func(t *testing.T) { givesWay(t, times[0], times[1]) })
	}
}

func givesWay(t *testing.T, mailFrom, textFrom string) {
	w := newWorld(t, "2026-11-21T22:30:00+08:00")
	w.mailChannel("a-mail", newInbox(t).port, func(s *campaigns.ChannelSettings) { s.Connections = 1 })
	hanging, release := make(chan struct{}), make(chan struct{})
	w.engine.OpenWith(openPooled(1, func(m channel.Message, _ *channel.Outcome) {
		if strings.HasPrefix(m.To, "c1@") {
			close(hanging)
			<-release
		}
	}))
	w.customers(2, func(i int, c *campaigns.Customer) {
		if phone, yes := fmt.Sprintf("+86138000000%02d", i), true; i == 0 {
			c.Phone, c.SMSConsent = &phone, &yes
		}
	})
	at := func(from string) *campaigns.QuietHours {
		return &campaigns.QuietHours{From: "21:00", To: campaigns.ClockTime(from)}
	}
	mail := w.campaign(func(d *campaigns.Definition) {
		d.Name, d.Variants[0].ChannelID, d.QuietHours = "Mail", "a-mail", at(mailFrom)
	})
	text := w.campaign(func(d *campaigns.Definition) {
		d.Name, d.Rule, d.Variants[0].TemplateID, d.QuietHours = "Text", `id == "c0"`, w.sms("Hi"), at(textFrom)
	})
	w.queued()
	w.queued()
	w.settings(func(s *campaigns.Workspace) {
		s.Caps = []campaigns.Cap{{Channel: campaigns.AnyChannel, Max: 1, Window: campaigns.Day}}
	})
	w.clock.Set(time.Date(2026, 11, 22, 1, 30, 0, 0, time.UTC)) // 09:30
	done := make(chan error, 1)
	go func() { _, err := w.engine.Send(w.ctx); done <- err }()
	<-hanging
	_, err := engine.New(w.store, engine.Options{}).Send(w.ctx)
	w.must(err)
	close(release)
	w.must(<-done)
	earlier, later := mail, text
	if textFrom < mailFrom || textFrom == mailFrom && w.first(text.ID, mail.ID) {
		earlier, later = text, mail
	}
	if status, detail := w.last("c0", earlier.ID); status != campaigns.MessageSent {
		t.Errorf("%s, which was planned first, is %s: %s", earlier.Name, status, detail)
	}
	if status, detail := w.last("c0", later.ID); status != campaigns.MessageCancelled || !strings.HasPrefix(detail, "cap:") {
		t.Errorf("%s is %s: %s", later.Name, status, detail)
	}
}

// first says whether c0's message of one campaign has a lower id than that of another.
func (w *world) first(one, other campaigns.ID) bool {
	w.Helper()
	ids := map[campaigns.ID]string{}
	for _, m := range w.messages(store.MessageFilter{No: w.no("c0")}) {
		ids[m.CampaignID] = m.ID.String()
	}
	return ids[one] < ids[other]
}

package engine_test

import (
	"fmt"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

func TestWhoIsHeldOutStaysSoWhenAVariantReachesThemNoMore(t *testing.T) {
	w := newWorld(t, "2026-11-21T08:30:00+08:00")
	w.settings(func(s *campaigns.Workspace) { s.Caps = nil })
	both := func(i int, c *campaigns.Customer) {
		yes, phone := true, fmt.Sprintf("+86138000000%02d", i)
		c.Phone, c.SMSConsent = &phone, &yes
	}
	w.customers(40, both)
	text, half := w.sms("Hello"), 0.5
	c := w.campaign(func(d *campaigns.Definition) {
		daily(d)
		d.Holdout, d.Reach = &half, "any"
		d.Variants = append(d.Variants, campaigns.Variant{Name: "B", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: text})
	})
	w.clock.Advance(time.Hour)
	w.settle()
	ghosts := map[int64]bool{}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		ghosts[m.No] = m.Ghost
	}
	w.update(func(tx *store.Tx) error {
		no := false
		for i := range 40 {
			c, err := tx.LockCustomer(w.ctx, fmt.Sprint("c", i))
			if err != nil {
				return err
			}
			c.SMSConsent = &no
			if err := tx.SaveCustomer(w.ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	w.day()
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		if ghosts[m.No] != m.Ghost {
			t.Errorf("customer %d: a ghost first (%v), then not", m.No, ghosts[m.No])
		}
	}
}

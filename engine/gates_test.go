package engine_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// TestGatesAlwaysAddUpToTheAudience draws shops and campaigns at random: whatever the rule, the entry limit, the purpose
// and the channels, each customer of the audience stands at exactly one gate, and those who passed have one message each.
func TestGatesAlwaysAddUpToTheAudience(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	random := rand.New(rand.NewPCG(2, 7))
	cities := []string{"Shanghai", "Beijing", "Chengdu"}
	w.customers(400, func(i int, c *campaigns.Customer) {
		maybe := func(share float64) bool { return random.Float64() < share }
		c.City = &cities[random.IntN(3)]
		email, phone := fmt.Sprintf("c%d@example.com", random.IntN(350)), fmt.Sprintf("+8613800%06d", random.IntN(350))
		c.Email, c.Phone, c.EmailConsent, c.SMSConsent = nil, nil, nil, nil
		if maybe(0.8) {
			c.Email = &email
		}
		if maybe(0.7) {
			c.Phone = &phone
		}
		if yes := maybe(0.7); maybe(0.9) {
			c.EmailConsent = &yes
		}
		if yes := maybe(0.6); maybe(0.9) {
			c.SMSConsent = &yes
		}
		if maybe(0.1) {
			c.Name = nil
		}
	})
	sms := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: "s", Channel: campaigns.SMS, Parts: map[string]string{"text": "{{ customer.name }}, come by"}}}
	w.update(func(tx *store.Tx) error { return tx.CreateTemplate(w.ctx, &sms) })
	mail := w.template("Hi", "Hello {{ customer.city }}")
	rules := []string{"true", `city == "Shanghai"`, `city != "Beijing" && email != nil`, "false", `name == nil`}
	entries := []*campaigns.Entry{nil, {Limit: "once"}, {OncePer: "day"}, {OnceFor: "city"}}
	for round := range 20 {
		share := []float64{0, 0.1, 0.5}[random.IntN(3)]
		variants := []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: mail}}
		if random.IntN(2) == 0 {
			variants = append(variants, campaigns.Variant{Name: "B", Weight: 2, ChannelID: campaigns.Catcher, TemplateID: sms.ID})
		}
		rule := rules[random.IntN(len(rules))]
		c := w.campaign(func(d *campaigns.Definition) {
			d.Name, d.Rule, d.Holdout, d.Variants, d.Entry = fmt.Sprint("round ", round), rule, &share, variants, entries[random.IntN(len(entries))]
			d.Purpose = []string{"marketing", "service", "transactional"}[random.IntN(3)]
		})
		w.settle()
		w.checkGates(fmt.Sprint("round ", round), c.ID, rule)
	}
}

// checkGates holds a run against the rule's own count and against its messages.
func (w *world) checkGates(round string, campaign campaigns.ID, rule string) {
	w.Helper()
	count, err := w.engine.CountRule(w.ctx, rule, time.Time{}, "")
	w.must(err)
	run := w.runs(campaign)[0]
	sum := int64(0)
	for gate, n := range run.Gates {
		sum += n
		if listed := w.atGate(run.ID, campaigns.Gate(gate)); int64(len(listed)) != n {
			w.Errorf("%s: gate %s counts %d and lists %d", round, gate, n, len(listed))
		}
	}
	if run.Audience != count.Matching || sum != count.Matching || run.Status != campaigns.Done {
		w.Errorf("%s: the rule matches %d, the run's audience is %d, its gates add up to %d (%v)", round, count.Matching, run.Audience, sum, run.Gates)
	}
	sent, ghosts := map[string]bool{}, int64(0)
	for _, m := range w.messages(store.MessageFilter{Run: run.ID}) {
		if m.Ghost {
			ghosts++
			continue
		}
		if sent[m.Address] {
			w.Errorf("%s: %s got two messages", round, m.Address)
		}
		sent[m.Address] = true
	}
	late := int64(0)
	for _, n := range run.GhostGates {
		late += n
	}
	if int64(len(sent)) != run.Gates["passed"] || ghosts+late != run.Gates["holdout"] {
		w.Errorf("%s: %d sent, %d ghosts, gates %v, ghosts' gates %v", round, len(sent), ghosts, run.Gates, run.GhostGates)
	}
}

func (w *world) atGate(run campaigns.ID, gate campaigns.Gate) (nos []int64) {
	w.Helper()
	w.view(func(tx *store.Tx) (err error) {
		nos, err = tx.AtGate(w.ctx, run, gate, 0, 10000)
		return err
	})
	return nos
}

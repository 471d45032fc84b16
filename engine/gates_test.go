package engine_test

import (
	"context"
	"fmt"
	"maps"
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

// TestADryRunGivesTheTableOfARunAtThatMoment draws campaigns, tries each and runs it: gates, ghosts' gates and messages are
// the same, and the trial has left nothing behind.
func TestADryRunGivesTheTableOfARunAtThatMoment(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.settings(func(s *campaigns.Workspace) {
		s.GlobalHoldout, s.Excluded = 0.1, `city == "Chengdu" && name == "Customer 8"`
	})
	random := rand.New(rand.NewPCG(5, 1))
	cities := []string{"Shanghai", "Beijing", "Chengdu"}
	w.customers(300, func(i int, c *campaigns.Customer) {
		c.City = &cities[i%3]
		email, phone := fmt.Sprintf("c%d@example.com", random.IntN(250)), fmt.Sprintf("+8613800%06d", i)
		c.Email, c.Phone, c.SMSConsent = &email, &phone, c.EmailConsent
		if random.IntN(5) == 0 {
			c.EmailConsent = nil
		}
		if random.IntN(8) == 0 {
			c.Name = nil
		}
	})
	sms := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: "s", Channel: campaigns.SMS, Parts: map[string]string{"text": "{{ customer.name }}, come by"}}}
	w.update(func(tx *store.Tx) error { return tx.CreateTemplate(w.ctx, &sms) })
	mail := w.template("Hi", "Hello {{ customer.city }}")
	sample := 0.4
	limits := []*campaigns.Limited{nil, {Limit: 40}, {Limit: 50, OrderBy: "email desc"}, {Sample: &sample}}
	for round := range 12 {
		share := []float64{0, 0.1, 0.5}[random.IntN(3)]
		none := 0.0
		d := campaigns.Definition{Name: fmt.Sprint("round ", round), Kind: campaigns.Once, Rule: []string{"true", `city != "Beijing"`}[round%2], Holdout: &share,
			Audience: limits[random.IntN(len(limits))], Purpose: []string{"marketing", "service", "transactional"}[random.IntN(3)],
			Entry: []*campaigns.Entry{nil, {Limit: "once"}, {OnceFor: "city"}}[random.IntN(3)], Reach: []string{"", "any"}[random.IntN(2)],
			Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: mail}}}
		if share == 0 {
			d.Holdout = &none
		}
		if random.IntN(2) == 0 {
			d.Variants[0].Fallback = []campaigns.Way{{ChannelID: campaigns.Catcher, TemplateID: sms.ID}}
		}
		c, err := w.engine.CreateCampaign(w.ctx, "test", d)
		w.must(err)
		tried, err := w.engine.DryRunCampaign(w.ctx, c.ID, 0)
		w.must(err)
		if runs := w.runs(c.ID); len(runs) > 0 || len(w.messages(store.MessageFilter{Campaign: c.ID})) > 0 {
			t.Fatalf("%s left %d runs behind", d.Name, len(runs))
		}
		_, err = w.engine.MoveCampaign(w.ctx, "test", c.ID, 0, campaigns.Launch)
		w.must(err)
		w.settle()
		run, messages := w.runs(c.ID)[0], int64(0)
		for _, n := range run.Messages {
			messages += n
		}
		if tried.Audience != run.Audience || !maps.Equal(tried.Gates, run.Gates) || !maps.Equal(tried.GhostGates, run.GhostGates) || tried.Messages != messages {
			t.Errorf("%s %+v:\ntried %+v\nran   %v %v %v", d.Name, d, tried, run.Gates, run.GhostGates, run.Messages)
		}
		w.clock.Advance(time.Minute)
	}
}

// TestNobodyOfTheShopIsUnaccountedFor: who got it, who did not and why is said about every customer there is, and listing
// the gates one after another comes to the same.
func TestNobodyOfTheShopIsUnaccountedFor(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.settings(func(s *campaigns.Workspace) { s.GlobalHoldout = 0.1 })
	w.customers(200, func(i int, c *campaigns.Customer) {
		if i%7 == 0 {
			c.EmailConsent = nil
		}
		if i%11 == 0 {
			c.Name = nil
		}
	})
	c := w.campaign(func(d *campaigns.Definition) {
		h := 0.3
		d.Rule, d.Holdout, d.Audience = `id != "c3"`, &h, &campaigns.Limited{Limit: 120}
	})
	check := func(when string) {
		run := w.runs(c.ID)[0]
		listed := map[int64]campaigns.Gate{}
		for _, gate := range append(campaigns.Gates(), campaigns.GateEligible) {
			for _, no := range w.atGate(run.ID, gate) {
				if before, twice := listed[no]; twice {
					t.Errorf("%s: customer %d stands at %s and at %s", when, no, before, gate)
				}
				listed[no] = gate
			}
		}
		sum := int64(0)
		for _, n := range run.Gates {
			sum += n
		}
		if sum != 199 || run.Audience != 199 || len(listed) != 199 {
			t.Errorf("%s: gates add up to %d, %d are listed: %v", when, sum, len(listed), run.Gates)
		}
		w.view(func(tx *store.Tx) error {
			for no := range int64(200) {
				gate, _, err := tx.GateOf(w.ctx, run.ID, no+1)
				if want := listed[no+1]; err != nil || gate != want && (want != "" || gate != campaigns.GateRule) {
					t.Errorf("%s: customer %d stands at %s, listed at %q (%v)", when, no+1, gate, want, err)
				}
			}
			return nil
		})
	}
	w.engine.QueueApart()
	for _, step := range []func(context.Context) (int, error){w.engine.Tick, w.engine.Select} {
		_, err := step(w.ctx)
		w.must(err)
	}
	if run := w.runs(c.ID)[0]; run.Eligible == 0 || run.Gates["eligible"] != run.Eligible || run.Gates["limit"] != 199-run.Gates["consent"]-120 {
		t.Errorf("eligible %d, gates %v", run.Eligible, run.Gates)
	}
	check("before queueing")
	w.settle()
	check("when it was sent")
	w.must(w.store.Update(w.ctx, func(tx *store.Tx) error { return tx.MergeGates(w.ctx, w.runs(c.ID)[0].ID) }))
	check("folded again")
}

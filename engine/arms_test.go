package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// selected puts everybody of the shop into a campaign's run as those who passed the gates before the arms.
func (w *world) selected(c campaigns.ID) campaigns.Run {
	w.Helper()
	w.steps(w.engine.Tick)
	run := w.runs(c)[0]
	w.update(func(tx *store.Tx) error {
		var everybody []int64
		end, _, err := tx.CustomerSpan(w.ctx)
		if err != nil {
			return err
		}
		for no := int64(1); no < int64(end); no++ {
			everybody = append(everybody, no)
		}
		if run.Eligible, err = tx.SaveParts(w.ctx, run.ID, slices.Chunk(everybody, 32)); err != nil {
			return err
		}
		if _, err := tx.ClaimSelection(w.ctx, w.engine.Node(), tx.Now.Add(time.Minute)); err != nil {
			return err
		}
		run.Status = campaigns.Queueing
		return tx.SaveRun(w.ctx, &run, campaigns.Selecting, w.engine.Node(), tx.Now.Add(time.Minute))
	})
	return run
}

func (w *world) sms(text string) campaigns.ID {
	w.Helper()
	t := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: "s", Channel: campaigns.SMS, Parts: map[string]string{"text": text}}}
	w.update(func(tx *store.Tx) error { return tx.CreateTemplate(w.ctx, &t) })
	return t.ID
}

func TestWhoHasNoConsentToAVariantsChannelGetsItsFallbackAndGhostsLikewise(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(80, func(i int, c *campaigns.Customer) {
		yes, phone := true, fmt.Sprintf("+86138000000%02d", i)
		c.Phone, c.SMSConsent = &phone, &yes
		if i%2 == 0 {
			c.EmailConsent = nil
		}
	})
	text, half := w.sms("Hello"), 0.5
	c := w.campaign(func(d *campaigns.Definition) {
		d.Holdout = &half
		d.Variants[0].Fallback = []campaigns.Way{{ChannelID: campaigns.Catcher, TemplateID: text}}
	})
	w.selected(c.ID)
	w.settle()
	kinds := map[string]int{}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		want := campaigns.Email
		if (m.No-1)%2 == 0 {
			want = campaigns.SMS
		}
		if m.Channel != want {
			t.Errorf("customer %d (ghost: %v) by %s", m.No, m.Ghost, m.Channel)
		}
		kinds[fmt.Sprint(m.Channel, m.Ghost)]++
	}
	if len(kinds) != 4 {
		t.Errorf("%v", kinds)
	}
}

func TestWhomOnlySomeVariantsReachIsSentToOutsideTheComparison(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(90, func(i int, c *campaigns.Customer) {
		yes, phone := true, fmt.Sprintf("+86138000000%02d", i)
		if i%3 == 0 {
			c.Phone, c.SMSConsent = &phone, &yes
		}
	})
	text, half := w.sms("Hello"), 0.5
	c := w.campaign(func(d *campaigns.Definition) {
		d.Holdout, d.Reach = &half, "any"
		d.Variants = append(d.Variants, campaigns.Variant{Name: "B", Weight: 5, ChannelID: campaigns.Catcher, TemplateID: text})
	})
	run := w.selected(c.ID)
	w.settle()
	sent := 0
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		if outside := (m.No-1)%3 != 0; outside {
			sent++
			if m.Ghost || m.Variant != "A" {
				t.Errorf("customer %d: %s, ghost %v", m.No, m.Variant, m.Ghost)
			}
		}
	}
	w.view(func(tx *store.Tx) error {
		var nos []int64
		for no := range int64(91) {
			nos = append(nos, no)
		}
		arms, err := tx.Assignments(w.ctx, run.CampaignID, "", nos)
		if len(arms) != 30 || sent != 60 {
			t.Errorf("%d have an arm, %d were sent to outside", len(arms), sent)
		}
		return err
	})
}

// TestADryRunDecidesWhatARunThenDoes draws campaigns whose gates after the arms stop somebody each, and holds what is decided
// without writing against the run.
func TestADryRunDecidesWhatARunThenDoes(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.welcoming()
	random := rand.New(rand.NewPCG(3, 9))
	w.customers(200, func(i int, c *campaigns.Customer) {
		if city := "Shanghai"; i%7 > 0 {
			c.City = &city
		}
	})
	city := w.template("Hi", "In {{ customer.city }}")
	nos := make([]int64, 200)
	for i := range nos {
		nos[i] = int64(i + 1)
	}
	for round := range 12 {
		w.clock.Advance(time.Duration(random.IntN(20)) * time.Hour)
		share, most := []float64{0, 0.3}[random.IntN(2)], int64(random.IntN(150)+20)
		d := func(d *campaigns.Definition) {
			d.Name, d.Holdout, d.Variants[0].TemplateID = fmt.Sprint("round ", round), &share, city
			if random.IntN(2) == 0 {
				d.Budget = &campaigns.Budget{Messages: &most}
			}
			if random.IntN(3) == 0 {
				d.Capped = &campaigns.Capped{RetryFor: campaigns.Day}
			}
			if random.IntN(3) == 0 {
				d.Pace = &campaigns.Pace{PerHour: 50}
			}
		}
		c := w.campaign(d)
		var want map[campaigns.Gate]int64
		w.view(func(tx *store.Tx) (err error) {
			version, err := tx.CampaignVersion(w.ctx, c.ID, c.Version)
			if err == nil {
				want, err = w.engine.Decide(w.ctx, tx, version, nos, 32)
			}
			return err
		})
		w.selected(c.ID)
		for worked := 1; worked > 0; {
			var err error
			worked, err = w.engine.Queue(w.ctx)
			w.must(err)
		}
		run := w.runs(c.ID)[0]
		got, sum := map[campaigns.Gate]int64{}, int64(0)
		for gate, n := range run.Gates {
			got[campaigns.Gate(gate)], sum = n, sum+n
		}
		for gate, n := range run.GhostGates {
			got[campaigns.GhostGate(campaigns.Gate(gate))] = n
		}
		for gate, n := range got {
			if want[gate] != n {
				t.Errorf("round %d: %d at %s, decided were %d", round, n, gate, want[gate])
			}
		}
		if sum != 200 {
			t.Errorf("round %d: %d of 200 stand at a gate", round, sum)
		}
	}
}

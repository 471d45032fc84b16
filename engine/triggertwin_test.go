package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

var errUndo = errors.New("undone")

// What several campaigns let in at once is read and written by one statement each; it has to be what they would have let in
// one customer after another, each asking PostgreSQL for itself.
func TestWhatIsDecidedTogetherIsWhatIsDecidedOneByOne(t *testing.T) {
	round, passed := 0, 0
	rapid.Check(t, func(draw *rapid.T) {
		if round++; round > 4 {
			return // each is a shop of its own
		}
		w := newWorld(t, "2026-11-21T10:00:00+08:00")
		defer w.store.Close()
		live := w.drawShop(draw)
		for batch := range 3 {
			for i := range rapid.IntRange(5, 40).Draw(draw, "events") {
				customer := fmt.Sprintf("c%d", rapid.IntRange(0, 11).Draw(draw, "customer"))
				w.happens(customer, rapid.SampledFrom([]string{"visit", "visit", "cart"}).Draw(draw, "event"), fmt.Sprint(batch, "-", i))
			}
			together := w.decided(live, "together")
			for _, how := range []string{"apart", "one by one"} {
				if other := w.decided(live, how); !slices.Equal(together, other) {
					draw.Fatalf("batch %d: together\n%s\n\n%s\n%s", batch, strings.Join(without(together, other), "\n"), how, strings.Join(without(other, together), "\n"))
				}
			}
			passed += len(together)
			w.settle()
			w.clock.Advance(rapid.SampledFrom([]time.Duration{time.Second, time.Hour, 15 * time.Hour, 26 * time.Hour}).Draw(draw, "for"))
		}
	})
	if passed < 100 {
		t.Errorf("only %d rows were compared", passed)
	}
}

func without(rows, others []string) []string {
	return slices.DeleteFunc(slices.Clone(rows), func(row string) bool { return slices.Contains(others, row) })
}

// drawShop makes twelve customers and some campaigns of every kind of gate, live.
func (w *world) drawShop(draw *rapid.T) (live []campaigns.Campaign) {
	zones := []string{"Asia/Shanghai", "America/New_York", "Australia/Lord_Howe"}
	w.settings(func(s *campaigns.Workspace) {
		s.Excluded = rapid.SampledFrom([]string{`"staff" in tags`, `any(coupons, .state == "open")`, `"staff" in tags or count(messages) > 2`}).Draw(draw, "excluded")
		s.GlobalHoldout, s.Topics = rapid.SampledFrom([]float64{0, 0.2}).Draw(draw, "global holdout"), []campaigns.Topic{{Name: "news"}}
		s.Caps = []campaigns.Cap{{Channel: campaigns.Email, Max: 2, Window: campaigns.Day}, {Channel: campaigns.AnyChannel, Max: 3, Window: 3 * campaigns.Day}}
		if rapid.Bool().Draw(draw, "quiet") {
			s.QuietHours = campaigns.FreshWorkspace().QuietHours
		}
	})
	w.customers(12, func(i int, c *campaigns.Customer) {
		shared, phone, yes := "family@example.com", fmt.Sprintf("+861380000%04d", i), true
		c.Timezone, c.City = &zones[i%3], &zones[i%2]
		switch rapid.IntRange(0, 7).Draw(draw, "customer") {
		case 0:
			c.EmailConsent = nil
		case 1:
			c.Email = &shared
		case 2:
			c.Tags = []string{"staff"}
		case 3:
			c.Name = nil
		case 4:
			c.Email, c.Phone, c.SMSConsent = nil, &phone, &yes
		}
	})
	w.update(func(tx *store.Tx) error {
		return tx.Suppress(w.ctx, &campaigns.Suppression{Channel: campaigns.Email, Address: "c5@example.com", Reason: "bounced"})
	})
	for i, granted := range []bool{false, true} {
		w.say(fmt.Sprintf("c%d", 6+i), campaigns.Consent{Channel: campaigns.Email, Topic: "news", Granted: granted, At: w.clock.Now(), Source: "test"})
	}
	offers := []campaigns.ID{w.drawOffer(0), w.drawOffer(3)}
	mail, code, text := w.template("Hello {{ customer.name }}", "Hi {{ links.unsubscribe }}"), w.template("{{ offer.value }} off", "Show {{ code }} {{ links.unsubscribe }}"), w.sms("Hi")
	for range rapid.IntRange(3, 6).Draw(draw, "campaigns") {
		live = append(live, w.campaign(func(d *campaigns.Definition) { drawTriggered(draw, d, mail, code, text, offers) }))
	}
	_, err := w.engine.DrawGlobalHoldout(w.ctx)
	w.must(err)
	return live
}

func (w *world) drawOffer(total int64) campaigns.ID {
	o := campaigns.Offer{Status: campaigns.OfferLive, OfferDefinition: campaigns.OfferDefinition{Name: "Ten off", Effect: campaigns.Effect{Kind: "percent_off", Value: "10"}, Reach: "issued"}}
	if total > 0 {
		o.Limits.Total = &total
	}
	w.update(func(tx *store.Tx) error { return tx.CreateOffer(w.ctx, &o) })
	return o.ID
}

func drawTriggered(draw *rapid.T, d *campaigns.Definition, mail, code, text campaigns.ID, offers []campaigns.ID) {
	const cooling = campaigns.Duration(6 * time.Hour)
	share, every, most := rapid.SampledFrom([]float64{0, 0.3}).Draw(draw, "holdout"), cooling, int64(6)
	d.Kind, d.Holdout = campaigns.Triggered, &share
	d.Trigger = &campaigns.Trigger{Event: rapid.SampledFrom([]string{"visit", "visit", "cart"}).Draw(draw, "event")}
	d.Purpose = rapid.SampledFrom([]string{"marketing", "marketing", "marketing", "service", "transactional"}).Draw(draw, "purpose")
	d.Rule = rapid.SampledFrom([]string{"true", `city == "Asia/Shanghai"`, `any(events, .name == "visit")`}).Draw(draw, "rule")
	d.Priority = rapid.IntRange(0, 2).Draw(draw, "priority")
	d.Entry = rapid.SampledFrom([]*campaigns.Entry{nil, nil, nil, {Limit: "once"}, {OncePer: "day"}, {Every: &every}, {OnceFor: "city"}}).Draw(draw, "entry")
	d.Variants[0].TemplateID = mail
	switch rapid.IntRange(0, 4).Draw(draw, "variants") {
	case 0:
		d.Variants[0].Fallback = []campaigns.Way{{ChannelID: campaigns.Catcher, TemplateID: text}}
	case 1:
		d.Variants = append(d.Variants, campaigns.Variant{Name: "B", Weight: 2, ChannelID: campaigns.Catcher, TemplateID: text})
		d.Reach = rapid.SampledFrom([]string{campaigns.ReachEvery, campaigns.ReachAny}).Draw(draw, "reach")
	case 2, 3:
		d.OfferID, d.Variants[0].TemplateID = &offers[rapid.IntRange(0, 1).Draw(draw, "offer")], code
	}
	if rapid.Bool().Draw(draw, "topic") {
		d.Topic = "news"
	}
	if rapid.IntRange(0, 3).Draw(draw, "budget") == 0 {
		d.Budget = &campaigns.Budget{Messages: &most}
	}
	if rapid.IntRange(0, 3).Draw(draw, "pace") == 0 {
		d.Pace = &campaigns.Pace{PerHour: 10}
	}
	if rapid.Bool().Draw(draw, "retry") {
		d.Capped = &campaigns.Capped{RetryFor: 2 * campaigns.Day}
	}
	if rapid.IntRange(0, 3).Draw(draw, "never") == 0 {
		d.NeverHoldOut = `city == "America/New_York"`
	}
}

// decided are the rows that deciding about what happened would leave, in words, sorted; nothing of it is kept.
func (w *world) decided(live []campaigns.Campaign, how string) (rows []string) {
	w.Helper()
	w.must(w.store.MonthsOfMessages(w.ctx))
	err := w.store.Update(w.ctx, func(tx *store.Tx) error {
		rows = nil
		if err := w.engine.DecideSignals(w.ctx, tx, how); err != nil {
			return err
		}
		if left, err := tx.Signals(w.ctx, []int16{0}, 1); err != nil || how != "one by one" && len(left) > 0 {
			return fmt.Errorf("signals are left: %v, %w", left, err)
		}
		var nos []int64
		for i := range 12 {
			c, err := tx.Customer(w.ctx, fmt.Sprintf("c%d", i))
			if err != nil {
				return err
			}
			nos = append(nos, c.No)
		}
		for i := range live {
			own, err := w.rowsOf(tx, &live[i], i, nos)
			if err != nil {
				return err
			}
			rows = append(rows, own...)
		}
		return errUndo
	})
	if !errors.Is(err, errUndo) {
		w.Fatalf("%s: %v", how, err)
	}
	slices.Sort(rows)
	return rows
}

// rowsOf are a campaign's messages, entries, arms, gates, and what its budget and offer have left.
func (w *world) rowsOf(tx *store.Tx, c *campaigns.Campaign, i int, nos []int64) (rows []string, err error) {
	row := func(kind string, of ...any) { rows = append(rows, fmt.Sprint(i, " ", kind, " ", of)) }
	messages, err := tx.Messages(w.ctx, store.MessageFilter{Campaign: c.ID, Limit: 10000})
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		row("message", m.No, m.Version, m.Variant, m.Ghost, m.Channel, m.Address, m.Code != "", m.Status, m.PlannedAt, m.NotAfter, m.Exempt, m.CostMicros)
	}
	entries, err := tx.EntriesOf(w.ctx, c.ID, nos)
	if err != nil {
		return nil, err
	}
	for no, h := range entries {
		slices.Sort(h.Keys)
		row("entry", no, h.N, h.Last, h.Keys)
	}
	arms, err := tx.Assignments(w.ctx, c.ID, engine.PeriodOf(c, tx), nos)
	if err != nil {
		return nil, err
	}
	for no, a := range arms {
		due := "never"
		if a.DueAt != nil {
			due = a.DueAt.String()
		}
		row("arm", no, a.Arm, a.Bucket, due)
	}
	runs, err := tx.Runs(w.ctx, c.ID, time.Time{}, 100)
	if err != nil {
		return nil, err
	}
	for _, r := range runs {
		walked, to, err := tx.Walked(w.ctx, r.ID)
		if err != nil {
			return nil, err
		}
		row("run", r.Occurrence, r.Version, r.Audience, r.Gates, r.GhostGates, r.Messages, walked, to)
	}
	spent, err := tx.Spent(w.ctx, c.ID, c.Version, false)
	if err != nil {
		return nil, err
	}
	row("spent", spent)
	if c.OfferID != nil {
		left, _, err := tx.Room(w.ctx, *c.OfferID, false)
		if err != nil {
			return nil, err
		}
		row("room", left)
	}
	return rows, nil
}

package engine_test

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// A world is a shop on a fresh database with a clock that the test moves.
type world struct {
	*testing.T
	ctx    context.Context
	clock  *storetest.Clock
	store  *store.Store
	engine *engine.Engine
}

func newWorld(t *testing.T, now string) *world {
	clock := storetest.NewClock(t, now)
	s := storetest.Open(t, clock.Now)
	w := &world{t, context.Background(), clock, s, engine.New(s, engine.Options{BaseURL: "http://127.0.0.1:8080"})}
	w.settings(func(s *campaigns.Workspace) { s.GlobalHoldout, s.Caps, s.QuietHours = 0, nil, nil })
	return w
}

// welcoming has the limits of a fresh workspace. Other worlds begin without its global holdout, caps and quiet hours, which
// would keep some customer or other from the messages that a test counts.
func (w *world) welcoming() {
	w.Helper()
	w.settings(func(s *campaigns.Workspace) {
		fresh := campaigns.FreshWorkspace()
		s.Caps, s.QuietHours = fresh.Caps, fresh.QuietHours
	})
}

// settings changes the workspace.
func (w *world) settings(change func(s *campaigns.Workspace)) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		s, err := tx.LockWorkspace(w.ctx)
		if err != nil {
			return err
		}
		change(s)
		return tx.SaveWorkspace(w.ctx, s)
	})
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) update(do func(tx *store.Tx) error) { w.Helper(); w.must(w.store.Update(w.ctx, do)) }
func (w *world) view(do func(tx *store.Tx) error)   { w.Helper(); w.must(w.store.View(w.ctx, do)) }

// customers makes n customers with consent and an e-mail address of their own, and lets the test change each.
func (w *world) customers(n int, change func(i int, c *campaigns.Customer)) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		for i := range n {
			yes, name, email := true, fmt.Sprintf("Customer %d", i), fmt.Sprintf("c%d@example.com", i)
			c := &campaigns.Customer{ID: fmt.Sprintf("c%d", i), Name: &name, Email: &email, EmailConsent: &yes}
			if change != nil {
				change(i, c)
			}
			if err := tx.SaveCustomer(w.ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
}

func (w *world) template(subject, text string) campaigns.ID {
	w.Helper()
	t := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: "t", Channel: campaigns.Email, Parts: map[string]string{"subject": subject, "text": text}}}
	w.update(func(tx *store.Tx) error {
		if _, err := engine.ParseTemplate(w.ctx, tx, &t.TemplateDefinition); err != nil {
			return err
		}
		return tx.CreateTemplate(w.ctx, &t)
	})
	return t.ID
}

// campaign makes and launches a campaign of one variant through the catcher.
func (w *world) campaign(change func(d *campaigns.Definition)) campaigns.Campaign {
	w.Helper()
	none := 0.0
	d := campaigns.Definition{Name: "Test", Kind: campaigns.Once, Rule: "true", Holdout: &none,
		Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher}}}
	change(&d)
	if d.Variants[0].TemplateID == (campaigns.ID{}) {
		d.Variants[0].TemplateID = w.template("Hello {{ customer.name }}", "Hi {{ customer.name }}, see {{ links.unsubscribe }}")
	}
	c, err := w.engine.CreateCampaign(w.ctx, "test", d)
	w.must(err)
	c, err = w.engine.MoveCampaign(w.ctx, "test", c.ID, 0, campaigns.Launch)
	w.must(err)
	return c
}

func (w *world) runs(c campaigns.ID) (runs []campaigns.Run) {
	w.Helper()
	w.view(func(tx *store.Tx) (err error) {
		runs, err = tx.Runs(w.ctx, c, time.Time{}, 100)
		return err
	})
	return runs
}

func (w *world) messages(f store.MessageFilter) (messages []campaigns.Message) {
	w.Helper()
	if f.Limit == 0 {
		f.Limit = 1000
	}
	w.view(func(tx *store.Tx) (err error) {
		messages, err = tx.Messages(w.ctx, f)
		return err
	})
	return messages
}

func (w *world) settle() { w.Helper(); w.must(w.engine.Settle(w.ctx)) }

func TestEveryoneInTheAudienceStandsAtExactlyOneGate(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(200, func(i int, c *campaigns.Customer) {
		shared := "family@example.com"
		switch {
		case i < 10:
			c.EmailConsent = nil
		case i < 20:
			c.Email = nil
		case i < 25:
			c.Email = &shared
		case i < 30:
			c.Name = nil
		case i >= 180:
			city := "Beijing"
			c.City = &city
		}
	})
	w.update(func(tx *store.Tx) error {
		for i := range 5 {
			s := &campaigns.Suppression{Channel: campaigns.Email, Address: fmt.Sprintf("c%d@example.com", 40+i), Reason: "bounced"}
			if err := tx.Suppress(w.ctx, s); err != nil {
				return err
			}
		}
		return nil
	})
	c := w.campaign(func(d *campaigns.Definition) { d.Rule = `city != "Beijing"`; h := 0.2; d.Holdout = &h })
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Status != campaigns.Done || run.Audience != 180 {
		t.Fatalf("run %+v", run)
	}
	want := map[string]int64{"consent": 10, "address": 10, "suppressed": 5, "duplicate_address": 4}
	for gate, n := range want {
		if run.Gates[gate] != n {
			t.Errorf("gate %s holds %d, want %d", gate, run.Gates[gate], n)
		}
	}
	sum := int64(0)
	for _, n := range run.Gates {
		sum += n
	}
	if sum != run.Audience || run.Gates["passed"] != run.Messages["sent"] || run.Gates["holdout"] < 10 || run.Gates["holdout"] > 60 {
		t.Errorf("gates %v, messages %v", run.Gates, run.Messages)
	}
	if run.Gates["template"]+run.GhostGates["template"] != 5 {
		t.Errorf("5 customers have no name: %v %v", run.Gates, run.GhostGates)
	}
	w.view(func(tx *store.Tx) error {
		for id, want := range map[string]campaigns.Gate{"c0": "consent", "c12": "address", "c40": "suppressed", "c190": "rule"} {
			c, err := tx.Customer(w.ctx, id)
			if err != nil {
				return err
			}
			gate, _, err := tx.GateOf(w.ctx, run.ID, c.No)
			if err != nil || gate != want {
				t.Errorf("%s stands at %s, want %s (%v)", id, gate, want, err)
			}
		}
		return nil
	})
}

func TestAMessageIsRenderedForItsCustomerAndKeptByTheCatcher(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(3, nil)
	c := w.campaign(func(*campaigns.Definition) {})
	w.settle()
	messages := w.messages(store.MessageFilter{Campaign: c.ID})
	if len(messages) != 3 {
		t.Fatalf("%d messages", len(messages))
	}
	for _, m := range messages {
		if m.Status != campaigns.MessageSent || m.Content["subject"] != "Hello Customer "+m.CustomerID[1:] || m.Address != m.CustomerID+"@example.com" {
			t.Errorf("message %+v", m)
		}
		if len(m.History) != 3 || m.History[1].Status != campaigns.MessageSending || m.History[2].Status != campaigns.MessageSent {
			t.Errorf("history %+v", m.History)
		}
	}
}

func TestAOnceCampaignEndsAndIsNeverEnteredTwice(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(10, nil)
	c := w.campaign(func(*campaigns.Definition) {})
	w.settle()
	w.settle()
	w.view(func(tx *store.Tx) error {
		got, err := tx.Campaign(w.ctx, c.ID)
		if got.Status != campaigns.Completed {
			t.Errorf("status %s", got.Status)
		}
		return err
	})
	if n := len(w.messages(store.MessageFilter{Campaign: c.ID})); n != 10 {
		t.Errorf("%d messages", n)
	}
}

func TestAReportBeforeAnyWindowHasEndedSaysSo(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(40, nil)
	half := 0.5
	c := w.campaign(func(d *campaigns.Definition) { d.Holdout = &half })
	w.settle()
	report, err := w.engine.Report(w.ctx, c.ID)
	w.must(err)
	if r := report.Metrics[0].Lifts[0].Refused; r == nil || r.Reason != "immature" {
		t.Errorf("no lift because of %+v", r)
	}
}

func TestARecurringCampaignRunsOncePerTickAndKeepsArmsAndEntryLimits(t *testing.T) {
	w := newWorld(t, "2026-11-21T08:00:00+08:00")
	w.customers(100, nil)
	c := w.campaign(func(d *campaigns.Definition) {
		d.Kind, d.Schedule = campaigns.Recurring, &campaigns.Schedule{Cron: "0 9 * * *", Zone: "Asia/Shanghai"}
		d.Entry = &campaigns.Entry{OncePer: "week"}
		h := 0.3
		d.Holdout = &h
	})
	arms := map[int64]string{}
	for range 15 * 24 {
		w.clock.Advance(time.Hour)
		w.settle()
	}
	runs := w.runs(c.ID)
	if len(runs) != 15 {
		t.Fatalf("%d runs in 15 days", len(runs))
	}
	count := map[int64]int{}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		count[m.No]++
		if was, seen := arms[m.No]; seen && was != m.Variant {
			t.Errorf("customer %d changed from %s to %s", m.No, was, m.Variant)
		}
		arms[m.No] = m.Variant
	}
	for no, n := range count {
		if n != 3 { // the 21st and 22nd are one ISO week, then two more weeks
			t.Errorf("customer %d has %d entries in three weeks", no, n)
		}
	}
	if len(count) != 100 {
		t.Errorf("%d customers entered", len(count))
	}
}

func TestATickMissedForLongIsRecordedAndNotSent(t *testing.T) {
	w := newWorld(t, "2026-11-21T08:00:00+08:00")
	w.customers(5, nil)
	c := w.campaign(func(d *campaigns.Definition) {
		d.Kind, d.Schedule = campaigns.Recurring, &campaigns.Schedule{Cron: "0 9 * * *", Zone: "Asia/Shanghai"}
	})
	w.clock.Advance(12 * time.Hour)
	w.settle()
	runs := w.runs(c.ID)
	if len(runs) != 1 || runs[0].Status != campaigns.Stopped || runs[0].Reason == "" {
		t.Fatalf("runs %+v", runs)
	}
	w.clock.Advance(13*time.Hour + time.Minute)
	w.settle()
	if runs = w.runs(c.ID); len(runs) != 2 || runs[0].Messages["sent"] != 5 {
		t.Fatalf("runs %+v", runs)
	}
}

func TestWhoWithdrawsConsentAfterQueueingIsNotSentTo(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(4, nil)
	c := w.campaign(func(*campaigns.Definition) {})
	for _, do := range []func(context.Context) (int, error){w.engine.Tick, w.engine.Select, w.engine.Queue} {
		_, err := do(w.ctx)
		w.must(err)
	}
	w.update(func(tx *store.Tx) error {
		customer, err := tx.Customer(w.ctx, "c1")
		if err != nil {
			return err
		}
		if err := tx.AddConsent(w.ctx, customer.No, campaigns.Consent{Channel: campaigns.Email, At: tx.Now, Source: "test"}); err != nil {
			return err
		}
		return tx.Suppress(w.ctx, &campaigns.Suppression{Channel: campaigns.Email, Address: "c2@example.com", Reason: "complained"})
	})
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Messages["sent"] != 2 || run.Messages["cancelled"] != 2 || run.Status != campaigns.Done {
		t.Errorf("messages %v, status %s", run.Messages, run.Status)
	}
}

func TestACancelledCampaignDropsWhatIsQueued(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(6, nil)
	c := w.campaign(func(*campaigns.Definition) {})
	for _, do := range []func(context.Context) (int, error){w.engine.Tick, w.engine.Select, w.engine.Queue} {
		_, err := do(w.ctx)
		w.must(err)
	}
	_, err := w.engine.MoveCampaign(w.ctx, "test", c.ID, 0, campaigns.Pause)
	w.must(err)
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["queued"] != 6 {
		t.Fatalf("a paused campaign sent: %v", run.Messages)
	}
	_, err = w.engine.MoveCampaign(w.ctx, "test", c.ID, 0, campaigns.Cancel)
	w.must(err)
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Messages["cancelled"] != 6 || run.Status != campaigns.Stopped || run.Reason == "" {
		t.Errorf("run %+v", run)
	}
}

func TestAMessageThatComesTooLateExpires(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(3, nil)
	c := w.campaign(func(d *campaigns.Definition) { short := campaigns.Duration(time.Hour); d.ValidFor = &short })
	for _, do := range []func(context.Context) (int, error){w.engine.Tick, w.engine.Select, w.engine.Queue} {
		_, err := do(w.ctx)
		w.must(err)
	}
	w.clock.Advance(2 * time.Hour)
	w.settle()
	if run := w.runs(c.ID)[0]; run.Messages["expired"] != 3 || run.Status != campaigns.Done {
		t.Errorf("messages %v, status %s", run.Messages, run.Status)
	}
}

func TestARunThatIsSelectedOnTwoNodesIsQueuedOnce(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(500, nil)
	c := w.campaign(func(d *campaigns.Definition) { h := 0.1; d.Holdout = &h })
	nodes := []*engine.Engine{w.engine, engine.New(w.store, engine.Options{}), engine.New(w.store, engine.Options{})}
	errs := make(chan error, len(nodes))
	for _, node := range nodes {
		go func() { errs <- node.Settle(w.ctx) }()
	}
	for range nodes {
		w.must(<-errs)
	}
	w.clock.Advance(time.Minute)
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Audience != 500 || run.Gates["passed"]+run.Gates["holdout"] != 500 || run.Messages["sent"] != run.Gates["passed"] {
		t.Errorf("gates %v, messages %v", run.Gates, run.Messages)
	}
}

func TestACooldownLiesBetweenPlannedTimesHoweverQuickARunIs(t *testing.T) {
	w := newWorld(t, "2026-11-21T08:00:00+08:00")
	w.customers(5, nil)
	week := 7 * campaigns.Day
	c := w.campaign(func(d *campaigns.Definition) {
		d.Kind, d.Schedule = campaigns.Recurring, &campaigns.Schedule{Cron: "0 9 * * 1", Zone: "Asia/Shanghai"}
		d.Entry = &campaigns.Entry{Every: &week}
	})
	monday := time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
	for i, slow := range []time.Duration{50, 10, 20} {
		w.clock.Set(monday.AddDate(0, 0, 7*i).Add(slow * time.Second))
		w.settle()
	}
	if n := len(w.messages(store.MessageFilter{Campaign: c.ID})); n != 15 {
		t.Errorf("%d messages to five customers on three Mondays", n)
	}
}

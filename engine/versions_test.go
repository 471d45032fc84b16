package engine_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// daily is a campaign that runs at 09:00 in Shanghai.
func daily(d *campaigns.Definition) {
	d.Kind, d.Schedule = campaigns.Recurring, &campaigns.Schedule{Cron: "0 9 * * *", Zone: "Asia/Shanghai"}
}

func (w *world) newest(id campaigns.ID) (c campaigns.Campaign) {
	w.Helper()
	w.view(func(tx *store.Tx) (err error) {
		c, err = tx.Campaign(w.ctx, id)
		return err
	})
	return c
}

// edit writes a new version.
func (w *world) edit(id campaigns.ID, change func(d *campaigns.Definition)) campaigns.Campaign {
	w.Helper()
	d := w.newest(id).Definition
	change(&d)
	c, err := w.engine.EditCampaign(w.ctx, "test", id, 0, d)
	w.must(err)
	return c
}

func (w *world) move(id campaigns.ID, move campaigns.Move) campaigns.Campaign {
	w.Helper()
	c, err := w.engine.MoveCampaign(w.ctx, "test", id, 0, move)
	w.must(err)
	return c
}

// day passes until 09:30 of the next day in Shanghai, and what is due is done.
func (w *world) day() { w.Helper(); w.clock.Advance(24 * time.Hour); w.settle() }

// perCustomer is how many messages each customer was sent.
func (w *world) perCustomer(id campaigns.ID) map[string]int {
	w.Helper()
	count := map[string]int{}
	for _, m := range w.messages(store.MessageFilter{Campaign: id}) {
		if m.Status == campaigns.MessageSent {
			count[m.CustomerID]++
		}
	}
	return count
}

// An edited live campaign that sends twice is what a peer is known for.
func TestAnEditedLiveCampaignNeverSendsTheSameThingTwice(t *testing.T) {
	week := 7 * campaigns.Day
	for _, c := range []struct {
		what          string
		before, after *campaigns.Entry
	}{
		{"once, as before", &campaigns.Entry{Limit: "once"}, &campaigns.Entry{Limit: "once"}},
		{"a month after a week", &campaigns.Entry{OncePer: "week"}, &campaigns.Entry{OncePer: "month"}},
		{"once after a day", &campaigns.Entry{OncePer: "day"}, &campaigns.Entry{Limit: "once"}},
		{"a cool-down after a day", &campaigns.Entry{OncePer: "day"}, &campaigns.Entry{Every: &week}},
		{"a week after each run", nil, &campaigns.Entry{OncePer: "week"}},
		{"once for a value, as before", &campaigns.Entry{OnceFor: "name"}, &campaigns.Entry{OnceFor: "name"}},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := newWorld(t, "2026-11-09T09:30:00+08:00") // a Monday
			w.customers(6, nil)
			made := w.campaign(func(d *campaigns.Definition) { daily(d); d.Entry = c.before })
			w.day()
			edited := w.edit(made.ID, func(d *campaigns.Definition) {
				d.Entry, d.Name = c.after, "Edited"
				d.Variants[0].TemplateID = w.template("Other words", "Hello")
			})
			if edited.Version != 2 || edited.LiveVersion != 1 || edited.Status != campaigns.Active {
				t.Fatalf("after the edit: version %d, live %d, %s", edited.Version, edited.LiveVersion, edited.Status)
			}
			if launched := w.move(made.ID, campaigns.Launch); launched.LiveVersion != 2 || launched.Status != campaigns.Active {
				t.Fatalf("after the launch: live %d, %s", launched.LiveVersion, launched.Status)
			}
			w.settle()
			for range 3 {
				w.day()
			}
			runs := w.runs(made.ID)
			if len(runs) != 4 || runs[0].Version != 2 || runs[3].Version != 1 {
				t.Errorf("runs %+v", runs)
			}
			for id, n := range w.perCustomer(made.ID) {
				if n != 1 {
					t.Errorf("%s was sent %d messages", id, n)
				}
			}
		})
	}
}

func TestAnotherExpressionOfEntriesCannotReplaceTheOneInEffect(t *testing.T) {
	w := newWorld(t, "2026-11-09T09:30:00+08:00")
	made := w.campaign(func(d *campaigns.Definition) { daily(d); d.Entry = &campaigns.Entry{OnceFor: "year(today)"} })
	w.edit(made.ID, func(d *campaigns.Definition) { d.Entry = &campaigns.Entry{OnceFor: "month(today)"} })
	if _, err := w.engine.MoveCampaign(w.ctx, "test", made.ID, 0, campaigns.Launch); campaigns.CodeOf(err) != campaigns.CodeInvalid || !strings.Contains(err.Error(), "entry.once_for") {
		t.Errorf("launched: %v", err)
	}
}

func TestRunsKeepTheLaunchedVersionUntilTheNextIsLaunched(t *testing.T) {
	w := newWorld(t, "2026-11-09T09:30:00+08:00")
	w.customers(3, nil)
	made := w.campaign(daily)
	w.edit(made.ID, func(d *campaigns.Definition) { d.Rule, d.Schedule.Cron = "false", "0 20 * * *" })
	w.day()
	if runs := w.runs(made.ID); len(runs) != 1 || runs[0].Version != 1 || runs[0].Audience != 3 {
		t.Fatalf("a draft changed what runs: %+v", runs)
	}
	w.move(made.ID, campaigns.Pause)
	if c := w.move(made.ID, campaigns.Launch); c.Status != campaigns.Paused || c.NextRunAt.UTC().Hour() != 12 {
		t.Errorf("launched while paused: %s, next at %v", c.Status, c.NextRunAt)
	}
	w.move(made.ID, campaigns.Resume)
	w.day()
	if runs := w.runs(made.ID); len(runs) != 2 || runs[0].Version != 2 || runs[0].Audience != 0 {
		t.Errorf("runs %+v", runs)
	}
}

func TestAnEditOfWhatACampaignUsesIsToldAndMakesOneDraft(t *testing.T) {
	w := newWorld(t, "2026-11-09T09:30:00+08:00")
	w.customers(2, nil)
	_, err := w.engine.CreateSegment(w.ctx, "test", campaigns.SegmentDefinition{Name: "all", Rule: "true"})
	w.must(err)
	_, err = w.engine.DefineAttribute(w.ctx, "test", campaigns.Attribute{Name: "half", Computed: "total_spend / 2"}, nil)
	w.must(err)
	running := w.campaign(func(d *campaigns.Definition) {
		daily(d)
		d.Rule, d.Still = `segment("all")`, "half == nil || true"
	})
	template := running.Variants[0].TemplateID
	w.clock.Advance(time.Second) // the younger one is told of last
	draft, err := w.engine.CreateCampaign(w.ctx, "test", campaigns.Definition{Name: "Draft", Kind: campaigns.Once, Rule: "true", Holdout: running.Holdout, Variants: running.Variants})
	w.must(err)
	by := campaigns.Actor{ID: "key", Name: "Bob"}
	touch := func() (uses []engine.CampaignUse) {
		w.update(func(tx *store.Tx) error {
			changed, err := tx.LockTemplate(w.ctx, template)
			if err != nil {
				return err
			}
			changed.Parts = map[string]string{"subject": "New", "text": "new"}
			if err := tx.SaveTemplate(w.ctx, &changed); err != nil {
				return err
			}
			uses, err = w.engine.Spread(w.ctx, tx, by, engine.Edited{Template: template})
			return err
		})
		return uses
	}
	if uses := touch(); len(uses) != 2 || uses[0] != (engine.CampaignUse{ID: running.ID, Name: "Test", Status: campaigns.Scheduled}) || uses[1].ID != draft.ID {
		t.Errorf("used by %+v", uses)
	}
	if c := w.newest(running.ID); c.Version != 2 || c.LiveVersion != 1 || c.Review.State != campaigns.ReviewDraft || c.Author != "key" || c.CreatedBy != "Bob" {
		t.Errorf("%+v", c)
	}
	if c := w.newest(draft.ID); c.Version != 1 {
		t.Errorf("a draft has version %d", c.Version)
	}
	touch()
	_, uses, err := w.engine.SpreadSegment(w.ctx, by, "all", 0, campaigns.SegmentDefinition{Name: "all", Rule: "name != nil"})
	w.must(err)
	if c := w.newest(running.ID); c.Version != 2 || len(uses) != 1 || uses[0].ID != running.ID {
		t.Errorf("version %d, used by %+v", c.Version, uses)
	}
	w.day()
	if m := w.messages(store.MessageFilter{Campaign: running.ID}); len(m) != 2 || !strings.HasPrefix(m[0].Content["subject"], "Hello") {
		t.Errorf("what runs has other words: %+v", m)
	}
	w.move(running.ID, campaigns.Launch)
	_, uses, err = w.engine.SpreadAttribute(w.ctx, by, campaigns.Attribute{Name: "half", Computed: "total_spend / 3"}, nil)
	w.must(err)
	if c := w.newest(running.ID); c.Version != 3 || len(uses) != 1 {
		t.Errorf("version %d, used by %+v", c.Version, uses)
	}
	w.day()
	if m := w.messages(store.MessageFilter{Campaign: running.ID}); len(m) != 4 || m[0].Content["subject"] != "New" {
		t.Errorf("what was launched has the old words: %+v", m)
	}
}

func TestWhatWasApprovedIsSentWhateverWasEditedSince(t *testing.T) {
	w := newWorld(t, "2026-11-09T09:30:00+08:00")
	w.customers(3, nil)
	w.settings(func(ws *campaigns.Workspace) { ws.Approvals = true })
	_, err := w.engine.CreateSegment(w.ctx, "test", campaigns.SegmentDefinition{Name: "all", Rule: "true"})
	w.must(err)
	none := 0.0
	template := w.template("As approved", "Hi")
	c, err := w.engine.CreateCampaign(w.ctx, "ann", campaigns.Definition{Name: "Reviewed", Kind: campaigns.Once, Rule: `segment("all")`, Holdout: &none, Author: "key-ann",
		Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: template}}})
	w.must(err)
	if _, err := w.engine.MoveCampaign(w.ctx, "ann", c.ID, 0, campaigns.Launch); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("launched without approval: %v", err)
	}
	ann, bob := campaigns.Actor{ID: "key-ann", Name: "ann"}, campaigns.Actor{ID: "key-bob", Name: "bob"}
	c, err = w.engine.SubmitCampaign(w.ctx, ann, c.ID, 1)
	w.must(err)
	if c.Status != campaigns.InReview || c.Review.Audience == nil || *c.Review.Audience != 3 || len(c.Review.Hash) != 64 {
		t.Errorf("submitted: %s %+v", c.Status, c.Review)
	}
	if _, err := w.engine.ApproveCampaign(w.ctx, ann, c.ID, 0, ""); campaigns.CodeOf(err) != campaigns.CodeForbidden {
		t.Errorf("the author approves: %v", err)
	}
	approved, err := w.engine.ApproveCampaign(w.ctx, bob, c.ID, 1, c.Review.Hash)
	w.must(err)
	w.update(func(tx *store.Tx) error {
		changed, err := tx.LockTemplate(w.ctx, template)
		if err != nil {
			return err
		}
		changed.Parts = map[string]string{"subject": "Sneaked in", "text": "x"}
		if err := tx.SaveTemplate(w.ctx, &changed); err != nil {
			return err
		}
		_, err = w.engine.Spread(w.ctx, tx, ann, engine.Edited{Template: template})
		return err
	})
	_, _, err = w.engine.SpreadSegment(w.ctx, ann, "all", 0, campaigns.SegmentDefinition{Name: "all", Rule: "false"})
	w.must(err)
	launched, err := w.engine.MoveCampaign(w.ctx, "ann", c.ID, 0, campaigns.Launch)
	w.must(err)
	w.settle()
	if launched.LiveVersion != 1 || launched.Review.Hash != approved.Review.Hash {
		t.Errorf("version %d of hash %s was launched, version 1 of %s approved", launched.LiveVersion, launched.Review.Hash, approved.Review.Hash)
	}
	if m := w.messages(store.MessageFilter{Campaign: c.ID}); len(m) != 3 || m[0].Content["subject"] != "As approved" {
		t.Errorf("sent: %+v", m)
	}
}

func TestAHashChangesWithEachPartThatAVersionUses(t *testing.T) {
	w := newWorld(t, "2026-11-09T09:30:00+08:00")
	made := w.campaign(daily)
	hashes := func() map[string]string {
		w.move(made.ID, campaigns.Launch)
		return w.newest(made.ID).Frozen.Hashes
	}
	before := made.Frozen.Hashes
	w.edit(made.ID, func(*campaigns.Definition) {})
	if c := w.move(made.ID, campaigns.Launch); c.Frozen.Hash != made.Frozen.Hash {
		t.Errorf("the same has another hash: %v, %v", c.Frozen.Hashes, before)
	}
	w.edit(made.ID, func(d *campaigns.Definition) { h := 0.3; d.Holdout = &h })
	if after := hashes(); after["holdout"] == before["holdout"] || after["rule"] != before["rule"] {
		t.Errorf("another holdout: %v, %v", before, after)
	}
	w.edit(made.ID, func(d *campaigns.Definition) { d.Still = "name != nil" })
	if after := hashes(); after["rule"] == before["rule"] {
		t.Error("another rule has the same hash")
	}
	key := "template " + made.Variants[0].TemplateID.String()
	w.update(func(tx *store.Tx) error {
		changed, err := tx.LockTemplate(w.ctx, made.Variants[0].TemplateID)
		if err != nil {
			return err
		}
		changed.Parts = map[string]string{"subject": "x", "text": "y"}
		return tx.SaveTemplate(w.ctx, &changed)
	})
	w.edit(made.ID, func(*campaigns.Definition) {})
	if after := hashes(); after[key] == before[key] || before[key] == "" {
		t.Error("another template has the same hash")
	}
}

func TestAnOfferThatWouldNotLastIsRefusedWithTheFigures(t *testing.T) {
	w := newWorld(t, "2026-11-09T09:30:00+08:00")
	w.customers(50, nil)
	few := int64(19)
	o := campaigns.Offer{Status: campaigns.OfferLive, OfferDefinition: campaigns.OfferDefinition{Name: "Ten off", Effect: campaigns.Effect{Kind: "percent_off", Value: "10"}, Limits: campaigns.OfferLimits{Total: &few}}}
	w.update(func(tx *store.Tx) error { return tx.CreateOffer(w.ctx, &o) })
	template, share := w.template("Hi", "Hello"), 0.2
	d := campaigns.Definition{Name: "Few", Kind: campaigns.Once, Rule: "true", Holdout: &share, Variants: []campaigns.Variant{
		{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: template}, {Name: "B", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: template, OfferID: &o.ID}}}
	launch := func(d campaigns.Definition) error {
		c, err := w.engine.CreateCampaign(w.ctx, "test", d)
		w.must(err)
		_, err = w.engine.MoveCampaign(w.ctx, "test", c.ID, 0, campaigns.Launch)
		return err
	}
	if err := launch(d); err == nil || !strings.Contains(err.Error(), `variants[1].offer_id: the offer "Ten off" has 19 uses left, and about 20 of the 50 customers would get it`) {
		t.Errorf("launched: %v", err)
	}
	limited := d
	limited.Audience = &campaigns.Limited{Limit: 47}
	w.must(launch(limited))
	firstCome := false
	d.Guards = &campaigns.Guards{Codes: &firstCome}
	w.must(launch(d))
}

func TestWhatAnyRuleOfACampaignOrTheWorkspaceUsesStays(t *testing.T) {
	w := newWorld(t, "2026-11-09T09:30:00+08:00")
	uses := map[string]func(d *campaigns.Definition){
		"still":    func(d *campaigns.Definition) { d.Still = `segment("still")` },
		"never":    func(d *campaigns.Definition) { d.NeverHoldOut = `segment("never")` },
		"order":    func(d *campaigns.Definition) { d.Audience = &campaigns.Limited{Limit: 5, OrderBy: `order_value desc`} },
		"entered":  func(d *campaigns.Definition) { *d = triggeredBy(*d, "entered") },
		"excluded": nil,
	}
	for name, use := range uses {
		_, err := w.engine.CreateSegment(w.ctx, "test", campaigns.SegmentDefinition{Name: name, Rule: "true"})
		w.must(err)
		if name == "order" {
			_, err := w.engine.DefineAttribute(w.ctx, "test", campaigns.Attribute{Name: "order_value", Computed: `segment("order") ? total_spend : 0`}, nil)
			w.must(err)
		}
		if use == nil {
			w.settings(func(ws *campaigns.Workspace) { ws.Excluded = `segment("excluded")` })
			continue
		}
		made := w.campaign(func(d *campaigns.Definition) { daily(d); use(d) })
		if _, frozen := made.Frozen.Segments[name]; !frozen {
			t.Errorf("%s is not frozen: %v", name, made.Frozen.Segments)
		}
	}
	for name := range uses {
		if err := w.engine.DeleteSegment(w.ctx, "test", name, 0); campaigns.CodeOf(err) != campaigns.CodeConflict {
			t.Errorf("the segment %q is deleted: %v", name, err)
		}
	}
	if err := w.engine.DeleteAttribute(w.ctx, "test", "order_value"); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("the attribute of an order is deleted: %v", err)
	}
}

func triggeredBy(d campaigns.Definition, segment string) campaigns.Definition {
	d.Kind, d.Schedule, d.Trigger = campaigns.Triggered, nil, &campaigns.Trigger{Event: campaigns.TriggerSegmentEntered, Segment: segment}
	return d
}

func TestAnAttributeOfTheVersionInEffectStaysWhenTheDraftDoesWithoutIt(t *testing.T) {
	w := newWorld(t, "2026-11-09T09:30:00+08:00")
	_, err := w.engine.RegisterAttribute(w.ctx, "test", campaigns.Attribute{Name: "skin", Type: "text"}, nil)
	w.must(err)
	made := w.campaign(func(d *campaigns.Definition) { daily(d); d.Rule = `skin == "dry"` })
	w.edit(made.ID, func(d *campaigns.Definition) { d.Rule = "true" })
	if err := w.engine.DeleteAttribute(w.ctx, "test", "skin"); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("what runs has lost its attribute: %v", err)
	}
	w.move(made.ID, campaigns.Launch)
	w.must(w.engine.DeleteAttribute(w.ctx, "test", "skin"))
}

func TestARecurringCampaignIsCompletedAfterItsLastDay(t *testing.T) {
	w := newWorld(t, "2026-11-09T09:30:00+08:00")
	w.customers(1, nil)
	until := w.clock.Now().Add(48 * time.Hour)
	made := w.campaign(func(d *campaigns.Definition) { daily(d); d.Until = &until })
	for range 4 {
		w.day()
	}
	if c := w.newest(made.ID); c.Status != campaigns.Completed || len(w.runs(made.ID)) != 2 {
		t.Errorf("%s after %d runs", c.Status, len(w.runs(made.ID)))
	}
}

func TestWhatDoesNotCompileIsNamedByItsField(t *testing.T) {
	w := newWorld(t, "2026-11-09T09:30:00+08:00")
	for field, spoil := range map[string]func(d *campaigns.Definition){
		"audience.order_by": func(d *campaigns.Definition) { d.Audience = &campaigns.Limited{Limit: 5, OrderBy: "spent desc"} },
		"still":             func(d *campaigns.Definition) { d.Still = "citi == 1" },
		"never_hold_out":    func(d *campaigns.Definition) { d.NeverHoldOut = "1" },
		"entry.once_for":    func(d *campaigns.Definition) { d.Entry = &campaigns.Entry{OnceFor: "yeer(today)"} },
		"budget.cost":       func(d *campaigns.Definition) { d.Budget = &campaigns.Budget{Cost: "1.999"} },
		"trigger.segment":   func(d *campaigns.Definition) { *d = triggeredBy(*d, "nothing") },
		"trigger.attribute": func(d *campaigns.Definition) {
			*d = triggeredBy(*d, "")
			d.Trigger = &campaigns.Trigger{Event: campaigns.TriggerCustomerUpdated, Attribute: "nothing"}
		},
	} {
		none := 0.0
		d := campaigns.Definition{Name: "x", Kind: campaigns.Once, Rule: "true", Holdout: &none,
			Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: w.template("Hi", "Hello")}}}
		spoil(&d)
		if _, err := w.engine.CreateCampaign(w.ctx, "test", d); err == nil || !strings.HasPrefix(err.Error(), field+": ") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestACopyIsADraftAndADraftCanBeDeleted(t *testing.T) {
	w := newWorld(t, "2026-11-09T09:30:00+08:00")
	made := w.campaign(daily)
	copied, err := w.engine.CopyCampaign(w.ctx, campaigns.Actor{ID: "key", Name: "Bob"}, made.ID, "")
	w.must(err)
	if copied.Status != campaigns.Draft || copied.Version != 1 || copied.Name != "Test (copy)" || copied.Salt == made.Salt || copied.CreatedBy != "Bob" || copied.Author != "key" {
		t.Errorf("%+v", copied)
	}
	if err := w.engine.DeleteCampaign(w.ctx, "test", made.ID, 0); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("what was launched is deleted: %v", err)
	}
	w.must(w.engine.DeleteCampaign(w.ctx, "test", copied.ID, 0))
	w.view(func(tx *store.Tx) error {
		if _, err := tx.Campaign(w.ctx, copied.ID); campaigns.CodeOf(err) != campaigns.CodeNotFound {
			t.Errorf("it is still there: %v", err)
		}
		return nil
	})
}

func TestTwoEditsAtTheSameTimeAreBothMade(t *testing.T) {
	w := newWorld(t, "2026-11-09T09:30:00+08:00")
	made := w.campaign(daily)
	edit := func() error {
		_, err := w.engine.EditCampaign(w.ctx, "test", made.ID, 0, made.Definition)
		return err
	}
	move := func(move campaigns.Move) func() error {
		return func() error { _, err := w.engine.MoveCampaign(w.ctx, "test", made.ID, 0, move); return err }
	}
	for range 5 {
		for i, err := range together(edit, edit, move(campaigns.Pause), edit) {
			if err != nil {
				t.Errorf("change %d: %v", i, err)
			}
		}
		w.move(made.ID, campaigns.Resume)
	}
	if c := w.newest(made.ID); c.Version != 16 {
		t.Errorf("version %d", c.Version)
	}
}

// TestWhateverIsEditedNobodyEntersTwiceInOneStretch walks at random through days, edits of the entry limit, launches and
// pauses: under the version that sent a message, the customer had no other message in the same stretch.
func TestWhateverIsEditedNobodyEntersTwiceInOneStretch(t *testing.T) {
	for seed := range uint64(3) {
		random := rand.New(rand.NewPCG(seed, 9))
		w := newWorld(t, "2026-11-09T09:30:00+08:00")
		w.customers(5, nil)
		limits := []*campaigns.Entry{{OncePer: "day"}, {OncePer: "week"}, {OncePer: "month"}, {OncePer: "year"}}
		made := w.campaign(func(d *campaigns.Definition) { daily(d); d.Entry = limits[0] })
		for range 20 {
			switch random.IntN(4) {
			case 0:
				w.edit(made.ID, func(d *campaigns.Definition) { d.Entry = limits[random.IntN(len(limits))] })
				if random.IntN(3) > 0 {
					w.move(made.ID, campaigns.Launch)
				}
			case 1:
				w.move(made.ID, campaigns.Pause)
				w.move(made.ID, campaigns.Resume)
			default:
				w.clock.Advance(time.Duration(1+random.IntN(3)) * 24 * time.Hour)
				w.settle()
			}
		}
		w.checkStretches(made.ID)
	}
}

func (w *world) checkStretches(id campaigns.ID) {
	w.Helper()
	sent := map[string][]campaigns.Message{}
	for _, m := range w.messages(store.MessageFilter{Campaign: id}) {
		sent[m.CustomerID] = append(sent[m.CustomerID], m)
	}
	if len(sent) == 0 {
		w.Error("nobody was sent anything")
	}
	w.view(func(tx *store.Tx) error {
		for customer, messages := range sent {
			for _, m := range messages {
				c, err := tx.CampaignVersion(w.ctx, id, m.Version)
				if err != nil {
					return err
				}
				stretch, _ := c.EntryKey(m.QueuedAt)
				for _, other := range messages {
					if key, _ := c.EntryKey(other.QueuedAt); other.QueuedAt.Before(m.QueuedAt) && key == stretch {
						w.Errorf("%s got messages at %v and %v, both in %s", customer, other.QueuedAt, m.QueuedAt, stretch)
					}
				}
			}
		}
		return nil
	})
}

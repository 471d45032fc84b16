package engine_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// together does things at the same time and gives their errors.
func together(do ...func() error) []error {
	errs := make([]error, len(do))
	var all sync.WaitGroup
	for i := range do {
		all.Go(func() { errs[i] = do[i]() })
	}
	all.Wait()
	return errs
}

func TestTwoEditsThatMakeACircleTogetherAreNotBothMade(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	for round := range 5 {
		one, two := fmt.Sprintf("一 %d", round), fmt.Sprintf("two %d", round)
		for _, name := range []string{one, two} {
			_, err := w.engine.CreateSegment(w.ctx, "test", campaigns.SegmentDefinition{Name: name, Rule: "true"})
			w.must(err)
		}
		edit := func(name, rule string) func() error {
			return func() error {
				_, err := w.engine.EditSegment(w.ctx, "test", name, 0, campaigns.SegmentDefinition{Name: name, Rule: rule})
				return err
			}
		}
		errs := together(edit(one, fmt.Sprintf("segment(%q)", two)), edit(two, fmt.Sprintf("segment(%q)", one)))
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("the edits end with %v and %v", errs[0], errs[1])
		}
		for _, name := range []string{one, two} {
			_, err := w.engine.CountRule(w.ctx, fmt.Sprintf("segment(%q)", name), time.Time{}, "")
			w.must(err)
		}
	}
}

func TestASegmentIsNotDeletedBesideALaunch(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	template := w.template("Hello", "Hi {{ links.unsubscribe }}")
	for round := range 5 {
		name := fmt.Sprintf("s%d", round)
		_, err := w.engine.CreateSegment(w.ctx, "test", campaigns.SegmentDefinition{Name: name, Rule: "true"})
		w.must(err)
		var made campaigns.Campaign
		errs := together(func() (err error) {
			made, err = w.engine.CreateCampaign(w.ctx, "test", campaigns.Definition{Name: name, Kind: campaigns.Once, Rule: fmt.Sprintf("segment(%q)", name),
				Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: template}}})
			if err == nil {
				_, err = w.engine.MoveCampaign(w.ctx, "test", made.ID, 0, campaigns.Launch)
			}
			return err
		}, func() error { return w.engine.DeleteSegment(w.ctx, "test", name, 0) })
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("the launch ends with %v, the deletion with %v", errs[0], errs[1])
		}
	}
}

func TestATemplateIsNotSavedBesideTheEndOfItsAttribute(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	for round := range 5 {
		name := fmt.Sprintf("fact%d", round)
		_, err := w.engine.RegisterAttribute(w.ctx, "test", campaigns.Attribute{Name: name, Type: "text"}, nil)
		w.must(err)
		errs := together(func() error {
			return w.store.Update(w.ctx, func(tx *store.Tx) error {
				if err := tx.HoldDefinitions(w.ctx); err != nil {
					return err
				}
				printed := campaigns.Template{TemplateDefinition: campaigns.TemplateDefinition{Name: name, Channel: campaigns.Email, Parts: map[string]string{"subject": "{{ customer." + name + " }}", "text": "x"}}}
				if _, err := engine.ParseTemplate(w.ctx, tx, &printed.TemplateDefinition); err != nil {
					return err
				}
				return tx.CreateTemplate(w.ctx, &printed)
			})
		}, func() error { return w.engine.DeleteAttribute(w.ctx, "test", name) })
		if (errs[0] == nil) == (errs[1] == nil) {
			t.Fatalf("the template ends with %v, the deletion with %v", errs[0], errs[1])
		}
	}
}

func TestADeletedAttributeDoesNotHoldUpThoseWhoReadCustomers(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(3, nil)
	_, err := w.engine.RegisterAttribute(w.ctx, "test", campaigns.Attribute{Name: "skin", Type: "text"}, nil)
	w.must(err)
	w.view(func(tx *store.Tx) error {
		if _, err := tx.Customer(w.ctx, "c1"); err != nil {
			return err
		}
		if err := w.engine.DeleteAttribute(w.ctx, "test", "skin"); campaigns.CodeOf(err) != campaigns.CodeUnavailable {
			t.Errorf("it ends with %v while customers are read", err)
		}
		return nil
	})
	w.must(w.engine.DeleteAttribute(w.ctx, "test", "skin"))
}

func TestSegmentsThatGrowExponentiallyAreRefusedAtOnce(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	rule, start := "purchase_count > 0", time.Now()
	for i := range 40 {
		name := fmt.Sprintf("s%d", i)
		_, err := w.engine.CreateSegment(w.ctx, "test", campaigns.SegmentDefinition{Name: name, Rule: rule})
		if err != nil {
			if !strings.Contains(err.Error(), "more than 1000 parts") {
				t.Error(err)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
			return
		}
		rule = fmt.Sprintf("segment(%q) || segment(%q)", name, name)
	}
	t.Error("segments of 2^40 parts are accepted")
}

func TestACountEndsWhenNobodyWaitsForIt(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(3, nil)
	ctx, cancel := context.WithCancel(w.ctx)
	cancel()
	if _, err := w.engine.CountRule(ctx, "percentile(total_spend) > 3", time.Time{}, ""); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
}

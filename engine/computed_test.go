package engine_test

import (
	"strings"
	"testing"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

func TestATemplatePrintsAComputedAttributeAsItWasWhenLaunched(t *testing.T) {
	w := rankedWorld(t)
	define := func(name, expression string) error {
		_, err := w.engine.DefineAttribute(w.ctx, "test", campaigns.Attribute{Name: name, Computed: expression}, nil)
		return err
	}
	w.must(define("worth", "total_spend * 2"))
	w.must(define("half", "worth / 4"))
	w.must(define("next_day", "date(last_purchase_at)"))
	w.must(define("fifth", "ntile(total_spend, 5)"))
	template := w.template("{{ customer.worth }}", "{{ customer.half }} {{ customer.next_day }} {{ links.unsubscribe }}")
	c := w.campaign(func(d *campaigns.Definition) {
		d.Rule, d.Variants[0].TemplateID = `id == "c3"`, template
	})
	if c.Frozen.Computed["worth"] != "total_spend * 2" || c.Frozen.Computed["half"] != "worth / 4" {
		t.Errorf("frozen are %v", c.Frozen.Computed)
	}
	w.must(define("worth", "total_spend * 3"))
	if err := w.engine.DeleteAttribute(w.ctx, "test", "worth"); campaigns.CodeOf(err) != campaigns.CodeConflict || !strings.Contains(err.Error(), `the campaign "Test"`) {
		t.Errorf("an attribute that a campaign prints is deleted: %v", err)
	}
	w.settle()
	sent := w.messages(store.MessageFilter{Campaign: c.ID})
	if len(sent) != 1 {
		t.Fatalf("%d messages", len(sent))
	}
	parts, err := w.engine.MessageContent(w.ctx, &sent[0])
	w.must(err)
	if parts["subject"] != "60.00" || !strings.HasPrefix(parts["text"], "15 2026-11-21 ") {
		t.Errorf("sent is %q", parts)
	}
	preview, err := w.engine.Preview(w.ctx, engine.Trial{Template: template}, "c3")
	w.must(err)
	if preview.Parts["subject"] != "90.00" {
		t.Errorf("previewed is %q", preview.Parts)
	}
	_, err = w.engine.CreateSegment(w.ctx, "test", campaigns.SegmentDefinition{Name: "top", Rule: "fifth == 5"})
	w.must(err)
	w.update(func(tx *store.Tx) error {
		printed := campaigns.TemplateDefinition{Name: "Place", Channel: campaigns.Email, Parts: map[string]string{"subject": "{{ customer.fifth }}", "text": "x {{ links.unsubscribe }}"}}
		if _, err := engine.ParseTemplate(w.ctx, tx, &printed); campaigns.CodeOf(err) != campaigns.CodeInvalid {
			t.Errorf("a place among others is printed: %v", err)
		}
		return nil
	})
}

func TestAMessageSaysWhatItSaidAfterItsAttributeIsGone(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	_, err := w.engine.RegisterAttribute(w.ctx, "test", campaigns.Attribute{Name: "skin", Type: "text"}, nil)
	w.must(err)
	w.customers(1, func(_ int, c *campaigns.Customer) { c.Attributes = map[string]any{"skin": "dry"} })
	template := w.template("For {{ customer.skin }} skin", "Hi {{ links.unsubscribe }}")
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].TemplateID = template })
	w.settle()
	if err := w.engine.DeleteAttribute(w.ctx, "test", "skin"); campaigns.CodeOf(err) != campaigns.CodeConflict || !strings.Contains(err.Error(), `the template "t"`) {
		t.Fatalf("an attribute that a template prints is deleted: %v", err)
	}
	w.update(func(tx *store.Tx) error { return tx.DeleteTemplate(w.ctx, template) })
	w.must(w.engine.DeleteAttribute(w.ctx, "test", "skin"))
	sent := w.messages(store.MessageFilter{Campaign: c.ID})
	if len(sent) != 1 {
		t.Fatalf("%d messages", len(sent))
	}
	again := engine.New(w.store, engine.Options{BaseURL: "http://127.0.0.1:8080"}) // it has no template in memory
	parts, err := again.MessageContent(w.ctx, &sent[0])
	w.must(err)
	if parts["subject"] != "For dry skin" {
		t.Errorf("it says %q", parts)
	}
}

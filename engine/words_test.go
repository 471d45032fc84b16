package engine_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// written keeps a template as the API would.
func (w *world) written(d campaigns.TemplateDefinition) campaigns.ID {
	w.Helper()
	if d.Name == "" {
		d.Name = "t"
	}
	t := campaigns.Template{TemplateDefinition: d}
	w.update(func(tx *store.Tx) error {
		if _, err := engine.ParseTemplate(w.ctx, tx, &t.TemplateDefinition); err != nil {
			return err
		}
		return tx.CreateTemplate(w.ctx, &t)
	})
	return t.ID
}

func (w *world) speaking(languages ...string) {
	w.Helper()
	w.customers(len(languages), func(i int, c *campaigns.Customer) {
		if languages[i] != "" {
			c.Language = &languages[i]
		}
	})
}

func bilingual() campaigns.TemplateDefinition {
	return campaigns.TemplateDefinition{Channel: campaigns.Email, Language: "zh",
		Parts: map[string]string{"subject": "{{ customer.name }}您好", "html": "<style>p{margin:0}</style><p>{{ customer.total_spend | money }} {{ customer.registered_at | date }}</p>"},
		Languages: map[string]map[string]string{
			"en":    {"subject": "Hello {{ customer.name }}", "text": "{{ customer.total_spend | money }}"},
			"en-US": {"subject": "Hi {{ customer.name }}", "text": "{{ customer.total_spend | money }} {{ customer.city }}"}}}
}

func TestCustomersAreWrittenToInTheirLanguageAndWhatWasSentIsReadAgain(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.speaking("zh-CN", "en", "en-US", "en_GB", "fr", "", "EN-us")
	w.update(func(tx *store.Tx) error {
		for i := range 7 {
			c, err := tx.LockCustomer(w.ctx, fmt.Sprintf("c%d", i))
			if err != nil {
				return err
			}
			now, city := tx.Now, "Rome"
			c.RegisteredAt = &now
			if i != 6 {
				c.City = &city
			}
			if err := tx.SaveCustomer(w.ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
	in := newInbox(t)
	channel := w.smtpChannel(in)
	id := w.written(bilingual())
	c := w.campaign(func(d *campaigns.Definition) {
		d.Variants[0].TemplateID, d.Variants[0].ChannelID, d.Tracking = id, channel, new(false)
	})
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Gates["template"] != 1 || run.Messages["sent"] != 6 { // c6 lacks a city, which only the American words print
		t.Fatalf("gates %v, messages %v", run.Gates, run.Messages)
	}
	// Whatever changes now, what was said stays: the settings, the customers, the template.
	w.settings(func(s *campaigns.Workspace) { s.Languages, s.Zone = []string{"de"}, "Europe/Berlin" })
	w.customersChange()
	w.update(func(tx *store.Tx) error { return tx.DeleteTemplate(w.ctx, id) })
	other := engine.New(w.store, engine.Options{})
	subjects := map[string]string{"c0": "Customer 0您好", "c1": "Hello Customer 1", "c2": "Hi Customer 2", "c3": "Hello Customer 3", "c4": "Customer 4您好", "c5": "Customer 5您好"}
	languages := map[string]string{"c1": "en", "c2": "en-us", "c3": "en"}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		parts, err := other.MessageContent(w.ctx, &m)
		if err != nil || parts["subject"] != subjects[m.CustomerID] || m.Language != languages[m.CustomerID] || m.ContentHash == nil {
			t.Errorf("%s in %q says %q (%v)", m.CustomerID, m.Language, parts, err)
		}
		if m.Language == "" && parts["html"] != `<style>p{margin:0}</style><p style="margin:0">¥0.00 2026年11月21日</p>` || m.Language == "en" && parts["text"] != "CNY 0.00" {
			t.Errorf("%s: %q", m.CustomerID, parts)
		}
		m.Language = "en-us"
		if _, err := other.MessageContent(w.ctx, &m); m.CustomerID == "c1" && campaigns.CodeOf(err) == "" {
			t.Error("what was not sent passes for what was")
		}
	}
}

// customersChange gives everybody another name and language.
func (w *world) customersChange() {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		all, err := tx.ListCustomers(w.ctx, 0, 1000)
		if err != nil {
			return err
		}
		for _, c := range all {
			name, language := "Somebody else", "ja"
			c.Name, c.Language = &name, &language
			if err := tx.SaveCustomer(w.ctx, c); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestALanguageIsCheckedLikeTheParts(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	for name, c := range map[string]struct {
		change func(d *campaigns.TemplateDefinition)
		field  string
	}{
		"an unknown variable": {func(d *campaigns.TemplateDefinition) { d.Languages["en"]["subject"] = "{{ customer.nmae }}" }, "languages.en.subject"},
		"a part too few":      {func(d *campaigns.TemplateDefinition) { delete(d.Languages["en"], "subject") }, "languages.en.subject"},
		"no tag":              {func(d *campaigns.TemplateDefinition) { d.Languages["English!"] = d.Languages["en"] }, "languages.English!"},
		"twice":               {func(d *campaigns.TemplateDefinition) { d.Languages["en_us"] = d.Languages["en"] }, "languages.en_us"},
		"an unknown policy": {func(d *campaigns.TemplateDefinition) {
			d.Variables = map[string]campaigns.VariablePolicy{"customer.nmae": {Missing: "refuse"}}
		}, "variables.customer.nmae"},
	} {
		t.Run(name, func(t *testing.T) {
			d := bilingual()
			d.Languages = map[string]map[string]string{"en": maps.Clone(d.Languages["en"]), "en-US": d.Languages["en-US"]}
			c.change(&d)
			err := w.store.View(w.ctx, func(tx *store.Tx) error { _, err := engine.ParseTemplate(w.ctx, tx, &d); return err })
			found := problemsOf(err)
			if !slices.ContainsFunc(found, func(p campaigns.Problem) bool { return p.Field == c.field }) {
				t.Errorf("%+v (%v), want one of %s", found, err, c.field)
			}
		})
	}
}

func problemsOf(err error) []campaigns.Problem {
	if wrong, is := err.(*campaigns.Error); is {
		return wrong.Problems
	}
	return nil
}

func TestAPreviewShowsTheCustomersLanguageOrAnother(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.speaking("en", "zh")
	id := w.written(campaigns.TemplateDefinition{Channel: campaigns.SMS, Parts: map[string]string{"text": "{{ customer.name }}您好 {{ code }}"},
		Languages: map[string]map[string]string{"en": {"text": "Hello {{ customer.name }}"}}})
	english := "en-GB"
	for _, c := range []struct {
		trial              engine.Trial
		customer, language string
		text, encoding     string
	}{
		{engine.Trial{Template: id}, "c0", "en", "Hello Customer 0", "gsm7"},
		{engine.Trial{Template: id}, "c1", "", "Customer 1您好 ", "ucs2"},
		{engine.Trial{Template: id, Language: &english}, "c1", "en", "Hello Customer 1", "gsm7"},
		{engine.Trial{Definition: &campaigns.TemplateDefinition{Channel: campaigns.SMS, Parts: map[string]string{"text": "{{ 5 | money }}"}}}, "c1", "", "¥5.00", "gsm7"},
	} {
		got, err := w.engine.Preview(w.ctx, c.trial, c.customer)
		w.must(err)
		if got.Language != c.language || !strings.HasPrefix(got.Parts["text"], c.text) || got.SMS == nil || got.SMS.Encoding != c.encoding {
			t.Errorf("%+v %+v, want %+v", got, got.SMS, c)
		}
	}
	_, err := w.engine.Preview(w.ctx, engine.Trial{Definition: &campaigns.TemplateDefinition{Channel: campaigns.SMS, Parts: map[string]string{"text": "{{ nobody }}"}}}, "c1")
	if found := problemsOf(err); len(found) != 1 || found[0].Field != "parts.text" {
		t.Errorf("%v", err)
	}
}

func TestACheckFindsExactlyThoseWhoWouldGetNoMessage(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	const n = 12_000
	w.customers(n, func(i int, c *campaigns.Customer) {
		language, phone, long := "en", fmt.Sprintf("+861380%07d", i), strings.Repeat("x", 1900)
		c.Language, c.Phone = &language, &phone
		switch {
		case i%100 == 3:
			c.Name = nil
		case i%1000 == 7:
			c.Name, c.City, c.Tier = &long, &long, &long // together more than what is kept with a message
		case i%2 == 0:
			language := "zh-CN"
			c.Language = &language
		}
		if i%1000 != 7 {
			city := "Rome"
			c.City, c.Tier = &city, &city
		}
	})
	price := campaigns.ChannelSettings{CostPerSegment: "0.05"}
	w.update(func(tx *store.Tx) error {
		return tx.CreateChannel(w.ctx, &campaigns.Channel{ID: "sms", Name: "sms", Kind: campaigns.KindCatcher, Settings: price})
	})
	id := w.written(campaigns.TemplateDefinition{Channel: campaigns.SMS, Parts: map[string]string{"text": "Hello {{ customer.name }}"},
		Languages: map[string]map[string]string{"zh": {"text": strings.Repeat("好", 70) + "{{ customer.name }}"}, "en": {"text": "Hello {{ customer.name }} {{ customer.city }} {{ customer.tier }}"}}})
	started := time.Now()
	got, err := w.engine.CheckTemplate(w.ctx, engine.Trial{Template: id, ChannelID: "sms"}, `name != "Customer 1"`)
	w.must(err)
	t.Logf("%d customers in %v", got.Customers, time.Since(started))
	const lacking, long, others = n / 100, n / 1000, n/2 - n/100 - n/1000
	if got.Customers != n-1 || got.FailedCount != lacking+long || got.Rendered != n-1-lacking-long || len(got.Failed) != 100 {
		t.Errorf("%+v", got)
	}
	if got.ByLanguage["zh"] != n/2 || got.ByLanguage["en"] != others-1 || got.ByLanguage["parts"] != 0 {
		t.Errorf("languages %v", got.ByLanguage)
	}
	if s := got.SMS; s.Segments["1"] != others-1 || s.Segments["2"] != n/2 || s.TotalSegments != others-1+n || s.UCS2 != n/2 ||
		s.Cost != campaigns.Decimal(campaigns.FormatMoney((others-1+n)*50_000, 6)) {
		t.Errorf("%+v", s)
	}
	listed := map[string]int{}
	w.must(w.engine.EachFailure(w.ctx, got, func(some []engine.CheckFailure) error {
		for _, f := range some {
			listed[f.Variable]++
			if f.CustomerID == "" || f.Variable == "" && !strings.Contains(f.Message, "4 KB") {
				t.Errorf("%+v", f)
			}
		}
		return nil
	}))
	if listed["customer.name"] != lacking || listed[""] != long {
		t.Errorf("listed %v", listed)
	}
}

func TestALaunchIsRefusedWhileSomebodyLacksWhatNobodyMayLack(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(50, func(i int, c *campaigns.Customer) {
		city, empty, zh := "Rome", "", "zh"
		c.City = &city
		switch {
		case i < 3:
			c.City = nil
		case i == 3:
			c.City = &empty
		case i == 4:
			c.City, c.Language = nil, &zh // whose words do not print it
		case i == 5:
			c.City, c.Tier = nil, &city // whom the rule leaves out
		}
	})
	for name, c := range map[string]struct{ variable, text string }{
		"a column":         {"customer.city", "{{ customer.city }}"},
		"what is computed": {"points.expiring", "{% if customer.city == nil or customer.city == '' %}{{ points.expiring }}{% endif %}"},
	} {
		t.Run(name, func(t *testing.T) {
			d := campaigns.TemplateDefinition{Channel: campaigns.Email, Parts: map[string]string{"subject": "s", "text": c.text}, Language: "en",
				Languages: map[string]map[string]string{"zh": {"subject": "s", "text": "t"}}, Variables: map[string]campaigns.VariablePolicy{c.variable: {Missing: "refuse"}}}
			none := 0.0
			draft, err := w.engine.CreateCampaign(w.ctx, "test", campaigns.Definition{Name: "Test", Kind: campaigns.Once, Rule: "tier == nil", Holdout: &none,
				Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: w.written(d)}}})
			w.must(err)
			for try, do := range map[string]func() error{
				"launch": func() error {
					_, err := w.engine.MoveCampaign(w.ctx, "test", draft.ID, 0, campaigns.Launch)
					return err
				},
				"submit": func() error {
					_, err := w.engine.SubmitCampaign(w.ctx, campaigns.Actor{ID: "k", Name: "test"}, draft.ID, 0)
					return err
				},
			} {
				found := problemsOf(do())
				if len(found) != 1 || found[0].Field != "variants[0].template_id" || !strings.Contains(found[0].Message, "4 customers") || !strings.Contains(found[0].Message, "c0, c1, c2, c3") {
					t.Errorf("%s: %+v", try, found)
				}
			}
			w.update(func(tx *store.Tx) error {
				kept, err := tx.LockTemplate(w.ctx, draft.Variants[0].TemplateID)
				if err != nil {
					return err
				}
				kept.Variables = map[string]campaigns.VariablePolicy{c.variable: {Missing: "skip"}}
				return tx.SaveTemplate(w.ctx, &kept)
			})
			_, err = w.engine.MoveCampaign(w.ctx, "test", draft.ID, 0, campaigns.Launch)
			w.must(err)
		})
	}
}

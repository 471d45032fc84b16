package engine_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// a provider is an HTTP service in the test's process that keeps what it is asked.
type provider struct {
	*httptest.Server
	mu     sync.Mutex
	bodies []string
}

func newProvider(t *testing.T, answer func(w http.ResponseWriter, body string)) *provider {
	t.Helper()
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.bodies = append(p.bodies, string(body))
		p.mu.Unlock()
		answer(w, string(body))
	}))
	t.Cleanup(p.Close)
	return p
}

func (p *provider) seen() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string{}, p.bodies...)
}

func (w *world) gateway(id string, s campaigns.ChannelSettings) {
	w.Helper()
	c := campaigns.Channel{ID: id, Name: id, Kind: campaigns.KindGateway, Settings: s}
	w.update(func(tx *store.Tx) error {
		if err := w.engine.CheckChannel(w.ctx, tx, &c); err != nil {
			return err
		}
		return tx.CreateChannel(w.ctx, &c)
	})
}

// saved keeps a template as the API does.
func (w *world) saved(d campaigns.TemplateDefinition) campaigns.ID {
	w.Helper()
	t := campaigns.Template{TemplateDefinition: d}
	w.update(func(tx *store.Tx) error {
		if _, err := engine.ParseTemplate(w.ctx, tx, &t.TemplateDefinition); err != nil {
			return err
		}
		return tx.CreateTemplate(w.ctx, &t)
	})
	return t.ID
}

func withPhone(i int, c *campaigns.Customer) {
	phone, yes := fmt.Sprintf("+8613800138%03d", i), true
	c.Phone, c.SMSConsent = &phone, &yes
}

func TestARegisteredTemplateIsSentByItsCodeAndReadAgainAsItWas(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	p := newProvider(t, func(w http.ResponseWriter, _ string) { fmt.Fprint(w, `{"id":"x"}`) })
	w.gateway("reg", campaigns.ChannelSettings{GatewaySettings: campaigns.GatewaySettings{URL: p.URL, Answer: &campaigns.GatewayAnswer{ID: "id"},
		Body: `{"to":{{ message.to }},"code":{{ template.code }},"params":{{ template.params }},"inner":"{{ template.params }}"}`}})
	template := w.saved(campaigns.TemplateDefinition{Name: "t", Channel: campaigns.SMS, Parts: map[string]string{"text": "Dear {{ customer.name }}, hello"},
		ProviderTemplate: &campaigns.ProviderTemplate{ChannelID: "reg", Code: "SMS_1", Params: map[string]string{"name": "{{ customer.name | upcase }}", "city": "{{ customer.city }}"}}})
	w.customers(3, func(i int, c *campaigns.Customer) {
		withPhone(i, c)
		name, city := `Ann "A" \ `+fmt.Sprint(i), "Xi'an"
		if c.Name = &name; i > 0 {
			c.City = &city
		}
	})
	c := w.campaign(func(d *campaigns.Definition) {
		d.Variants[0].ChannelID, d.Variants[0].TemplateID = "reg", template
	})
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Messages["sent"] != 2 || run.Gates["template"] != 1 {
		t.Fatalf("who lacks a parameter stands at the gate template: %v %v", run.Gates, run.Messages)
	}
	for _, body := range p.seen() {
		var got struct {
			To, Code, Inner string
			Params          map[string]string
		}
		inner := map[string]string{}
		if err := json.Unmarshal([]byte(body), &got); err != nil || json.Unmarshal([]byte(got.Inner), &inner) != nil || got.Code != "SMS_1" ||
			got.Params["city"] != "Xi'an" || !strings.HasPrefix(got.Params["name"], `ANN "A" \ `) || inner["name"] != got.Params["name"] {
			t.Errorf("body %s (%v)", body, err)
		}
	}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		parts, err := w.engine.MessageContent(w.ctx, &m)
		if err != nil || parts["params.city"] != "Xi'an" || !strings.HasPrefix(parts["text"], "Dear Ann") || m.ProviderID != "x" {
			t.Errorf("read again: %v (%v)", parts, err)
		}
	}
}

func TestWhatARegisteredTemplateLacksIsNamed(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.gateway("reg", campaigns.ChannelSettings{GatewaySettings: campaigns.GatewaySettings{URL: "http://127.0.0.1:1/", Body: "{}"}})
	for field, p := range map[string]campaigns.ProviderTemplate{
		"provider_template.params.name": {ChannelID: "reg", Code: "c", Params: map[string]string{"name": "{{ customer.nickname }}"}},
		"provider_template.channel_id":  {ChannelID: "nobody", Code: "c"},
		"provider_template.code":        {ChannelID: "reg", Code: ""},
		"provider_template.params":      {ChannelID: "reg", Code: "c", Params: map[string]string{"na me": "x"}},
	} {
		d := campaigns.TemplateDefinition{Name: "t", Channel: campaigns.SMS, Parts: map[string]string{"text": "Hi"}, ProviderTemplate: &p}
		err := w.store.View(w.ctx, func(tx *store.Tx) error {
			_, err := engine.ParseTemplate(w.ctx, tx, &d)
			return err
		})
		if campaigns.CodeOf(err) != campaigns.CodeInvalid || !strings.HasPrefix(err.Error(), field+":") {
			t.Errorf("%s: %v", field, err)
		}
	}
	d := campaigns.TemplateDefinition{Name: "t", Channel: campaigns.SMS, Parts: map[string]string{"text": "Hi"}, ProviderTemplate: &campaigns.ProviderTemplate{ChannelID: campaigns.Catcher, Code: "c"}}
	err := w.store.View(w.ctx, func(tx *store.Tx) error {
		_, err := engine.ParseTemplate(w.ctx, tx, &d)
		return err
	})
	if campaigns.CodeOf(err) != campaigns.CodeInvalid {
		t.Errorf("a channel that is no gateway: %v", err)
	}
}

func TestAnAnswerOfNonsenseIsOneMessagesUnknownAndTheRestGoesOn(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	p := newProvider(t, func(w http.ResponseWriter, body string) {
		switch {
		case strings.Contains(body, "001\""):
			fmt.Fprint(w, "<html>maintenance")
		case strings.Contains(body, "002\""):
			w.WriteHeader(400)
			fmt.Fprint(w, `{"error":"no such number"}`)
		default:
			fmt.Fprintf(w, `{"id":%q}`, body)
		}
	})
	secret := "hidden-key-7"
	w.gateway("g", campaigns.ChannelSettings{GatewaySettings: campaigns.GatewaySettings{URL: p.URL + "/{{ secret }}?k={{ secret }}", AccessSecret: &secret,
		Answer: &campaigns.GatewayAnswer{ID: "id", Error: "error", Hard: []string{"no such number"}}, Body: `{"to":{{ message.to }}}`}})
	template := w.saved(campaigns.TemplateDefinition{Name: "t", Channel: campaigns.SMS, Parts: map[string]string{"text": "Hi {{ customer.name }}"}})
	w.customers(6, withPhone)
	c := w.campaign(func(d *campaigns.Definition) { d.Variants[0].ChannelID, d.Variants[0].TemplateID = "g", template })
	w.settle()
	run := w.runs(c.ID)[0]
	if run.Messages["sent"] != 4 || run.Messages["unknown"] != 1 || run.Messages["failed"] != 1 || len(p.seen()) != 6 {
		t.Errorf("messages %v, %d posts", run.Messages, len(p.seen()))
	}
	for _, m := range w.messages(store.MessageFilter{Campaign: c.ID}) {
		if text := fmt.Sprint(m.History); strings.Contains(text, secret) {
			t.Errorf("a history tells the secret: %s", text)
		}
	}
}

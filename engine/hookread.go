package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"beckon/campaigns"
	"beckon/engine/channel"
)

// posted is one receipt or text as a provider posted it, read by paths.
type posted struct{ value any }

func (p posted) text(path string) string {
	if path == "" {
		return ""
	}
	return channel.TextOf(channel.Field(p.value, path))
}

// hookItemsMax is how many receipts or texts one post may hold.
const hookItemsMax = 10_000

// readPosted reads a post: JSON, or a form, and the parameters of the address beneath either.
func readPosted(h Hook, list string) ([]posted, error) {
	body := bytes.TrimSpace(h.Body)
	var value any
	if len(body) > 0 && (body[0] == '{' || body[0] == '[') {
		decoder := json.NewDecoder(bytes.NewReader(body))
		decoder.UseNumber()
		if err := decoder.Decode(&value); err != nil {
			return nil, campaigns.Invalid("body", "is not JSON: %v", err)
		}
	} else {
		form, err := url.ParseQuery(string(body))
		if err != nil {
			return nil, campaigns.Invalid("body", "is neither JSON nor a form")
		}
		value = named(form, nil)
	}
	if list != "" {
		value = channel.Field(value, list)
	}
	items, many := value.([]any)
	if !many {
		items = []any{value}
	}
	if len(items) == 0 || len(items) > hookItemsMax {
		return nil, campaigns.Invalid("body", "holds %d items: post 1 to %d", len(items), hookItemsMax)
	}
	all := make([]posted, len(items))
	for i, item := range items {
		if object, is := item.(map[string]any); is {
			item = named(h.Query, object)
		}
		all[i] = posted{item}
	}
	return all, nil
}

// named are a form's values by name, beneath those of an object.
func named(form url.Values, over map[string]any) map[string]any {
	all := map[string]any{}
	for name, values := range form {
		if len(values) > 0 && name != "secret" {
			all[name] = values[0]
		}
	}
	for name, value := range over {
		all[name] = value
	}
	return all
}

// readAll reads each item of a post. What cannot be read is left out and logged: it would not become readable by being
// posted again with the rest. A post of which nothing can be read is refused.
func readAll[T any](e *Engine, c *campaigns.Channel, what string, items []posted, read func(p posted) (T, error)) ([]T, error) {
	var all []T
	var first error
	for i, item := range items {
		one, err := read(item)
		if err == nil {
			all = append(all, one)
			continue
		}
		if first == nil {
			first = campaigns.Invalid(fmt.Sprintf("items[%d]", i), "%v", err)
		}
	}
	if len(all) == 0 {
		return nil, first
	}
	if first != nil {
		e.log.Warn("a provider posted what cannot be read, beside what can", "channel", c.ID, "what", what, "left_out", len(items)-len(all), "first", first)
	}
	return all, nil
}

// hookReceipts takes receipts of messages.
func (e *Engine) hookReceipts(ctx context.Context, c *campaigns.Channel, h Hook) error {
	full := c.Settings.GatewaySettings.Complete()
	how := full.Receipts
	if c.Kind != campaigns.KindGateway || how == nil {
		return campaigns.Conflict("the channel %s reads no receipts: describe them in its settings", c.ID)
	}
	items, err := readPosted(h, how.List)
	if err != nil {
		return err
	}
	receipts, err := readAll(e, c, HookReceipts, items, func(p posted) (campaigns.Receipt, error) { return readReceipt(p, how) })
	if err != nil {
		return err
	}
	return e.Receive(ctx, c.ID, receipts)
}

func readReceipt(p posted, how *campaigns.GatewayReceipts) (campaigns.Receipt, error) {
	r := campaigns.Receipt{ProviderID: p.text(how.ID), Detail: p.text(how.Detail)}
	status, code := p.text(how.Status), p.text(how.Code)
	if r.ProviderID == "" || len(r.ProviderID) > 300 {
		return r, fmt.Errorf("%s is missing or too long: it names the message", how.ID)
	}
	if status == "" {
		return r, fmt.Errorf("%s is missing: it says what became of the message", how.Status)
	}
	switch {
	case slices.Contains(how.Delivered, status):
		r.Status = campaigns.MessageDelivered
	case slices.Contains(how.Bounced, status):
		r.Status = campaigns.MessageBounced
	case slices.Contains(how.Failed, status):
		r.Status = campaigns.MessageFailed
	}
	r.Hard = (r.Status == campaigns.MessageBounced || r.Status == campaigns.MessageFailed) && slices.Contains(how.Hard, code)
	r.Detail = bounded(strings.Join(slices.Compact(slices.DeleteFunc([]string{status, code, r.Detail}, func(s string) bool { return s == "" })), " "))
	r.At = channel.TimeOf(p.text(how.At), how.Zone)
	return r, nil
}

// hookInbound takes texts of people.
func (e *Engine) hookInbound(ctx context.Context, c *campaigns.Channel, h Hook) error {
	full := c.Settings.GatewaySettings.Complete()
	how := full.Inbound
	if c.Kind != campaigns.KindGateway || how == nil {
		return campaigns.Conflict("the channel %s reads no texts of people: describe them in its settings (inbound)", c.ID)
	}
	items, err := readPosted(h, how.List)
	if err != nil {
		return err
	}
	inbound, err := readAll(e, c, HookInbound, items, func(p posted) (campaigns.Inbound, error) { return readInbound(p, how) })
	if err != nil {
		return err
	}
	return e.Hear(ctx, c.ID, inbound)
}

func readInbound(p posted, how *campaigns.GatewayInbound) (campaigns.Inbound, error) {
	in := campaigns.Inbound{ProviderID: p.text(how.ID), From: p.text(how.From), To: p.text(how.To), Text: p.text(how.Text), At: channel.TimeOf(p.text(how.At), how.Zone)}
	switch {
	case in.From == "" || len(in.From) > 300 || len(in.To) > 300 || len(in.ProviderID) > 300:
		return in, fmt.Errorf("%s is missing or too long: it says who wrote", how.From)
	case len(in.Text) > 10_000:
		return in, fmt.Errorf("%s is longer than 10000 bytes", how.Text)
	}
	return in, nil
}

// bounded is one line of at most 300 bytes of what a provider said.
func bounded(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "?")), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "…"
	}
	return text
}

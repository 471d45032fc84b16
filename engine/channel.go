package engine

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/channel"
	"beckon/templates"
)

// CheckChannel says what is wrong with a channel: its settings, and the channel that takes over for it.
func (e *Engine) CheckChannel(ctx context.Context, tx *store.Tx, c *campaigns.Channel) error {
	var checks campaigns.Checks
	err := channel.Check(*c)
	if err != nil && campaigns.CodeOf(err) != campaigns.CodeInvalid {
		return err
	}
	checks.Add(err)
	checks.Add(c.CheckNeeds())
	if err := checks.Err(); err != nil {
		return err
	}
	if err := checkKind(ctx, tx, c); err != nil || c.Settings.Fallback == "" {
		return err
	}
	other, err := tx.Channel(ctx, c.Settings.Fallback)
	if campaigns.CodeOf(err) == campaigns.CodeNotFound {
		return campaigns.Invalid("settings.fallback", "there is no channel %q", c.Settings.Fallback)
	}
	if err != nil {
		return err
	}
	for _, kind := range []string{campaigns.Email, campaigns.SMS, c.Settings.Carries()} {
		if c.Carries(kind) && other.Carries(kind) {
			return nil
		}
	}
	return campaigns.Invalid("settings.fallback", "%s does not reach the same kind of address", other.Name)
}

// A ChannelTest is where a test message goes; Code and Params name the registered template where the provider takes no other.
type ChannelTest struct {
	To     string            `json:"to" minLength:"1" maxLength:"300" doc:"an address of yours"`
	Code   string            `json:"code,omitempty" maxLength:"200" doc:"of a registered template, where the provider takes no other"`
	Params map[string]string `json:"params,omitempty" doc:"of that template"`
}

// TestChannel sends one short message through a channel to an address and tells what the provider said.
func (e *Engine) TestChannel(ctx context.Context, id string, test ChannelTest) (string, error) {
	var c campaigns.Channel
	var w *campaigns.Workspace
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		if c, err = tx.Channel(ctx, id); err != nil {
			return err
		}
		w, err = tx.Workspace(ctx)
		return err
	})
	if err != nil {
		return "", err
	}
	to, err := testedAddress(&c, w, test.To)
	if err != nil {
		return "", err
	}
	sender, err := channel.Open(c, channel.Options{Clock: e.store.Now, Hooks: hooksAt(w, id)})
	if err != nil {
		return "", err
	}
	defer sender.Close()
	message := channel.Message{ID: campaigns.NewID(e.store.Now()).String(), To: to, Parts: testParts(&c)}
	if test.Code != "" {
		message.Template = &channel.Registered{Code: test.Code, Params: test.Params}
	}
	outcome := sender.Send(ctx, message)
	if outcome.Status != channel.Sent {
		return "", campaigns.Conflict("the channel answered %s: %s", outcome.Status, outcome.Detail)
	}
	return outcome.Detail, nil
}

// testedAddress is an address in the form in which messages have it.
func testedAddress(c *campaigns.Channel, w *campaigns.Workspace, to string) (string, error) {
	if c.Carries(campaigns.SMS) && !c.Carries(campaigns.Email) {
		phone, err := campaigns.NormalPhone(to, w.Country)
		if err != nil {
			return "", campaigns.Invalid("to", "%q is not a phone number: write it with + and the country code", to)
		}
		return phone, nil
	}
	return to, nil
}

// testParts are the parts that a channel's messages have.
func testParts(c *campaigns.Channel) templates.Parts {
	if kind, is := c.OwnKind(); is {
		parts := templates.Parts{}
		for _, name := range kind.Parts {
			parts[name] = "This channel works."
		}
		return parts
	}
	if c.Carries(campaigns.SMS) && !c.Carries(campaigns.Email) {
		return templates.Parts{"text": "This channel works."}
	}
	return templates.Parts{"subject": "A test from Beckon", "text": "This channel works.", "html": "<p>This channel works.</p>"}
}

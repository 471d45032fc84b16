package engine

import (
	"context"
	"encoding/json"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/channel"
	"beckon/templates"
)

// CheckChannel says what is wrong with a channel's settings.
func (e *Engine) CheckChannel(c *campaigns.Channel) error {
	var checks campaigns.Checks
	checks.Add(campaigns.CheckID("id", c.ID))
	checks.Add(campaigns.CheckID("name", c.Name))
	settings, err := readSettings(c)
	checks.Add(err)
	if err == nil {
		checks.Add(settings.Check(c.Kind))
	}
	return checks.Err()
}

// HideSecrets takes out of a channel what is written and never read back.
func (e *Engine) HideSecrets(c campaigns.Channel) campaigns.Channel {
	c.Settings = editSettings(c.Settings, func(fields map[string]any) { delete(fields, "password") })
	return c
}

// KeepSecrets carries the secrets of a channel over into an edit that does not name them.
func (e *Engine) KeepSecrets(old, edited *campaigns.Channel) {
	var before map[string]any
	if json.Unmarshal(old.Settings, &before) != nil || before["password"] == nil {
		return
	}
	edited.Settings = editSettings(edited.Settings, func(fields map[string]any) {
		if _, named := fields["password"]; !named {
			fields["password"] = before["password"]
		}
	})
}

// editSettings changes settings field by field; those that are no JSON object stay as they are, for Check to refuse.
func editSettings(settings json.RawMessage, edit func(fields map[string]any)) json.RawMessage {
	fields := map[string]any{}
	if len(settings) > 0 && json.Unmarshal(settings, &fields) != nil {
		return settings
	}
	edit(fields)
	text, err := json.Marshal(fields)
	if err != nil {
		return settings
	}
	return text
}

// TestChannel sends one short message through a channel to an address and tells what the provider said.
func (e *Engine) TestChannel(ctx context.Context, id, to string) (string, error) {
	var c campaigns.Channel
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		c, err = tx.Channel(ctx, id)
		return err
	})
	if err != nil {
		return "", err
	}
	settings, err := readSettings(&c)
	if err != nil {
		return "", err
	}
	sender, err := channel.Open(c.Kind, settings, e.store.Now)
	if err != nil {
		return "", err
	}
	defer sender.Close()
	outcome := sender.Send(ctx, channel.Message{ID: campaigns.NewID(e.store.Now()).String(), To: to, Parts: templates.Parts{
		"subject": "A test from Beckon", "text": "This channel works.", "html": "<p>This channel works.</p>"}})
	if outcome.Status != channel.Sent {
		return "", campaigns.Conflict("the channel answered %s: %s", outcome.Status, outcome.Detail)
	}
	return outcome.Detail, nil
}

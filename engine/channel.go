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
	if err := c.Check(); err != nil || c.Settings.Fallback == "" {
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
	sender, err := channel.Open(c, channel.Options{Clock: e.store.Now})
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

package engine

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// A Hook is what a provider posted to us about a channel.
type Hook struct {
	Method string
	URL    string // whole, as the provider called it: some sign it
	Query  url.Values
	Header http.Header
	Body   []byte
}

// What a provider may post: receipts of messages, texts of people, bounces and complaints of e-mail.
const (
	HookReceipts = "receipts"
	HookInbound  = "inbound"
	HookBounces  = "bounces"
)

// Hook takes what a provider posted, and returns when it is durable. What cannot be read is a campaigns.Error.
func (e *Engine) Hook(ctx context.Context, channelID, what string, h Hook) error {
	var c campaigns.Channel
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		c, err = tx.Channel(ctx, channelID)
		return err
	})
	if err != nil {
		return err
	}
	if what == HookBounces {
		return e.hookBounces(ctx, &c, h)
	}
	return campaigns.NotFound("hook", what)
}

// hookAllowed says whether a call comes from a channel's provider: it shows the channel's hook_secret as ?secret= in the
// address or as Authorization: Bearer. Without a secret nobody is let in.
func hookAllowed(c *campaigns.Channel, h Hook) error {
	secret := campaigns.Text(c.Settings.HookSecret)
	if secret == "" {
		return campaigns.Forbidden("the channel %s takes no calls: set its settings.hook_secret, and let the provider send it as ?secret= or as Authorization: Bearer", c.ID)
	}
	given := h.Query.Get("secret")
	if kind, token, _ := strings.Cut(h.Header.Get("Authorization"), " "); strings.EqualFold(kind, "Bearer") {
		given = strings.TrimSpace(token)
	}
	want, got := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(given)) // of one length, whatever was given
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return campaigns.Forbidden("the secret is missing or not that of the channel %s: send its settings.hook_secret as ?secret= or as Authorization: Bearer", c.ID)
	}
	return nil
}

package engine

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/url"
	"strings"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/channel"
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

// Hook takes what a provider posted, and returns when it is durable. What cannot be read is a campaigns.Error, and so is a
// provider that does not prove itself.
func (e *Engine) Hook(ctx context.Context, channelID, what string, h Hook) error {
	var c campaigns.Channel
	var w *campaigns.Workspace
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		if c, err = tx.Channel(ctx, channelID); err != nil {
			return err
		}
		w, err = tx.Workspace(ctx)
		return err
	})
	if err != nil {
		return err
	}
	h.URL = publicly(w.PublicURL, h.URL)
	if err := hookAllowed(&c, h); err != nil {
		return err
	}
	switch what {
	case HookReceipts:
		return e.hookReceipts(ctx, &c, h)
	case HookInbound:
		return e.hookInbound(ctx, &c, h)
	case HookBounces:
		return e.hookBounces(ctx, &c, h)
	}
	return campaigns.NotFound("hook", what)
}

// HookAnswer is what a channel's provider wants to hear when its post was taken; an empty text for nothing.
func (e *Engine) HookAnswer(ctx context.Context, channelID, what string) (answer string, err error) {
	var c campaigns.Channel
	err = e.store.View(ctx, func(tx *store.Tx) (err error) {
		c, err = tx.Channel(ctx, channelID)
		return err
	})
	full := c.Settings.GatewaySettings.Complete()
	switch {
	case err != nil || c.Kind != campaigns.KindGateway:
	case what == HookReceipts && full.Receipts != nil:
		answer = full.Receipts.Answer
	case what == HookInbound && full.Inbound != nil:
		answer = full.Inbound.Answer
	}
	return answer, err
}

// hooksAt is the public address under which a channel's hooks are; empty for a service without one.
func hooksAt(w *campaigns.Workspace, channelID string) string {
	if w == nil || w.PublicURL == "" {
		return ""
	}
	return strings.TrimRight(w.PublicURL, "/") + "/hooks/" + url.PathEscape(channelID)
}

// publicly is an address as the provider knows it: behind a proxy the host that we see is not the one that it called.
func publicly(public, address string) string {
	called, err := url.Parse(address)
	if err != nil || public == "" {
		return address
	}
	at := strings.TrimRight(public, "/") + called.EscapedPath()
	if called.RawQuery != "" {
		at += "?" + called.RawQuery
	}
	return at
}

// hookAllowed says whether who posts is the channel's provider: by Twilio's signature where the channel has its shape, else
// by the channel's hook_secret, as Authorization: Bearer or as the parameter secret. A channel without one takes nothing: an
// open door would let anybody suppress anybody's address.
func hookAllowed(c *campaigns.Channel, h Hook) error {
	secret := campaigns.Text(c.Settings.HookSecret)
	if signature := h.Header.Get("X-Twilio-Signature"); c.Kind == campaigns.KindGateway && c.Settings.Preset == "twilio" && signature != "" {
		token := secret
		if token == "" {
			token = campaigns.Text(c.Settings.Password)
		}
		form, err := url.ParseQuery(string(h.Body))
		if err != nil || token == "" || !hmac.Equal([]byte(signature), []byte(channel.TwilioSignature(token, h.URL, form))) {
			return campaigns.Forbidden("the signature is not that of this channel: public_url of the workspace has to be the address that the provider calls, and hook_secret the account's auth token (password, if it is left out)")
		}
		return nil
	}
	if secret == "" {
		return campaigns.Forbidden("the channel %s takes nothing: set its hook_secret, and have the provider send it", c.ID)
	}
	given := h.Query.Get("secret")
	if kind, token, _ := strings.Cut(h.Header.Get("Authorization"), " "); strings.EqualFold(kind, "Bearer") {
		given = strings.TrimSpace(token)
	}
	want, got := sha256.Sum256([]byte(secret)), sha256.Sum256([]byte(given)) // of one length, whatever was given
	if subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
		return campaigns.Forbidden("the secret is not this channel's: send its hook_secret as Authorization: Bearer or as the parameter secret")
	}
	return nil
}

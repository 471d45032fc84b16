package engine

import (
	"context"
	"net/http"
	"net/url"

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

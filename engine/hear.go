package engine

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/channel"
)

// Receive keeps what a channel's provider said of messages. It returns when that is durable; what follows from it is done
// afterwards, also when the message's own outcome is not recorded yet.
func (e *Engine) Receive(ctx context.Context, channelID string, receipts []campaigns.Receipt) error {
	return e.store.Update(ctx, func(tx *store.Tx) error { return tx.KeepReceipts(ctx, channelID, receipts) })
}

// Hear keeps texts that people sent to a channel. It returns when they are durable; a text that the provider delivers twice
// is kept once.
func (e *Engine) Hear(ctx context.Context, channelID string, inbound []campaigns.Inbound) error {
	return e.store.Update(ctx, func(tx *store.Tx) error { return tx.KeepInbound(ctx, channelID, inbound) })
}

// heard are the options of a channel whose provider speaks by itself.
func (e *Engine) heard(channelID string) channel.Options {
	return channel.Options{Clock: e.store.Now, Listener: channel.Listener{
		Receipts: func(ctx context.Context, receipts []campaigns.Receipt) error {
			return e.Receive(ctx, channelID, receipts)
		},
		Inbound: func(ctx context.Context, inbound []campaigns.Inbound) error { return e.Hear(ctx, channelID, inbound) },
	}}
}

package store

import (
	"context"
	"strings"
	"time"

	"beckon/campaigns"
)

// KeepReceipts keeps what a channel's provider said of messages until it is dealt with.
func (tx *Tx) KeepReceipts(ctx context.Context, channel string, receipts []campaigns.Receipt) error {
	ids, texts := make([]string, len(receipts)), make([]string, len(receipts))
	for i, r := range receipts {
		r.ProviderID, r.Detail, r.Address = kept(r.ProviderID), kept(r.Detail), kept(r.Address)
		r.At = tx.saidAt(r.At)
		ids[i], texts[i] = r.ProviderID, *jsonText(r)
	}
	_, err := tx.exec(ctx, "keeping receipts", `INSERT INTO receipts (channel_id, provider_id, receipt, seen_at, look_at)
		SELECT $1, NULLIF(r.id, ''), r.receipt::jsonb, $4, $4 FROM unnest($2::text[], $3::text[]) AS r(id, receipt)`, channel, ids, texts, tx.Now)
	return err
}

// KeepInbound keeps texts that people sent to a channel; one that the provider delivers again is kept once.
func (tx *Tx) KeepInbound(ctx context.Context, channel string, inbound []campaigns.Inbound) error {
	for _, in := range inbound {
		in.At = tx.saidAt(in.At)
		_, err := tx.exec(ctx, "keeping a text", `INSERT INTO inbound (id, channel_id, provider_id, sender, recipient, text, at, seen_at)
			VALUES ($1, $2, NULLIF($3, ''), $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`,
			campaigns.NewID(tx.Now), channel, kept(in.ProviderID), kept(in.From), kept(in.To), kept(in.Text), in.At.Truncate(time.Second), tx.Now)
		if err != nil {
			return err
		}
	}
	return nil
}

// saidAt is when something was said: now where that is left out, or can be no time of a message. Neither JSON nor PostgreSQL
// takes every year that a number of seconds can name, and a provider would post again for ever what fails.
func (tx *Tx) saidAt(at time.Time) time.Time {
	if at.After(tx.Now) || at.Before(time.Unix(0, 0)) {
		return tx.Now
	}
	return at
}

// kept is a text from outside in a form that PostgreSQL takes.
func kept(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "\uFFFD")
}

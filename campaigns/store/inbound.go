package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// ReadInbound gives texts that nobody dealt with, in the order in which they were sent. Only one transaction reads at a
// time, so that what one person sent is dealt with in order; the others get none.
func (tx *Tx) ReadInbound(ctx context.Context, limit int) ([]campaigns.Inbound, error) {
	var alone bool
	if err := tx.tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock(hashtext('inbound'))`).Scan(&alone); err != nil || !alone {
		return nil, wrapped("waiting for texts", err)
	}
	return many(ctx, tx, "texts", `SELECT id, channel_id, coalesce(provider_id, ''), sender, recipient, text, at FROM inbound WHERE handled_at IS NULL
		ORDER BY at, seen_at, id LIMIT $1`, func(row pgx.CollectableRow) (campaigns.Inbound, error) {
		var in campaigns.Inbound
		err := row.Scan(&in.ID, &in.ChannelID, &in.ProviderID, &in.From, &in.To, &in.Text, &in.At)
		return in, err
	}, limit)
}

// HandleInbound says what a text was and whose address it came from. The sender is kept in the form in which addresses are
// compared.
func (tx *Tx) HandleInbound(ctx context.Context, id campaigns.ID, sender string, word campaigns.Word, customers int) error {
	_, err := tx.exec(ctx, "dealing with a text", `UPDATE inbound SET handled_at = $2, sender = $3, word = NULLIF($4, ''), customers = $5 WHERE id = $1 AND handled_at IS NULL`,
		id, tx.Now, sender, word, customers)
	return err
}

// StoppedSince says whether a sender asked to stop after an instant: then an older START says nothing any more.
func (tx *Tx) StoppedSince(ctx context.Context, sender string, at time.Time) (stopped bool, err error) {
	err = tx.tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM inbound WHERE sender = $1 AND word = 'stop' AND at > $2)`, sender, at).Scan(&stopped)
	return stopped, wrapped("looking for a STOP", err)
}

// CustomersAt are the customers to whom an address belongs, ascending.
func (tx *Tx) CustomersAt(ctx context.Context, channel, address string) ([]int64, error) {
	if channel != campaigns.Email && channel != campaigns.SMS {
		return tx.customersAtOwn(ctx, channel, address)
	}
	hash, err := tx.addressHash(ctx, channel, address)
	if err != nil {
		return nil, err
	}
	return many(ctx, tx, "customers of an address", `SELECT no FROM addresses WHERE hash = $1 AND channel = $2 ORDER BY no`, pgx.RowTo[int64], hash, channel)
}

// NormalAddress is an address in the form in which addresses are compared; a number without + is one of the workspace's
// country.
func (tx *Tx) NormalAddress(ctx context.Context, channel, address string) (string, error) {
	err := tx.normal(ctx, channel, &address)
	return address, err
}

// replyOnce is within which time the same word of the same sender is answered once.
const replyOnce = 24 * time.Hour

// QueueReply keeps an answer to be sent, unless the sender's same word was answered within a day.
func (tx *Tx) QueueReply(ctx context.Context, r *campaigns.Reply) error {
	_, err := tx.exec(ctx, "queueing an answer", `INSERT INTO replies (id, inbound_id, channel_id, address, word, text, status, queued_at, due_at)
		SELECT $1, $2, $3, $4, $5, $6, 'queued', $7, $7 WHERE NOT EXISTS (SELECT FROM replies WHERE address = $4 AND word = $5 AND queued_at > $8)`,
		campaigns.NewID(tx.Now), r.InboundID, r.ChannelID, r.Address, r.Word, r.Text, tx.Now, tx.Now.Add(-replyOnce))
	return err
}

// RepliesDue are the channels that have answers to send. While all sending is stopped there are none.
func (tx *Tx) RepliesDue(ctx context.Context) ([]string, error) {
	return many(ctx, tx, "channels with answers", `SELECT DISTINCT channel_id FROM replies WHERE status = 'queued' AND due_at <= $1 AND `+notStopped+` ORDER BY channel_id`,
		pgx.RowTo[string], tx.Now)
}

// ClaimReplies marks answers of a channel that are due as being sent by an owner, and gives them. While all sending is
// stopped there are none.
func (tx *Tx) ClaimReplies(ctx context.Context, owner campaigns.ID, channel string, limit int) ([]campaigns.Reply, error) {
	return many(ctx, tx, "answers", `UPDATE replies SET status = 'sending', owner = $2, sending_at = $1, attempts = attempts + 1
		WHERE status = 'queued' AND id IN (SELECT id FROM replies WHERE status = 'queued' AND due_at <= $1
			AND channel_id = $4 AND `+notStopped+`
			ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED) RETURNING id, channel_id, address, word, text, attempts`,
		func(row pgx.CollectableRow) (campaigns.Reply, error) {
			var r campaigns.Reply
			err := row.Scan(&r.ID, &r.ChannelID, &r.Address, &r.Word, &r.Text, &r.Attempts)
			return r, err
		}, tx.Now, owner, limit, channel)
}

// FinishReply records what became of an attempt to send an answer. One that was given up meanwhile takes its real outcome,
// and is not sent again.
func (tx *Tx) FinishReply(ctx context.Context, owner campaigns.ID, r *campaigns.Reply) error {
	_, err := tx.exec(ctx, "recording an answer", `UPDATE replies SET status = $3, due_at = $4, attempts = $5, provider_id = NULLIF($6, ''), detail = NULLIF($7, ''),
			finished_at = CASE WHEN $3 <> 'queued' THEN $8::timestamptz END
		WHERE id = $1 AND owner = $2 AND (status = 'sending' OR status = 'unknown' AND $3 <> 'queued')`,
		r.ID, owner, r.Status, r.DueAt, r.Attempts, kept(r.ProviderID), kept(r.Detail), tx.Now)
	return err
}

// LoseReplies gives up answers that a node has been sending for longer than it may: what became of them is unknown.
func (tx *Tx) LoseReplies(ctx context.Context, limit time.Duration) error {
	_, err := tx.exec(ctx, "finding answers of a dead node", `UPDATE replies SET status = 'unknown', finished_at = $1, detail = 'the node that was sending it died before it recorded an answer'
		WHERE status = 'sending' AND sending_at < $2`, tx.Now, tx.Now.Add(-limit))
	return err
}

// An InboundFilter narrows a list of texts; zero fields do not.
type InboundFilter struct {
	Channel string
	Word    campaigns.Word
	Sender  string
	Before  campaigns.ID
	Limit   int
}

// Inbound lists texts that people sent, the latest to come first.
func (tx *Tx) Inbound(ctx context.Context, f InboundFilter) ([]campaigns.Heard, error) {
	return many(ctx, tx, "texts", `SELECT i.id, i.channel_id, coalesce(i.provider_id, ''), i.sender, i.recipient, i.text, i.at, coalesce(i.word, ''), coalesce(i.customers, 0),
			i.handled_at, r.text, r.status, r.attempts, r.provider_id, r.detail, r.finished_at
		FROM inbound i LEFT JOIN replies r ON r.inbound_id = i.id
		WHERE ($1 = '' OR i.channel_id = $1) AND ($2 = '' OR i.word = $2) AND ($3 = '' OR i.sender = $3) AND ($4 OR i.id < $5) ORDER BY i.id DESC LIMIT $6`,
		scanHeard, f.Channel, f.Word, f.Sender, f.Before == campaigns.ID{}, f.Before, f.Limit)
}

func scanHeard(row pgx.CollectableRow) (campaigns.Heard, error) {
	var h campaigns.Heard
	var text, status, provider, detail *string
	var attempts *int
	var finished *time.Time
	err := row.Scan(&h.ID, &h.ChannelID, &h.ProviderID, &h.From, &h.To, &h.Text, &h.At, &h.Word, &h.Customers, &h.HandledAt,
		&text, &status, &attempts, &provider, &detail, &finished)
	if err == nil && status != nil {
		h.Reply = &campaigns.Reply{Text: *text, Status: *status, Attempts: *attempts, ProviderID: textOrEmpty(provider), Detail: textOrEmpty(detail), FinishedAt: finished}
	}
	return h, err
}

// wrapped says what was being done when an error came; nil stays nil.
func wrapped(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}

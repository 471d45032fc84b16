package engine

import (
	"context"
	"errors"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/channel"
	"beckon/templates"
)

const (
	repliesBatch  = 8                // answers of one claim
	replyTimeout  = 30 * time.Second // of one answer
	repliesLost   = 5 * time.Minute  // after how long a node that sends answers is dead: longer than a batch may take
	replyUseful   = 24 * time.Hour
	repliesQueued = "queued"
)

// repliesDue are the channels that have answers to send. What a dead node had marked becomes unknown and stays so.
func (e *Engine) repliesDue(ctx context.Context) (channels []string, err error) {
	err = e.store.Update(ctx, func(tx *store.Tx) (err error) {
		if err := tx.LoseReplies(ctx, repliesLost); err != nil {
			return err
		}
		channels, err = tx.RepliesDue(ctx)
		return err
	})
	return channels, err
}

// Reply sends a channel's answers to words that are due, each at most once: they are marked before the first byte leaves.
func (e *Engine) Reply(ctx context.Context, channelID string) (int, error) {
	owner := campaigns.NewID(e.store.Now())
	var c campaigns.Channel
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		c, err = tx.Channel(ctx, channelID)
		return err
	})
	if err != nil {
		return 0, err
	}
	senders, done, failed := e.senders(&c)
	if failed == nil {
		defer done()
		if len(senders) == 0 {
			return 0, nil
		}
	}
	var replies []campaigns.Reply
	err = e.store.Update(ctx, func(tx *store.Tx) (err error) {
		replies, err = tx.ClaimReplies(ctx, owner, channelID, repliesBatch)
		return err
	})
	var errs error
	for i := range replies {
		r := &replies[i]
		if failed != nil {
			e.replied(r, channel.Outcome{Status: channel.Temporary, Detail: failed.Error()})
		} else {
			e.send(ctx, senders, r)
		}
		errs = errors.Join(errs, e.store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
			return tx.FinishReply(context.WithoutCancel(ctx), owner, r)
		}))
	}
	return len(replies), errors.Join(err, errs)
}

// send hands one answer to a provider, over the first session that can be used. Once the node stops, what is left goes back
// into the queue, and that was no attempt.
func (e *Engine) send(ctx context.Context, senders []channel.Sender, r *campaigns.Reply) {
	if ctx.Err() != nil {
		r.Attempts--
		r.Status, r.DueAt = repliesQueued, e.store.Now()
		return
	}
	bounded, cancel := context.WithTimeout(ctx, replyTimeout)
	defer cancel()
	text := channel.Message{ID: r.ID.String(), To: r.Address, Parts: templates.Parts{"text": r.Text}, NotAfter: e.store.Now().Add(replyUseful)}
	var o channel.Outcome
	for _, sender := range senders {
		if o = sender.Send(bounded, text); !o.Unavailable {
			break
		}
	}
	e.replied(r, o)
}

// replied says what an outcome means for an answer.
func (e *Engine) replied(r *campaigns.Reply, o channel.Outcome) {
	r.Status, r.ProviderID, r.Detail, r.DueAt = "failed", o.ProviderID, o.Detail, e.store.Now()
	switch {
	case o.Status == channel.Sent:
		r.Status = "sent"
	case o.Status == channel.Unknown:
		r.Status = "unknown"
	case o.Status == channel.Temporary && r.Attempts < campaigns.AttemptsMax:
		r.Status, r.DueAt = repliesQueued, r.DueAt.Add(max(o.RetryAfter, jittered(campaigns.Backoff(r.Attempts), r.ID)))
	}
}

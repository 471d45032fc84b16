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

// Reply sends answers to words that are due, those of one channel at a time, each at most once: they are marked before the
// first byte leaves, and what a dead node had marked becomes unknown and stays so.
func (e *Engine) Reply(ctx context.Context) (int, error) {
	owner := campaigns.NewID(e.store.Now())
	var replies []campaigns.Reply
	var c campaigns.Channel
	err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
		if err := tx.LoseReplies(ctx, repliesLost); err != nil {
			return err
		}
		if replies, err = tx.ClaimReplies(ctx, owner, repliesBatch); err == nil && len(replies) > 0 {
			c, err = tx.Channel(ctx, replies[0].ChannelID)
		}
		return err
	})
	if err != nil || len(replies) == 0 {
		return 0, err
	}
	sender, failed := channel.Open(c, e.heard(c.ID))
	if failed == nil {
		defer sender.Close()
	}
	var errs error
	for i := range replies {
		r := &replies[i]
		if failed != nil {
			e.replied(r, channel.Outcome{Status: channel.Temporary, Detail: failed.Error()})
		} else {
			e.send(ctx, sender, r)
		}
		errs = errors.Join(errs, e.store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
			return tx.FinishReply(context.WithoutCancel(ctx), owner, r)
		}))
	}
	return len(replies), errs
}

// send hands one answer to a provider. Once the node stops, what is left goes back into the queue, and that was no attempt.
func (e *Engine) send(ctx context.Context, sender channel.Sender, r *campaigns.Reply) {
	if ctx.Err() != nil {
		r.Attempts--
		r.Status, r.DueAt = repliesQueued, e.store.Now()
		return
	}
	bounded, cancel := context.WithTimeout(ctx, replyTimeout)
	defer cancel()
	e.replied(r, sender.Send(bounded, channel.Message{ID: r.ID.String(), To: r.Address, Parts: templates.Parts{"text": r.Text}, NotAfter: e.store.Now().Add(replyUseful)}))
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

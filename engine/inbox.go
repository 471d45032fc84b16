package engine

import (
	"context"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/channel"
)

const (
	inboxEvery = time.Minute
	inboxLimit = 200             // messages of one look
	inboxTime  = 2 * time.Minute // for one look; the lease is twice as long
)

// Inboxes reads the mailboxes where bounces and complaints of channels arrive, each on one node at a time. A mailbox that
// cannot be read says so on its channel.
func (e *Engine) Inboxes(ctx context.Context) (int, error) {
	channels, err := e.channels(ctx)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, c := range channels {
		if c.Kind != campaigns.KindSMTP || c.Settings.InboxHost == "" {
			continue
		}
		read, err := e.readInbox(ctx, &c)
		if err != nil {
			return total, err
		}
		total += read
	}
	return total, nil
}

// readInbox takes one look into a mailbox, if it is due. What is in it is kept before it is marked as seen, so that nothing
// is lost when a node or a connection dies in between; what is then read a second time changes nothing.
func (e *Engine) readInbox(ctx context.Context, c *campaigns.Channel) (read int, err error) {
	var wrong string
	var claimed bool
	err = e.store.Update(ctx, func(tx *store.Tx) (err error) {
		wrong, claimed, err = tx.ClaimInbox(ctx, c.ID, e.node, tx.Now.Add(2*inboxTime))
		return err
	})
	if err != nil || !claimed {
		return 0, err
	}
	found := campaigns.Inbox{}
	look, cancel := context.WithTimeout(ctx, inboxTime)
	defer cancel()
	read, failed := channel.ReadInbox(look, c.Settings, inboxLimit, func(ctx context.Context, raw []byte) error {
		believed, err := e.takeReport(ctx, c.ID, raw)
		if campaigns.CodeOf(err) == campaigns.CodeInvalid {
			err = nil // an answer of somebody's mail program, or no message at all
		}
		if believed {
			found.Reports++
		} else if err == nil {
			found.Others++
		}
		return err
	})
	if failed != nil {
		found.Error = failed.Error()
		if found.Error != wrong && ctx.Err() == nil {
			e.log.Error("the mailbox for bounces cannot be read, trying again", "channel", c.ID, "err", failed)
		}
	}
	ctx = context.WithoutCancel(ctx)
	return read, e.store.Update(ctx, func(tx *store.Tx) error {
		due := tx.Now.Add(inboxEvery - inboxEvery/20) // due when the step's ticker says so again
		if read == inboxLimit {
			due = tx.Now
		}
		return tx.FinishInbox(ctx, c.ID, e.node, found, due)
	})
}

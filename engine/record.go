package engine

import (
	"context"
	"fmt"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// untried puts a message back into the queue that was not handed over: that was no attempt.
func (w *worker) untried(m *campaigns.Message, why string) store.Result {
	m.Attempts--
	return store.Result{Message: *m, Detail: "not tried: " + why, RetryAt: decided(w.engine.store.Now(), m.SendingAt)}
}

// replanned puts a message back into the queue for another time.
func replanned(m *campaigns.Message, v verdict) store.Result {
	m.Attempts--
	if v.later.After(m.NotAfter) {
		return store.Result{Message: *m, Status: campaigns.MessageExpired, Detail: "its useful time is over before it may be sent: " + v.why}
	}
	m.PlannedAt, m.ClosesAt, m.Moved = v.later, v.closes, true
	return store.Result{Message: *m, Detail: v.why, RetryAt: v.later, Replanned: true}
}

// movedTo are the customers whose message is planned anew. Their slices are held while that is written: whoever queues for
// them at that moment counts the new time, or is counted when the message is claimed again.
func movedTo(results []store.Result) (nos []int64) {
	for i := range results {
		if results[i].Replanned {
			nos = append(nos, results[i].Message.No)
		}
	}
	return nos
}

// recordFor is how long a node tries to record what it sent while PostgreSQL is away, and recordStopping while it stops. What
// a lease's end made unknown meanwhile takes its real outcome then.
const (
	recordFor      = 2 * time.Minute
	recordStopping = 6 * time.Second
)

// record writes outcomes, and what is to follow in the same transaction, also while stopping. When that fails, the
// outcomes alone are tried again: what is not recorded in the end becomes unknown, never sent twice. Followed says whether
// what was to follow was committed.
func (w *worker) record(parent context.Context, done outcomes, then func(context.Context, *store.Tx) error) (followed bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(parent), recordFor)
	defer cancel()
	defer context.AfterFunc(parent, func() { time.AfterFunc(recordStopping, cancel) })()
	defer w.engine.flight.give(w.channelID, done.places)
	if len(done.results) == 0 && then == nil {
		return false, nil
	}
	for {
		err := w.engine.store.Update(ctx, func(tx *store.Tx) error {
			if err := w.finish(ctx, tx, done); err != nil || then == nil {
				return err
			}
			return then(ctx, tx)
		})
		if err == nil {
			w.leases.drop(done.leased)
			return then != nil, nil
		}
		if len(done.results) == 0 {
			return false, err
		}
		then = nil
		w.engine.log.Warn("outcomes could not be recorded, trying again", "channel", w.channelID, "messages", len(done.results), "err", err)
		select {
		case <-ctx.Done():
			w.leases.drop(done.leased) // nobody renews it: what is marked there becomes unknown
			return false, fmt.Errorf("%d outcomes were not recorded and become unknown: %w", len(done.results), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// finish writes outcomes and what they tell about the provider, and lets the lanes go that are in no other batch's hands.
func (w *worker) finish(ctx context.Context, tx *store.Tx, done outcomes) error {
	if len(done.results) == 0 {
		return nil
	}
	if moved := movedTo(done.results); len(moved) > 0 {
		if err := tx.LockSlices(ctx, moved); err != nil {
			return err
		}
	}
	if err := tx.FinishMessages(ctx, w.owner, done.results); err != nil {
		return err
	}
	if idle := w.leases.alone(done.leased); len(idle) > 0 {
		if err := tx.ReleaseLanes(ctx, done.channel, idle, w.owner, true); err != nil {
			return err
		}
	}
	return w.tell(ctx, tx, done)
}

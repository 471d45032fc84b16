package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/channel"
)

// A worker owns one session with one channel's provider.
type worker struct {
	engine    *Engine
	channelID string
	sender    channel.Sender
	revision  int64
	looked    time.Time // when the channel's settings were last read
	pace      *time.Ticker
	links     links
	size      int // of a batch
}

const (
	settingsFresh = time.Second     // a channel's new settings are followed after so long
	paceAhead     = 4 * time.Second // what a paced worker takes at once: two batches end before the lease does
)

func (w *worker) close() {
	if w.sender != nil {
		_ = w.sender.Close() // the session ends either way
		w.sender = nil
	}
	if w.pace != nil {
		w.pace.Stop()
		w.pace = nil
	}
}

// marked is a batch of messages that are marked as being sent; withdrawn says which of them must not go, and why.
type marked struct {
	messages  []campaigns.Message
	withdrawn map[campaigns.ID]string
}

// lane leases one lane, sends what is due in it, and lets it go; it gives the number of messages that were tried.
//
// Why one batch ahead: while a batch is being sent, the outcomes of the one before are recorded and the next is claimed, in
// one transaction. The provider does not wait for PostgreSQL, nor PostgreSQL's disk for the provider.
func (w *worker) lane(ctx context.Context) (int, error) {
	if err := w.open(ctx); err != nil {
		return 0, err
	}
	limit, cancel := context.WithTimeout(ctx, Lease-leaseMargin)
	defer func() { cancel() }()
	lane, batch, err := w.claim(ctx)
	if err != nil || lane < 0 {
		return 0, err
	}
	total := 0
	var done []store.Result
	for len(batch.messages) > 0 && err == nil {
		soon, cancelSoon := context.WithTimeout(ctx, Lease-leaseMargin)
		var next marked
		more := len(batch.messages) == w.size && ctx.Err() == nil
		ahead := make(chan error, 1)
		go func() { ahead <- w.exchange(ctx, lane, done, more, &next) }()
		sent, tried := w.sendAll(limit, batch)
		total += tried
		err = <-ahead
		cancel()
		limit, cancel = soon, cancelSoon
		batch, done = next, sent
	}
	_, last := w.record(ctx, lane, done, func(ctx context.Context, tx *store.Tx) error {
		return tx.ReleaseLane(ctx, w.channelID, lane, w.engine.node)
	})
	return total, errors.Join(err, last)
}

// exchange records outcomes and, when there may be more, takes the next batch: only what was committed is given.
func (w *worker) exchange(ctx context.Context, lane int16, done []store.Result, more bool, next *marked) error {
	if !more {
		_, err := w.record(ctx, lane, done, nil)
		return err
	}
	var batch marked
	took, err := w.record(ctx, lane, done, func(ctx context.Context, tx *store.Tx) (err error) {
		batch, err = w.take(ctx, tx, lane)
		return err
	})
	if took {
		*next = batch
	}
	return err
}

// claim leases a lane and takes its first batch; -1 when nothing is due.
func (w *worker) claim(ctx context.Context) (lane int16, batch marked, err error) {
	err = w.engine.store.Update(ctx, func(tx *store.Tx) (err error) {
		batch = marked{}
		lane, err = tx.ClaimLane(ctx, w.channelID, w.engine.node, tx.Now.Add(Lease))
		if err == nil && lane >= 0 {
			batch, err = w.take(ctx, tx, lane)
		}
		return err
	})
	return lane, batch, err
}

// take marks a batch of a leased lane.
func (w *worker) take(ctx context.Context, tx *store.Tx, lane int16) (batch marked, err error) {
	if batch.messages, err = tx.ClaimMessages(ctx, w.channelID, lane, w.engine.node, tx.Now.Add(Lease), w.size); err != nil || len(batch.messages) == 0 {
		return marked{}, err
	}
	batch.withdrawn, err = w.engine.withdrawn(ctx, tx, batch.messages)
	return batch, err
}

// open makes the sender, anew when the channel's settings changed.
func (w *worker) open(ctx context.Context) error {
	now := w.engine.store.Now()
	if age := now.Sub(w.looked); w.sender != nil && age >= 0 && age < settingsFresh {
		return nil
	}
	var c campaigns.Channel
	var workspace *campaigns.Workspace
	err := w.engine.store.View(ctx, func(tx *store.Tx) (err error) {
		if c, err = tx.Channel(ctx, w.channelID); err != nil {
			return err
		}
		workspace, err = tx.Workspace(ctx)
		return err
	})
	if err != nil {
		return err
	}
	w.looked = now
	if w.links, err = w.engine.links(ctx, workspace); err != nil || (w.sender != nil && w.revision == c.Revision) {
		return err
	}
	settings, err := readSettings(&c)
	if err != nil {
		return err
	}
	w.close()
	if w.sender, err = channel.Open(c.Kind, settings, w.engine.store.Now); err != nil {
		return err
	}
	w.revision = c.Revision
	w.size = min(batchMax, inFlightMax/(2*connections(&c)))
	if settings.RatePerSecond > 0 {
		rate := settings.RatePerSecond / float64(connections(&c))
		w.pace = time.NewTicker(time.Duration(float64(time.Second) / rate))
		w.size = int(min(float64(w.size), max(1, rate*paceAhead.Seconds())))
	}
	return nil
}

// sendAll sends a batch and says how many messages were tried. Sending stops before the lease ends; what was not tried by
// then goes back into the queue, and that was no attempt.
func (w *worker) sendAll(limit context.Context, batch marked) ([]store.Result, int) {
	results := make([]store.Result, len(batch.messages))
	tried := 0
	for i := range batch.messages {
		m := &batch.messages[i]
		if limit.Err() != nil {
			results[i] = w.untried(m)
			continue
		}
		results[i] = w.one(limit, m, batch.withdrawn[m.ID])
		tried++
	}
	return results, tried
}

func (w *worker) untried(m *campaigns.Message) store.Result {
	m.Attempts--
	return store.Result{Message: *m, Detail: "not tried: the node was stopping or ran out of time", RetryAt: w.engine.store.Now()}
}

// record writes outcomes, and what is to follow in the same transaction, also while stopping. When that fails, the
// outcomes alone are tried until the lease ends: what is not recorded then becomes unknown, never sent twice. Followed
// says whether what was to follow was committed.
func (w *worker) record(ctx context.Context, lane int16, results []store.Result, then func(context.Context, *store.Tx) error) (followed bool, err error) {
	if len(results) == 0 && then == nil {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Lease)
	defer cancel()
	for {
		err := w.engine.store.Update(ctx, func(tx *store.Tx) error {
			if len(results) > 0 {
				if err := tx.FinishMessages(ctx, lane, w.engine.node, results); err != nil {
					return err
				}
			}
			if then == nil {
				return nil
			}
			return then(ctx, tx)
		})
		if err == nil || len(results) == 0 {
			return err == nil && then != nil, err
		}
		then = nil
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("%d outcomes were not recorded and become unknown: %w", len(results), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

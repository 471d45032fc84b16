package engine

import (
	"context"
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
	pace      *time.Ticker
	links     links
	size      int // of a batch
}

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

// lane leases one lane, sends what is due in it, and lets it go; it gives the number of messages that were tried.
func (w *worker) lane(ctx context.Context) (int, error) {
	e := w.engine
	lane := int16(-1)
	err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
		lane, err = tx.ClaimLane(ctx, w.channelID, e.node, tx.Now.Add(Lease))
		return err
	})
	if err != nil || lane < 0 {
		return 0, err
	}
	defer w.release(ctx, lane)
	if err := w.open(ctx); err != nil {
		return 0, err
	}
	total := 0
	for ctx.Err() == nil {
		n, err := w.batch(ctx, lane)
		total += n
		if err != nil || n < w.size {
			return total, err
		}
	}
	return total, nil
}

// release gives a lane back also while stopping, so that the next node need not wait for the lease to end.
func (w *worker) release(ctx context.Context, lane int16) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := w.engine.store.Update(ctx, func(tx *store.Tx) error { return tx.ReleaseLane(ctx, w.channelID, lane, w.engine.node) })
	if err != nil {
		w.engine.log.Warn("a lane was not given back; its lease ends by itself", "err", err)
	}
}

// open makes the sender, anew when the channel's settings changed.
func (w *worker) open(ctx context.Context) error {
	var c campaigns.Channel
	var workspace *campaigns.Workspace
	err := w.engine.store.View(ctx, func(tx *store.Tx) (err error) {
		if c, err = tx.Channel(ctx, w.channelID); err != nil {
			return err
		}
		workspace, err = tx.Workspace(ctx)
		return err
	})
	if err != nil || (w.sender != nil && w.revision == c.Revision) {
		return err
	}
	if w.links, err = w.engine.links(ctx, workspace); err != nil {
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
	w.size = min(batchMax, inFlightMax/connections(&c))
	if settings.RatePerSecond > 0 {
		w.pace = time.NewTicker(time.Duration(float64(time.Second) / settings.RatePerSecond * float64(connections(&c))))
	}
	return nil
}

// batch claims, sends and records up to a batch of messages. Sending stops before the lease ends; what was not tried by
// then goes back into the queue.
func (w *worker) batch(ctx context.Context, lane int16) (int, error) {
	e := w.engine
	limit, cancel := context.WithTimeout(ctx, Lease-leaseMargin)
	defer cancel()
	var claimed []campaigns.Message
	var withdrawn map[campaigns.ID]string
	err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
		if claimed, err = tx.ClaimMessages(ctx, w.channelID, lane, e.node, tx.Now.Add(Lease), w.size); err != nil {
			return err
		}
		withdrawn, err = e.withdrawn(ctx, tx, claimed)
		return err
	})
	if err != nil || len(claimed) == 0 {
		return 0, err
	}
	results := make([]store.Result, len(claimed))
	tried := 0
	for i := range claimed {
		if limit.Err() != nil {
			results[i] = store.Result{Message: claimed[i], Detail: "not tried: the node was stopping or ran out of time", RetryAt: e.store.Now()}
			continue
		}
		results[i] = w.one(limit, &claimed[i], withdrawn[claimed[i].ID])
		tried++
	}
	return tried, w.record(ctx, lane, results)
}

// record writes outcomes also while stopping. When PostgreSQL is away it is tried until the lease ends: what is not
// recorded then becomes unknown, never sent twice.
func (w *worker) record(ctx context.Context, lane int16, results []store.Result) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Lease)
	defer cancel()
	for {
		err := w.engine.store.Update(ctx, func(tx *store.Tx) error { return tx.FinishMessages(ctx, lane, w.engine.node, results) })
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d outcomes were not recorded and become unknown: %w", len(results), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/channel"
)

// A worker owns one session with one channel's provider. It leases under an id of its own: were it the node's, what one
// worker records late could undo what another has since begun with the same message.
type worker struct {
	engine    *Engine
	owner     campaigns.ID
	channelID string
	sender    channel.Sender
	revision  int64
	looked    time.Time // when the channel's settings were last read
	pace      *time.Ticker
	links     links
	workspace *campaigns.Workspace
	brake     brake
	size      int             // of a batch
	stop      <-chan struct{} // closed when the node stops
	abandoned atomic.Bool     // a Send did not end: its session is left alone
}

func (e *Engine) newWorker(channelID string) *worker {
	return &worker{engine: e, owner: campaigns.NewID(e.store.Now()), channelID: channelID}
}

const (
	leaseBeat     = time.Second     // how often a living worker renews its leases
	settingsFresh = time.Second     // a channel's new settings are followed after so long
	paceAhead     = 4 * time.Second // what a paced worker takes at once: two batches end before the lease does
)

func (w *worker) close() {
	if w.sender != nil && !w.abandoned.Load() {
		_ = w.sender.Close() // the session ends either way
	}
	w.sender = nil
	if w.pace != nil {
		w.pace.Stop()
		w.pace = nil
	}
}

// marked is a batch of a leased lane's messages that are marked as being sent; verdicts say which of them must not go, and
// what becomes of them instead.
type marked struct {
	lane     int16 // -1: none
	messages []campaigns.Message
	verdicts map[campaigns.ID]verdict
}

// outcomes are what became of a batch.
type outcomes struct {
	lane    int16
	results []store.Result
}

// drain leases one lane after another, sends what is due, and lets it go; it gives the number of messages that were tried.
//
// Why one batch ahead: while a batch is being sent, the outcomes of the one before are recorded and the next is claimed, in
// one transaction. The provider does not wait for PostgreSQL, nor PostgreSQL's disk for the provider.
func (w *worker) drain(ctx context.Context) (int, error) {
	w.stop = ctx.Done()
	if err := w.open(ctx); err != nil {
		return 0, err
	}
	limit, cancel := context.WithTimeout(ctx, Lease-leaseMargin)
	defer func() { cancel() }()
	batch, err := w.first(ctx)
	if err != nil || batch.lane < 0 {
		return 0, err
	}
	defer w.keepLeases(ctx)()
	w.brake.begin()
	w.brake.add(batch)
	defer w.brake.watch(ctx, w.engine.store)()
	total := 0
	done := outcomes{lane: batch.lane}
	for len(batch.messages) > 0 && err == nil {
		soon, cancelSoon := context.WithTimeout(ctx, Lease-leaseMargin)
		var next marked
		ahead := make(chan error, 1)
		full := len(batch.messages) == w.size
		go func(batch int16) { ahead <- w.exchange(ctx, done, batch, full, &next) }(batch.lane)
		sent, tried := w.sendAll(limit, batch)
		total += tried
		err = <-ahead
		cancel()
		limit, cancel = soon, cancelSoon
		batch, done = next, outcomes{batch.lane, sent}
		w.brake.only(batch)
		if failed := w.open(ctx); failed != nil {
			w.engine.log.Warn("a channel's settings could not be read: going on with those from before", "channel", w.channelID, "err", failed)
		}
	}
	_, last := w.record(ctx, done, func(ctx context.Context, tx *store.Tx) error {
		return tx.ReleaseLane(ctx, w.channelID, done.lane, w.owner)
	})
	return total, errors.Join(err, last)
}

// keepLeases renews the worker's leases until it is told to stop, so that a provider who takes longer over one message
// than a lease lasts is not taken for a node that died, which would make the whole batch unknown. Nothing is sent twice
// by it: what is marked is never given out again.
func (w *worker) keepLeases(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var beating sync.WaitGroup
	beating.Go(func() {
		ticker := time.NewTicker(leaseBeat)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			err := w.engine.store.Update(ctx, func(tx *store.Tx) error {
				return tx.RenewLanes(ctx, w.channelID, w.owner, tx.Now.Add(Lease))
			})
			if err != nil && ctx.Err() == nil {
				w.engine.log.Warn("renewing a lease failed, trying again", "channel", w.channelID, "err", err)
			}
		}
	})
	return func() { cancel(); beating.Wait() }
}

// first leases a lane and takes its first batch.
func (w *worker) first(ctx context.Context) (batch marked, err error) {
	err = w.engine.store.Update(ctx, func(tx *store.Tx) (err error) {
		batch, err = w.claim(ctx, tx)
		return err
	})
	return batch, err
}

// exchange records outcomes and takes the next batch: of the lane whose batch is being sent when that was full, else of
// another. Only what was committed is given.
func (w *worker) exchange(ctx context.Context, done outcomes, lane int16, full bool, next *marked) error {
	batch := marked{lane: -1}
	took, err := w.record(ctx, done, func(inner context.Context, tx *store.Tx) (err error) {
		batch = marked{lane: -1}
		if done.lane != lane {
			if err := tx.ReleaseLane(inner, w.channelID, done.lane, w.owner); err != nil {
				return err
			}
		}
		if ctx.Err() != nil {
			return nil // stopping
		}
		if full {
			if batch, err = w.take(inner, tx, lane); err != nil || len(batch.messages) > 0 {
				return err
			}
		}
		batch, err = w.claim(inner, tx)
		return err
	})
	if took {
		*next = batch
		w.brake.add(batch)
	}
	return err
}

// claim leases a lane where something is due and takes a batch.
func (w *worker) claim(ctx context.Context, tx *store.Tx) (marked, error) {
	lane, err := tx.ClaimLane(ctx, w.channelID, w.owner, tx.Now.Add(Lease))
	if err != nil || lane < 0 {
		return marked{lane: -1}, err
	}
	batch, err := w.take(ctx, tx, lane)
	if err == nil && len(batch.messages) == 0 {
		return marked{lane: -1}, tx.ReleaseLane(ctx, w.channelID, lane, w.owner)
	}
	return batch, err
}

// take marks a batch of a leased lane.
func (w *worker) take(ctx context.Context, tx *store.Tx, lane int16) (batch marked, err error) {
	batch.lane = lane
	if batch.messages, err = tx.ClaimMessages(ctx, w.channelID, lane, w.owner, tx.Now.Add(Lease), w.size); err != nil || len(batch.messages) == 0 {
		return batch, err
	}
	batch.verdicts, err = w.ask(ctx, tx, batch.messages)
	return batch, err
}

// open makes the sender, anew when the channel's settings changed.
func (w *worker) open(ctx context.Context) error {
	now := w.engine.store.Now()
	if age := now.Sub(w.looked); w.sender != nil && age >= 0 && age < settingsFresh {
		return nil
	}
	var c campaigns.Channel
	err := w.engine.store.View(ctx, func(tx *store.Tx) (err error) {
		if c, err = tx.Channel(ctx, w.channelID); err != nil {
			return err
		}
		w.workspace, err = tx.Workspace(ctx)
		return err
	})
	if err != nil {
		return err
	}
	w.looked = now
	if w.links, err = w.engine.links(ctx, w.workspace); err != nil || (w.sender != nil && w.revision == c.Revision) {
		return err
	}
	opened, err := channel.Open(c, w.engine.heard(c.ID))
	if err != nil {
		return err
	}
	w.close()
	w.sender = opened
	w.revision = c.Revision
	w.size = min(batchMax, inFlightMax/(2*connections(&c)))
	if c.Settings.Rate() > 0 {
		rate := c.Settings.Rate() / float64(connections(&c))
		w.pace = time.NewTicker(paceOf(rate))
		w.size = int(min(float64(w.size), max(1, rate*paceAhead.Seconds())))
	}
	return nil
}

// paceOf is the time between two messages of a worker that sends so many a second. It lies within what a ticker takes,
// whatever stands in the settings: a channel must never stop its node.
func paceOf(rate float64) time.Duration {
	return time.Duration(min(max(float64(time.Second)/rate, 1), float64(24*time.Hour)))
}

// sendAll sends a batch and says how many messages were tried. Sending stops before the lease ends; what was not tried by
// then goes back into the queue, and that was no attempt.
func (w *worker) sendAll(limit context.Context, batch marked) ([]store.Result, int) {
	results := make([]store.Result, len(batch.messages))
	tried := 0
	for i := range batch.messages {
		m := &batch.messages[i]
		var went bool
		if results[i], went = w.one(limit, m, batch.verdicts[m.ID]); went {
			tried++
		}
	}
	return results, tried
}

// untried puts a message back into the queue when the node stops or runs out of time, or its run may send no more.
func (w *worker) untried(m *campaigns.Message) store.Result {
	m.Attempts--
	detail := "not tried: the node was stopping or ran out of time"
	if w.brake.halts(m.RunID) {
		detail = "not tried: sending was stopped"
	}
	return store.Result{Message: *m, Detail: detail, RetryAt: w.engine.store.Now()}
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

// record writes outcomes, and what is to follow in the same transaction, also while stopping. When that fails, the
// outcomes alone are tried until the lease ends: what is not recorded then becomes unknown, never sent twice. Followed
// says whether what was to follow was committed.
func (w *worker) record(ctx context.Context, done outcomes, then func(context.Context, *store.Tx) error) (followed bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), Lease)
	defer cancel()
	for {
		err := w.engine.store.Update(ctx, func(tx *store.Tx) error {
			if len(done.results) > 0 {
				if moved := movedTo(done.results); len(moved) > 0 {
					if err := tx.LockSlices(ctx, moved); err != nil {
						return err
					}
				}
				if err := tx.FinishMessages(ctx, done.lane, w.owner, done.results); err != nil {
					return err
				}
			}
			if then == nil {
				return nil
			}
			return then(ctx, tx)
		})
		if err == nil || len(done.results) == 0 {
			return err == nil && then != nil, err
		}
		then = nil
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("%d outcomes were not recorded and become unknown: %w", len(done.results), err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

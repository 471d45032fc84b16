package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	shared    *session // the sender, where others may send over it too
	revision  int64
	hooks     string    // where the channel's provider was told that receipts go
	looked    time.Time // when the channel's settings were last read
	rate      float64   // messages a second of all nodes together; 0 for no limit
	failing   []string  // channels whose circuit is open and that this one takes over for
	links     links
	workspace *campaigns.Workspace
	brake     brake
	size      int // of the next batch: what the provider takes in about a second
	sizeMost  int
	leases    leases
	stop      <-chan struct{} // closed when the node stops
	keeps     bool            // the full text of each message, as the channel says
	cost      tariff
	behind    bool // lanes that it is about to let go have more
	done      bool // when it let its lanes go nothing else had been due, and nothing came back
}

func (e *Engine) newWorker(channelID string) *worker {
	return &worker{engine: e, owner: campaigns.NewID(e.store.Now()), channelID: channelID, size: sizeFirst}
}

const (
	leaseBeat     = time.Second // how often a living worker renews its leases
	settingsFresh = time.Second // a channel's new settings are followed after so long
	sizeFirst     = 16          // of a worker's first batch; it grows and shrinks with what the provider takes
	lanesMost     = 8           // that are leased at once: the messages of a small run lie in many lanes, and others want some too
	turnBatches   = 8           // after so many batches a worker lets its lanes go and takes those that wait longest
)

// marked is a batch of messages of leased lanes that are marked as being sent; verdicts say which of them must not go, and
// what becomes of them instead. The others go at their slots, in their order, where the channel has a rate.
type marked struct {
	leased
	messages []campaigns.Message
	verdicts map[campaigns.ID]verdict
	slots    []time.Time
	probe    bool // one message that tries an open circuit
	full     bool // there is more in its lanes
	rest     bool // nothing else was due
	seen     campaigns.Provider
}

// leased are lanes of a channel: the worker's own, or one that it takes over for.
type leased struct {
	channel string
	lanes   []int16
}

// outcomes are what became of a batch, and what it tells about the provider.
type outcomes struct {
	leased
	results []store.Result
	answers campaigns.Answers
	probe   bool
	seen    campaigns.Provider // the provider's state when the batch was claimed
	places  int                // of the node's flight
	took    time.Duration
}

// returns says whether some of the messages wait again.
func (o *outcomes) returns() bool {
	return slices.ContainsFunc(o.results, func(r store.Result) bool { return !r.RetryAt.IsZero() })
}

// drain leases lanes, sends what is due, and lets them go, until nothing is left; it gives the number of messages that were
// tried.
//
// Why one batch ahead: while a batch is being sent, the outcomes of the one before are recorded and the next is claimed, in
// one transaction. The provider does not wait for PostgreSQL, nor PostgreSQL's disk for the provider.
func (w *worker) drain(ctx context.Context) (int, error) {
	w.stop = ctx.Done()
	if err := w.open(ctx); err != nil || w.engine.skewed.Load() {
		return 0, err
	}
	limit, cancel := context.WithTimeout(ctx, Lease-leaseMargin)
	defer func() { cancel() }()
	w.done = false
	w.brake.begin()
	var batch marked
	if err := w.exchange(ctx, outcomes{}, leased{}, &batch); err != nil || len(batch.messages) == 0 {
		return 0, err
	}
	defer w.keepLeases(ctx)()
	defer w.brake.watch(ctx, w.engine.store)()
	total, turn, back := 0, 0, false
	var done outcomes
	var err error
	for len(batch.messages) > 0 && err == nil {
		soon, cancelSoon := context.WithTimeout(ctx, Lease-leaseMargin)
		var next marked
		ahead, going := make(chan error, 1), leased{}
		if turn++; batch.full && turn%turnBatches != 0 {
			going = batch.leased
		}
		w.behind = batch.full && len(going.lanes) == 0
		go func() { ahead <- w.ahead(ctx, done, batch, going, &next) }()
		sent, tried := w.sendAll(limit, batch)
		total += tried
		err = <-ahead
		back = back || sent.returns()
		w.done = batch.rest && !back
		w.resize(len(batch.messages), sent.took, len(batch.slots) > 0)
		cancel()
		limit, cancel = soon, cancelSoon
		batch, done = next, sent
		w.brake.only(batch)
		if failed := w.open(ctx); failed != nil {
			w.engine.log.Warn("a channel's settings could not be read: going on with those from before", "channel", w.channelID, "err", failed)
		}
	}
	last := w.last(ctx, done, batch)
	return total, errors.Join(err, last)
}

// ahead takes the next batch while one is being sent, and records the outcomes of the one before. Where nothing else was due
// it asks for none: what has become due meanwhile is found when lanes are leased again.
func (w *worker) ahead(ctx context.Context, done outcomes, sending marked, going leased, next *marked) error {
	if !sending.rest {
		return w.exchange(ctx, done, going, next)
	}
	_, err := w.record(ctx, done, nil)
	return err
}

// last records the last batch and lets all lanes go. A batch that was claimed and not begun goes back.
func (w *worker) last(ctx context.Context, done outcomes, batch marked) error {
	_, err := w.record(ctx, done, nil)
	if len(batch.messages) > 0 {
		back := outcomes{leased: batch.leased, places: len(batch.messages), probe: batch.probe}
		for i := range batch.messages {
			back.results = append(back.results, w.untried(&batch.messages[i], "the worker had to stop"))
		}
		_, failed := w.record(ctx, back, nil)
		err = errors.Join(err, failed)
	}
	for _, held := range w.leases.all() {
		failed := w.engine.store.Update(context.WithoutCancel(ctx), func(tx *store.Tx) error {
			return tx.ReleaseLanes(ctx, held.channel, held.lanes, w.owner, true)
		})
		if failed == nil || ctx.Err() != nil {
			w.leases.drop(held)
		}
		err = errors.Join(err, failed)
	}
	return err
}

// exchange records outcomes and takes the next batch: of the lanes that are going on where those have more, else of others.
// Only what was committed is given.
func (w *worker) exchange(ctx context.Context, done outcomes, going leased, next *marked) error {
	places := w.engine.flight.take(w.channelID, w.size)
	var batch marked
	took, err := w.record(ctx, done, func(inner context.Context, tx *store.Tx) (err error) {
		batch = marked{}
		if ctx.Err() != nil || places == 0 {
			return nil // stopping, or enough is on its way
		}
		if sound, err := w.engine.sound(inner, tx); err != nil || !sound {
			return err
		}
		batch, err = w.claim(inner, tx, going, places)
		return err
	})
	if !took {
		batch = marked{}
	}
	w.engine.flight.give(w.channelID, places-len(batch.messages))
	if len(batch.messages) > 0 {
		w.leases.add(batch.leased)
		w.brake.add(batch)
		*next = batch
	}
	return err
}

// claim takes a batch: of lanes that are leased already, else of the channel's own, else of a channel whose circuit is open
// and that names this one as the one that takes over.
func (w *worker) claim(ctx context.Context, tx *store.Tx, going leased, places int) (batch marked, err error) {
	p, err := w.admit(ctx, tx, places)
	if err != nil || p.most == 0 {
		return batch, err
	}
	if len(going.lanes) > 0 {
		if batch, err = w.take(ctx, tx, going, p.most); err != nil {
			return batch, err
		}
	}
	for _, source := range append([]string{w.channelID}, w.failing...) {
		if len(batch.messages) > 0 {
			break
		}
		if source != w.channelID {
			if failing, err := tx.Provider(ctx, source); err != nil || !failing.IsOpen() {
				return batch, err
			}
		}
		if batch, err = w.lease(ctx, tx, source, p.most); err != nil {
			return batch, err
		}
	}
	if len(batch.messages) == 0 {
		return batch, nil
	}
	return batch, w.use(ctx, tx, &p, &batch)
}

// lease leases lanes where something is due and takes a batch of them. Lanes of which nothing was taken are let go.
func (w *worker) lease(ctx context.Context, tx *store.Tx, source string, most int) (batch marked, err error) {
	lanes, err := tx.ClaimLanes(ctx, source, w.owner, tx.Now.Add(Lease), lanesMost)
	if err != nil || len(lanes) == 0 {
		return batch, err
	}
	if batch, err = w.take(ctx, tx, leased{source, lanes}, most); err != nil {
		return batch, err
	}
	batch.rest = len(lanes) < lanesMost && len(batch.messages) < most && len(w.failing) == 0 && !w.behind
	idle := slices.DeleteFunc(lanes, func(lane int16) bool { return slices.Contains(batch.lanes, lane) })
	if len(idle) > 0 {
		err = tx.ReleaseLanes(ctx, source, idle, w.owner, false)
	}
	return batch, err
}

// take marks a batch of leased lanes.
func (w *worker) take(ctx context.Context, tx *store.Tx, of leased, most int) (batch marked, err error) {
	batch.channel = of.channel
	if batch.messages, err = tx.ClaimMessages(ctx, of.channel, of.lanes, w.owner, tx.Now.Add(Lease), most); err != nil || len(batch.messages) == 0 {
		return batch, err
	}
	batch.full = len(batch.messages) == most
	for i := range batch.messages {
		batch.lanes = append(batch.lanes, campaigns.Lane(batch.messages[i].No))
	}
	slices.Sort(batch.lanes)
	batch.lanes = slices.Compact(batch.lanes)
	if batch.verdicts, err = w.ask(ctx, tx, batch.messages); err != nil {
		return batch, err
	}
	return batch, w.keepLinks(ctx, tx, batch)
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
		if w.failing, err = tx.Failing(ctx, w.channelID); err != nil {
			return err
		}
		w.workspace, err = tx.Workspace(ctx)
		return err
	})
	if err != nil {
		return err
	}
	w.looked = now
	options := w.engine.heard(c.ID)
	options.Hooks = hooksAt(w.workspace, c.ID)
	if w.links, err = w.engine.links(ctx, w.workspace); err != nil || (w.sender != nil && w.revision == c.Revision && w.hooks == options.Hooks) {
		return err
	}
	cost, err := tariffOf(&c)
	if err != nil {
		return err
	}
	opened, err := w.engine.opens(c, options)
	if err != nil {
		return err
	}
	w.close()
	w.sender, w.hooks = opened, options.Hooks
	if c.Kind == campaigns.KindSMPP {
		w.shared = w.engine.sessions.share(c.ID, opened)
	}
	w.revision, w.rate, w.keeps, w.cost = c.Revision, c.Settings.Rate(), c.Settings.KeepContent, cost
	w.sizeMost = max(1, min(batchMax, flightMax*flightShare/(flightShare+1)/(2*connections(&c))))
	w.size = min(w.size, w.sizeMost)
	return nil
}

// sendAll sends a batch, as many messages at once as the provider takes from one session, and says how many were tried.
// Sending stops before the lease ends; what was not tried by then goes back into the queue, and that was no attempt.
func (w *worker) sendAll(limit context.Context, batch marked) (outcomes, int) {
	done := outcomes{leased: batch.leased, results: make([]store.Result, len(batch.messages)), probe: batch.probe, seen: batch.seen, places: len(batch.messages)}
	var heard hearing
	var tried atomic.Int64
	began := w.engine.store.Now()
	next, slot := make(chan job, len(batch.messages)), 0
	for i := range batch.messages {
		j := job{at: i}
		if v, decided := batch.verdicts[batch.messages[i].ID]; decided {
			j.verdict = v
		} else if slot < len(batch.slots) {
			j.slot, slot = batch.slots[slot], slot+1
		}
		next <- j
	}
	close(next)
	var sending sync.WaitGroup
	for range min(w.sender.Window(), len(batch.messages)) {
		sending.Go(func() {
			by := newHandover(w.sender)
			defer by.close()
			for j := range next {
				var went bool
				if done.results[j.at], went = w.one(limit, &batch.messages[j.at], j, by, &heard); went {
					tried.Add(1)
				}
			}
		})
	}
	sending.Wait()
	if heard.abandoned {
		w.abandon()
	}
	done.answers = heard.answers
	if batch.channel != w.channelID {
		w.tookOver(batch.channel, done.results)
	}
	done.took = w.engine.store.Now().Sub(began)
	return done, int(tried.Load())
}

// A job is one message of a batch to be sent.
type job struct {
	at      int
	verdict verdict
	slot    time.Time // zero for at once
}

// resize fits the next batch to what the provider takes in a second, so that a slow one ends its batches long before their
// lease, and holds little of the node's flight.
func (w *worker) resize(n int, took time.Duration, paced bool) {
	switch {
	case paced:
		w.size = min(w.sizeMost, max(1, int(w.rate/2)))
	case took < time.Second/2:
		w.size = min(w.sizeMost, max(w.size, 2*n))
	case took > time.Second:
		w.size = max(1, min(w.size, int(float64(n)/took.Seconds())))
	}
}

// tookOver says of what was handed over that this channel carried it.
func (w *worker) tookOver(from string, results []store.Result) {
	for i := range results {
		r := &results[i]
		if !r.Handed {
			continue
		}
		r.Detail = fmt.Sprintf("%s took over for %s: %s", w.channelID, from, r.Detail)
		if r.RetryAt.IsZero() {
			r.Carrier = w.channelID
		}
	}
}

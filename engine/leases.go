package engine

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"beckon/campaigns/store"
)

// leases are the lanes that a worker has in hand: each as often as there are batches of it. What is not among them is not
// renewed, so that what a broken commit left behind becomes free again.
type leases struct {
	mu   sync.Mutex
	held map[laneOf]int
}

type laneOf struct {
	channel string
	lane    int16
}

func (l *leases) add(of leased) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[laneOf]int{}
	}
	for _, lane := range of.lanes {
		l.held[laneOf{of.channel, lane}]++
	}
}

func (l *leases) drop(of leased) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, lane := range of.lanes {
		key := laneOf{of.channel, lane}
		if l.held[key]--; l.held[key] <= 0 {
			delete(l.held, key)
		}
	}
}

// alone are those of a batch's lanes that are in no other batch's hands.
func (l *leases) alone(of leased) (lanes []int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, lane := range of.lanes {
		if l.held[laneOf{of.channel, lane}] <= 1 {
			lanes = append(lanes, lane)
		}
	}
	return lanes
}

// all are all lanes in hand, by channel.
func (l *leases) all() (found []leased) {
	l.mu.Lock()
	defer l.mu.Unlock()
	byChannel := map[string][]int16{}
	for key := range l.held {
		byChannel[key.channel] = append(byChannel[key.channel], key.lane)
	}
	for _, channel := range slices.Sorted(maps.Keys(byChannel)) {
		slices.Sort(byChannel[channel])
		found = append(found, leased{channel, byChannel[channel]})
	}
	return found
}

// keepLeases renews the worker's leases until it is told to stop, so that a provider who takes longer over one message
// than a lease lasts is not taken for a node that died, which would make the whole batch unknown. Nothing is sent twice
// by it: what is marked is never given out again.
func (w *worker) keepLeases(ctx context.Context) (stop func()) {
	return meanwhile(ctx, leaseBeat, func(ctx context.Context) {
		if err := w.renew(ctx); err != nil && ctx.Err() == nil {
			w.engine.log.Warn("renewing a lease failed, trying again", "channel", w.channelID, "err", err)
		}
	})
}

// meanwhile does something now and then beside what its caller does, until it is told to stop; that ctx ends stops nothing.
func meanwhile(ctx context.Context, every time.Duration, do func(ctx context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var beside sync.WaitGroup
	beside.Go(func() {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				do(ctx)
			}
		}
	})
	return func() { cancel(); beside.Wait() }
}

// renew renews the leases by PostgreSQL's clock where this node's went wrong: what is in hand must not be taken for lost, nor
// stay leased for an hour.
func (w *worker) renew(ctx context.Context) error {
	ahead, _, err := w.engine.ahead(ctx, w.engine.store)
	if err != nil {
		return err
	}
	return w.engine.store.Update(ctx, func(tx *store.Tx) error {
		for _, held := range w.leases.all() {
			if err := tx.RenewLanes(ctx, held.channel, held.lanes, w.owner, tx.Now.Add(Lease-ahead)); err != nil {
				return err
			}
		}
		return nil
	})
}

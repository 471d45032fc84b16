package engine

import (
	"context"
	"strings"
	"sync"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// StopSending keeps every node from sending anything, within a second: nothing more is claimed, and what was claimed and
// not yet handed over goes back into the queue. Runs are made, selected and queued meanwhile, so that nothing is missed;
// what waits expires when its useful time is over. A second stop changes nothing.
func (e *Engine) StopSending(ctx context.Context, actor, reason string) (*campaigns.Stop, error) {
	if err := campaigns.CheckText("reason", reason); err != nil {
		return nil, err
	}
	if len(reason) > 1000 {
		return nil, campaigns.Invalid("reason", "is longer than 1,000 bytes")
	}
	var stop *campaigns.Stop
	err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
		if stop, err = tx.LockStopped(ctx); err != nil || stop != nil {
			return err
		}
		stop = &campaigns.Stop{At: tx.Now, By: actor, Reason: strings.TrimSpace(reason)}
		if err := tx.SaveStop(ctx, stop); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "stop", "workspace", "1", nil, stop)
	})
	return stop, err
}

// ResumeSending lets sending go on, to exactly what is left.
func (e *Engine) ResumeSending(ctx context.Context, actor string) error {
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		stop, err := tx.LockStopped(ctx)
		if err != nil {
			return err
		}
		if stop == nil {
			return campaigns.Conflict("sending is not stopped; a campaign that is paused or a run that is held is resumed itself")
		}
		if err := tx.SaveStop(ctx, nil); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "resume", "workspace", "1", stop, nil)
	})
	if err == nil {
		e.nudge()
	}
	return err
}

// brakeEvery is how often a worker that has messages in hand asks whether they may still go.
const brakeEvery = 250 * time.Millisecond

// A brake knows which of the messages that a worker has in hand must not go, because sending, their campaign or their run
// was stopped since they were claimed.
type brake struct {
	mu   sync.Mutex
	all  bool
	runs map[campaigns.ID]bool // in hand; true for those that are halted
}

// watch asks for as long as the worker works.
func (b *brake) watch(ctx context.Context, s *store.Store) (stop func()) {
	return meanwhile(ctx, brakeEvery, func(ctx context.Context) { b.ask(ctx, s) })
}

// ask reads what was halted. When PostgreSQL does not answer, what was known before holds.
func (b *brake) ask(ctx context.Context, s *store.Store) {
	b.mu.Lock()
	runs := make([]campaigns.ID, 0, len(b.runs))
	for id := range b.runs {
		runs = append(runs, id)
	}
	b.mu.Unlock()
	var all bool
	var halted []campaigns.ID
	err := s.View(ctx, func(tx *store.Tx) (err error) {
		all, halted, err = tx.Halted(ctx, runs)
		return err
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		return
	}
	b.all = all
	for _, id := range runs {
		if _, still := b.runs[id]; still {
			b.runs[id] = false
		}
	}
	for _, id := range halted {
		if _, still := b.runs[id]; still {
			b.runs[id] = true
		}
	}
}

// begin lets go whatever was halted before.
func (b *brake) begin() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all, b.runs = false, map[campaigns.ID]bool{}
}

// add takes the runs of a batch that was just claimed: nothing had halted them then.
func (b *brake) add(batch marked) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range batch.messages {
		b.all, b.runs[batch.messages[i].RunID] = false, false
	}
}

// only forgets all runs but those of the batch that is sent next.
func (b *brake) only(batch marked) {
	b.mu.Lock()
	before := b.runs
	b.runs = map[campaigns.ID]bool{}
	for i := range batch.messages {
		b.runs[batch.messages[i].RunID] = before[batch.messages[i].RunID]
	}
	b.mu.Unlock()
}

// halts says whether a run's messages must not go now.
func (b *brake) halts(run campaigns.ID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all || b.runs[run]
}

package engine

import (
	"context"
	"sync"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// whileHeld does what may take longer than a lease without a sign of life, such as loading customers into memory, and keeps
// a run to this node meanwhile. It ends with a conflict when the run was stopped or is another node's.
func (e *Engine) whileHeld(ctx context.Context, run *campaigns.Run, do func(ctx context.Context) error) error {
	id, status := run.ID, run.Status
	ctx, cancel := context.WithCancelCause(ctx)
	var beating sync.WaitGroup
	beating.Go(func() {
		ticker := time.NewTicker(e.beat)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			err := e.store.Update(ctx, func(tx *store.Tx) error { return tx.KeepRun(ctx, id, status, e.node, tx.Now.Add(Lease)) })
			if isStale(err) { // anything else is tried again: the lease outlasts two beats
				cancel(err)
				return
			}
		}
	})
	err := do(ctx)
	cancel(nil)
	beating.Wait()
	if lost := context.Cause(ctx); isStale(lost) {
		return lost
	}
	return err
}

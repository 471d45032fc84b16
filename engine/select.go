package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
)

// showEvery is how often a run shows how far its selection is.
const showEvery = time.Second

// Select finds the audience of one planned run: the rule, then the gates before the arms, which are facts from before any
// treatment. What it finds is written in one transaction at the end, so that an interrupted selection begins anew.
//
// An audience that is small enough is queued in that transaction, too, where it is its turn: most runs are reminders that
// find a handful of customers, and would else spend more on being handed on than on their messages.
func (e *Engine) Select(ctx context.Context) (int, error) {
	var run *campaigns.Run
	err := e.store.Single(ctx, func(tx *store.Tx) (err error) {
		run, err = tx.ClaimSelection(ctx, e.node, tx.Now.Add(Lease))
		return err
	})
	if err != nil || run == nil {
		return 0, err
	}
	return 1, e.stopOnFault(ctx, run, e.selectRun(ctx, run))
}

// stopOnFault stops a run whose definition no longer works, or that would write what PostgreSQL will never take, so that one
// broken campaign never holds up the others; what is temporary (the database, a lost lease) is left to be tried again.
func (e *Engine) stopOnFault(ctx context.Context, run *campaigns.Run, err error) error {
	if err == nil || isStale(err) {
		return nil
	}
	if !isOwn(err) {
		return fmt.Errorf("run %s: %w", run.ID, err)
	}
	e.log.Error("run stopped", "run", run.ID, "err", err)
	return e.store.Update(ctx, func(tx *store.Tx) error {
		status := run.Status
		run.Status, run.Reason, run.FinishedAt = campaigns.Stopped, err.Error(), &tx.Now
		return tx.SaveRun(ctx, run, status, e.node, tx.Now)
	})
}

// selectRun finds a run's audience, leads it through the gates before the arms and leaves the eligible in parts.
func (e *Engine) selectRun(ctx context.Context, run *campaigns.Run) error {
	p, err := e.planOfRun(ctx, run)
	if err != nil {
		return err
	}
	var found *sieve
	err = e.whileHeld(ctx, run, func(ctx context.Context) error {
		var of *roaring64.Bitmap
		if run.ResendOf != nil {
			var err error
			if of, err = e.remainder(ctx, run); err != nil {
				return err
			}
		}
		found, err = e.sift(ctx, p, of, func(ctx context.Context, q audience.Question) (*audience.Answer, error) {
			answer, err := e.members(ctx, run, q)
			if err == nil && p.heldGlobally() && p.workspace.GlobalHoldout > 0 && (of != nil || !answer.Sets[0].IsEmpty()) {
				_, err = e.DrawGlobalHoldout(ctx)
			}
			return answer, err
		})
		return err
	})
	if err != nil {
		return err
	}
	run.SelectMS = found.answer.Took.Milliseconds()
	return e.keepSelection(ctx, run, found)
}

// members asks the executor for a run, and shows how far it is.
func (e *Engine) members(ctx context.Context, run *campaigns.Run, q audience.Question) (*audience.Answer, error) {
	shown := e.store.Now()
	q.Progress = func(scanned int64) error {
		now := e.store.Now()
		if now.Sub(shown).Abs() < showEvery {
			return nil
		}
		shown = now
		return e.renewRun(ctx, run, scanned)
	}
	found, err := e.find(ctx, q)
	if err != nil {
		return nil, err
	}
	run.Customers, run.Scanned, run.Executor = found.Total, found.Total, found.Executor
	return found, nil
}

func (e *Engine) renewRun(ctx context.Context, run *campaigns.Run, scanned int64) error {
	run.Scanned = scanned
	return e.store.Update(ctx, func(tx *store.Tx) error {
		return tx.SaveRun(ctx, run, campaigns.Selecting, e.node, tx.Now.Add(Lease))
	})
}

package engine

import (
	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"context"
	"fmt"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
)

// showEvery is how often a run shows how far its selection is.
const showEvery = time.Second

// Select finds the audience of one planned run: the rule, then the gates before the arms, which are facts from before any
// treatment. What it finds is written in one transaction at the end, so that an interrupted selection begins anew.
func (e *Engine) Select(ctx context.Context) (int, error) {
	for _, status := range []campaigns.RunStatus{campaigns.Planned, campaigns.Selecting} {
		run, err := e.claimRun(ctx, status, campaigns.Selecting)
		if err != nil {
			return 0, err
		}
		if run != nil {
			return 1, e.stopOnFault(ctx, run, e.selectRun(ctx, run))
		}
	}
	return 0, nil
}

// claimRun leases the first run in a state that no other node holds; nil when there is none.
func (e *Engine) claimRun(ctx context.Context, from, to campaigns.RunStatus) (*campaigns.Run, error) {
	var open []campaigns.Run
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		open, err = tx.OpenRuns(ctx, from)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range open {
		var won bool
		err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
			won, err = tx.ClaimRun(ctx, open[i].ID, from, to, e.node, tx.Now.Add(Lease))
			return err
		})
		if err != nil {
			return nil, err
		}
		if won {
			open[i].Status = to
			return &open[i], nil
		}
	}
	return nil, nil
}

// stopOnFault stops a run whose definition no longer works, so that one broken campaign never holds up the others; what
// is temporary (the database, a lost lease) is left to be tried again.
func (e *Engine) stopOnFault(ctx context.Context, run *campaigns.Run, err error) error {
	if err == nil || isStale(err) {
		return nil
	}
	code := campaigns.CodeOf(err)
	if code != campaigns.CodeInvalid && code != campaigns.CodeNotFound {
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
	var p *plan
	err := e.store.View(ctx, func(tx *store.Tx) error {
		var err error
		p, err = e.planOf(ctx, tx, run)
		return err
	})
	if err != nil {
		return err
	}
	var found *sieve
	err = e.whileHeld(ctx, run, func(ctx context.Context) error {
		if p.heldGlobally() {
			if _, err := e.DrawGlobalHoldout(ctx); err != nil {
				return err
			}
		}
		var of *roaring64.Bitmap
		if run.ResendOf != nil {
			var err error
			if of, err = e.remainder(ctx, run); err != nil {
				return err
			}
		}
		found, err = e.sift(ctx, p, of, func(ctx context.Context, q audience.Question) (*audience.Answer, error) {
			return e.members(ctx, run, q)
		})
		return err
	})
	if err != nil {
		return err
	}
	run.SelectMS = found.answer.Took.Milliseconds()
	return e.store.Update(ctx, func(tx *store.Tx) error { return e.saveSelection(ctx, tx, run, found) })
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

// saveSelection writes who stopped where, whom the global holdout met, and the eligible.
func (e *Engine) saveSelection(ctx context.Context, tx *store.Tx, run *campaigns.Run, found *sieve) (err error) {
	if err := tx.ClearAudience(ctx, run.ID); err != nil {
		return err
	}
	for gate, members := range found.gates {
		if err := tx.SaveAudience(ctx, run.ID, gate, members); err != nil {
			return err
		}
	}
	if q := found.quarter; q != nil && q.drawn {
		if err := tx.KeepNewcomers(ctx, q.Quarter, found.newHeld, found.newcomers); err != nil {
			return err
		}
	}
	if run.Eligible, err = tx.SaveParts(ctx, run.ID, found.parts(found.rest)); err != nil {
		return err
	}
	run.Status = campaigns.Queueing
	run.SelectedAt = &tx.Now
	if err := e.guardSelected(ctx, tx, found.plan, run); err != nil {
		return err
	}
	if run.Eligible == 0 && run.Held == "" { // nobody is left to queue
		run.Status, run.QueuedAt = campaigns.Sending, &tx.Now
	}
	return tx.SaveRun(ctx, run, campaigns.Selecting, e.node, tx.Now.Add(Lease))
}

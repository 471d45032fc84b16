package engine

import (
	"context"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// atOnceMax is the most eligible customers of a run that are queued in the transaction that keeps who was selected. More
// leave the run to whoever's turn it is to queue a piece.
const atOnceMax = 1000

// A selection is what was found for a run on its way into the store.
type selection struct {
	*sieve
	run      *campaigns.Run
	eligible []int64                              // ascending
	stands   map[campaigns.Gate]*roaring64.Bitmap // who stands where at the end of the transaction
	ready    *readyRun                            // for queueing at once; nil where that is not asked for
	queued   bool                                 // at once
	stopped  bool                                 // somebody who was queued at once stands at the gate template
}

// keepSelection writes what was found and, of a small audience, queues it. Both are one transaction: a crash leaves a run
// that is selected anew.
func (e *Engine) keepSelection(ctx context.Context, run *campaigns.Run, found *sieve) error {
	s := &selection{sieve: found, run: run, eligible: numbersOf(found.rest)}
	if n := len(s.eligible); n > 0 && n <= e.atOnce {
		var err error
		if s.ready, err = e.readyOf(ctx, found.plan); err != nil {
			return err
		}
		if err := e.store.MonthsOfMessages(ctx); err != nil {
			return err
		}
	}
	before := *run
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		*run = before
		return e.saveSelection(ctx, tx, s)
	})
	if err != nil {
		*run = before // what was undone: the run is being selected still, and is stopped as that where it has to be
		return err
	}
	if !s.queued {
		return nil
	}
	e.nudge()
	if !s.stopped {
		return nil
	}
	if err := e.guardQueued(ctx, found.plan, run); err != nil {
		return err
	}
	return e.endQueueing(ctx, run)
}

// saveSelection writes who stopped where, whom the global holdout met, and the eligible: as parts that wait to be queued, or
// at the gates where they end when they are queued at once.
func (e *Engine) saveSelection(ctx context.Context, tx *store.Tx, s *selection) (err error) {
	run := s.run
	run.Status, run.SelectedAt, run.Eligible = campaigns.Queueing, &tx.Now, int64(len(s.eligible))
	if err := e.guardSelected(ctx, tx, s.plan, run, s.size()); err != nil {
		return err
	}
	s.queued, s.stopped, s.stands = false, false, s.gates
	if s.ready != nil && run.Held == "" {
		if s.queued, err = tx.MayQueue(ctx, run.ID, e.node); err != nil {
			return err
		}
	}
	if q := s.quarter; q != nil && q.drawn {
		if err := tx.KeepNewcomers(ctx, q.Quarter, s.newHeld, s.newcomers); err != nil {
			return err
		}
	}
	if s.queued {
		if err := s.queue(ctx, tx); err != nil {
			return err
		}
	}
	if err := tx.SaveAudience(ctx, run.ID, s.stands); err != nil {
		return err
	}
	switch {
	case len(s.eligible) > 0 && !s.queued:
		if _, err := tx.SaveParts(ctx, run.ID, s.parts(s.rest)); err != nil {
			return err
		}
	case run.Held == "" && !s.stopped: // nobody is left to queue
		if run.Reason, err = e.budgetReasonOf(ctx, tx, s); err != nil {
			return err
		}
		run.Status, run.QueuedAt = campaigns.Sending, &tx.Now
	}
	return tx.SaveRun(ctx, run, campaigns.Selecting, e.node, tx.Now.Add(Lease))
}

// size is how many customers match the rule.
func (s *sieve) size() int64 {
	n := s.rest.GetCardinality()
	for gate, members := range s.gates {
		if !gate.IsGhost() {
			n += members.GetCardinality()
		}
	}
	return int64(n)
}

// queue leads the eligible through the gates after the arms, and adds where they end to where the others stand.
func (s *selection) queue(ctx context.Context, tx *store.Tx) error {
	b := s.ready.batch(tx, s.run)
	if err := b.resume(ctx); err != nil {
		return err
	}
	nos := slices.Clone(s.eligible)
	b.inTurn(nos)
	if err := b.admit(ctx, nos); err != nil {
		return err
	}
	s.stands = make(map[campaigns.Gate]*roaring64.Bitmap, len(s.gates)+len(b.gates))
	for gate, members := range s.gates {
		s.stands[gate] = members.Clone()
	}
	for gate, nos := range b.gates {
		if s.stands[gate] == nil {
			s.stands[gate] = roaring64.New()
		}
		s.stands[gate].Or(setOf(nos))
	}
	s.stopped = len(b.gates[campaigns.GateTemplate])+len(b.gates[campaigns.GhostGate(campaigns.GateTemplate)]) > 0
	return b.suspend(ctx)
}

// budgetReasonOf says that a run that was queued at once ended at its budget, where somebody did.
func (e *Engine) budgetReasonOf(ctx context.Context, tx *store.Tx, s *selection) (string, error) {
	if s.stands[campaigns.GateBudget] == nil && s.stands[campaigns.GhostGate(campaigns.GateBudget)] == nil {
		return s.run.Reason, nil
	}
	return e.budgetReason(ctx, tx, s.run)
}

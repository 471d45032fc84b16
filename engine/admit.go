package engine

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// admissions are what several campaigns let in in one transaction, to be written together: one statement for a table and
// not one for each campaign, and the gates that all nodes count at are locked for no longer than that takes.
type admissions struct {
	gates   map[campaigns.ID]map[campaigns.Gate][]int64 // by run
	batches []*batch
}

func newAdmissions() *admissions {
	return &admissions{gates: map[campaigns.ID]map[campaigns.Gate][]int64{}}
}

// put counts customers at a run's gates.
func (a *admissions) put(run campaigns.ID, gates map[campaigns.Gate][]int64) {
	if a.gates[run] == nil {
		a.gates[run] = map[campaigns.Gate][]int64{}
	}
	for gate, nos := range gates {
		a.gates[run][gate] = append(a.gates[run][gate], nos...)
	}
}

// end writes what was let in, and the gates.
func (a *admissions) end(ctx context.Context, tx *store.Tx) error {
	if err := writeBatches(ctx, tx, a.batches); err != nil {
		return err
	}
	return tx.AddToGates(ctx, a.gates)
}

// admit leads customers, each at most once, through all gates of a run that stays open, in the caller's transaction, who
// writes the admissions at its end. An entry's time is now, not the run's, so that a cool-down lies between what happened.
func (e *Engine) admit(ctx context.Context, tx *store.Tx, p *plan, run *campaigns.Run, nos []int64, from books, to *admissions) error {
	gates, err := p.early(ctx, from, nos, false)
	if err != nil {
		return err
	}
	eligible := gates[campaigns.GateEligible]
	delete(gates, campaigns.GateEligible)
	if len(eligible) == 0 {
		to.put(run.ID, gates)
		return nil
	}
	ready, err := e.readyOf(ctx, p)
	if err != nil {
		return err
	}
	entered := *run
	entered.Occurrence = tx.Now
	b := ready.batch(tx, &entered)
	b.books, b.admissions = from, to
	if err := b.resume(ctx); err != nil {
		return err
	}
	if err := b.admit(ctx, eligible); err != nil {
		return err
	}
	to.put(run.ID, gates)
	to.put(run.ID, b.gates)
	return b.suspend(ctx)
}

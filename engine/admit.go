package engine

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// admit leads customers, each at most once, through all gates of a run that stays open, in the caller's transaction. An
// entry's time is now, not the run's, so that a cool-down lies between what happened.
func (e *Engine) admit(ctx context.Context, tx *store.Tx, p *plan, run *campaigns.Run, nos []int64) error {
	if err := p.meet(ctx, tx, nos); err != nil {
		return err
	}
	gates, err := p.early(ctx, tx, nos, false)
	if err != nil {
		return err
	}
	eligible := gates[campaigns.GateEligible]
	delete(gates, campaigns.GateEligible)
	if len(eligible) == 0 {
		return tx.AddToGates(ctx, run.ID, gates)
	}
	ready, err := e.readyOf(ctx, p)
	if err != nil {
		return err
	}
	entered := *run
	entered.Occurrence = tx.Now
	b := ready.batch(tx, &entered)
	if err := b.resume(ctx); err != nil {
		return err
	}
	if err := b.admit(ctx, eligible); err != nil {
		return err
	}
	for gate, stopped := range b.gates {
		gates[gate] = append(gates[gate], stopped...)
	}
	if err := b.suspend(ctx); err != nil {
		return err
	}
	return tx.AddToGates(ctx, run.ID, gates)
}

package engine

import (
	"context"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

// admit leads customers, each at most once, through all gates of a run that stays open, in the caller's transaction. An
// entry's time is now, not the run's, so that a cool-down lies between what happened.
func (e *Engine) admit(ctx context.Context, tx *store.Tx, p *plan, run *campaigns.Run, nos []int64) error {
	gates, err := p.beforeArms(ctx, tx, nos)
	if err != nil {
		return err
	}
	eligible := gates[campaigns.GateEligible]
	delete(gates, campaigns.GateEligible)
	if len(eligible) > 0 {
		b, err := e.newBatch(ctx, tx, p, run)
		if err != nil {
			return err
		}
		for _, do := range []func(context.Context, []int64) error{b.load, b.enter, b.assign, b.walk} {
			if err := do(ctx, eligible); err != nil {
				return err
			}
		}
		if err := b.write(ctx); err != nil {
			return err
		}
		for gate, stopped := range b.gates {
			gates[gate] = append(gates[gate], stopped...)
		}
	}
	return tx.AddToGates(ctx, run.ID, gates)
}

func (e *Engine) newBatch(ctx context.Context, tx *store.Tx, p *plan, run *campaigns.Run) (*batch, error) {
	cipher, err := e.cipher(ctx)
	if err != nil {
		return nil, err
	}
	links, err := e.links(ctx, p.workspace)
	if err != nil {
		return nil, err
	}
	entered := *run
	entered.Occurrence = tx.Now
	return &batch{plan: p, run: &entered, tx: tx, cipher: cipher, links: links, gates: map[campaigns.Gate][]int64{}}, nil
}

// beforeArms leads customers through the gates before the arms; who passed them is at the gate eligible.
func (p *plan) beforeArms(ctx context.Context, tx *store.Tx, nos []int64) (map[campaigns.Gate][]int64, error) {
	var earlier map[int64]store.EntryHistory
	if p.campaign.Entry != nil {
		var err error
		if earlier, err = tx.EntryHistoriesOf(ctx, p.campaign.ID, nos); err != nil {
			return nil, err
		}
	}
	sel := &selection{plan: p, gates: map[campaigns.Gate]*roaring64.Bitmap{}}
	var candidates []candidate
	err := audience.Each(ctx, tx, store.Span{Nos: nos}, p.needs(), p.at, func(no int64, record rules.Record) error {
		if p.mayEnter(no, record, earlier[no]) {
			candidates = append(candidates, candidateOf(no, record))
		} else {
			sel.put(campaigns.GateEntry, no)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := sel.gateReach(ctx, tx, candidates); err != nil {
		return nil, err
	}
	for _, s := range sel.suspects { // what happened is each one's own, whoever else has the address
		sel.put(campaigns.GateEligible, s.no)
	}
	gates := make(map[campaigns.Gate][]int64, len(sel.gates))
	for gate, members := range sel.gates {
		for it := members.Iterator(); it.HasNext(); {
			gates[gate] = append(gates[gate], int64(it.Next()))
		}
	}
	return gates, nil
}

package engine

import (
	"context"
	"slices"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// Decide is where customers would end after the gates before the arms if a campaign ran now, in spans of a size.
func (e *Engine) Decide(ctx context.Context, tx *store.Tx, c campaigns.Campaign, nos []int64, size int) (map[campaigns.Gate]int64, error) {
	p, err := e.newPlan(ctx, tx, c, tx.Now)
	if err != nil {
		return nil, err
	}
	b, err := e.dryBatch(ctx, tx, p, int64(len(nos)))
	if err != nil {
		return nil, err
	}
	counts := map[campaigns.Gate]int64{}
	for len(nos) > 0 {
		span := slices.Clone(nos[:min(size, len(nos))])
		p.inTurn(span)
		if err := b.decide(ctx, span); err != nil {
			return nil, err
		}
		for gate, at := range b.gates {
			counts[gate] += int64(len(at))
		}
		nos = nos[len(span):]
	}
	return counts, nil
}

// QueueApart lets no audience be queued when it is selected, however small.
func (e *Engine) QueueApart() { e.atOnce = 0 }

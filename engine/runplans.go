package engine

import (
	"context"
	"sync"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// runPlans caches the plans of versions that runs are made from: nearly all of a plan is the same for all of them. They are
// dropped together when anything changes that they are made of besides the version, which never changes.
type runPlans struct {
	mu    sync.Mutex
	mark  string
	plans map[askedOf]*plan
}

// find gives the plan of a version under the mark of the definitions that it is made of; nil when it is not there.
func (c *runPlans) find(mark string, of askedOf) *plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mark != mark {
		return nil
	}
	return c.plans[of]
}

func (c *runPlans) keep(mark string, of askedOf, p *plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mark != mark || len(c.plans) >= asksMax {
		c.mark, c.plans = mark, map[askedOf]*plan{}
	}
	c.plans[of] = p
}

// planOfRun is planOf; nothing but the mark is asked where the plan is known.
func (e *Engine) planOfRun(ctx context.Context, run *campaigns.Run) (p *plan, err error) {
	of := askedOf{run.CampaignID, run.Version}
	if run.ResendOf == nil {
		err := e.store.Single(ctx, func(tx *store.Tx) error {
			mark, err := tx.DefinitionsMark(ctx)
			if known := e.runPlans.find(mark, of); err == nil && known != nil {
				p = known.asOf(run.Occurrence)
			}
			return err
		})
		if err != nil || p != nil {
			return p, err
		}
	}
	err = e.store.View(ctx, func(tx *store.Tx) error {
		mark, err := tx.DefinitionsMark(ctx)
		if err != nil {
			return err
		}
		if p, err = e.planOf(ctx, tx, run); err == nil && run.ResendOf == nil {
			e.runPlans.keep(mark, of, p)
		}
		return err
	})
	return p, err
}

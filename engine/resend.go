package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// Resend makes a run to exactly the remainder of one that is over: those whose message ended as named, or who ended at the
// gates named, without those whom an earlier resend came to. It has the same version, arms and entries; every later gate is
// asked again.
func (e *Engine) Resend(ctx context.Context, actor string, id campaigns.ID, remainder campaigns.Remainder) (campaigns.Run, error) {
	remainder.Defaults()
	if err := remainder.Check(); err != nil {
		return campaigns.Run{}, err
	}
	var run campaigns.Run
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		c, err := e.mayResend(ctx, tx, id)
		if err != nil {
			return err
		}
		run = newRun(tx, c, tx.Now, campaigns.RunResend)
		run.ResendOf = &id
		if err := createNow(ctx, tx, &run); err != nil {
			return err
		}
		if err := tx.SaveRemainder(ctx, run.ID, remainder); err != nil {
			return err
		}
		if err := tx.Audit(ctx, actor, "resend", "run", id.String(), nil, map[string]any{"run_id": run.ID, "remainder": remainder}); err != nil {
			return err
		}
		run, err = tx.Run(ctx, run.ID)
		return err
	})
	return run, err
}

// mayResend gives the version that a run had, unless the run or another resend of it still goes on. The run stays locked.
func (e *Engine) mayResend(ctx context.Context, tx *store.Tx, id campaigns.ID) (*campaigns.Campaign, error) {
	if err := lockCampaignOf(ctx, tx, id); err != nil {
		return nil, err
	}
	of, err := tx.LockRun(ctx, id)
	if err != nil {
		return nil, err
	}
	if of.Open() {
		return nil, campaigns.Conflict("the run is %s: wait until it is over, or stop it first", of.Status)
	}
	open, err := tx.OpenResend(ctx, id)
	if err != nil {
		return nil, err
	}
	if open {
		return nil, campaigns.Conflict("another run sends to the remainder of this one already: wait until it is over, or stop it first")
	}
	c, err := tx.CampaignVersion(ctx, of.CampaignID, of.Version)
	if err != nil {
		return nil, err
	}
	if c.Status == campaigns.Cancelled || c.Status == campaigns.Archived || c.Status == campaigns.Paused {
		return nil, campaigns.Conflict("a campaign that is %s sends nothing", c.Status)
	}
	return &c, nil
}

// remainder is the audience of a run that sends again, instead of those who match the rule.
func (e *Engine) remainder(ctx context.Context, run *campaigns.Run) (members *roaring64.Bitmap, err error) {
	err = e.store.View(ctx, func(tx *store.Tx) error {
		remainder, err := tx.Remainder(ctx, run.ID)
		if err != nil {
			return err
		}
		members, err = tx.RemainderOf(ctx, *run.ResendOf, remainder, run.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	run.Customers, run.Executor = int64(members.GetCardinality()), "remainder"
	return members, e.renewRun(ctx, run, run.Customers)
}

// planOf makes the plan of a run. One that sends again has the period and the entry keys of the run that it began with, so
// that nobody's arm changes because a quarter ended meanwhile; everything else is as of now.
func (e *Engine) planOf(ctx context.Context, tx *store.Tx, run *campaigns.Run) (*plan, error) {
	c, err := tx.CampaignVersion(ctx, run.CampaignID, run.Version)
	if err != nil {
		return nil, err
	}
	if run.ResendOf == nil {
		return e.newPlan(ctx, tx, c, run.Occurrence)
	}
	first, chain, err := tx.FirstOf(ctx, *run.ResendOf)
	if err != nil {
		return nil, err
	}
	p, err := e.newPlan(ctx, tx, c, first.Occurrence)
	if err != nil {
		return nil, fmt.Errorf("the plan of a resend: %w", err)
	}
	p.at.Now, p.resends = run.Occurrence.Truncate(time.Second), chain
	p.from, p.to = c.Stretch(p.at.Now)
	return p, nil
}

// holders are those of the customers who entered by the runs that this one sends again for: they need no second entry, and
// their windows stay as they are. Nobody in any other run.
func (p *plan) holders(ctx context.Context, tx *store.Tx, nos []int64) (map[int64]bool, error) {
	if len(p.resends) == 0 {
		return nil, nil
	}
	return tx.EntryHolders(ctx, p.campaign.ID, p.resends, nos)
}

package engine

import (
	"context"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// RunNow makes a run of a launched campaign now, beside those of its schedule; entry limits hold as always.
func (e *Engine) RunNow(ctx context.Context, actor string, id campaigns.ID) (campaigns.Run, error) {
	var run campaigns.Run
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		c, err := launched(ctx, tx, id)
		if err != nil {
			return err
		}
		if c.Kind != campaigns.Recurring && c.Kind != campaigns.Once {
			return campaigns.Conflict("a campaign of kind %s has no runs by hand: only one that is once or recurring has", c.Kind)
		}
		if err := c.Move(campaigns.Start); err != nil {
			return campaigns.Conflict("a campaign that is %s cannot run now: only one that is scheduled or active can", c.Status)
		}
		run = newRun(tx, &c, tx.Now, campaigns.RunManual)
		if err := createNow(ctx, tx, &run); err != nil {
			return err
		}
		if err := tx.SaveCampaignState(ctx, &c); err != nil {
			return err
		}
		if err := tx.Audit(ctx, actor, "run", "campaign", id.String(), nil, map[string]any{"run_id": run.ID}); err != nil {
			return err
		}
		run, err = tx.Run(ctx, run.ID)
		return err
	})
	return run, err
}

// launched reads the launched version of a campaign for update.
func launched(ctx context.Context, tx *store.Tx, id campaigns.ID) (campaigns.Campaign, error) {
	newest, err := tx.LockCampaign(ctx, id)
	if err != nil {
		return newest, err
	}
	if newest.LiveVersion == 0 {
		return newest, campaigns.Conflict("a campaign that is %s has not been launched: launch it first", newest.Status)
	}
	return tx.LockLive(ctx, id)
}

// createNow makes a run that was asked for by hand, at the first free microsecond: another may be of the same one.
func createNow(ctx context.Context, tx *store.Tx, run *campaigns.Run) error {
	for range 1000 {
		if made, err := tx.CreateRun(ctx, run); err != nil || made {
			return err
		}
		run.Occurrence = run.Occurrence.Add(time.Microsecond)
	}
	return campaigns.Conflict("the campaign has a thousand runs of this moment already: try again")
}

// ResumeRun lets a held run go on, to exactly what is left of it. What held it is not asked again for this run.
func (e *Engine) ResumeRun(ctx context.Context, actor string, id campaigns.ID) (campaigns.Run, error) {
	return e.changeRun(ctx, actor, "resume", id, func(tx *store.Tx, run *campaigns.Run) error {
		if run.Held == "" {
			return campaigns.Conflict("the run is %s and nothing holds it; a campaign that is paused is resumed itself", run.Status)
		}
		return tx.ReleaseRun(ctx, id)
	})
}

// StopRun ends a run for good and cancels the rest of it.
func (e *Engine) StopRun(ctx context.Context, actor string, id campaigns.ID) (campaigns.Run, error) {
	return e.changeRun(ctx, actor, "stop", id, func(tx *store.Tx, run *campaigns.Run) error {
		if !run.Open() {
			return campaigns.Conflict("the run is %s already", run.Status)
		}
		reason := "stopped by " + actor
		if run.Held != "" {
			reason += "; it was held: " + run.Reason
		}
		if err := tx.StopRun(ctx, id, reason); err != nil {
			return err
		}
		return e.complete(ctx, tx, run.CampaignID)
	})
}

func (e *Engine) changeRun(ctx context.Context, actor, action string, id campaigns.ID, change func(*store.Tx, *campaigns.Run) error) (campaigns.Run, error) {
	var run campaigns.Run
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		if err := lockCampaignOf(ctx, tx, id); err != nil {
			return err
		}
		before, err := tx.LockRun(ctx, id)
		if err != nil {
			return err
		}
		if err := change(tx, &before); err != nil {
			return err
		}
		if run, err = tx.Run(ctx, id); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, action, "run", id.String(), runState(&before), runState(&run))
	})
	if err == nil {
		e.nudge()
	}
	return run, err
}

// lockCampaignOf locks a run's campaign before the run is locked: whoever cancels the campaign locks in that order too.
func lockCampaignOf(ctx context.Context, tx *store.Tx, id campaigns.ID) error {
	run, err := tx.Run(ctx, id)
	if err != nil {
		return err
	}
	_, err = tx.LockCampaign(ctx, run.CampaignID)
	return err
}

// runState is what of a run the audit log keeps.
func runState(r *campaigns.Run) map[string]any {
	return map[string]any{"status": r.Status, "held": r.Held, "reason": r.Reason}
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// lateGrace is how long after its time a missed tick still runs.
const lateGrace = 2 * time.Hour

// Tick makes the runs whose time has come, each campaign's in a transaction of its own: a fault in one never stops the
// others. Whoever's insert of (campaign, occurrence) wins has made the run; the others find next_run_at moved on.
func (e *Engine) Tick(ctx context.Context) (int, error) {
	var due []campaigns.Campaign
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		due, err = tx.DueCampaigns(ctx, 1000)
		return err
	})
	if err != nil {
		return 0, err
	}
	made := 0
	var faults []error
	for i := range due {
		err := e.store.Update(ctx, func(tx *store.Tx) error {
			c, err := tx.LockLive(ctx, due[i].ID)
			if err != nil || c.NextRunAt == nil || !c.NextRunAt.Equal(*due[i].NextRunAt) || c.Status != due[i].Status {
				return err // another node was first, or the campaign was paused or cancelled meanwhile
			}
			return e.tickOne(ctx, tx, &c)
		})
		if err != nil {
			faults = append(faults, fmt.Errorf("campaign %s: %w", due[i].ID, err))
			continue
		}
		made++
	}
	return made, errors.Join(faults...)
}

func (e *Engine) tickOne(ctx context.Context, tx *store.Tx, c *campaigns.Campaign) error {
	occurrence := *c.NextRunAt
	missed := tx.Now.Sub(occurrence) > lateGrace
	next, err := nextRun(c, occurrence, tx.Now, missed)
	if err != nil {
		return err
	}
	won, err := tx.AdvanceCampaign(ctx, c.ID, occurrence, next)
	if err != nil || !won {
		return err
	}
	run := campaigns.Run{ID: campaigns.NewID(tx.Now), CampaignID: c.ID, Version: c.Version, Occurrence: occurrence, Status: campaigns.Planned, Priority: c.Priority}
	if missed {
		run.Status, run.FinishedAt = campaigns.Stopped, &tx.Now
		run.Reason = fmt.Sprintf("missed: the service was down at %s and came back more than %s later; nothing was sent for this time",
			occurrence.UTC().Format(time.RFC3339), lateGrace)
	}
	if _, err := tx.CreateRun(ctx, &run); err != nil {
		return err
	}
	e.log.Info("run made", "campaign", c.Name, "occurrence", occurrence, "status", run.Status)
	if err := c.Move(campaigns.Start); err != nil {
		return err
	}
	c.NextRunAt = next
	if err := tx.SaveCampaignState(ctx, c); err != nil || !missed {
		return err
	}
	return e.complete(ctx, tx, c.ID)
}

// nextRun is the tick after an occurrence; after a long absence, the first one that is still worth running, so that
// a minutely campaign does not leave a trail of a year's missed runs.
func nextRun(c *campaigns.Campaign, occurrence, now time.Time, missed bool) (*time.Time, error) {
	from := occurrence
	if missed {
		from = now.Add(-lateGrace)
	}
	return c.NextTick(from)
}

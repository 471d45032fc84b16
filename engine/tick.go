package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// Tick makes the runs whose time has come, each campaign's in a transaction of its own: a fault in one never stops the
// others. Whoever locks the campaign makes the run, and moves next_run_at on; the others go on to the next campaign.
func (e *Engine) Tick(ctx context.Context) (int, error) {
	var due []store.DueCampaign
	err := e.store.Single(ctx, func(tx *store.Tx) (err error) {
		due, err = tx.DueCampaigns(ctx, 1000)
		return err
	})
	if err != nil {
		return 0, err
	}
	made := 0
	var faults []error
	var w *campaigns.Workspace
	for i := range due {
		won := false
		err := e.store.Update(ctx, func(tx *store.Tx) error {
			c, err := tx.LockDue(ctx, due[i])
			if won = c != nil; err != nil || !won {
				return err // another node was first, or the campaign was paused or cancelled meanwhile
			}
			if c.Late == nil && w == nil {
				if w, err = tx.Workspace(ctx); err != nil {
					return err
				}
			}
			return e.tickOne(ctx, tx, c, lateOf(c, w))
		})
		if err != nil {
			faults = append(faults, fmt.Errorf("campaign %s: %w", due[i].ID, err))
			continue
		}
		if won {
			made++
		}
	}
	return made, errors.Join(faults...)
}

// tickOne makes the run of a campaign's tick that is to be made now, and records those that were missed for good.
func (e *Engine) tickOne(ctx context.Context, tx *store.Tx, c *campaigns.Campaign, late campaigns.Late) error {
	d, err := dueNow(c, late, tx.Now)
	if err != nil {
		return err
	}
	if d.missed.n > 0 {
		run := newRun(tx, c, d.missed.to, campaigns.RunTick)
		run.Status, run.FinishedAt, run.Reason = campaigns.Stopped, &tx.Now, d.missed.reason(late)
		if err := e.makeRun(ctx, tx, c, &run); err != nil {
			return err
		}
	}
	if d.run != nil {
		run := newRun(tx, c, *d.run, campaigns.RunTick)
		if err := e.makeRun(ctx, tx, c, &run); err != nil {
			return err
		}
	}
	if err := c.Move(campaigns.Start); err != nil {
		return err
	}
	c.NextRunAt = d.next
	if err := tx.SaveCampaignState(ctx, c); err != nil || d.run != nil {
		return err
	}
	return e.complete(ctx, tx, c.ID)
}

func newRun(tx *store.Tx, c *campaigns.Campaign, occurrence time.Time, kind string) campaigns.Run {
	return campaigns.Run{ID: campaigns.NewID(tx.Now), CampaignID: c.ID, Version: c.Version, Occurrence: occurrence, Status: campaigns.Planned, Kind: kind, Priority: c.Priority}
}

func (e *Engine) makeRun(ctx context.Context, tx *store.Tx, c *campaigns.Campaign, run *campaigns.Run) error {
	if _, err := tx.CreateRun(ctx, run); err != nil {
		return err
	}
	e.log.Info("run made", "campaign", c.Name, "kind", run.Kind, "occurrence", run.Occurrence, "status", run.Status)
	return nil
}

// lateOf is a campaign's late policy, else the workspace's.
func lateOf(c *campaigns.Campaign, w *campaigns.Workspace) campaigns.Late {
	if c.Late != nil {
		return *c.Late
	}
	return w.Late
}

// worth is how late a tick may be to be run still: a skipping campaign runs those that no gap explains.
func worth(late campaigns.Late) time.Duration {
	if late.Policy == campaigns.LateSkip {
		return campaigns.GapAfter
	}
	return max(time.Duration(late.Grace), time.Minute) // a busy service is some seconds late
}

// due is what becomes of a campaign's ticks up to now: the one that is run, those that are not made up, and the next.
type due struct {
	run, next *time.Time
	missed    missed
}

// missed are ticks in a row that are not made up.
type missed struct {
	n        int // countedMax+1 for more than countedMax
	from, to time.Time
}

// countedMax bounds how many missed ticks are counted: a year of a minutely campaign is half a million.
const countedMax = 1000

func (m missed) reason(late campaigns.Late) string {
	policy := late.Policy
	if policy != campaigns.LateSkip {
		policy = fmt.Sprintf("%s within %s", policy, late.Grace)
	}
	ticks, rest := fmt.Sprintf("missed: %d ticks from %s to %s were", m.n, m.from.UTC().Format(time.RFC3339), m.to.UTC().Format(time.RFC3339)), "them"
	switch {
	case m.n == 1:
		ticks, rest = fmt.Sprintf("missed: the tick at %s was", m.from.UTC().Format(time.RFC3339)), "it"
	case m.n > countedMax:
		ticks = fmt.Sprintf("missed: more than %d ticks from %s to %s were", countedMax, m.from.UTC().Format(time.RFC3339), m.to.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("%s not made up (late: %s), as the service was down or the campaign paused; nothing was sent for %s", ticks, policy, rest)
}

// dueNow looks at the ticks from the campaign's next one up to now. Of those that are not too late, each is run in turn or
// the latest alone.
func dueNow(c *campaigns.Campaign, late campaigns.Late, now time.Time) (due, error) {
	first, oldest := *c.NextRunAt, now.Add(-worth(late))
	if c.Kind != campaigns.Recurring {
		if first.Before(oldest) {
			return due{missed: missed{1, first, first}}, nil
		}
		return due{run: &first}, nil
	}
	d := due{}
	switch {
	case late.Policy == campaigns.LateEach && !first.Before(oldest):
		d.run = &first
	case late.Policy == campaigns.LateEach:
		next, err := c.Schedule.Next(oldest.Add(-time.Nanosecond))
		if err != nil {
			return d, err
		}
		if !next.IsZero() && !next.After(now) {
			d.run = &next
		}
	default:
		latest, err := latestTick(c.Schedule, first, now)
		if err != nil {
			return d, err
		}
		if !latest.Before(oldest) {
			d.run = &latest
		}
	}
	end := now.Add(time.Nanosecond)
	after := now
	if d.run != nil {
		end, after = *d.run, *d.run
	}
	next, err := c.NextTick(after)
	if err != nil {
		return d, err
	}
	d.next = next
	d.missed, err = countMissed(c.Schedule, first, end)
	return d, err
}

// latestTick is the last tick up to an instant, which a tick does not come after. It steps back in doubling strides: ticks
// are at least a minute apart, so that few are stepped over on the way forth.
func latestTick(s *campaigns.Schedule, first, until time.Time) (time.Time, error) {
	latest := first
	for stride := time.Minute; ; stride *= 2 {
		from := until.Add(-stride)
		if from.Before(first) {
			from = first
		}
		tick, err := s.Next(from)
		for err == nil && !tick.IsZero() && !tick.After(until) {
			latest = tick
			tick, err = s.Next(tick)
		}
		if err != nil || latest.After(first) || from.Equal(first) {
			return latest, err
		}
	}
}

// countMissed counts the ticks from the first to before an instant.
func countMissed(s *campaigns.Schedule, first, end time.Time) (missed, error) {
	m := missed{from: first}
	for tick := first; !tick.IsZero() && tick.Before(end); {
		if m.n++; m.n > countedMax {
			var err error
			m.to, err = latestTick(s, tick, end.Add(-time.Nanosecond))
			return m, err
		}
		m.to = tick
		var err error
		if tick, err = s.Next(tick); err != nil {
			return m, err
		}
	}
	return m, nil
}

package engine

import (
	"context"
	"fmt"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// beatEvery is how often a node shows a sign of life.
const beatEvery = 10 * time.Second

// Beat shows that a node lives. When none has for longer than campaigns.GapAfter, because all had crashed or the database
// is an older one that was restored, it first decides about what was left open: until then nothing is claimed.
func (e *Engine) Beat(ctx context.Context) (int, error) {
	if sound, err := e.sound(ctx, e.store); err != nil || !sound {
		return 0, err // a clock that is wrong by an hour shows neither a gap nor a sign of life
	}
	return 0, e.store.Update(ctx, func(tx *store.Tx) error {
		last, err := tx.Beat(ctx)
		if err != nil || last == nil || tx.Now.Sub(*last) <= campaigns.GapAfter {
			return err
		}
		e.log.Warn("no node has worked for a while", "from", *last, "to", tx.Now)
		return e.afterGap(ctx, tx, *last)
	})
}

// afterGap makes unknown what was being sent when the nodes died, and decides by the late policy of each campaign about what
// was still to be sent.
func (e *Engine) afterGap(ctx context.Context, tx *store.Tx, from time.Time) error {
	if _, err := tx.LoseMessages(ctx, false); err != nil {
		return err
	}
	runs, err := tx.InterruptedRuns(ctx, false)
	if err != nil {
		return err
	}
	for _, run := range runs {
		if err := e.interrupted(ctx, tx, run, from); err != nil {
			return err
		}
	}
	return nil
}

// interrupted lets a run go on that is not too late, cancels what a skipping campaign missed, and holds the others.
func (e *Engine) interrupted(ctx context.Context, tx *store.Tx, run store.Interrupted, from time.Time) error {
	c, err := tx.CampaignVersion(ctx, run.CampaignID, run.Version)
	if err != nil {
		return err
	}
	w, err := tx.Workspace(ctx)
	if err != nil {
		return err
	}
	late := lateOf(&c, w)
	by, gap := tx.Now.Sub(plannedAt(run, from)), gapText(from, tx.Now)
	switch {
	case by <= campaigns.GapAfter, late.Policy != campaigns.LateSkip && by <= worth(late):
		e.log.Info("a run goes on after a gap", "run", run.ID, "late", by)
		return nil
	case late.Policy != campaigns.LateSkip:
		reason := fmt.Sprintf("%s, and what is left is %s late, more than %s: POST /v1/runs/%s/resume sends it, …/stop cancels it", gap, inMinutes(by), late.Grace, run.ID)
		_, err := tx.HoldRun(ctx, run.ID, campaigns.HeldGap, reason)
		return err
	case run.Status == campaigns.Sending:
		_, err := tx.CancelDue(ctx, run.ID, gap+": what was due then is skipped (late: skip)")
		return err
	}
	if err := tx.StopRun(ctx, run.ID, gap+": the rest is skipped (late: skip)"); err != nil {
		return err
	}
	return e.complete(ctx, tx, run.CampaignID)
}

// plannedAt is when the first of what a run has still to send was to be sent.
func plannedAt(run store.Interrupted, from time.Time) time.Time {
	switch {
	case run.Kind == campaigns.RunTrigger && run.OldestDue == nil:
		return from
	case run.OldestDue != nil && (run.Status == campaigns.Sending || run.Kind == campaigns.RunTrigger):
		return *run.OldestDue
	}
	return run.Occurrence
}

func gapText(from, to time.Time) string {
	return fmt.Sprintf("the service was down from %s to %s", from.UTC().Format(time.RFC3339), to.UTC().Format(time.RFC3339))
}

func inMinutes(d time.Duration) campaigns.Duration {
	return campaigns.Duration(d.Truncate(time.Minute))
}

// Restored marks the database as an older one that was restored: what it says is being sent has an unknown outcome, and
// every run that is not over is held, whatever its campaign's late policy, for nobody knows what was sent since the backup
// was made. It gives the number of runs held. No node may be running.
func Restored(ctx context.Context, s *store.Store, actor string) (int, error) {
	held := 0
	err := s.Update(ctx, func(tx *store.Tx) error {
		held = 0
		if _, err := tx.LoseAll(ctx); err != nil {
			return err
		}
		if _, err := tx.Beat(ctx); err != nil {
			return err
		}
		runs, err := tx.InterruptedRuns(ctx, true)
		if err != nil {
			return err
		}
		for _, run := range runs {
			reason := fmt.Sprintf("the database was restored from a backup at %s, and what was sent since the backup is not known: POST /v1/runs/%s/resume sends what is left, …/stop cancels it",
				tx.Now.UTC().Format(time.RFC3339), run.ID)
			if _, err := tx.HoldRun(ctx, run.ID, campaigns.HeldGap, reason); err != nil {
				return err
			}
			held++
		}
		return tx.Audit(ctx, actor, "restore", "workspace", "1", nil, map[string]any{"runs_held": held})
	})
	return held, err
}

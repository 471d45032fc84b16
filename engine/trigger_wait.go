package engine

import (
	"context"
	"errors"
	"slices"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// Due decides about those who wait and whose time has come: unless the other event came meanwhile, the rule is asked as of
// now, and who matches enters. It gives how many waits were decided. It also makes the plans of live campaigns ready, so
// that the first event need not wait for them.
func (e *Engine) Due(ctx context.Context) (int, error) {
	if err := e.store.MonthsOfMessages(ctx); err != nil {
		return 0, err
	}
	if err := e.warm(ctx); err != nil {
		return 0, err
	}
	var due []store.Trigger
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		due, err = tx.WaitingCampaigns(ctx)
		return err
	})
	total := 0
	for i := 0; err == nil && i < len(due); i++ {
		var decided int
		decided, err = e.dueOf(ctx, &due[i])
		total += decided
	}
	return total, err
}

// dueOf decides one batch of a campaign's waits in one transaction.
func (e *Engine) dueOf(ctx context.Context, t *store.Trigger) (decided int, err error) {
	err = e.store.Update(ctx, func(tx *store.Tx) error {
		decided = 0
		waits, err := tx.DueWaits(ctx, t, triggerBatch)
		if err != nil || len(waits) == 0 {
			return err
		}
		doors, err := e.open(ctx, tx, []store.Trigger{*t})
		if err != nil {
			return err
		}
		if waits, err = tx.TakeWaits(ctx, t.CampaignID, waits); err != nil {
			return err
		}
		decided = len(waits)
		d := doors[0]
		waits = slices.DeleteFunc(waits, func(w store.Wait) bool { return w.DueAt.Before(tx.Now.Add(-t.Useful)) })
		if waits, err = d.without(ctx, tx, waits); err != nil {
			return err
		}
		for _, w := range waits {
			d.arrivals = append(d.arrivals, arrival{w.No, w.Key, w.At})
		}
		return e.enter(ctx, tx, doors)
	})
	var broken *brokenCampaign
	if errors.As(err, &broken) {
		return 0, e.pauseBroken(ctx, broken)
	}
	if err == nil && decided > 0 {
		e.nudge()
	}
	return decided, err
}

// without leaves out those to whom the other event came since what they wait for.
func (d *door) without(ctx context.Context, tx *store.Tx, waits []store.Wait) ([]store.Wait, error) {
	unless := d.campaign.Trigger.Unless
	if unless == "" || len(waits) == 0 {
		return waits, nil
	}
	since := make([]store.Since, len(waits))
	for i, w := range waits {
		since[i] = store.Since{No: w.No, At: w.At}
	}
	came, err := tx.Happened(ctx, unless, since)
	return slices.DeleteFunc(waits, func(w store.Wait) bool { return came[w.No] }), err
}

// warm makes the plans of live campaigns and the quarter's global holdout ready, and forgets those of campaigns that are over.
func (e *Engine) warm(ctx context.Context) error {
	var broken *brokenCampaign
	waited := false
	err := e.store.View(ctx, func(tx *store.Tx) error {
		live, err := tx.Triggers(ctx, nil)
		if err != nil {
			return err
		}
		waited = len(live) > 0
		e.doorPlans.forget(live)
		live = slices.DeleteFunc(live, func(t store.Trigger) bool {
			return t.Paused || t.After > 0 || t.Event == campaigns.TriggerSegmentEntered
		})
		_, err = e.open(ctx, tx, live)
		return err
	})
	if errors.As(err, &broken) {
		return e.pauseBroken(ctx, broken)
	}
	if err == nil && waited {
		_, err = e.DrawGlobalHoldout(ctx) // before the first event comes
	}
	return err
}

package engine

import (
	"cmp"
	"context"
	"errors"
	"maps"
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
	total := 0
	for {
		decided, err := e.inOne(ctx, func(tx *store.Tx, apart bool) (int, []*brokenCampaign, error) { return e.due(ctx, tx, apart) })
		total += decided
		if err != nil || decided == 0 {
			return total, err
		}
	}
}

// due decides one batch of waits.
func (e *Engine) due(ctx context.Context, tx *store.Tx, apart bool) (int, []*brokenCampaign, error) {
	waits, err := tx.DueWaits(ctx, triggerBatch)
	if err == nil && len(waits) > 0 {
		waits, err = tx.TakeWaits(ctx, waits)
	}
	if err != nil || len(waits) == 0 {
		return 0, nil, err
	}
	byCampaign := map[campaigns.ID][]store.Wait{}
	for _, w := range waits {
		byCampaign[w.CampaignID] = append(byCampaign[w.CampaignID], w)
	}
	triggers, err := tx.TriggersOf(ctx, slices.Collect(maps.Keys(byCampaign)))
	if err != nil {
		return 0, nil, err
	}
	arrived := map[campaigns.ID][]arrival{}
	for i := range triggers {
		t := &triggers[i]
		for _, w := range byCampaign[t.CampaignID] {
			if !w.DueAt.Before(tx.Now.Add(-t.Useful)) {
				arrived[t.CampaignID] = append(arrived[t.CampaignID], arrival{w.No, w.Key, w.At})
			}
		}
		slices.SortFunc(arrived[t.CampaignID], func(a, b arrival) int {
			return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.no, b.no), cmp.Compare(a.key, b.key))
		})
	}
	broken, err := e.enter(ctx, tx, triggers, arrived, apart)
	return len(waits), broken, err
}

// without leaves out of those who arrived at doors whoever the other event came to since: one statement for each name that
// campaigns wait for in vain.
func without(ctx context.Context, tx *store.Tx, doors []*door) error {
	waiting := map[string][]*door{}
	for _, d := range doors {
		if unless := d.campaign.Trigger.Unless; unless != "" && len(d.arrivals) > 0 {
			waiting[unless] = append(waiting[unless], d)
		}
	}
	for unless, theirs := range waiting {
		var since []store.Since
		for _, d := range theirs {
			for _, a := range d.arrivals {
				since = append(since, store.Since{No: a.no, At: a.at})
			}
		}
		came, err := tx.Happened(ctx, unless, since)
		if err != nil {
			return err
		}
		for _, d := range theirs {
			of := came[:len(d.arrivals)]
			came = came[len(d.arrivals):]
			var left []arrival
			for i, a := range d.arrivals {
				if !of[i] {
					left = append(left, a)
				}
			}
			d.arrivals = left
		}
	}
	return nil
}

// warm makes the plans of live campaigns and the quarter's global holdout ready, and forgets those of campaigns that are over.
func (e *Engine) warm(ctx context.Context) error {
	var broken []*brokenCampaign
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
		_, broken, err = e.open(ctx, tx, live)
		return err
	})
	for _, b := range broken {
		err = errors.Join(err, e.pauseBroken(ctx, b))
	}
	if err == nil && waited {
		_, err = e.DrawGlobalHoldout(ctx) // before the first event comes
	}
	return err
}

package engine

import (
	"context"
	"errors"
	"maps"
	"slices"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// DecideSignals decides all signals that there are in a transaction: as Trigger does, together or apart, or one arrival
// after another, each reading by statements of its own what the ones before it wrote, as runs do.
func (e *Engine) DecideSignals(ctx context.Context, tx *store.Tx, how string) error {
	all := []int16{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	signals, err := tx.Signals(ctx, all, 10000)
	if err != nil || len(signals) == 0 {
		return err
	}
	if how != "one by one" {
		broken, err := e.decide(ctx, tx, signals, how == "apart")
		for _, b := range broken {
			err = errors.Join(err, b)
		}
		return err
	}
	byEvent := map[string][]store.Signal{}
	for _, s := range signals {
		byEvent[s.Event] = append(byEvent[s.Event], s)
	}
	triggers, err := tx.Triggers(ctx, slices.Collect(maps.Keys(byEvent)))
	if err != nil {
		return err
	}
	doors, _, err := e.open(ctx, tx, triggers)
	if err != nil {
		return err
	}
	for _, d := range doors {
		d.arrivals = arrivalsAt(d.trigger, byEvent[d.trigger.Event], tx.Now)
	}
	visits, _, err := e.match(ctx, tx, doors)
	slices.SortFunc(visits, func(a, b *visit) int {
		if a.campaign.Priority != b.campaign.Priority {
			return b.campaign.Priority - a.campaign.Priority
		}
		return slices.Compare(a.campaign.ID[:], b.campaign.ID[:])
	})
	for _, v := range visits {
		err = errors.Join(err, e.oneByOne(ctx, tx, v))
	}
	return err
}

func (e *Engine) oneByOne(ctx context.Context, tx *store.Tx, v *visit) error {
	own := func(_ context.Context, tx *store.Tx, _ []*visit) (books, func(context.Context) error, error) {
		return ownBooks{tx}, func(context.Context) error { return nil }, nil
	}
	times, rounds := map[int64]int{}, [][]arrival{}
	for _, a := range v.arrivals {
		if times[a.no] == len(rounds) {
			rounds = append(rounds, nil)
		}
		rounds[times[a.no]] = append(rounds[times[a.no]], a)
		times[a.no]++
	}
	for _, round := range rounds {
		slices.SortFunc(round, func(a, b arrival) int { return int(a.no - b.no) })
		for _, a := range round {
			broken, err := e.through(ctx, tx, []*visit{{door: v.door, plan: v.plan, arrivals: []arrival{a}}}, own)
			if err != nil {
				return err
			}
			for _, b := range broken {
				return b
			}
		}
	}
	return nil
}

// PeriodOf is the period whose arms a campaign draws now.
func PeriodOf(c *campaigns.Campaign, tx *store.Tx) string { return c.Period(tx.Now) }

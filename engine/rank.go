package engine

import (
	"context"
	"slices"

	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

// rankedKeysMax is how many customers' places are worked out at a time, over all ranks and instants of a rule; one rank at
// one instant may be more. A place takes 8 bytes.
const rankedKeysMax = 16_000_000

// A place is one of a rule's ranks at one of its instants.
type place struct {
	rank    rules.Rank
	at      rules.Instant
	ranking *rules.Ranking
	cuts    *rules.Cuts
}

// ranked gives a rule the cuts of its percentiles and ntiles over all customers of the snapshot, for each of the instants,
// which ascend; history rows after the first are unseen. progress is called now and then while customers are looked at,
// unless it is nil.
func ranked(ctx context.Context, tx *store.Tx, rule *rules.Rule, at []rules.Instant, progress func() error) ([]*rules.Rule, error) {
	ranks := rule.Ranks()
	if len(ranks) == 0 {
		return slices.Repeat([]*rules.Rule{rule}, len(at)), nil
	}
	_, customers, err := tx.CustomerSpan(ctx)
	if err != nil {
		return nil, err
	}
	cuts := make([][]rules.Cuts, len(at))
	var open []place
	work := func() error {
		err := findPlaces(ctx, tx, open, at[0], progress)
		open = nil
		return err
	}
	for i := range at {
		cuts[i] = make([]rules.Cuts, len(ranks))
		for j, r := range ranks {
			if i > 0 && !r.Value.Moves() {
				continue
			}
			if len(open) > 0 && int64(len(open)+1)*customers > rankedKeysMax {
				if err := work(); err != nil {
					return nil, err
				}
			}
			open = append(open, place{rank: r, at: at[i], cuts: &cuts[i][j]})
		}
	}
	if err := work(); err != nil {
		return nil, err
	}
	ready := make([]*rules.Rule, len(at))
	for i := range at {
		for j, r := range ranks {
			if !r.Value.Moves() {
				cuts[i][j] = cuts[0][j]
			}
		}
		ready[i] = rule.Ranked(cuts[i])
	}
	return ready, nil
}

// findPlaces looks at all customers, and again at those among whom buckets begin where it has to.
func findPlaces(ctx context.Context, tx *store.Tx, places []place, at rules.Instant, progress func() error) error {
	for i := range places {
		places[i].ranking = rules.NewRanking(places[i].rank)
	}
	err := lookAtAll(ctx, tx, places, at, progress, func(p place, value, _ any) { p.ranking.Add(value) })
	if err != nil {
		return err
	}
	var tied []place
	for _, p := range places {
		if p.ranking.Divide() {
			tied = append(tied, p)
		}
	}
	err = lookAtAll(ctx, tx, tied, at, progress, func(p place, value, id any) {
		if p.ranking.Tied(value) {
			p.ranking.AddID(value, id)
		}
	})
	for _, p := range places {
		*p.cuts = p.ranking.Cuts()
	}
	return err
}

// lookAtAll works out for each customer what each place is by.
func lookAtAll(ctx context.Context, tx *store.Tx, places []place, at rules.Instant, progress func() error, look func(p place, value, id any)) error {
	if len(places) == 0 {
		return nil
	}
	var needs audience.Needs
	for _, p := range places {
		needs = needs.With(p.rank.Value.Columns(), p.rank.Value.Histories())
	}
	return audience.All(ctx, tx, needs, at, func(_ int64, record rules.Record) error {
		for _, p := range places {
			audience.Lapse(record, p.at.Now)
			value, err := p.rank.Evaluate(ctx, record, p.at)
			if err != nil {
				return tooLong(err)
			}
			look(p, value, record["id"])
		}
		return ctx.Err()
	}, func(int64) error {
		if progress == nil {
			return nil
		}
		return progress()
	})
}

// rankedAt is ranked for one instant.
func rankedAt(ctx context.Context, tx *store.Tx, rule *rules.Rule, at rules.Instant, progress func() error) (*rules.Rule, error) {
	ready, err := ranked(ctx, tx, rule, []rules.Instant{at}, progress)
	if err != nil {
		return nil, err
	}
	return ready[0], nil
}

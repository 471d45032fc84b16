package audience

import (
	"context"

	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// rankedKeysMax is how many customers' places are worked out at a time, over all ranks and instants of a question; one rank
// at one instant may be more. A place takes 8 bytes.
const rankedKeysMax = 16_000_000

// A standing is a percentile or an ntile at an instant, while its cuts are worked out over all customers.
type standing struct {
	rank    rules.Rank
	at      rules.Instant
	ranking *rules.Ranking
	cuts    rules.Cuts
}

// placeKey tells places apart; now is 0 where a rank does not move with the clock. The zone says which day a time is on.
type placeKey struct {
	value   *rules.Value
	buckets int
	now     int64
	zone    string
}

func keyOf(r rules.Rank, at rules.Instant) placeKey {
	key := placeKey{value: r.Value, buckets: r.Buckets, zone: at.Zone.String()}
	if r.Value.Moves() {
		key.now = at.Now.Unix()
	}
	return key
}

// ranked is a question whose rules know the cuts of their ranks; cut works out those of some places over all customers of
// the snapshot.
func (q Question) ranked(customers int64, cut func(places []*standing) error) (Question, error) {
	known := map[placeKey]*standing{}
	var open []*standing
	for _, asked := range q.Conditions {
		for _, r := range asked.Rule.Ranks() {
			key := keyOf(r, asked.At)
			if known[key] != nil {
				continue
			}
			if len(open) > 0 && int64(len(open)+1)*customers > rankedKeysMax {
				if err := cut(open); err != nil {
					return q, err
				}
				open = nil
			}
			known[key] = &standing{rank: r, at: asked.At}
			open = append(open, known[key])
		}
	}
	if len(known) == 0 {
		return q, nil
	}
	if err := cut(open); err != nil {
		return q, err
	}
	ready := q
	ready.Conditions = nil
	for _, asked := range q.Conditions {
		var cuts []rules.Cuts
		for _, r := range asked.Rule.Ranks() {
			cuts = append(cuts, known[keyOf(r, asked.At)].cuts)
		}
		ready.Conditions = append(ready.Conditions, Asked{Rule: asked.Rule.Ranked(cuts), At: asked.At, Where: asked.Where})
	}
	return ready, nil
}

// rankedByReference reads all customers of the snapshot where a rule ranks them. Questions without ranks cost nothing.
func (q Question) rankedByReference(ctx context.Context, tx *store.Tx) (Question, error) {
	customers := int64(0)
	for _, asked := range q.Conditions {
		if len(asked.Rule.Ranks()) > 0 && customers == 0 {
			var err error
			if _, customers, err = tx.CustomerSpan(ctx); err != nil {
				return q, err
			}
		}
	}
	return q.ranked(customers, func(places []*standing) error { return cutByReference(ctx, tx, places, q.keepAlive()) })
}

// keepAlive tells whoever waits that work goes on while nobody of the audience is found yet.
func (q Question) keepAlive() func(int64) error {
	if q.Progress == nil {
		return nil
	}
	return func(int64) error { return q.Progress(0) }
}

// cutByReference looks at all customers, and again at those among whom buckets begin where it has to.
func cutByReference(ctx context.Context, tx *store.Tx, places []*standing, progress func(int64) error) error {
	for _, p := range places {
		p.ranking = rules.NewRanking(p.rank)
	}
	err := rankAll(ctx, tx, places, progress, func(p *standing, value, _ any) { p.ranking.Add(value) })
	if err != nil {
		return err
	}
	var tied []*standing
	for _, p := range places {
		if p.ranking.Divide() {
			tied = append(tied, p)
		}
	}
	err = rankAll(ctx, tx, tied, progress, func(p *standing, value, id any) {
		if p.ranking.Tied(value) {
			p.ranking.AddID(value, id)
		}
	})
	for _, p := range places {
		p.cuts = p.ranking.Cuts()
	}
	return err
}

// rankAll works out for each customer what each place is by.
func rankAll(ctx context.Context, tx *store.Tx, places []*standing, progress func(int64) error, look func(p *standing, value, id any)) error {
	if len(places) == 0 {
		return nil
	}
	needs := Needs{Columns: []string{"id"}}
	for _, p := range places {
		needs = needs.With(p.rank.Value.Columns(), p.rank.Value.Histories())
	}
	return All(ctx, tx, needs, places[0].at, func(_ int64, record rules.Record) error {
		for i, p := range places {
			if i > 0 && !p.at.Now.Equal(places[i-1].at.Now) {
				Lapse(record, p.at.Now)
			}
			value, err := p.rank.Evaluate(ctx, record, p.at)
			if err != nil {
				return err
			}
			look(p, value, record["id"])
		}
		return ctx.Err()
	}, progress)
}

// Ranked gives a rule the cuts of its ranks as of an instant, for whoever looks at single customers in the snapshot.
func Ranked(ctx context.Context, tx *store.Tx, rule *rules.Rule, at rules.Instant) (*rules.Rule, error) {
	q, err := Question{Conditions: []Asked{{Rule: rule, At: at}}}.rankedByReference(ctx, tx)
	if err != nil {
		return nil, err
	}
	return q.Conditions[0].Rule, nil
}

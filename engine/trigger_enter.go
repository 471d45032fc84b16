package engine

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

// A visit is those who match a campaign's rule, on their way through its gates into the run of the day.
type visit struct {
	*door
	plan     *plan // as of now
	run      campaigns.Run
	arrivals []arrival // who did not go through the gates yet
}

// enter asks each campaign's rule about those who arrived, as of now, and lets in who matches. It gives the campaigns that
// do not work any more; who came to them waits.
func (e *Engine) enter(ctx context.Context, tx *store.Tx, triggers []store.Trigger, arrived map[campaigns.ID][]arrival, apart bool) ([]*brokenCampaign, error) {
	doors, broken, err := e.open(ctx, tx, triggers)
	if err != nil {
		return nil, err
	}
	for _, d := range doors {
		d.arrivals = arrived[d.trigger.CampaignID]
	}
	if err := without(ctx, tx, doors); err != nil {
		return nil, err
	}
	visits, faults, err := e.match(ctx, tx, doors)
	if err != nil {
		return nil, err
	}
	broken = append(broken, faults...)
	faults, err = e.letIn(ctx, tx, visits, apart)
	if err != nil {
		return nil, err
	}
	broken = append(broken, faults...)
	var waits []store.Wait
	for _, b := range broken {
		left := b.left
		if left == nil {
			left = arrived[b.trigger.CampaignID]
		}
		waits = append(waits, waitsOf(b.trigger, left)...)
	}
	return broken, tx.SaveWaits(ctx, waits)
}

// match asks the rules; a customer's record is read once for all campaigns.
func (e *Engine) match(ctx context.Context, tx *store.Tx, doors []*door) (visits []*visit, broken []*brokenCampaign, err error) {
	at, needs := map[int64][]*door{}, audience.Needs{}
	var nos []int64
	for _, d := range doors {
		needs = needs.With(d.rule.Columns(), d.rule.Histories())
		for _, a := range d.arrivals {
			if at[a.no] == nil {
				nos = append(nos, a.no)
			}
			if own := at[a.no]; len(own) == 0 || own[len(own)-1] != d {
				at[a.no] = append(own, d)
			}
		}
	}
	if len(nos) == 0 {
		return nil, nil, nil
	}
	slices.Sort(nos)
	latest := latestOf(doors, tx.Now)
	matching, faults := map[*door]map[int64]bool{}, map[*door]error{}
	err = audience.Each(ctx, tx, store.Span{Nos: nos}, needs, rules.Instant{Now: latest[0]}, func(no int64, record rules.Record) error {
		for _, d := range at[no] {
			is, err := d.rule.Decide(ctx, record, rules.Instant{Now: latest[no], Zone: d.at.Zone})
			switch {
			case errors.Is(err, rules.ErrTooLong):
				e.log.Warn("a rule takes too long for a customer, who does not enter", "campaign", d.campaign.Name, "customer", no)
			case err != nil && ctx.Err() != nil:
				return err
			case err != nil:
				faults[d] = err
			case is:
				if matching[d] == nil {
					matching[d] = map[int64]bool{}
				}
				matching[d][no] = true
			}
		}
		return nil
	})
	for _, d := range doors {
		theirs := matching[d]
		if faults[d] != nil {
			broken = append(broken, &brokenCampaign{plan: d.plan, trigger: d.trigger, cause: faults[d]})
		} else if len(theirs) > 0 {
			arrivals := slices.DeleteFunc(slices.Clone(d.arrivals), func(a arrival) bool { return !theirs[a.no] })
			visits = append(visits, &visit{door: d, plan: d.asOf(tx.Now), arrivals: arrivals})
		}
	}
	return visits, broken, err
}

// latestOf is the instant at which each customer is looked at: now, or the time of what happened where a till's clock runs
// ahead, so that a rule always sees what it is asked for. Under 0 is the latest of all.
func latestOf(doors []*door, now time.Time) map[int64]time.Time {
	latest := map[int64]time.Time{0: now}
	for _, d := range doors {
		for _, a := range d.arrivals {
			for _, no := range []int64{0, a.no} {
				if latest[no].Before(a.at) {
					latest[no] = a.at
				}
			}
			if latest[a.no].Before(now) {
				latest[a.no] = now
			}
		}
	}
	return latest
}

// letIn leads visits through the gates of the day's runs, higher priorities first: together, or each apart, where one that
// fails is undone by itself. All slices are locked at once: transactions that take them in turns would wait for each other.
func (e *Engine) letIn(ctx context.Context, tx *store.Tx, visits []*visit, apart bool) (broken []*brokenCampaign, err error) {
	if len(visits) == 0 {
		return nil, nil
	}
	var entering []int64
	for _, v := range visits {
		for _, a := range v.arrivals {
			entering = append(entering, a.no)
		}
	}
	if err := tx.LockSlices(ctx, entering); err != nil {
		return nil, err
	}
	slices.SortStableFunc(visits, func(a, b *visit) int {
		return cmp.Or(cmp.Compare(b.campaign.Priority, a.campaign.Priority), slices.Compare(a.campaign.ID[:], b.campaign.ID[:]))
	})
	if !apart {
		return e.inGroups(ctx, tx, visits)
	}
	for _, v := range visits {
		arrivals := v.arrivals
		err := tx.Apart(ctx, func() error {
			own, err := e.inGroups(ctx, tx, []*visit{v})
			broken = append(broken, own...)
			return err
		})
		if err != nil && !isOwn(err) {
			return nil, err
		}
		if err != nil {
			broken = append(broken, &brokenCampaign{plan: v.plan, trigger: v.trigger, cause: err, left: arrivals})
		}
	}
	return broken, nil
}

// shareBooks are the books of visits that are led through their gates together.
func shareBooks(ctx context.Context, tx *store.Tx, visits []*visit) (books, func(context.Context) error, error) {
	shared, err := openBooks(ctx, tx, visits)
	return shared, shared.save, err
}

// through leads visits through the gates with the books that are opened for them, and writes what follows.
func (e *Engine) through(ctx context.Context, tx *store.Tx, visits []*visit,
	open func(ctx context.Context, tx *store.Tx, visits []*visit) (from books, save func(context.Context) error, err error)) (broken []*brokenCampaign, err error) {
	if visits, err = ensureRuns(ctx, tx, visits); err != nil || len(visits) == 0 {
		return nil, err
	}
	if err := meetAll(ctx, tx, visits); err != nil {
		return nil, err
	}
	from, save, err := open(ctx, tx, visits)
	if err != nil {
		return nil, err
	}
	to := newAdmissions()
	for _, v := range visits {
		err := e.visit(ctx, tx, v, from, to)
		if err == nil {
			continue
		}
		if !isOwn(err) || store.IsLasting(err) { // PostgreSQL goes on with nothing after an error of its own
			return nil, err
		}
		broken = append(broken, &brokenCampaign{plan: v.plan, trigger: v.trigger, cause: err, left: v.arrivals})
	}
	if err := to.end(ctx, tx); err != nil {
		return nil, err
	}
	return broken, save(ctx)
}

// ensureRuns finds or makes the day's runs; visits of those that were stopped are left out: nothing more enters them on that
// day. A run with a pace is written to, and held alone.
func ensureRuns(ctx context.Context, tx *store.Tx, visits []*visit) ([]*visit, error) {
	days, paced := make([]campaigns.Run, len(visits)), map[campaigns.ID]bool{}
	for i, v := range visits {
		days[i], paced[v.campaign.ID] = *v.plan.dayRun(tx.Now), v.campaign.Pace != nil
	}
	runs, err := tx.EnsureRuns(ctx, days, paced)
	for _, v := range visits {
		v.run = runs[v.campaign.ID]
	}
	return slices.DeleteFunc(slices.Clone(visits), func(v *visit) bool { return !v.run.Open() }), err
}

// meetAll lets the quarter's global holdout meet those who visit campaigns that it applies to.
func meetAll(ctx context.Context, tx *store.Tx, visits []*visit) error {
	met, shop := map[int64]bool{}, visits[0].plan.workspace
	for _, v := range visits {
		for _, a := range v.arrivals {
			if v.plan.heldGlobally() {
				met[a.no] = true
			}
		}
	}
	return meet(ctx, tx, shop, slices.Sorted(maps.Keys(met)))
}

// visit leads the arrivals who match through the gates of the day's run. Several arrivals of one customer go one after
// another, so that each meets what the one before it left.
func (e *Engine) visit(ctx context.Context, tx *store.Tx, v *visit, from books, to *admissions) error {
	rounds := v.rounds()
	for i, arrivals := range rounds {
		var nos []int64
		keys := map[int64]string{}
		for _, a := range arrivals {
			nos, keys[a.no] = append(nos, a.no), a.key
		}
		slices.Sort(nos)
		round := *v.plan
		if round.campaign.Entry == nil {
			round.events = keys
		}
		if err := e.admit(ctx, tx, &round, &v.run, nos, from, to); err != nil {
			return err
		}
		v.arrivals = slices.Concat(rounds[i+1:]...)
	}
	return nil
}

// dayRun is the run that collects who enters on the present day of the campaign's zone.
func (p *plan) dayRun(now time.Time) *campaigns.Run {
	local := now.In(p.at.Zone)
	midnight := func(days int) time.Time {
		return campaigns.Place(time.Date(local.Year(), local.Month(), local.Day()+days, 0, 0, 0, 0, time.UTC), p.at.Zone).UTC()
	}
	begins, ends := midnight(0), midnight(1)
	if at := p.campaign.LaunchedAt; at != nil && at.After(begins) {
		begins = *at
	}
	return &campaigns.Run{ID: campaigns.NewID(now), CampaignID: p.campaign.ID, Version: p.campaign.Version, Occurrence: begins, Status: campaigns.Sending,
		Kind: campaigns.RunTrigger, Priority: p.campaign.Priority, OpenUntil: &ends}
}

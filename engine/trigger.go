package engine

import (
	"context"
	"errors"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

// Why signals: what happened and that somebody waits for it are written by one transaction, and what it starts by another,
// which deletes the signal: a crash between the two loses nothing, and one within them undoes all. So a till never waits
// for campaigns, and an event starts a campaign once.
//
// Why slices: a node decides about the customers of some slices at a time under a lock that nobody waits for. Any number
// of nodes and workers share the work, and nobody is in two of their hands at once.

const (
	triggerPoll   = 200 * time.Millisecond // how soon signals of other nodes are seen
	triggerBatch  = 64                     // signals that are decided in one transaction
	triggerSlices = 4                      // of the sixteen that one transaction works on
)

// triggerWorkers is how many transactions a node decides side by side: one waits for PostgreSQL while another calculates.
func triggerWorkers() int { return min(4, 2*runtime.GOMAXPROCS(0)) }

// triggerLoop decides signals as soon as this node commits them, and looks for those of other nodes.
func (e *Engine) triggerLoop(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for range triggerWorkers() {
		running.Go(func() { e.triggerWorker(ctx) })
	}
}

func (e *Engine) triggerWorker(ctx context.Context) {
	ticker := time.NewTicker(triggerPoll)
	defer ticker.Stop()
	for {
		decided, err := 0, error(nil)
		if !e.skewed.Load() {
			decided, err = e.decideSome(ctx)
		}
		if err != nil && ctx.Err() == nil {
			e.log.Error("deciding what events start failed, trying again", "err", err)
		}
		if decided > 0 && err == nil && ctx.Err() == nil {
			e.store.Wake() // another worker may find slices that this one left
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-e.store.Signalled():
		}
	}
}

// Trigger decides all signals that are there: the rules of the triggered campaigns that wait for what happened are asked
// about the customer as of now, and who matches enters. It gives how many signals were decided.
func (e *Engine) Trigger(ctx context.Context) (int, error) {
	total := 0
	for {
		decided, err := e.decideSome(ctx)
		total += decided
		if err != nil || decided == 0 {
			return total, err
		}
	}
}

// decideSome decides one batch of signals in one transaction. A campaign whose launched version does not work any more is
// paused, and the batch tried again without it.
func (e *Engine) decideSome(ctx context.Context) (decided int, err error) {
	if err := e.store.MonthsOfMessages(ctx); err != nil {
		return 0, err
	}
	for {
		err := e.store.Update(ctx, func(tx *store.Tx) error {
			signals, err := claimSignals(ctx, tx)
			if decided = len(signals); err != nil || decided == 0 {
				return err
			}
			return e.decide(ctx, tx, signals)
		})
		var broken *brokenCampaign
		if !errors.As(err, &broken) {
			if err == nil && decided > 0 {
				e.nudge()
			}
			return decided, err
		}
		if err := e.pauseBroken(ctx, broken); err != nil {
			return 0, err
		}
	}
}

func claimSignals(ctx context.Context, tx *store.Tx) ([]store.Signal, error) {
	slices, err := tx.ClaimSlices(ctx, triggerSlices)
	if err != nil || len(slices) == 0 {
		return nil, err
	}
	return tx.Signals(ctx, slices, triggerBatch)
}

// An arrival is a customer at a campaign's door, for what happened to them.
type arrival struct {
	no  int64
	key string // of what happened
	at  time.Time
}

// A door is a campaign that waits for an event, with those who are to enter it.
type door struct {
	*plan
	arrivals []arrival
}

// decide leads signals to the doors of the campaigns that wait for them: those with a time to wait keep the customer
// waiting, the others ask their rule now.
func (e *Engine) decide(ctx context.Context, tx *store.Tx, signals []store.Signal) error {
	byEvent := map[string][]store.Signal{}
	for _, s := range signals {
		byEvent[s.Event] = append(byEvent[s.Event], s)
	}
	triggers, err := tx.Triggers(ctx, slices.Sorted(maps.Keys(byEvent)))
	if err != nil {
		return err
	}
	var now []store.Trigger
	arrived := map[campaigns.ID][]arrival{}
	for i := range triggers {
		t := &triggers[i]
		found := arrivalsAt(t, byEvent[t.Event], tx.Now)
		switch {
		case len(found) == 0:
		case t.Paused || t.After > 0:
			if err := keepWaiting(ctx, tx, t, found); err != nil {
				return err
			}
		default:
			now, arrived[t.CampaignID] = append(now, *t), found
		}
	}
	doors, err := e.open(ctx, tx, now)
	if err != nil {
		return err
	}
	for _, d := range doors {
		d.arrivals = arrived[d.campaign.ID]
	}
	if err := e.enter(ctx, tx, doors); err != nil {
		return err
	}
	return tx.DropSignals(ctx, signals)
}

// clockSkew is how far a till's clock may be behind: what it dates before a launch may have happened after it.
const clockSkew = 5 * time.Minute

// arrivalsAt are the signals that a campaign waits for: told since it was launched, and not longer ago than what it would
// say is of use.
func arrivalsAt(t *store.Trigger, signals []store.Signal, now time.Time) (found []arrival) {
	last := now.Add(-t.Useful - t.After)
	for i := range signals {
		s := &signals[i]
		if (t.Attribute == "" || slices.Contains(s.Changed, t.Attribute)) && !s.SeenAt.Before(t.LaunchedAt) && !s.At.Before(last) && !s.At.Before(t.LaunchedAt.Add(-clockSkew)) {
			found = append(found, arrival{s.No, s.Key, s.At})
		}
	}
	return found
}

// keepWaiting keeps arrivals until their time comes. A campaign that is paused keeps every event; one with a time to wait
// keeps the customer's newest.
func keepWaiting(ctx context.Context, tx *store.Tx, t *store.Trigger, arrivals []arrival) error {
	waits := make([]store.Wait, len(arrivals))
	for i, a := range arrivals {
		waits[i] = store.Wait{No: a.no, Place: a.key, Key: a.key, At: a.at, DueAt: a.at.Add(t.After)}
		if t.After > 0 {
			waits[i].Place = ""
		}
	}
	return tx.SaveWaits(ctx, t.CampaignID, waits)
}

// enter asks each campaign's rule about those at its door, as of now, and lets in who matches. A customer's record is read
// once for all campaigns.
func (e *Engine) enter(ctx context.Context, tx *store.Tx, doors []*door) error {
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
		return nil
	}
	slices.Sort(nos)
	latest := latestOf(doors, tx.Now)
	matching := map[*door]map[int64]bool{}
	err := audience.Each(ctx, tx, store.Span{Nos: nos}, needs, rules.Instant{Now: latest[0]}, func(no int64, record rules.Record) error {
		for _, d := range at[no] {
			is, err := d.rule.Decide(ctx, record, rules.Instant{Now: latest[no], Zone: d.at.Zone})
			switch {
			case errors.Is(err, rules.ErrTooLong):
				e.log.Warn("a rule takes too long for a customer, who does not enter", "campaign", d.campaign.Name, "customer", no)
			case err != nil:
				return err
			case is:
				if matching[d] == nil {
					matching[d] = map[int64]bool{}
				}
				matching[d][no] = true
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	var entering []int64
	for _, theirs := range matching {
		entering = slices.AppendSeq(entering, maps.Keys(theirs))
	}
	if err := tx.LockSlices(ctx, entering); err != nil { // all at once: transactions that take them in turns would wait for each other
		return err
	}
	to := newAdmissions()
	for _, d := range doors {
		if err := e.letIn(ctx, tx, d, matching[d], to); err != nil {
			return err
		}
	}
	return to.end(ctx, tx)
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

// letIn leads the arrivals who match through the gates of the day's run. Several arrivals of one customer go one after
// another, so that each meets what the one before it left.
func (e *Engine) letIn(ctx context.Context, tx *store.Tx, d *door, matching map[int64]bool, to *admissions) error {
	arrivals := slices.DeleteFunc(d.arrivals, func(a arrival) bool { return !matching[a.no] })
	if len(arrivals) == 0 {
		return nil
	}
	p := d.asOf(tx.Now)
	paced := p.campaign.Pace != nil // then the run is written to
	run, err := tx.EnsureRun(ctx, p.dayRun(tx.Now), paced)
	if err != nil || !run.Open() { // stopped: nothing more enters on that day
		return err
	}
	for len(arrivals) > 0 {
		var nos []int64
		keys := map[int64]string{}
		arrivals = slices.DeleteFunc(arrivals, func(a arrival) bool {
			if _, is := keys[a.no]; is {
				return false
			}
			nos, keys[a.no] = append(nos, a.no), a.key
			return true
		})
		slices.Sort(nos)
		round := *p
		if round.campaign.Entry == nil {
			round.events = keys
		}
		if err := e.admit(ctx, tx, &round, &run, nos, to); err != nil {
			return d.broken(err)
		}
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

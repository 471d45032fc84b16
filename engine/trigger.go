package engine

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
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

// decideSome decides one batch of signals in one transaction. Where that fails for good, what is wrong with one campaign
// must not hold up the others: then each campaign is decided by itself.
func (e *Engine) decideSome(ctx context.Context) (decided int, err error) {
	if err := e.store.MonthsOfMessages(ctx); err != nil {
		return 0, err
	}
	return e.inOne(ctx, func(tx *store.Tx, apart bool) (int, []*brokenCampaign, error) {
		signals, err := claimSignals(ctx, tx)
		if err != nil || len(signals) == 0 {
			return 0, nil, err
		}
		broken, err := e.decide(ctx, tx, signals, apart)
		return len(signals), broken, err
	})
}

// inOne decides something in one transaction, apart where it fails together, and pauses the campaigns that turn out not to
// work any more.
func (e *Engine) inOne(ctx context.Context, decide func(tx *store.Tx, apart bool) (decided int, broken []*brokenCampaign, err error)) (decided int, err error) {
	var broken []*brokenCampaign
	for _, apart := range []bool{false, true} {
		err = e.store.Update(ctx, func(tx *store.Tx) (err error) {
			decided, broken, err = decide(tx, apart)
			return err
		})
		if err == nil || !isOwn(err) {
			break
		}
	}
	if err != nil {
		return 0, err
	}
	for _, b := range broken {
		if err := e.pauseBroken(ctx, b); err != nil {
			return decided, err
		}
	}
	if decided > 0 {
		e.nudge()
	}
	return decided, nil
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
	trigger  *store.Trigger
	arrivals []arrival
}

// decide leads signals to the doors of the campaigns that wait for them: those with a time to wait keep the customer
// waiting, the others ask their rule now. Who comes to a campaign that does not work waits until it is resumed.
func (e *Engine) decide(ctx context.Context, tx *store.Tx, signals []store.Signal, apart bool) ([]*brokenCampaign, error) {
	byEvent := map[string][]store.Signal{}
	for _, s := range signals {
		byEvent[s.Event] = append(byEvent[s.Event], s)
	}
	triggers, err := tx.Triggers(ctx, slices.Sorted(maps.Keys(byEvent)))
	if err != nil {
		return nil, err
	}
	var now []store.Trigger
	var waits []store.Wait
	arrived := map[campaigns.ID][]arrival{}
	for i := range triggers {
		t := &triggers[i]
		found := arrivalsAt(t, byEvent[t.Event], tx.Now)
		switch {
		case len(found) == 0:
		case t.Paused || t.After > 0:
			waits = append(waits, waitsOf(t, found)...)
		default:
			now, arrived[t.CampaignID] = append(now, *t), found
		}
	}
	if err := tx.SaveWaits(ctx, waits); err != nil {
		return nil, err
	}
	broken, err := e.enter(ctx, tx, now, arrived, apart)
	if err != nil {
		return nil, err
	}
	return broken, tx.DropSignals(ctx, signals)
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

// waitsOf keep arrivals until their time comes. A campaign that is paused keeps every event; one with a time to wait keeps
// the customer's newest.
func waitsOf(t *store.Trigger, arrivals []arrival) []store.Wait {
	waits := make([]store.Wait, len(arrivals))
	for i, a := range arrivals {
		waits[i] = store.Wait{CampaignID: t.CampaignID, No: a.no, Place: a.key, Key: a.key, At: a.at, DueAt: a.at.Add(t.After)}
		if t.After > 0 {
			waits[i].Place = ""
		}
	}
	return waits
}

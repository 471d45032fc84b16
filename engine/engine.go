// Package engine is what campaigns cause to happen: runs are made on time, audiences found, messages queued and sent,
// offers redeemed, reports worked out.
//
// Why loops over the database and no queue beside it: a schedule lives in next_run_at, a run's progress in its audience's
// parts, a message's in the outbox. Each loop is a ticker and a step that does one bounded piece of work and can be
// repeated without a second effect; a node that dies in the middle is replaced by the next one whose step finds its lease
// over. Tests and the demo call the steps themselves and move the clock.
//
// Why claim, act, record: the claim is one transaction (a lease), the act is outside any, the record its own. So no
// connection waits for a provider, and what a crash leaves behind is always one of three known states.
package engine

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/channel"
)

// Lease is how long a claim holds without being renewed. Sending stops leaseMargin before its end by the node's own
// monotonic clock, so that two nodes never send the same message.
const (
	Lease       = 15 * time.Second
	leaseMargin = 5 * time.Second
)

// Engine does what campaigns cause. One per node; all its methods may be called at once.
type Engine struct {
	store     *store.Store
	node      campaigns.ID
	log       *slog.Logger
	baseURL   string
	words     words
	ready     readyRuns
	asks      asks
	doorPlans doorPlans
	runPlans  runPlans
	finder    *audience.Chooser
	beat      time.Duration // how often a run that is held is kept
	atOnce    int           // so many eligible customers of a run at most are queued when they are selected
	wake      chan struct{} // something was queued: senders need not wait for their tick
	opens     func(campaigns.Channel, channel.Options) (channel.Sender, error)
	flight    flight
	stamps    atomic.Pointer[stamps] // that links are signed with
	sessions  sessions
	realClock bool
	skewed    atomic.Bool // the clock is too far from PostgreSQL's to claim anything
}

// Options of New. BaseURL begins links in messages where the workspace names no public address. AudienceBytes is how much
// memory customers and their histories may take as columns, 0 for 1 GiB, less than 0 for none. AudienceIdle is how long a
// column stays there that no rule uses, 0 for half an hour: who moves the clock by hours at a time wants days. RealClock says
// that the store's clock is the machine's: it is held against PostgreSQL's while the engine runs.
type Options struct {
	BaseURL       string
	Log           *slog.Logger
	AudienceBytes int64
	AudienceIdle  time.Duration
	RealClock     bool
}

// New makes an engine that does nothing until Run or a step is called.
func New(s *store.Store, options Options) *Engine {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	if options.AudienceBytes == 0 {
		options.AudienceBytes = 1 << 30
	}
	e := &Engine{store: s, node: campaigns.NewID(s.Now()), log: options.Log, baseURL: options.BaseURL, beat: Lease / 3, atOnce: atOnceMax, wake: make(chan struct{}, 1), realClock: options.RealClock, opens: channel.Open}
	var image *audience.Image
	if options.AudienceBytes > 0 {
		name, _ := os.Hostname() // only people read it
		image = audience.NewImage(audience.ImageOptions{Node: e.node, Name: name, BytesMax: options.AudienceBytes, IdleFor: options.AudienceIdle, Clock: s.Now, Log: options.Log})
	}
	e.finder = audience.NewChooser(image, runtime.GOMAXPROCS(0))
	return e
}

// Close lets go of the customers in memory.
func (e *Engine) Close(ctx context.Context) error { return e.finder.Close(ctx, e.store) }

// Node is this node's id, under which it holds leases.
func (e *Engine) Node() campaigns.ID { return e.node }

// A step is one bounded piece of work; worked is how much there was to do, 0 when nothing is left for now.
type step struct {
	name  string
	every time.Duration
	do    func(ctx context.Context) (worked int, err error)
	alone bool // waits for its own ticker alone: it does not follow from what the others do
}

func (e *Engine) steps() []step {
	return []step{
		{"tick", time.Second, e.Tick, false},
		{"select", time.Second, e.Select, false},
		{"queue", time.Second, e.Queue, false},
		{"guard", time.Second, e.Guard, true},
		{"finish", time.Second, e.Finish, false},
		{"waits", time.Second, e.Due, false},
		{"looks", time.Second, e.Look, false},
		{"receipts", time.Second, e.Receipts, true},
		{"words", time.Second, e.Answer, true},
		{"lose", 5 * time.Second, e.Lose, true},
		{"inboxes", inboxEvery, e.Inboxes, true},
		{"house", time.Minute, e.House, true},
	}
}

// Run works until ctx ends, then finishes what is in hand: nothing new is claimed, batches record their outcomes. What has
// to be done before anything else is tried until it is: a database that goes away at that moment comes back too.
func (e *Engine) Run(ctx context.Context) {
	for _, s := range []step{{name: "house", do: e.House}, {name: "beat", do: e.Beat}, {name: "lose", do: e.Lose}} {
		if !e.insist(ctx, s) {
			return
		}
	}
	var running sync.WaitGroup
	steps := append(e.steps(), step{"beat", beatEvery, e.Beat, true})
	kicks := make([]chan struct{}, len(steps))
	for i, s := range steps {
		if !s.alone {
			kicks[i] = make(chan struct{}, 1)
		}
	}
	for i, s := range steps {
		running.Go(func() { e.loop(ctx, s, kicks, kicks[i]) })
	}
	e.sessions.keep(true)
	defer e.sessions.keep(false)
	for _, c := range e.allChores() {
		running.Go(func() { e.choreLoop(ctx, c) })
	}
	running.Go(func() { e.triggerLoop(ctx) })
	running.Go(func() { e.sendLoop(ctx) })
	running.Wait()
}

// insist runs a step until it succeeds, and says whether it did before ctx ended.
func (e *Engine) insist(ctx context.Context, s step) bool {
	for ctx.Err() == nil {
		_, err := s.do(ctx)
		if err == nil {
			return true
		}
		if ctx.Err() == nil {
			e.log.Error("step failed, trying again", "step", s.name, "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return false
}

// loop runs a step whenever its ticker says so or another step did something, and again at once while there was something
// to do: a run goes from its tick to its messages without waiting for tickers. An error is logged and the step waits for
// its next tick: a database that goes away and comes back is such an error.
func (e *Engine) loop(ctx context.Context, s step, others []chan struct{}, kicked <-chan struct{}) {
	ticker := time.NewTicker(s.every)
	defer ticker.Stop()
	for {
		worked, err := e.soundly(ctx, s.do)
		if err != nil && ctx.Err() == nil {
			e.log.Error("step failed, trying again", "step", s.name, "err", err)
		}
		if worked > 0 && err == nil && ctx.Err() == nil {
			for _, other := range others {
				select {
				case other <- struct{}{}:
				default: // it is to run already
				}
			}
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-kicked:
		}
	}
}

// soundly does a step while the node's clock is right: runs would begin early, messages go in the night, else.
func (e *Engine) soundly(ctx context.Context, do func(context.Context) (int, error)) (int, error) {
	if sound, err := e.sound(ctx, e.store); err != nil || !sound {
		return 0, err
	}
	return do(ctx)
}

// Settle calls all steps until none has anything left to do at the present time. For tests, the demo and simulations,
// which move the clock themselves: an hour that they skip is no gap, and no sign of life is shown.
func (e *Engine) Settle(ctx context.Context) error {
	for {
		total := 0
		for _, s := range e.steps() {
			worked, err := s.do(ctx)
			if err != nil {
				return err
			}
			if s.name != "house" && s.name != "lose" {
				total += worked
			}
		}
		decided, err := e.Trigger(ctx)
		if err != nil {
			return err
		}
		sent, err := e.Send(ctx)
		if err != nil {
			return err
		}
		done, err := e.Chores(ctx)
		if err != nil {
			return err
		}
		if total+decided+sent+done == 0 {
			return nil
		}
	}
}

// House keeps house: partitions for the coming month, imports whose node died, and the trimming of changes that nobody
// follows.
func (e *Engine) House(ctx context.Context) (int, error) {
	now := e.store.Now()
	for _, table := range []string{"messages", "audit", "idempotency"} {
		if err := e.store.EnsureMonths(ctx, table, now, now.AddDate(0, 0, 14)); err != nil {
			return 0, err
		}
	}
	if _, err := e.store.FailInterrupted(ctx); err != nil {
		return 0, err
	}
	if err := e.finder.Keep(ctx, e.store); err != nil {
		return 0, err
	}
	if err := e.rotateGlobalHoldout(ctx); err != nil {
		return 0, err
	}
	return 0, e.store.Update(ctx, func(tx *store.Tx) error {
		if _, err := tx.ForgetWaits(ctx); err != nil {
			return err
		}
		if err := tx.ForgetLinks(ctx); err != nil {
			return err
		}
		_, err := tx.TrimChanges(ctx)
		return err
	})
}

// Finish ends runs whose messages have all ended, and campaigns of kind once with them.
func (e *Engine) Finish(ctx context.Context) (int, error) {
	ended := false
	err := e.store.Single(ctx, func(tx *store.Tx) (err error) {
		ended, err = tx.RunsEnded(ctx)
		return err
	})
	if err != nil || !ended {
		return 0, err
	}
	finished := 0
	err = e.store.Update(ctx, func(tx *store.Tx) error {
		ids, err := tx.FinishRuns(ctx)
		if err != nil {
			return err
		}
		finished = len(ids)
		over, err := tx.WithoutTicks(ctx, ids)
		if err != nil {
			return err
		}
		for _, id := range over {
			if err := e.complete(ctx, tx, id); err != nil {
				return err
			}
		}
		return nil
	})
	return finished, err
}

// complete ends a campaign whose last run is over: of kind once, or recurring until a time that has come.
func (e *Engine) complete(ctx context.Context, tx *store.Tx, id campaigns.ID) error {
	c, err := tx.LockCampaign(ctx, id)
	if err != nil || c.Kind == campaigns.Triggered || c.NextRunAt != nil {
		return err
	}
	live, err := tx.LiveRuns(ctx, id)
	if err != nil || live || c.Move(campaigns.Complete) != nil {
		return err
	}
	return tx.SaveCampaignState(ctx, &c)
}

// Lose finds messages that a dead node was sending: their outcome is unknown. It also cancels what came back into the
// queue of a run that was stopped, for nobody would look at it again.
func (e *Engine) Lose(ctx context.Context) (int, error) {
	var lost int64
	if sound, err := e.sound(ctx, e.store); err != nil || !sound {
		return 0, err
	}
	err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
		w, err := tx.Workspace(ctx)
		if err != nil {
			return err
		}
		if lost, err = tx.LoseMessages(ctx, w.Unknown == campaigns.UnknownResend); err != nil {
			return err
		}
		_, err = tx.DropMessages(ctx)
		return err
	})
	if lost > 0 {
		e.log.Warn("a node died while sending: these messages' outcomes are unknown, or they are sent again where the workspace says so", "messages", lost)
	}
	return int(lost), err
}

// isStale recognises that another node took the work over, which is no failure.
func isStale(err error) bool {
	var e *campaigns.Error
	return errors.As(err, &e) && e.Code == campaigns.CodeConflict
}

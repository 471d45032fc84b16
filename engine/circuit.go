package engine

import (
	"context"
	"sync"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/channel"
)

// A pass is what a provider's shared state lets a worker take now: so many messages, and each at its slot where the provider
// has a rate.
type pass struct {
	provider campaigns.Provider
	most     int
	locked   bool // the state is held until the transaction ends: it is to be written
	probe    bool // one message that tries an open circuit
}

// admit asks what the provider's state lets the worker take. Without a rate, and with the circuit closed, it is a read.
func (w *worker) admit(ctx context.Context, tx *store.Tx, most int) (p pass, err error) {
	if p.provider, err = tx.Provider(ctx, w.channelID); err != nil {
		return p, err
	}
	if w.rate > 0 || p.provider.IsOpen() {
		if p.provider.IsOpen() && !p.provider.MayProbe(tx.Now) {
			return p, nil
		}
		if p.provider, err = tx.LockProvider(ctx, w.channelID); err != nil {
			return p, err
		}
		p.locked = true
	}
	switch {
	case p.provider.RestsUntil.After(tx.Now):
		return p, nil
	case p.provider.IsOpen():
		if p.probe = p.provider.MayProbe(tx.Now); p.probe {
			p.most = 1
		}
	case w.rate > 0:
		p.most = min(most, p.provider.Room(tx.Now, w.rate))
	default:
		p.most = most
	}
	return p, nil
}

// use writes what was taken of a pass.
func (w *worker) use(ctx context.Context, tx *store.Tx, p *pass, batch *marked) error {
	batch.probe, batch.seen = p.probe, p.provider
	if !p.locked {
		return nil
	}
	if p.probe {
		p.provider.Probe, p.provider.ProbeUntil = w.owner, tx.Now.Add(Lease)
	}
	if w.rate > 0 {
		batch.slots = p.provider.TakeSlots(tx.Now, w.rate, len(batch.messages)-len(batch.verdicts))
	}
	return tx.SaveProvider(ctx, &p.provider)
}

// tell writes what a batch says about the provider, where that is news.
func (w *worker) tell(ctx context.Context, tx *store.Tx, done outcomes) error {
	if !done.probe && !done.answers.Tells(&done.seen) {
		return nil
	}
	if sound, err := w.engine.sound(ctx, tx); err != nil || !sound {
		return err // its times would keep every node from the provider
	}
	p, err := tx.LockProvider(ctx, w.channelID)
	if err != nil {
		return err
	}
	before := p
	probe := campaigns.ID{1} // nobody's: only who has the probe in hand says whether the circuit closes
	if done.probe {
		probe = w.owner
	}
	p.Tell(tx.Now, done.answers, probe)
	if !before.IsOpen() && p.IsOpen() {
		w.engine.log.Warn("a provider cannot be used: its circuit opens", "channel", w.channelID, "until", p.OpenUntil, "reason", p.Reason)
	}
	if before.IsOpen() && !p.IsOpen() {
		w.engine.log.Info("a provider works again: its circuit is closed", "channel", w.channelID)
	}
	return tx.SaveProvider(ctx, &p)
}

// hearing gathers what a batch's messages tell about their provider, and ends the batch early when it is told that more
// would be in vain.
type hearing struct {
	mu        sync.Mutex
	answers   campaigns.Answers
	abandoned bool // the sender still hangs in a message: nobody may touch its session any more
}

// hear takes one message's outcome. A refusal of the message is an answer of the provider like its acceptance.
func (h *hearing) hear(o *channel.Outcome) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch a := &h.answers; {
	case o.Throttled:
		a.Throttled, a.RetryAfter, a.Faults, a.Reason = true, max(a.RetryAfter, o.RetryAfter), 0, o.Detail
	case o.Unavailable, o.Status == channel.Unknown: // one that breaks off would make a whole run unknown
		a.Faults++
		a.Reason = o.Detail
	case o.Status == channel.Sent || o.Status == channel.Permanent || o.Status == channel.Temporary:
		a.Worked, a.Faults = true, 0
	}
}

// abandon remembers that the sender was left alone with a message.
func (h *hearing) abandon() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.abandoned = true
}

// enough says that the rest of the batch is to wait.
func (h *hearing) enough() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.abandoned || h.answers.Throttled || h.answers.Faults >= campaigns.FaultsMax
}

// wait waits for a message's slot.
func (w *worker) wait(ctx context.Context, slot time.Time) bool {
	ahead := slot.Sub(w.engine.store.Now())
	if ahead <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

package engine

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/channel"
	"beckon/templates"
)

const (
	batchMax       = 64 // messages in one batch of a worker, which has two
	workersDefault = 3  // of a channel that names no connections
	workersMax     = 12 // of one channel on a node
)

// sendLoop keeps the workers of every channel running until ctx ends.
func (e *Engine) sendLoop(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	workers := map[string]int{}
	for {
		channels, err := e.channels(ctx)
		if err != nil && ctx.Err() == nil {
			e.log.Error("reading channels failed, trying again", "err", err)
		}
		for _, c := range channels {
			for ; workers[c.ID] < connections(&c); workers[c.ID]++ {
				running.Go(func() { e.work(ctx, c.ID) })
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (e *Engine) channels(ctx context.Context) (channels []campaigns.Channel, err error) {
	err = e.store.Single(ctx, func(tx *store.Tx) (err error) {
		channels, err = tx.Channels(ctx)
		return err
	})
	return channels, err
}

// connections is how many workers a channel has on this node.
func connections(c *campaigns.Channel) int {
	if c.Settings.Connections <= 0 {
		return workersDefault
	}
	return min(c.Settings.Connections, workersMax)
}

// faultTold is how often a worker tells of the same fault.
const faultTold = time.Minute

// work is one worker: it sends whatever its channel has due, and waits when there is nothing.
func (e *Engine) work(ctx context.Context, channelID string) {
	w := e.newWorker(channelID)
	defer w.close()
	ticker := time.NewTicker(500 * time.Millisecond)
	defer ticker.Stop()
	told, toldAt := "", time.Time{}
	for {
		sent, err := w.drain(ctx)
		if now := e.store.Now(); err != nil && ctx.Err() == nil && (err.Error() != told || now.Sub(toldAt) > faultTold) {
			told, toldAt = err.Error(), now
			e.log.Error("sending failed, trying again", "channel", channelID, "err", err)
		}
		if sent > 0 && err == nil && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-e.wake:
		}
	}
}

// nudge wakes a worker that waits.
func (e *Engine) nudge() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Send sends all that is due on all channels, one worker each: the step for tests and the demo.
func (e *Engine) Send(ctx context.Context) (int, error) {
	due := false
	err := e.store.Single(ctx, func(tx *store.Tx) (err error) {
		due, err = tx.IsDue(ctx)
		return err
	})
	if err != nil || !due {
		return 0, err
	}
	channels, err := e.channels(ctx)
	if err != nil {
		return 0, err
	}
	total := 0
	for _, c := range channels {
		w := e.newWorker(c.ID)
		for {
			sent, err := w.drain(ctx)
			total += sent
			if err != nil {
				w.close()
				return total, err
			}
			if sent == 0 || w.done {
				break
			}
		}
		w.close()
	}
	return total, nil
}

// withdrawn says which of the messages must no longer be sent, and why: the address came onto the suppression list, or
// its owner withdrew consent, since they were queued.
func (e *Engine) withdrawn(ctx context.Context, tx *store.Tx, messages []campaigns.Message) (map[campaigns.ID]string, error) {
	reasons := map[campaigns.ID]string{}
	byKind := map[string][]campaigns.Message{}
	for _, m := range messages {
		byKind[m.Channel] = append(byKind[m.Channel], m)
	}
	if err := withoutConsent(ctx, tx, byKind, reasons); err != nil {
		return nil, err
	}
	for kind, messages := range byKind {
		var hashes [][]byte
		byHash := map[string][]campaigns.ID{}
		for _, m := range messages {
			hash, err := e.store.AddressHash(ctx, kind, m.Address)
			if err != nil {
				return nil, err
			}
			hashes = append(hashes, hash)
			byHash[string(hash)] = append(byHash[string(hash)], m.ID)
		}
		if len(hashes) == 0 {
			continue
		}
		listed, err := tx.Suppressed(ctx, kind, hashes)
		if err != nil {
			return nil, err
		}
		for hash := range listed {
			for _, id := range byHash[hash] {
				reasons[id] = "the address came onto the suppression list"
			}
		}
	}
	return reasons, nil
}

// one renders and sends a message. A fault in it is its own: it never stops the batch. went is false when nothing came of it
// because it has to wait.
func (w *worker) one(ctx context.Context, m *campaigns.Message, j job, by *handover, heard *hearing) (r store.Result, went bool) {
	e := w.engine
	now, v := decided(e.store.Now(), m.SendingAt), j.verdict
	switch {
	case ctx.Err() != nil:
		return w.untried(m, "the node was stopping or ran out of time"), false
	case w.brake.halts(m.RunID):
		return w.untried(m, "sending was stopped"), false
	case v.cancel != "":
		m.Attempts--
		return store.Result{Message: *m, Status: campaigns.MessageCancelled, Detail: v.cancel}, true
	case now.After(m.NotAfter):
		m.Attempts--
		return store.Result{Message: *m, Status: campaigns.MessageExpired, Detail: "its useful time was over"}, true
	case !v.later.IsZero():
		return replanned(m, v), true
	case heard.enough():
		return w.untried(m, "its provider takes nothing at the moment"), false
	}
	parts, err := e.content(ctx, m)
	if err != nil {
		if campaigns.CodeOf(err) == "" && !isMissing(err) {
			return store.Result{Message: *m, Detail: err.Error(), RetryAt: now.Add(campaigns.Backoff(m.Attempts))}, true
		}
		return store.Result{Message: *m, Status: campaigns.MessageFailed, Detail: "the template does not work for this customer: " + err.Error()}, true
	}
	if !w.wait(ctx, j.slot) {
		return w.untried(m, "the node was stopping or ran out of time"), false
	}
	if w.brake.halts(m.RunID) {
		return w.untried(m, "sending was stopped"), false
	}
	return w.hand(ctx, m, parts, by, heard), true
}

// hand gives a message to the channel's provider.
func (w *worker) hand(ctx context.Context, m *campaigns.Message, parts templates.Parts, by *handover, heard *hearing) store.Result {
	words, registered, err := w.engine.registered(ctx, m, w.channelID, parts)
	if err != nil {
		return store.Result{Message: *m, Detail: err.Error(), RetryAt: decided(w.engine.store.Now(), m.SendingAt).Add(campaigns.Backoff(m.Attempts))}
	}
	text := channel.Message{ID: m.ID.String(), To: m.Address, Parts: words, Template: registered, NotAfter: m.NotAfter}
	if m.Channel == campaigns.Email {
		text.BounceTag = w.links.bounceTag(m.No, m.ID)
		if !m.Exempt { // a transactional message cannot be left
			text.ListUnsubscribe = w.links.unsubscribeFrom(m.ID, m.No, m.Channel)
		}
	}
	outcome, abandoned := by.send(w.stop, text)
	heard.hear(&outcome)
	if abandoned {
		heard.abandon()
	}
	m.ContentHash = contentHash(parts)
	m.ProviderID, m.Segments = outcome.ProviderID, segmentsOf(m, parts, outcome)
	if outcome.Keep || w.keeps {
		m.Content = parts
	}
	r := w.result(m, outcome)
	r.Paid = w.cost.paid(m, parts, outcome)
	return r
}

// notNow is how long a message waits for which its provider could not be used or took nothing more: the provider's own state
// says when anything is claimed again.
const notNow = time.Second

// result says what an outcome means for a message.
func (w *worker) result(m *campaigns.Message, o channel.Outcome) store.Result {
	now := decided(w.engine.store.Now(), m.SendingAt)
	o.RetryAfter = min(o.RetryAfter, campaigns.RetryAfterMax)
	if o.Status == channel.Temporary && (o.Unavailable || o.Throttled) {
		m.Attempts--
		return store.Result{Message: *m, Detail: o.Detail, RetryAt: now.Add(max(o.RetryAfter, notNow))}
	}
	r := store.Result{Message: *m, Detail: o.Detail, Handed: true, MoreIDs: o.MoreIDs}
	switch {
	case o.Status == channel.Sent:
		r.Status = campaigns.MessageSent
	case o.Status == channel.Unknown && w.workspace.Unknown == campaigns.UnknownResend && !m.Resent && now.Before(m.NotAfter):
		r.Resend, r.RetryAt = true, now.Add(jittered(campaigns.Backoff(m.Attempts), m.ID))
	case o.Status == channel.Unknown:
		r.Status = campaigns.MessageUnknown
	case o.Status == channel.Temporary && m.Attempts < campaigns.AttemptsMax:
		r.RetryAt = now.Add(max(o.RetryAfter, jittered(campaigns.Backoff(m.Attempts), m.ID)))
	default:
		r.Status = campaigns.MessageFailed
		if o.Status == channel.Temporary {
			r.Detail = fmt.Sprintf("given up after %d attempts: %s", m.Attempts, o.Detail)
		}
	}
	return r
}

// jittered spreads a wait over 75 to 125 % of it, by the message's id, so that a provider that comes back is not met by
// all at once.
func jittered(wait time.Duration, id campaigns.ID) time.Duration {
	h := fnv.New32a()
	h.Write(id[:])
	return wait*3/4 + time.Duration(h.Sum32()%1000)*wait/2000
}

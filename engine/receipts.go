package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

const (
	receiptsMax    = 1000           // in one batch
	receiptWaitMin = time.Second    // how long a receipt waits that came before its message's answer was recorded
	receiptWaitMax = time.Minute    // it looks again after as long as it has waited, at most this
	receiptsFor    = 72 * time.Hour // then it is given up
)

// Receipts deals with what providers said of messages, a batch at a time: it finds the messages, moves them where the
// receipts say they are, and suppresses addresses that are dead or whose owners complained. It gives how many there were
// where more are left.
func (e *Engine) Receipts(ctx context.Context) (int, error) {
	var b *receiptBatch
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		kept, err := tx.ClaimReceipts(ctx, receiptsMax)
		if err != nil || len(kept) == 0 {
			return err
		}
		b = &receiptBatch{tx: tx, receipts: kept, of: make([]store.ProviderID, len(kept))}
		return b.settle(ctx)
	})
	if err != nil || b == nil {
		return 0, err
	}
	if b.givenUp > 0 {
		e.log.Warn("receipts name no message that is known: they are given up", "receipts", b.givenUp)
	}
	if b.unreadable > 0 {
		e.log.Warn("receipts name addresses that are none", "receipts", b.unreadable)
	}
	if len(b.receipts) < receiptsMax {
		return 0, nil // those that follow are waited for, so that they come in batches
	}
	return len(b.receipts), nil
}

// A receiptBatch is one transaction's receipts.
type receiptBatch struct {
	tx         *store.Tx
	receipts   []store.KeptReceipt
	of         []store.ProviderID // the message of each, the zero id where it is not known
	messages   map[campaigns.ID]*campaigns.Message
	later      []int
	laterTo    []time.Time
	givenUp    int
	unreadable int
}

func (b *receiptBatch) settle(ctx context.Context) error {
	for _, do := range []func(context.Context) error{b.find, b.read, b.apply} {
		if err := do(ctx); err != nil {
			return err
		}
	}
	later := map[int]bool{}
	var wait, done []int64
	for _, i := range b.later {
		later[i] = true
		wait = append(wait, b.receipts[i].Key)
	}
	for i := range b.receipts {
		if !later[i] {
			done = append(done, b.receipts[i].Key)
		}
	}
	if err := b.tx.ForgetReceipts(ctx, done); err != nil {
		return err
	}
	return b.tx.PostponeReceipts(ctx, wait, b.laterTo)
}

// find finds the messages that the receipts name: by our own id, or by the provider's, which may hold ours.
func (b *receiptBatch) find(ctx context.Context) error {
	var channels, names []string
	for i := range b.receipts {
		if r := &b.receipts[i]; r.MessageID == (campaigns.ID{}) && r.ProviderID != "" {
			channels, names = append(channels, r.ChannelID), append(names, r.ProviderID)
		}
	}
	known, err := b.tx.ProviderIDs(ctx, channels, names)
	if err != nil {
		return err
	}
	var unplaced []campaigns.ID
	for i := range b.receipts {
		r := &b.receipts[i]
		named, is := known[[2]string{r.ChannelID, r.ProviderID}]
		switch {
		case r.MessageID != (campaigns.ID{}):
			b.of[i] = store.ProviderID{No: r.No, MessageID: r.MessageID}
		case is:
			b.of[i] = named
		default:
			b.of[i].MessageID = ownID(r.ProviderID)
		}
		if b.of[i].MessageID != (campaigns.ID{}) && b.of[i].No == 0 {
			unplaced = append(unplaced, b.of[i].MessageID)
		}
	}
	nos, err := b.tx.Receivers(ctx, unplaced)
	for i := range b.of {
		if b.of[i].No == 0 {
			b.of[i].No = nos[b.of[i].MessageID]
		}
	}
	return err
}

// ownID is the message's id that a provider's id begins with, as a Message-ID does; the zero id where it holds none.
func ownID(providerID string) campaigns.ID {
	local, _, _ := strings.Cut(strings.Trim(providerID, "<>"), "@")
	id, err := campaigns.ParseID("message", local)
	if err != nil {
		return campaigns.ID{}
	}
	return id
}

// NamedMessages finds the messages that a provider calls by an id, of all channels.
func NamedMessages(ctx context.Context, tx *store.Tx, providerID string) ([]campaigns.ID, error) {
	found, err := tx.NamedByProvider(ctx, providerID)
	if own := ownID(providerID); own != (campaigns.ID{}) && !slices.Contains(found, own) {
		found = append(found, own)
	}
	return found, err
}

// read reads where the messages stand.
func (b *receiptBatch) read(ctx context.Context) (err error) {
	var nos []int64
	var ids []campaigns.ID
	seen := map[campaigns.ID]bool{}
	for _, of := range b.of {
		if of.No != 0 && !seen[of.MessageID] {
			seen[of.MessageID] = true
			nos, ids = append(nos, of.No), append(ids, of.MessageID)
		}
	}
	b.messages, err = b.tx.MessagesStanding(ctx, nos, ids)
	return err
}

// apply moves the messages. Receipts of one message are taken in their order, and written together.
func (b *receiptBatch) apply(ctx context.Context) error {
	moves := map[campaigns.ID]*store.Settlement{}
	var order []campaigns.ID
	for i := range b.receipts {
		m := b.messages[b.of[i].MessageID]
		if err := b.takeBack(ctx, m, b.receipts[i].Receipt); err != nil {
			return err
		}
		if m == nil || m.Status.Waits() {
			if err := b.wait(ctx, i); err != nil {
				return err
			}
			continue
		}
		s := moves[m.ID]
		if s == nil {
			s = &store.Settlement{Message: *m, From: m.Status, To: m.Status}
			moves[m.ID] = s
			order = append(order, m.ID)
		}
		if err := b.take(ctx, i, s); err != nil {
			return err
		}
	}
	var changed []store.Settlement
	for _, id := range order {
		if s := moves[id]; len(s.Steps) > 0 {
			changed = append(changed, *s)
		}
	}
	settled, err := b.tx.SettleMessages(ctx, changed)
	if err != nil {
		return err
	}
	for i := range b.receipts { // somebody changed the message meanwhile: it is looked at again
		if s := moves[b.of[i].MessageID]; s != nil && len(s.Steps) > 0 && !settled[b.of[i].MessageID] {
			b.postpone(i)
		}
	}
	return nil
}

// takeBack keeps a message from being sent again of which its provider tells what became of it the first time.
func (b *receiptBatch) takeBack(ctx context.Context, m *campaigns.Message, r campaigns.Receipt) error {
	if m == nil || !m.Resent || m.Status != campaigns.MessageQueued || r.Status == "" {
		return nil
	}
	taken, err := b.tx.UnqueueMessage(ctx, m)
	if taken {
		m.Status = campaigns.MessageUnknown
	}
	return err
}

// take applies one receipt to its message.
func (b *receiptBatch) take(ctx context.Context, i int, s *store.Settlement) error {
	r := b.receipts[i].Receipt
	r.At = notBefore(r.At, s)
	if b.of[i].Segments > 1 && r.Status != "" {
		all, err := b.tx.SettleSegment(ctx, b.of[i], r.Status)
		if err != nil {
			return err
		}
		r.Status = all
	}
	if to, moved := s.To.After(&r); moved {
		s.To = to
		s.Steps = append(s.Steps, campaigns.Change{At: r.At, Status: to, Detail: r.Detail})
	}
	if r.Complaint {
		fresh, err := b.tx.KeepComplaint(ctx, &s.Message, r.At)
		if err != nil {
			return err
		}
		if fresh {
			s.Steps = append(s.Steps, campaigns.Change{At: r.At, Status: s.To, Detail: strings.TrimSuffix("its receiver complained: "+r.Detail, ": ")})
		}
	}
	return b.suppress(ctx, s.Message.Channel, s.Message.Address, &b.receipts[i])
}

// notBefore is when a receipt's step counts as taken: never before the steps that it follows, though the provider's clock is
// slow or has only minutes.
func notBefore(at time.Time, s *store.Settlement) time.Time {
	if n := len(s.Steps); n > 0 && at.Before(s.Steps[n-1].At) {
		return s.Steps[n-1].At
	}
	if ended := s.Message.FinishedAt; ended != nil && at.Before(*ended) {
		return ended.Truncate(time.Millisecond)
	}
	return at
}

// suppress keeps an address from being sent to again that is dead, or whose owner complained.
func (b *receiptBatch) suppress(ctx context.Context, kind, address string, r *store.KeptReceipt) error {
	reason := ""
	switch {
	case r.Complaint:
		reason = "complaint"
	case r.Hard:
		reason = "hard bounce"
	}
	if reason == "" || address == "" {
		return nil
	}
	err := b.tx.Suppress(ctx, &campaigns.Suppression{Channel: kind, Address: address, Reason: reason, At: r.At.Truncate(time.Second)})
	if campaigns.CodeOf(err) == campaigns.CodeInvalid {
		b.unreadable++
		return nil
	}
	return err
}

// wait keeps a receipt whose message is not known yet. One that names an address alone has done its work with that.
func (b *receiptBatch) wait(ctx context.Context, i int) error {
	r := &b.receipts[i]
	if r.Address != "" && (r.Hard || r.Complaint) {
		kind, err := b.kind(ctx, r.ChannelID)
		if err != nil {
			return err
		}
		if err := b.suppress(ctx, kind, r.Address, r); err != nil {
			return err
		}
	}
	switch {
	case r.ProviderID == "" && r.MessageID == (campaigns.ID{}):
	case b.tx.Now.Sub(r.SeenAt) > receiptsFor:
		b.givenUp++
	default:
		b.postpone(i)
	}
	return nil
}

// kind is the kind of address that a channel's provider speaks of.
func (b *receiptBatch) kind(ctx context.Context, channelID string) (string, error) {
	c, err := b.tx.Channel(ctx, channelID)
	if err != nil && campaigns.CodeOf(err) != campaigns.CodeNotFound {
		return "", err
	}
	for _, kind := range []string{campaigns.Email, campaigns.SMS, c.Settings.Carries()} {
		if c.Kind != campaigns.KindCatcher && c.Carries(kind) {
			return kind, nil
		}
	}
	return campaigns.Email, nil
}

func (b *receiptBatch) postpone(i int) {
	if slices.Contains(b.later, i) {
		return
	}
	age := b.tx.Now.Sub(b.receipts[i].SeenAt)
	b.later, b.laterTo = append(b.later, i), append(b.laterTo, b.tx.Now.Add(min(max(age, receiptWaitMin), receiptWaitMax)))
}

// SettleMessage lets a person who knows it say what became of a message whose outcome is unknown: sent, failed, or queued to
// send it once more.
func (e *Engine) SettleMessage(ctx context.Context, actor string, id campaigns.ID, to campaigns.MessageStatus) (campaigns.Message, error) {
	var m campaigns.Message
	err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
		if m, err = tx.Message(ctx, id); err != nil {
			return err
		}
		if m.Status != campaigns.MessageUnknown {
			return campaigns.Conflict("the message is %s: only one whose outcome is unknown is settled", m.Status)
		}
		if err := settleAs(ctx, tx, &m, to, fmt.Sprintf("settled by %s", actor)); err != nil {
			return err
		}
		if err := tx.Audit(ctx, actor, "settle", "message", id.String(), map[string]any{"status": m.Status}, map[string]any{"status": to}); err != nil {
			return err
		}
		m, err = tx.Message(ctx, id)
		return err
	})
	if err == nil {
		e.nudge()
	}
	return m, err
}

func settleAs(ctx context.Context, tx *store.Tx, m *campaigns.Message, to campaigns.MessageStatus, detail string) error {
	var done bool
	switch to {
	case campaigns.MessageSent, campaigns.MessageFailed:
		settled, err := tx.SettleMessages(ctx, []store.Settlement{{Message: *m, From: m.Status, To: to, Untaken: to == campaigns.MessageFailed,
			Steps: []campaigns.Change{{At: tx.Now.Truncate(time.Millisecond), Status: to, Detail: detail}}}})
		if err != nil {
			return err
		}
		done = settled[m.ID]
	case campaigns.MessageQueued:
		if tx.Now.After(m.NotAfter) {
			return campaigns.Conflict("the message's useful time was over at %s: settle it as sent or failed", m.NotAfter.UTC().Format(time.RFC3339))
		}
		var err error
		if done, err = tx.RequeueMessage(ctx, m, detail); err != nil {
			return err
		}
	default:
		return campaigns.Invalid("status", "should be sent, failed or queued")
	}
	if !done {
		return campaigns.Conflict("the message changed meanwhile, or its run was stopped: look at it again")
	}
	return nil
}

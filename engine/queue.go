package engine

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/offers"
	"beckon/engine/rules"
)

// A piece of a run is queued before others get their turn: so many parts by each of so many workers, or until its time is
// over. One worker alone where the order in which customers are walked decides who gets it.
const (
	pieceParts   = 4
	pieceTime    = 250 * time.Millisecond
	pieceWorkers = 2
)

// Queue draws arms and writes messages for one run, a piece of its audience at a time, so that a small run goes through
// while a large one is queued. A part is taken out of the eligible and put at its gates in the same transaction that
// enters, assigns, issues and queues: a crash leaves it eligible, and any node may go on.
func (e *Engine) Queue(ctx context.Context) (int, error) {
	var run *campaigns.Run
	err := e.store.Single(ctx, func(tx *store.Tx) (err error) {
		run, err = tx.TakeTurn(ctx, e.node, tx.Now.Add(Lease))
		return err
	})
	if err != nil || run == nil {
		return 0, err
	}
	return 1, e.stopOnFault(ctx, run, e.queuePiece(ctx, run))
}

func (e *Engine) queuePiece(ctx context.Context, run *campaigns.Run) error {
	ready, err := e.readyToQueue(ctx, run)
	if err != nil {
		return err
	}
	if err := e.store.MonthsOfMessages(ctx); err != nil {
		return err
	}
	workers, parts := pieceWorkers, pieceParts
	if ready.plan.scarce() {
		workers = 1
	}
	if run.Eligible <= store.PartSize { // one part, and nothing else to look for
		workers, parts = 1, 1
	}
	var working sync.WaitGroup
	failed, more := make([]error, workers), make([]bool, workers)
	var stopped atomic.Bool // somebody at the gate template
	until := e.store.Now().Add(pieceTime)
	for i := range workers {
		working.Go(func() {
			for part := 0; part < parts && ctx.Err() == nil && (part == 0 || e.store.Now().Before(until)); part++ {
				if more[i], failed[i] = e.queuePart(ctx, run, ready, i > 0, &stopped); !more[i] || failed[i] != nil {
					return
				}
				e.nudge()
			}
		})
	}
	working.Wait()
	if err := errors.Join(append(failed, ctx.Err())...); err != nil {
		return err
	}
	if stopped.Load() || !slices.Contains(more, true) { // who queued the last of it may have died before it looked
		if err := e.guardQueued(ctx, ready.plan, run); err != nil {
			return err
		}
	}
	if slices.Contains(more, true) && parts > 1 {
		return nil
	}
	return e.endQueueing(ctx, run)
}

// endQueueing lets a run go on to sending once nobody of its audience waits to be queued.
func (e *Engine) endQueueing(ctx context.Context, run *campaigns.Run) error {
	ended := false
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		held, err := tx.KeepQueueing(ctx, run.ID, e.node)
		if err != nil || !held {
			return err
		}
		if left, err := tx.PartsLeft(ctx, run.ID); err != nil || left {
			return err
		}
		done := *run
		if done.Reason, err = e.budgetReason(ctx, tx, &done); err != nil {
			return err
		}
		if err := tx.MergeGates(ctx, run.ID); err != nil {
			return err
		}
		done.Status, done.QueuedAt = campaigns.Sending, &tx.Now
		ended = true
		return tx.SaveRun(ctx, &done, campaigns.Queueing, e.node, tx.Now.Add(Lease))
	})
	if ended {
		e.ready.forget(run.ID)
	}
	return err
}

// queuePart queues one part, from the front of the audience or from its end; more is false when none was free.
func (e *Engine) queuePart(ctx context.Context, run *campaigns.Run, r *readyRun, fromEnd bool, stopped *atomic.Bool) (more bool, err error) {
	err = e.store.Update(ctx, func(tx *store.Tx) error {
		more = false
		held, err := tx.KeepQueueing(ctx, run.ID, e.node)
		if err != nil || !held {
			return err
		}
		b := r.batch(tx, run)
		if err := b.resume(ctx); err != nil {
			return err
		}
		take := tx.TakePart
		if !r.plan.scarce() {
			take = func(ctx context.Context, id campaigns.ID) (store.Part, error) { return tx.TakeFree(ctx, id, fromEnd) }
		}
		part, err := take(ctx, run.ID)
		if err != nil || len(part.Nos) == 0 {
			return err
		}
		more = true
		b.inTurn(part.Nos)
		if err := b.admit(ctx, part.Nos); err != nil {
			return err
		}
		if err := b.suspend(ctx); err != nil {
			return err
		}
		if len(b.gates[campaigns.GateTemplate])+len(b.gates[campaigns.GhostGate(campaigns.GateTemplate)]) > 0 {
			stopped.Store(true)
		}
		return tx.PutGates(ctx, run.ID, part.Part, b.gates)
	})
	return more, err
}

// A batch is some of a run's audience on their way through the gates after the arms.
type batch struct {
	*plan
	run     *campaigns.Run
	tx      *store.Tx
	books   books
	cipher  *offers.Cipher
	links   links
	crowded map[string]map[string]bool   // addresses of too many, by kind; nil where only those of the batch are looked up
	listed  map[string]*roaring64.Bitmap // who is suppressed, by kind of address; nil where that is looked up
	topic   topicWords                   // of the batch's people, where the way to somebody depends on it
	dry     bool                         // decides only: nothing is locked, and nothing but the gates is worked out
	shows   bool                         // shows messages only: nothing else is read

	admissions *admissions    // that it leaves to be written; nil where it writes itself
	holders    map[int64]bool // of an entry by the run that this one sends again for
	names      []string       // of the columns that people have
	column     map[string]int // by name
	people     []person
	gates      map[campaigns.Gate][]int64
	messages   []campaigns.Message
	coupons    []campaigns.Coupon
	*walk
}

// admit takes customers through all gates after the arms and writes what follows: entries, arms, messages, coupons. It
// leaves in gates where each of them ended, for the caller to keep. It holds the customers' slices until the transaction
// ends.
func (b *batch) admit(ctx context.Context, nos []int64) error {
	if err := b.tx.LockSlices(ctx, nos); err != nil {
		return err
	}
	if err := b.decide(ctx, nos); err != nil {
		return err
	}
	return b.write(ctx)
}

// decide finds where customers end, in their order, and writes nothing. What is used up on the way, of budgets, codes and
// slots, is used up for those whom the batch decides afterwards.
func (b *batch) decide(ctx context.Context, nos []int64) error {
	b.people, b.gates, b.messages, b.coupons = b.people[:0], map[campaigns.Gate][]int64{}, nil, nil
	if len(nos) == 0 {
		return nil
	}
	for _, do := range []func(context.Context, []int64) error{b.load, b.enter, b.reachAgain, b.assign, b.count, b.limits} {
		if err := do(ctx, nos); err != nil {
			return err
		}
	}
	for i := range b.people {
		b.through(&b.people[i])
	}
	for i := range b.people {
		b.put(&b.people[i])
	}
	return nil
}

// through leads one person through the gates. None of them sees the arm: whoever could not be sent one of the variants is
// stopped in every arm, or the arms would differ in more than their messages.
func (b *batch) through(p *person) {
	switch {
	case p.gate != "":
	case !b.schedule(p):
		p.gate = campaigns.GateCap
	case b.isSpent(p):
		p.gate = campaigns.GateBudget
	case b.lacksCodes():
		p.gate = campaigns.GateCode
	case !b.isPrintable(p):
		p.gate = campaigns.GateTemplate
	default:
		p.gate = campaigns.GatePassed
		b.spend(p)
	}
	b.pace(p)
}

func (b *batch) isGhost(p *person) bool { return !p.outside && p.arm.Arm == campaigns.Holdout }

// put puts somebody at a gate: a ghost at the holdout, its later gate beside.
func (b *batch) put(p *person) {
	gate := p.gate
	if gate != campaigns.GateEntry && b.isGhost(p) {
		if gate != campaigns.GatePassed {
			b.gates[campaigns.GhostGate(gate)] = append(b.gates[campaigns.GhostGate(gate)], p.no)
		}
		gate = campaigns.GateHoldout
	}
	b.gates[gate] = append(b.gates[gate], p.no)
}

// load reads what the gates and the messages ask for, in the order of nos.
func (b *batch) load(ctx context.Context, nos []int64) error {
	needs := b.batchNeeds()
	b.names, b.column = needs.Columns, make(map[string]int, len(needs.Columns))
	for i, name := range b.names {
		b.column[name] = i
	}
	place := make(map[int64]int, len(nos))
	for i, no := range nos {
		place[no] = i
	}
	found := make([]person, len(nos))
	values := make([]any, len(nos)*len(b.names))
	wanted := b.needsRecords()
	err := b.books.people(ctx, nos, needs, b.at, wanted, func(no int64, row []any, record rules.Record) error {
		i, is := place[no]
		if !is {
			return nil
		}
		found[i] = person{no: no, values: values[i*len(b.names) : (i+1)*len(b.names)]}
		copy(found[i].values, row)
		if wanted {
			found[i].record = maps.Clone(record)
		}
		return nil
	})
	for i, no := range nos {
		if found[i].no == 0 { // erased since it was selected
			b.gates[campaigns.GateAddress] = append(b.gates[campaigns.GateAddress], no)
		} else {
			b.people = append(b.people, found[i])
		}
	}
	return err
}

// field is a column of somebody as rules have it.
func (b *batch) field(p *person, name string) any {
	if p.record != nil {
		return p.record[name]
	}
	i, is := b.column[name]
	if !is {
		return nil
	}
	if days, is := p.values[i].(int32); is {
		return rules.Date(days)
	}
	return p.values[i]
}

// fewEntries is of how many customers what they entered is read without asking first whether anybody entered.
const fewEntries = 200

// enter stops those whom the entry limit keeps out. Where no other run of the campaign was ever made, nobody entered it.
func (b *batch) enter(ctx context.Context, nos []int64) error {
	var earlier map[int64]store.EntryHistory
	var err error
	if b.others = b.run.OpenUntil != nil || len(nos) <= fewEntries; !b.others {
		if b.others, err = b.tx.OtherRuns(ctx, b.run); err != nil {
			return err
		}
	}
	if b.others {
		if earlier, err = b.books.EntriesOf(ctx, b.campaign.ID, nos); err != nil {
			return err
		}
	}
	if b.holders, err = b.plan.holders(ctx, b.tx, nos); err != nil {
		return err
	}
	for i := range b.people {
		p := &b.people[i]
		history := earlier[p.no]
		switch {
		case b.holders[p.no]: // a resend sends to who was let in
		case !b.mayEnter(p.no, p.record, history):
			p.gate = campaigns.GateEntry
		default:
			p.entry = b.entryKey(p.no, p.record, history)
		}
	}
	return nil
}

// write keeps entries, arms, messages and coupons, or leaves them to the admissions.
func (b *batch) write(ctx context.Context) error {
	if b.admissions != nil {
		b.books.note(b)
		b.admissions.batches = append(b.admissions.batches, b)
		return b.saveLimits(ctx)
	}
	if err := writeBatches(ctx, b.tx, []*batch{b}); err != nil {
		return err
	}
	return b.saveLimits(ctx)
}

// writeBatches composes what batches decided and writes it: one statement for a table and not one for each batch.
func writeBatches(ctx context.Context, tx *store.Tx, batches []*batch) error {
	codes := 0
	for _, b := range batches {
		codes += b.codes()
	}
	serials, err := tx.NextSerials(ctx, codes)
	if err != nil {
		return err
	}
	var admitted []store.Admitted
	var messages []campaigns.Message
	var coupons []campaigns.Coupon
	for _, b := range batches {
		serials = b.compose(serials)
		admitted, messages, coupons = append(admitted, b.admitted()), append(messages, b.messages...), append(coupons, b.coupons...)
	}
	if err := tx.SaveAdmitted(ctx, admitted); err != nil {
		return err
	}
	if err := tx.QueueMessages(ctx, messages); err != nil {
		return err
	}
	return tx.IssueCoupons(ctx, coupons)
}

// admitted are the entries and arms of a batch that is composed.
func (b *batch) admitted() store.Admitted {
	var entries []store.Entered
	assignments := make([]store.Assignment, 0, len(b.people))
	for i := range b.people {
		p := &b.people[i]
		if p.gate == campaigns.GatePassed && p.entry != "" {
			entries = append(entries, store.Entered{No: p.no, Key: p.entry})
		}
		if p.gate != campaigns.GateEntry && !p.outside {
			assignments = append(assignments, p.arm)
		}
	}
	return store.Admitted{Run: b.run, Period: b.period, Entries: entries, Assignments: assignments}
}

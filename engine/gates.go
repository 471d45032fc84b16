package engine

import (
	"context"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

// A sieve leads a whole audience through the gates before the arms, as sets: what is asked of every customer is one
// question to the executor, what is known of some is one statement each. early does the same for a few customers, one by
// one; tests hold the two against each other.
type sieve struct {
	*plan
	rest  *roaring64.Bitmap // those who were not stopped yet; at the end the eligible
	gates map[campaigns.Gate]*roaring64.Bitmap
	facts facts
	few   uint64 // of fewer customers than this addresses are looked up one by one

	answer    *audience.Answer
	newcomers []int64 // whom the quarter did not know and lets through
	newHeld   []int64 // likewise those it holds out
	quarter   *quarter
}

// facts are sets over all customers. Those by kind of address are of the kinds that the plan's ways use.
type facts struct {
	matching   *roaring64.Bitmap
	excluded   *roaring64.Bitmap // nil: nobody
	neverHeld  *roaring64.Bitmap // likewise
	consent    map[string]*roaring64.Bitmap
	address    map[string]*roaring64.Bitmap
	suppressed map[string]*roaring64.Bitmap
	shared     map[string]map[int64]string // customer → address hash, of those who share it with somebody
}

// An asker asks the executor a question; it may keep a run to its node meanwhile.
type asker func(ctx context.Context, q audience.Question) (*audience.Answer, error)

// sift finds who matches a plan's rule, or takes the customers of, who are sent to again, and leads them through the gates
// before the arms. It writes nothing.
func (e *Engine) sift(ctx context.Context, p *plan, of *roaring64.Bitmap, ask asker) (*sieve, error) {
	s := &sieve{plan: p, gates: map[campaigns.Gate]*roaring64.Bitmap{}, few: crowdedFrom}
	return s, e.siftBy(ctx, s, of, ask)
}

func (e *Engine) siftBy(ctx context.Context, s *sieve, of *roaring64.Bitmap, ask asker) error {
	if err := s.ask(ctx, ask); err != nil {
		return err
	}
	if of != nil {
		s.facts.matching = of
	}
	s.rest = s.facts.matching.Clone()
	return e.store.View(ctx, func(tx *store.Tx) error {
		for _, gate := range []func(context.Context, *store.Tx) error{s.gateExcluded, s.gateEntry, s.learnAddresses, s.learnTopic, s.gateReach, s.gateDuplicates, s.gateLimit, s.gateGlobal} {
			if err := gate(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// ask asks all that is asked of every customer as one question.
func (s *sieve) ask(ctx context.Context, ask asker) error {
	everybody, err := rules.Compile(rules.NewSchema(s.workspace.Digits(), nil), "true")
	if err != nil {
		return err
	}
	s.facts.consent, s.facts.address = map[string]*roaring64.Bitmap{}, map[string]*roaring64.Bitmap{}
	q := audience.Question{Sets: true, Conditions: []audience.Asked{{Rule: s.rule, At: s.at}}}
	take := []func(set *roaring64.Bitmap){func(set *roaring64.Bitmap) { s.facts.matching = set }}
	also := func(rule *rules.Rule, to func(set *roaring64.Bitmap), where ...string) {
		q.Conditions, take = append(q.Conditions, audience.Asked{Rule: rule, At: s.at, Where: where}), append(take, to)
	}
	if s.excludes() {
		also(s.excluded, func(set *roaring64.Bitmap) { s.facts.excluded = set })
	}
	if s.neverHeldOut != nil {
		also(s.neverHeldOut, func(set *roaring64.Bitmap) { s.facts.neverHeld = set })
	}
	for _, kind := range s.kinds {
		if own, is := s.own[kind]; is {
			also(own.known, func(set *roaring64.Bitmap) { s.facts.address[kind] = set })
			if s.facts.consent[kind] = roaring64.New(); s.needsConsent() && own.consented != nil {
				also(own.consented, func(set *roaring64.Bitmap) { s.facts.consent[kind] = set })
			}
			continue
		}
		columns := audience.ReachColumns()[kind]
		also(everybody, func(set *roaring64.Bitmap) { s.facts.address[kind] = set }, columns[1])
		if s.needsConsent() {
			also(everybody, func(set *roaring64.Bitmap) { s.facts.consent[kind] = set }, columns[0])
		}
	}
	if s.answer, err = ask(ctx, q); err != nil {
		return err
	}
	for i, set := range s.answer.Sets {
		take[i](set)
	}
	return nil
}

// excludes says whether the workspace's own rule applies: transactional messages go to everybody.
func (p *plan) excludes() bool { return p.excluded != nil && p.campaign.Purpose != "transactional" }

// needsConsent says whether missing consent stops: it is no, but transactional messages need none.
func (p *plan) needsConsent() bool { return p.campaign.Purpose != "transactional" }

// stop puts those of a set who are still there at a gate.
func (s *sieve) stop(gate campaigns.Gate, set *roaring64.Bitmap) {
	if set == nil {
		return
	}
	stopped := roaring64.And(s.rest, set)
	if stopped.IsEmpty() {
		return
	}
	s.rest.AndNot(stopped)
	if before := s.gates[gate]; before != nil {
		stopped.Or(before)
	}
	s.gates[gate] = stopped
}

func (s *sieve) gateExcluded(context.Context, *store.Tx) error {
	s.stop(campaigns.GateExcluded, s.facts.excluded)
	return nil
}

func (s *sieve) gateEntry(ctx context.Context, tx *store.Tx) error {
	if len(s.resends) > 0 || s.rest.IsEmpty() {
		return nil // who enters a resend is asked when it is queued
	}
	entered, err := s.entered(ctx, tx, s.rest)
	if err == nil {
		s.stop(campaigns.GateEntry, entered)
	}
	return err
}

// entered are those of some customers whom the entry limit does not let in again.
func (p *plan) entered(ctx context.Context, tx *store.Tx, of *roaring64.Bitmap) (*roaring64.Bitmap, error) {
	entry := p.campaign.Entry
	var few []int64 // who entered in a year may be many more than are asked about
	if of.GetCardinality() <= atOnceMax {
		few = numbersOf(of)
	}
	switch {
	case p.oneKey:
		return tx.Entered(ctx, p.campaign.ID, p.from, p.to, few)
	case entry.Every != nil:
		return tx.Entered(ctx, p.campaign.ID, p.cooledBefore().Add(time.Microsecond), time.Time{}, few)
	}
	ever, err := tx.Entered(ctx, p.campaign.ID, time.Time{}, time.Time{}, few)
	if err != nil {
		return nil, err
	}
	ever.And(of)
	needs, again := audience.Needs{}.With(p.onceFor.Columns(), p.onceFor.Histories()), roaring64.New()
	return again, spans(ever, func(nos []int64) error {
		earlier, err := tx.EntriesOf(ctx, p.campaign.ID, nos)
		if err != nil {
			return err
		}
		return audience.Each(ctx, tx, store.Span{Nos: nos}, needs, p.at, func(no int64, record rules.Record) error {
			if !p.mayEnter(no, record, earlier[no]) {
				again.Add(uint64(no))
			}
			return nil
		})
	})
}

// eachOf gives columns of some customers, whose numbers ascend. Where they lie close together their neighbours are read with
// them and left out: a range costs PostgreSQL a fraction of as many single look-ups.
func eachOf(ctx context.Context, tx *store.Tx, nos []int64, columns []string, each func(no int64, values []any) error) error {
	if len(nos) == 0 {
		return nil
	}
	first, last := nos[0], nos[len(nos)-1]
	if last-first >= 2*int64(len(nos)) {
		return tx.EachCustomer(ctx, store.Span{Nos: nos}, columns, each)
	}
	return tx.EachCustomer(ctx, store.Span{From: first, To: last + 1}, columns, func(no int64, values []any) error {
		for len(nos) > 0 && nos[0] < no {
			nos = nos[1:]
		}
		if len(nos) == 0 || nos[0] != no {
			return nil
		}
		return each(no, values)
	})
}

// spans gives a set's customers in pieces of what is read at a time.
func spans(set *roaring64.Bitmap, do func(nos []int64) error) error {
	some, nos := make([]uint64, audience.SpanSize), make([]int64, audience.SpanSize)
	for it := set.ManyIterator(); ; {
		n := it.NextMany(some)
		if n == 0 {
			return nil
		}
		for i, no := range some[:n] {
			nos[i] = int64(no)
		}
		if err := do(nos[:n]); err != nil {
			return err
		}
	}
}

package engine

import (
	"context"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

// learnAddresses reads what the store knows of addresses and the executor does not: who is suppressed, and who shares one.
// All addresses of a shop are one pass that costs the same for a handful of customers as for everybody, so that of few those
// of their own are looked up.
func (s *sieve) learnAddresses(ctx context.Context, tx *store.Tx) error {
	if s.rest.GetCardinality() >= s.few {
		return s.readAddresses(ctx, tx)
	}
	return s.lookUpAddresses(ctx, tx)
}

// lookUpAddresses finds among those who are still there who is suppressed, and who shares an address with another of them.
func (s *sieve) lookUpAddresses(ctx context.Context, tx *store.Tx) error {
	s.facts.suppressed, s.facts.shared = map[string]*roaring64.Bitmap{}, map[string]map[int64]string{}
	some := addressed{hashes: map[string][][]byte{}}
	if !s.rest.IsEmpty() {
		var err error
		if some, err = s.addressesOf(ctx, tx, numbersOf(s.rest)); err != nil {
			return err
		}
	}
	for _, kind := range s.kinds {
		hashes := some.hashes[kind]
		listed, err := tx.Suppressed(ctx, kind, slices.DeleteFunc(slices.Clone(hashes), func(hash []byte) bool { return hash == nil }))
		if err != nil {
			return err
		}
		suppressed, shared, first := roaring64.New(), map[int64]string{}, map[string]int64{}
		for i, hash := range hashes {
			if hash == nil {
				continue
			}
			no, text := some.nos[i], string(hash)
			if listed[text] {
				suppressed.Add(uint64(no))
			}
			if other, is := first[text]; is {
				shared[no], shared[other] = text, text
			} else {
				first[text] = no
			}
		}
		s.facts.suppressed[kind], s.facts.shared[kind] = suppressed, shared
	}
	return nil
}

// readAddresses reads the same of all customers.
func (s *sieve) readAddresses(ctx context.Context, tx *store.Tx) (err error) {
	s.facts.suppressed, s.facts.shared = map[string]*roaring64.Bitmap{}, map[string]map[int64]string{}
	var usual []string
	for _, kind := range s.kinds {
		if own, is := s.own[kind]; is {
			if err := s.readOwn(ctx, tx, own); err != nil {
				return err
			}
			continue
		}
		usual = append(usual, kind)
		if s.facts.suppressed[kind], err = tx.SuppressedCustomers(ctx, kind); err != nil {
			return err
		}
		s.facts.shared[kind] = map[int64]string{}
	}
	last := ""
	return tx.EachShared(ctx, usual, func(kind string, no int64, hash []byte) error {
		if string(hash) != last { // customers of one address share its text
			last = string(hash)
		}
		s.facts.shared[kind][no] = last
		return nil
	})
}

// reached are all customers whom messages of a kind may reach.
func (f *facts) reached(kind string, needsConsent bool) *roaring64.Bitmap {
	set := f.address[kind].Clone()
	if needsConsent {
		set.And(f.consent[kind])
	}
	set.AndNot(f.suppressed[kind])
	return set
}

// gateReach lets through whom every variant reaches by one of its ways, so that nobody is drawn into an arm that could not
// be sent to. Whom no variant reaches stops at what stops the first way.
func (s *sieve) gateReach(context.Context, *store.Tx) error {
	every, some := s.rest.Clone(), roaring64.New()
	for _, v := range s.variants {
		reached := roaring64.New()
		for _, w := range v.ways {
			reached.Or(s.facts.reached(w.kind, s.needsConsent()))
		}
		every.And(reached)
		some.Or(reached)
	}
	nobody, first := roaring64.AndNot(s.rest, some), s.variants[0].ways[0].kind
	if s.needsConsent() {
		s.stop(campaigns.GateConsent, roaring64.AndNot(nobody, s.facts.consent[first]))
	}
	s.stop(campaigns.GateSuppressed, roaring64.And(nobody, roaring64.And(s.facts.suppressed[first], s.facts.address[first])))
	s.stop(campaigns.GateAddress, nobody)
	if s.campaign.Reach != "any" {
		s.stop(campaigns.GateReach, roaring64.AndNot(s.rest, every))
	}
	return nil
}

// A suspect is somebody who may get no message because a more recently active profile has the same address.
type suspect struct {
	no       int64
	activeAt time.Time
	shared   []string // kinds and hashes of the addresses that their messages would go to
}

// gateDuplicates leaves one customer per address.
func (s *sieve) gateDuplicates(ctx context.Context, tx *store.Tx) error {
	found := map[int64]*suspect{}
	for _, kind := range s.kinds {
		used := s.usedBy(kind)
		for no, hash := range s.facts.shared[kind] {
			if !s.rest.Contains(uint64(no)) || !used.Contains(uint64(no)) {
				continue
			}
			if found[no] == nil {
				found[no] = &suspect{no: no}
			}
			found[no].shared = append(found[no].shared, kind+" "+hash)
		}
	}
	all := roaring64.New()
	for no := range found {
		all.Add(uint64(no))
	}
	suspects := make([]*suspect, 0, len(found))
	err := spans(all, func(nos []int64) error {
		return audience.Each(ctx, tx, store.Span{Nos: nos}, activeNeeds(), s.at, func(no int64, record rules.Record) error {
			found[no].activeAt = activeAt(record)
			suspects = append(suspects, found[no])
			return nil
		})
	})
	if err == nil {
		s.stop(campaigns.GateDuplicate, duplicates(suspects))
	}
	return err
}

// usedBy are the customers to whom some variant would go by a kind of address: the first of its ways that reaches them.
func (s *sieve) usedBy(kind string) *roaring64.Bitmap {
	used := roaring64.New()
	for _, v := range s.variants {
		before := roaring64.New()
		for _, w := range v.ways {
			reached := s.facts.reached(w.kind, s.needsConsent())
			if w.kind == kind {
				used.Or(roaring64.AndNot(reached, before))
			}
			before.Or(reached)
		}
	}
	return used
}

func activeNeeds() audience.Needs {
	return audience.Needs{Columns: []string{"last_purchase_at", "registered_at"}}
}

// activeAt is when a customer was last seen to do something.
func activeAt(record rules.Record) time.Time {
	for _, name := range activeNeeds().Columns {
		if at, ok := record[name].(time.Time); ok {
			return at
		}
	}
	return time.Time{}
}

// duplicates are those of some customers whose address belongs to a more recently active one of them, the newest among
// equals.
func duplicates(suspects []*suspect) *roaring64.Bitmap {
	slices.SortFunc(suspects, func(a, b *suspect) int {
		if order := b.activeAt.Compare(a.activeAt); order != 0 {
			return order
		}
		return int(b.no - a.no)
	})
	stopped, taken := roaring64.New(), map[string]bool{}
	for _, s := range suspects {
		if slices.ContainsFunc(s.shared, func(address string) bool { return taken[address] }) {
			stopped.Add(uint64(s.no))
			continue
		}
		for _, address := range s.shared {
			taken[address] = true
		}
	}
	return stopped
}

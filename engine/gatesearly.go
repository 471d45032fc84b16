package engine

import (
	"context"
	"errors"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/engine/rules"
)

// early leads a few customers who match the rule through the gates before the arms, but for the limit, which is one of a
// whole audience: who stops where, and at GateEligible those who go on. Customers who are gone stand at GateAddress. Of those
// who share an address one goes on where that is asked for: what happened to somebody is their own, whoever else lives there.
func (p *plan) early(ctx context.Context, from books, nos []int64, onePerAddress bool) (map[campaigns.Gate][]int64, error) {
	r := &rowSieve{plan: p, gates: map[campaigns.Gate][]int64{}}
	if len(nos) == 0 {
		return r.gates, nil
	}
	nos = slices.Clone(nos)
	slices.Sort(nos)
	nos = slices.Compact(nos)
	if err := r.read(ctx, from, nos); err != nil {
		return nil, err
	}
	topic, err := p.readTopic(ctx, from, nos)
	if err != nil {
		return nil, err
	}
	for _, c := range r.candidates {
		for kind, ofChannel := range c.consent {
			c.consent[kind] = topic.consents(kind, c.no, ofChannel)
		}
	}
	suppressed := map[string]map[string]bool{}
	for _, kind := range p.kinds {
		var hashes [][]byte
		for _, c := range r.candidates {
			if c.hash[kind] != nil {
				hashes = append(hashes, c.hash[kind])
			}
		}
		var err error
		if suppressed[kind], err = from.Suppressed(ctx, kind, hashes); err != nil {
			return nil, err
		}
	}
	eligible := r.once(suppressed, onePerAddress)
	held, free, err := p.gateGlobally(ctx, from, eligible)
	r.put(campaigns.GateGlobal, held...)
	r.put(campaigns.GateEligible, free...)
	return r.gates, err
}

// A rowSieve is what a sieve does, customer by customer.
type rowSieve struct {
	*plan
	gates      map[campaigns.Gate][]int64
	candidates []candidate
}

// a candidate is a customer who matches the rule and may enter.
type candidate struct {
	suspect
	hash    map[string][]byte // by kind of address
	consent map[string]bool
}

func (r *rowSieve) put(gate campaigns.Gate, nos ...int64) {
	if len(nos) > 0 {
		r.gates[gate] = append(r.gates[gate], nos...)
	}
}

// read finds the candidates; whom the workspace excludes or who may not enter again is put at a gate.
func (r *rowSieve) read(ctx context.Context, from books, nos []int64) error {
	needs, excluded := r.needs(), r.excluded
	if r.excludes() {
		var err error
		if excluded, err = from.ranked(ctx, excluded, r.at); err != nil {
			return err
		}
		needs = needs.With(excluded.Columns(), excluded.Histories())
	}
	earlier, err := from.EntriesOf(ctx, r.campaign.ID, nos)
	if err != nil {
		return err
	}
	gone := setOf(nos)
	err = from.people(ctx, nos, needs, r.at, true, func(no int64, _ []any, record rules.Record) error {
		gone.Remove(uint64(no))
		if r.excludes() {
			is, err := excluded.Decide(ctx, record, r.at)
			if err != nil && !errors.Is(err, rules.ErrTooLong) {
				return err
			}
			if is || err != nil { // who cannot be told from the excluded is not written to
				r.put(campaigns.GateExcluded, no)
				return nil
			}
		}
		if !r.mayEnter(no, record, earlier[no]) {
			r.put(campaigns.GateEntry, no)
			return nil
		}
		r.candidates = append(r.candidates, r.candidate(no, record))
		return nil
	})
	r.put(campaigns.GateAddress, numbersOf(gone)...)
	return err
}

func (p *plan) candidate(no int64, record rules.Record) candidate {
	c := candidate{suspect: suspect{no: no, activeAt: activeAt(record)}, hash: map[string][]byte{}, consent: map[string]bool{}}
	for kind, columns := range map[string][2]string{campaigns.Email: {"email_hash", "email_consent"}, campaigns.SMS: {"phone_hash", "sms_consent"}} {
		c.hash[kind], _ = record[columns[0]].([]byte)
		c.consent[kind], _ = record[columns[1]].(bool)
	}
	for kind, own := range p.own {
		c.hash[kind] = own.hash(record[own.Address])
		c.consent[kind], _ = record[own.Consent].(bool)
	}
	return c
}

// once leaves those whom the variants reach, one per address where that is asked for.
func (r *rowSieve) once(suppressed map[string]map[string]bool, onePerAddress bool) []int64 {
	left := roaring64.New()
	var suspects []*suspect
	for i := range r.candidates {
		c := &r.candidates[i]
		if gate := r.reach(c, suppressed); gate != "" {
			r.put(gate, c.no)
			continue
		}
		left.Add(uint64(c.no))
		suspects = append(suspects, &c.suspect)
	}
	if !onePerAddress {
		return numbersOf(left)
	}
	stopped := duplicates(suspects)
	r.put(campaigns.GateDuplicate, numbersOf(stopped)...)
	left.AndNot(stopped)
	return numbersOf(left)
}

// reach is the gate that keeps somebody from the variants, empty when none does; it notes the addresses that their
// messages would go to.
func (r *rowSieve) reach(c *candidate, suppressed map[string]map[string]bool) campaigns.Gate {
	var first campaigns.Gate
	reached := 0
	for _, v := range r.variants {
		for i, w := range v.ways {
			gate := r.reachBy(c, w.kind, suppressed[w.kind])
			if gate == "" {
				reached++
				if address := w.kind + " " + string(c.hash[w.kind]); !slices.Contains(c.shared, address) {
					c.shared = append(c.shared, address)
				}
				break
			}
			if first == "" && i == 0 {
				first = gate
			}
		}
	}
	switch {
	case reached == 0:
		return first
	case reached < len(r.variants) && r.campaign.Reach != "any":
		return campaigns.GateReach
	}
	return ""
}

// reachBy is the gate that keeps somebody from a kind of address; empty when none does.
func (p *plan) reachBy(c *candidate, kind string, suppressed map[string]bool) campaigns.Gate {
	switch {
	case !c.consent[kind] && p.needsConsent():
		return campaigns.GateConsent
	case c.hash[kind] == nil:
		return campaigns.GateAddress
	case suppressed[string(c.hash[kind])]:
		return campaigns.GateSuppressed
	}
	return ""
}

// numbersOf are a set's customers, ascending.
func numbersOf(set *roaring64.Bitmap) []int64 {
	nos := make([]int64, 0, set.GetCardinality())
	for it := set.Iterator(); it.HasNext(); {
		nos = append(nos, int64(it.Next()))
	}
	return nos
}

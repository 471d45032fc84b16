package engine

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/lift"
	"beckon/engine/rules"
)

// shuffle is an order of the run's customers that is drawn for one use. A run is known by its campaign and its occurrence:
// a dry run at the same moment draws the same.
func (p *plan) shuffle(use string) lift.Shuffle {
	return lift.NewShuffle(p.campaign.Salt + " " + use + " " + p.at.Now.UTC().Format(time.RFC3339))
}

// gateLimit keeps an audience small: the first by an order or by a hash, or a random share.
func (s *sieve) gateLimit(ctx context.Context, tx *store.Tx) error {
	limited := s.campaign.Audience
	if limited == nil || len(s.resends) > 0 { // a remainder was within the limit
		return nil
	}
	if limited.Sample != nil {
		drawn, out := s.shuffle("sample"), roaring64.New()
		for it := s.rest.Iterator(); it.HasNext(); {
			if no := it.Next(); !drawn.Within(int64(no), *limited.Sample) {
				out.Add(no)
			}
		}
		s.stop(campaigns.GateLimit, out)
		return nil
	}
	if limited.Limit == 0 || s.rest.GetCardinality() <= uint64(limited.Limit) {
		return nil
	}
	first, err := s.first(ctx, tx, int(limited.Limit))
	if err == nil {
		s.stop(campaigns.GateLimit, roaring64.AndNot(s.rest, first))
	}
	return err
}

// a ranked customer is one with what the order is by; nil is missing.
type ranked struct {
	no    int64
	value any
	place uint64
}

// first are the first so many of those who are still there. Missing values come last whatever the direction; equal ones
// are in the order of a hash.
func (s *sieve) first(ctx context.Context, tx *store.Tx, n int) (*roaring64.Bitmap, error) {
	best, by := podium{n: n, descending: s.descending}, s.orderBy
	drawn := s.shuffle("limit")
	if by == nil {
		for it := s.rest.Iterator(); it.HasNext(); {
			no := int64(it.Next())
			best.add(ranked{no: no, place: drawn.Place(no)})
		}
		return best.members(), nil
	}
	needs := audience.Needs{}.With(by.Columns(), by.Histories())
	err := spans(s.rest, func(nos []int64) error {
		return audience.Each(ctx, tx, store.Span{Nos: nos}, needs, s.at, func(no int64, record rules.Record) error {
			best.add(ranked{no, by.Of(record, s.at), drawn.Place(no)})
			return nil
		})
	})
	return best.members(), err
}

// A podium keeps the first n of many: it takes as much memory as twice that.
type podium struct {
	n          int
	descending bool
	all        []ranked
}

func (p *podium) add(r ranked) {
	p.all = append(p.all, r)
	if len(p.all) >= 2*p.n+1024 {
		p.cut()
	}
}

func (p *podium) cut() {
	slices.SortFunc(p.all, p.compare)
	p.all = p.all[:min(p.n, len(p.all))]
}

func (p *podium) members() *roaring64.Bitmap {
	p.cut()
	set := roaring64.New()
	for _, r := range p.all {
		set.Add(uint64(r.no))
	}
	return set
}

func (p *podium) compare(a, b ranked) int {
	order := 0
	switch {
	case a.value == nil || b.value == nil:
		if a.value != nil {
			order = -1
		} else if b.value != nil {
			order = 1
		}
	case p.descending:
		order = compareValues(b.value, a.value)
	default:
		order = compareValues(a.value, b.value)
	}
	return cmp.Or(order, cmp.Compare(a.place, b.place), cmp.Compare(a.no, b.no))
}

// compareValues orders two values of one type; false comes before true.
func compareValues(a, b any) int {
	switch a := a.(type) {
	case int64:
		if b, is := b.(int64); is {
			return cmp.Compare(a, b)
		}
	case float64:
		if b, is := b.(float64); is {
			return cmp.Compare(a, b)
		}
	case string:
		if b, is := b.(string); is {
			return cmp.Compare(a, b)
		}
	case rules.Date:
		if b, is := b.(rules.Date); is {
			return cmp.Compare(a, b)
		}
	case time.Time:
		if b, is := b.(time.Time); is {
			return a.Compare(b)
		}
	case bool:
		if b, is := b.(bool); is && a != b {
			if a {
				return 1
			}
			return -1
		}
	}
	return 0
}

// scarce says that not all may get what the campaign gives, or not at once: then whoever comes first is drawn by a hash.
func (p *plan) scarce() bool {
	if p.campaign.Budget != nil || p.campaign.Pace != nil {
		return true
	}
	return slices.ContainsFunc(p.variants, func(v variant) bool { return v.offer != nil && v.offer.Limits.Total != nil })
}

// inTurn puts ascending customers of one run into the order in which they are walked: as they are, or by a hash, the same
// wherever it is asked, where not all may get it.
func (p *plan) inTurn(nos []int64) {
	if !p.scarce() {
		return
	}
	turn := p.shuffle("turn")
	slices.SortFunc(nos, func(a, b int64) int { return cmp.Or(cmp.Compare(turn.Place(a), turn.Place(b)), cmp.Compare(a, b)) })
}

// parts cuts the eligible into pieces for queueing, in the order in which they are walked. A part that is taken has its
// customers ascending: inTurn puts them in order again.
func (p *plan) parts(eligible *roaring64.Bitmap) iter.Seq[[]int64] {
	nos := make([]int64, 0, eligible.GetCardinality())
	for it := eligible.Iterator(); it.HasNext(); {
		nos = append(nos, int64(it.Next()))
	}
	p.inTurn(nos)
	return slices.Chunk(nos, store.PartSize)
}

package engine

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

// openBooks reads what the gates will ask about visits, whose customers the transaction holds.
func openBooks(ctx context.Context, tx *store.Tx, visits []*visit) (*sharedBooks, error) {
	a := inquiry{nos: map[int64]bool{}, visits: map[store.Visit]bool{}, periods: map[campaigns.ID]string{}, capped: map[int64]bool{}, topics: map[topicOf]map[int64]bool{},
		held: map[int64]bool{}, versions: map[campaigns.ID]int{}, offers: map[campaigns.ID]bool{}}
	s := &sharedBooks{own: ownBooks{tx}, hashes: map[string]hashed{}, cuts: map[string]*rules.Rule{}, held: roaring64.New(),
		spending: map[campaigns.ID]int{}, walks: map[campaigns.ID]store.Walk{}, walked: map[campaigns.ID]bool{}}
	for _, v := range visits {
		s.at = v.plan.at
		a.by(v)
	}
	return s, a.read(ctx, tx, s, visits)
}

// An inquiry is what the gates of several campaigns will ask about those who visit them.
type inquiry struct {
	nos      map[int64]bool
	visits   map[store.Visit]bool
	periods  map[campaigns.ID]string
	needs    audience.Needs
	capped   map[int64]bool // whose messages are counted
	window   time.Duration  // the longest that they are counted in
	topics   map[topicOf]map[int64]bool
	held     map[int64]bool // whom the global holdout may keep
	shop     *campaigns.Workspace
	versions map[campaigns.ID]int // of the campaigns with a budget
	offers   map[campaigns.ID]bool
	paced    []campaigns.ID
}

// by adds what is asked about a campaign's visitors.
func (a *inquiry) by(v *visit) {
	p := v.plan
	window := campaigns.CapsWindow(p.capsOf())
	a.window, a.shop = max(a.window, window), p.workspace
	for _, arrival := range v.arrivals {
		no := arrival.no
		a.nos[no], a.visits[store.Visit{CampaignID: p.campaign.ID, No: no}] = true, true
		if window > 0 {
			a.capped[no] = true
		}
		if p.heldGlobally() {
			a.held[no] = true
		}
		if p.campaign.Topic != "" && p.needsConsent() {
			for _, kind := range p.kinds {
				on := topicOf{kind, p.campaign.Topic}
				if a.topics[on] == nil {
					a.topics[on] = map[int64]bool{}
				}
				a.topics[on][no] = true
			}
		}
	}
	a.periods[p.campaign.ID] = p.period
	needs := p.asked()
	a.needs = a.needs.With(needs.Columns, needs.Histories)
	if p.campaign.Budget != nil {
		a.versions[p.campaign.ID] = v.run.Version
	}
	if p.campaign.Pace != nil {
		a.paced = append(a.paced, v.run.ID)
	}
	for _, offer := range p.offers() {
		a.offers[offer.ID] = true
	}
}

// asked is what the gates and the messages of a plan ask about a customer.
func (p *plan) asked() audience.Needs {
	needs := (&batch{plan: p}).batchNeeds().With(p.needs().Columns, p.needs().Histories)
	if p.excludes() {
		needs = needs.With(p.excluded.Columns(), p.excluded.Histories())
	}
	return needs
}

// read asks it. Budgets come before offers, as in runs, so that no two transactions wait for each other.
func (a *inquiry) read(ctx context.Context, tx *store.Tx, s *sharedBooks, visits []*visit) (err error) {
	nos := slices.Sorted(maps.Keys(a.nos))
	if s.entries, err = tx.EntriesOfVisits(ctx, a.visits); err != nil {
		return err
	}
	if s.arms, err = tx.AssignmentsOfVisits(ctx, a.visits, a.periods); err != nil {
		return err
	}
	if s.armKeys, err = tx.ArmKeys(ctx, nos); err != nil {
		return err
	}
	s.counted = map[int64][]campaigns.Counted{}
	if len(a.capped) > 0 {
		if s.counted, err = tx.CountedMessages(ctx, slices.Sorted(maps.Keys(a.capped)), tx.Now, a.window); err != nil {
			return err
		}
	}
	if err := a.readPeople(ctx, tx, s, nos, visits); err != nil {
		return err
	}
	if len(a.held) > 0 {
		held := slices.Sorted(maps.Keys(a.held))
		if s.held, err = s.own.heldOut(ctx, a.shop, held); err != nil {
			return err
		}
	}
	if s.spent, err = tx.SpentOfVisits(ctx, a.versions); err != nil {
		return err
	}
	if s.rooms, err = roomsOf(ctx, tx, slices.Collect(maps.Keys(a.offers))); err != nil {
		return err
	}
	walks, err := tx.Walks(ctx, a.paced)
	for _, w := range walks {
		s.walks[w.RunID] = w
	}
	return err
}

// readPeople reads the customers, and what is known of their addresses and of their words on topics.
func (a *inquiry) readPeople(ctx context.Context, tx *store.Tx, s *sharedBooks, nos []int64, visits []*visit) error {
	s.records = make(map[int64]rules.Record, len(nos))
	err := audience.Each(ctx, tx, store.Span{Nos: nos}, a.needs, s.at, func(no int64, record rules.Record) error {
		s.records[no] = maps.Clone(record)
		return nil
	})
	if err != nil {
		return err
	}
	s.words = make(map[topicOf]struct{ granted, refused *roaring64.Bitmap }, len(a.topics))
	for on, of := range a.topics {
		granted, refused, err := tx.TopicWords(ctx, on.kind, on.topic, slices.Sorted(maps.Keys(of)))
		if err != nil {
			return err
		}
		s.words[on] = struct{ granted, refused *roaring64.Bitmap }{granted, refused}
	}
	hashes := map[string]map[string]bool{campaigns.Email: {}, campaigns.SMS: {}}
	for _, v := range visits {
		for _, arrival := range v.arrivals {
			for kind, hash := range v.plan.candidate(arrival.no, s.records[arrival.no]).hash {
				if hashes[kind] == nil {
					hashes[kind] = map[string]bool{}
				}
				if hash != nil {
					hashes[kind][string(hash)] = true
				}
			}
		}
	}
	for kind, of := range hashes {
		var known hashed
		list := make([][]byte, 0, len(of))
		for hash := range of {
			list = append(list, []byte(hash))
		}
		if known.suppressed, err = tx.Suppressed(ctx, kind, list); err != nil {
			return err
		}
		if kind == campaigns.Email || kind == campaigns.SMS { // arms are drawn by no others
			if known.crowded, err = tx.Crowded(ctx, kind, list, sharersMax); err != nil {
				return err
			}
		}
		s.hashes[kind] = known
	}
	return nil
}

// roomsOf is what offers have left; those that are limited are held until the transaction ends.
func roomsOf(ctx context.Context, tx *store.Tx, offers []campaigns.ID) (map[campaigns.ID]store.Room, error) {
	rooms, err := tx.Rooms(ctx, offers, false)
	if err != nil {
		return nil, err
	}
	var limited []campaigns.ID
	for id, r := range rooms {
		if r.Limited {
			limited = append(limited, id)
		}
	}
	held, err := tx.Rooms(ctx, limited, true)
	maps.Copy(rooms, held)
	return rooms, err
}

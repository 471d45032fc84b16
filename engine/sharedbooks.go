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

// SharedBooks hold what the visitors of several campaigns are asked about, read with one statement each for all of them
// under the customers' slices, and what was decided since: nobody else may change it until the transaction ends. They
// know of no other visits than those that they were opened for.
type sharedBooks struct {
	own     ownBooks
	records map[int64]rules.Record
	at      rules.Instant // that records are as of

	entries  map[store.Visit]store.EntryHistory
	arms     map[store.Visit]store.Assignment
	armKeys  map[int64]string
	counted  map[int64][]campaigns.Counted
	hashes   map[string]hashed // by kind of address
	words    map[topicOf]struct{ granted, refused *roaring64.Bitmap }
	held     *roaring64.Bitmap
	cuts     map[string]*rules.Rule // the workspace's excluded rule with its cuts, by time zone
	spent    map[campaigns.ID]store.Spent
	spending map[campaigns.ID]int // the versions by which budgets were spent from
	rooms    map[campaigns.ID]store.Room
	walks    map[campaigns.ID]store.Walk
	walked   map[campaigns.ID]bool // the walks that went on
}

// hashed are the addresses of a kind that are suppressed, and those of too many customers.
type hashed struct{ suppressed, crowded map[string]bool }

type topicOf struct{ kind, topic string }

func (s *sharedBooks) EntriesOf(_ context.Context, campaign campaigns.ID, nos []int64) (map[int64]store.EntryHistory, error) {
	return atCampaign(s.entries, campaign, nos), nil
}

func (s *sharedBooks) Assignments(_ context.Context, campaign campaigns.ID, _ string, nos []int64) (map[int64]store.Assignment, error) {
	return atCampaign(s.arms, campaign, nos), nil
}

// atCampaign is what is known of some visitors of one campaign.
func atCampaign[T any](of map[store.Visit]T, campaign campaigns.ID, nos []int64) map[int64]T {
	found := make(map[int64]T, len(nos))
	for _, no := range nos {
		if one, is := of[store.Visit{CampaignID: campaign, No: no}]; is {
			found[no] = one
		}
	}
	return found
}

func (s *sharedBooks) ArmKeys(context.Context, []int64) (map[int64]string, error) {
	return s.armKeys, nil
}

func (s *sharedBooks) CountedMessages(_ context.Context, nos []int64, from time.Time, window time.Duration) (map[int64][]campaigns.Counted, error) {
	found := make(map[int64][]campaigns.Counted, len(nos))
	for _, no := range nos {
		for _, c := range s.counted[no] {
			if c.At.After(from.Add(-window)) {
				found[no] = append(found[no], c)
			}
		}
	}
	return found, nil
}

func (s *sharedBooks) Suppressed(_ context.Context, kind string, _ [][]byte) (map[string]bool, error) {
	return s.hashes[kind].suppressed, nil
}

func (s *sharedBooks) Crowded(_ context.Context, kind string, _ [][]byte, _ int) (map[string]bool, error) {
	return s.hashes[kind].crowded, nil
}

func (s *sharedBooks) TopicWords(_ context.Context, kind, topic string, _ []int64) (granted, refused *roaring64.Bitmap, err error) {
	words := s.words[topicOf{kind, topic}]
	return words.granted, words.refused, nil
}

func (s *sharedBooks) Spent(_ context.Context, campaign campaigns.ID, _ int, _ bool) (store.Spent, error) {
	return s.spent[campaign], nil
}

func (s *sharedBooks) SaveSpent(_ context.Context, campaign campaigns.ID, version int, spent store.Spent) error {
	s.spent[campaign], s.spending[campaign] = spent, version
	return nil
}

func (s *sharedBooks) Room(_ context.Context, offer campaigns.ID, _ bool) (uses int64, limited bool, err error) {
	r := s.rooms[offer]
	return r.Left(), r.Limited, nil
}

func (s *sharedBooks) Walked(_ context.Context, run campaigns.ID) (walked int64, pacedTo time.Time, err error) {
	return s.walks[run].Walked, s.walks[run].PacedTo, nil
}

func (s *sharedBooks) SaveWalked(_ context.Context, run campaigns.ID, walked int64, pacedTo time.Time) error {
	s.walks[run], s.walked[run] = store.Walk{RunID: run, Walked: walked, PacedTo: pacedTo}, true
	return nil
}

// EligibleNow is 0: nobody waits in parts of a run that stays open for whoever comes.
func (s *sharedBooks) EligibleNow(context.Context, campaigns.ID) (int64, error) { return 0, nil }

func (s *sharedBooks) people(_ context.Context, nos []int64, needs audience.Needs, _ rules.Instant, _ bool, each func(no int64, row []any, record rules.Record) error) error {
	row, ascending := make([]any, len(needs.Columns)), slices.Sorted(slices.Values(nos))
	for _, no := range ascending {
		record, is := s.records[no]
		if !is {
			continue
		}
		for i, name := range needs.Columns {
			row[i] = record[name]
		}
		if err := each(no, row, record); err != nil {
			return err
		}
	}
	return nil
}

func (s *sharedBooks) ranked(ctx context.Context, rule *rules.Rule, at rules.Instant) (*rules.Rule, error) {
	if len(rule.Ranks()) == 0 {
		return rule, nil
	}
	zone := at.Zone.String()
	if s.cuts[zone] == nil {
		cut, err := s.own.ranked(ctx, rule, at)
		if err != nil {
			return nil, err
		}
		s.cuts[zone] = cut
	}
	return s.cuts[zone], nil
}

func (s *sharedBooks) heldOut(context.Context, *campaigns.Workspace, []int64) (*roaring64.Bitmap, error) {
	return s.held, nil
}

// note takes down the entries, arms, messages and codes of a batch, as the statements would find them written.
func (s *sharedBooks) note(b *batch) {
	for i := range b.people {
		p := &b.people[i]
		at := store.Visit{CampaignID: b.campaign.ID, No: p.no}
		if p.gate == campaigns.GatePassed {
			b.opens(p)
			s.notePassed(b, p, at)
		}
		if p.gate == campaigns.GateEntry || p.outside {
			continue
		}
		arm := p.arm
		arm.Existed, arm.Key = true, ""
		s.arms[at] = arm
		if p.arm.Key != "" {
			s.armKeys[p.no] = p.arm.Key
		}
	}
}

// notePassed takes down what somebody who passed all gates leaves. Messages of one kind count under its name.
func (s *sharedBooks) notePassed(b *batch, p *person, at store.Visit) {
	if p.entry != "" {
		h := s.entries[at]
		h.No, h.N, h.Keys, h.At = p.no, h.N+1, append(h.Keys, p.entry), append(h.At, b.run.Occurrence)
		if h.Last.Before(b.run.Occurrence) {
			h.Last = b.run.Occurrence
		}
		s.entries[at] = h
	}
	if !b.isTransactional() {
		s.counted[p.no] = append(s.counted[p.no], campaigns.Counted{Channel: p.ways[0].kind, At: p.planned})
	}
	if b.getsCode(p) {
		offer := p.variant.offer
		room := s.rooms[offer.ID]
		room.Given += offer.UsesPerCode()
		s.rooms[offer.ID] = room
	}
}

// save writes what was spent and how far runs were walked; entries, arms, messages and codes are the admissions'.
func (s *sharedBooks) save(ctx context.Context) error {
	var spendings []store.Spending
	for campaign, version := range s.spending {
		spendings = append(spendings, store.Spending{CampaignID: campaign, Version: version, Spent: s.spent[campaign]})
	}
	if err := s.own.SaveSpendings(ctx, spendings); err != nil {
		return err
	}
	var walks []store.Walk
	for run := range s.walked {
		walks = append(walks, s.walks[run])
	}
	return s.own.SaveWalks(ctx, walks)
}

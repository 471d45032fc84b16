package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

// A verdict says what becomes of a claimed message instead of being sent: it is cancelled for a reason, or planned anew.
type verdict struct {
	cancel string
	later  time.Time
	closes time.Time // of a message planned anew: when it is too late for it again
	why    string
}

// asks caches what of a campaign's version is asked again when its messages are claimed. A version never changes.
type asks struct {
	mu    sync.Mutex
	known map[askedOf]*asked
}

type askedOf struct {
	campaign campaigns.ID
	version  int
}

// asked is what of a version is asked again.
type asked struct {
	campaign campaigns.Campaign
	still    *rules.Rule // nil where there is none
	fault    error       // why the rule does not work any more
}

// asksMax bounds the cache; it is emptied when it is full.
const asksMax = 1000

func (a *asks) of(ctx context.Context, tx *store.Tx, key askedOf) (*asked, error) {
	a.mu.Lock()
	found := a.known[key]
	a.mu.Unlock()
	if found != nil {
		return found, nil
	}
	c, err := tx.CampaignVersion(ctx, key.campaign, key.version)
	if err != nil {
		return nil, err
	}
	found = &asked{campaign: c}
	if c.Still != "" {
		known, err := readDefinitions(ctx, tx)
		if err != nil {
			return nil, err
		}
		found.still, found.fault = rules.Compile(known.frozen(&c).schema(), c.Still)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil || len(a.known) >= asksMax {
		a.known = map[askedOf]*asked{}
	}
	a.known[key] = found
	return found, nil
}

// ask asks again, of claimed messages, what may have changed since they were queued. It costs a look at memory for those of
// campaigns that ask for nothing more, were planned for now and are not shut out by a blackout.
func (w *worker) ask(ctx context.Context, tx *store.Tx, messages []campaigns.Message) (map[campaigns.ID]verdict, error) {
	verdicts := map[campaigns.ID]verdict{}
	withdrawn, err := w.engine.withdrawn(ctx, tx, messages)
	if err != nil {
		return nil, err
	}
	for id, reason := range withdrawn {
		verdicts[id] = verdict{cancel: reason}
	}
	a := &asking{worker: w, tx: tx, now: tx.Now, of: map[campaigns.ID]*asked{}, verdicts: verdicts}
	for i := range messages {
		m := &messages[i]
		if a.of[m.ID], err = w.engine.asks.of(ctx, tx, askedOf{m.CampaignID, m.Version}); err != nil {
			return nil, err
		}
	}
	for _, do := range []func(context.Context, []campaigns.Message) error{a.still, a.quiet, a.caps} {
		if err := do(ctx, messages); err != nil {
			return nil, err
		}
	}
	return verdicts, nil
}

// asking is one batch that is asked about.
type asking struct {
	*worker
	tx       *store.Tx
	now      time.Time
	of       map[campaigns.ID]*asked
	verdicts map[campaigns.ID]verdict
}

// left are the messages about which nothing is decided yet and of which a condition is true.
func (a *asking) left(messages []campaigns.Message, when func(m *campaigns.Message) bool) (found []*campaigns.Message) {
	for i := range messages {
		m := &messages[i]
		if _, decided := a.verdicts[m.ID]; !decided && !a.now.After(m.NotAfter) && when(m) {
			found = append(found, m)
		}
	}
	return found
}

// still cancels for whom the campaign's still rule is no longer true, one version at a time.
func (a *asking) still(ctx context.Context, messages []campaigns.Message) error {
	byVersion := map[*asked][]*campaigns.Message{}
	for _, m := range a.left(messages, func(m *campaigns.Message) bool { return a.of[m.ID].campaign.Still != "" }) {
		byVersion[a.of[m.ID]] = append(byVersion[a.of[m.ID]], m)
	}
	for version, theirs := range byVersion {
		if version.fault != nil {
			for _, m := range theirs {
				a.verdicts[m.ID] = verdict{cancel: "the campaign's still rule does not work any more: " + version.fault.Error()}
			}
			continue
		}
		matching, err := a.matching(ctx, version, theirs)
		if err != nil {
			return err
		}
		for _, m := range theirs {
			if !matching[m.No] {
				a.verdicts[m.ID] = verdict{cancel: "no longer matches: " + version.campaign.Still}
			}
		}
	}
	return nil
}

// matching says of which customers a version's still rule is true now.
func (a *asking) matching(ctx context.Context, version *asked, messages []*campaigns.Message) (map[int64]bool, error) {
	nos := make([]int64, len(messages))
	for i, m := range messages {
		nos[i] = m.No
	}
	slices.Sort(nos)
	at := rules.Instant{Now: a.now.Truncate(time.Second), Zone: version.campaign.Zone()}
	matching := map[int64]bool{}
	needs := audience.Needs{}.With(version.still.Columns(), version.still.Histories())
	err := audience.Each(ctx, a.tx, store.Span{Nos: slices.Compact(nos)}, needs, at, func(no int64, record rules.Record) error {
		matches, err := version.still.Decide(ctx, record, at)
		if matching[no] = matches; errors.Is(err, rules.ErrTooLong) {
			return nil // as good as untrue: the message must not hold up the others
		}
		return err
	})
	return matching, err
}

// quiet plans anew what is claimed when it may not be sent: its customer's quiet hours began before its turn came, or the
// day was declared a blackout.
func (a *asking) quiet(ctx context.Context, messages []campaigns.Message) error {
	dark := false
	if len(a.workspace.Blackouts) > 0 { // without, no time zone is looked up for a batch
		black := campaigns.NewHours(nil, a.workspace.Blackouts, a.workspace.Location())
		dark = !black.IsOpen(a.now, a.workspace.Location())
	}
	late := a.left(messages, func(m *campaigns.Message) bool {
		return !m.Exempt && (dark || (!m.ClosesAt.IsZero() && !m.ClosesAt.After(a.now)))
	})
	if len(late) == 0 {
		return nil
	}
	zones, err := a.zones(ctx, late)
	if err != nil {
		return err
	}
	for _, m := range late {
		zone, quiet := zones[m.No], a.workspace.QuietHours
		if zone == nil {
			zone = a.workspace.Location()
		}
		if own := a.of[m.ID].campaign.QuietHours; own != nil {
			quiet = own
		}
		hours := campaigns.NewHours(quiet, a.workspace.Blackouts, a.workspace.Location())
		opens := hours.Open(a.now, zone) // now, when its turn came in the morning after: even so its planned time is what caps count
		a.verdicts[m.ID] = verdict{later: opens, closes: hours.Closes(opens, zone), why: "its time was over before its turn came, or nothing is sent now"}
	}
	return nil
}

// zones are the customers' own time zones; those who have none, or one that is unknown, are left out.
func (a *asking) zones(ctx context.Context, messages []*campaigns.Message) (map[int64]*time.Location, error) {
	nos := make([]int64, len(messages))
	for i, m := range messages {
		nos[i] = m.No
	}
	slices.Sort(nos)
	zones := map[int64]*time.Location{}
	err := a.tx.EachCustomer(ctx, store.Span{Nos: slices.Compact(nos)}, []string{"timezone"}, func(no int64, values []any) error {
		if name, ok := values[0].(string); ok && name != "" && name != "Local" {
			if zone, err := time.LoadLocation(name); err == nil {
				zones[no] = zone
			}
		}
		return nil
	})
	return zones, err
}

// caps cancels what was moved and would now break a cap: what was sent meanwhile was not known when it was queued.
func (a *asking) caps(ctx context.Context, messages []campaigns.Message) error {
	moved := a.left(messages, func(m *campaigns.Message) bool { return m.Moved && !m.Exempt })
	if len(moved) == 0 {
		return nil
	}
	capped, err := a.stillCapped(ctx, moved)
	for id, reason := range capped {
		a.verdicts[id] = verdict{cancel: reason}
	}
	return err
}

// stillCapped says which of the messages break a cap at their planned time, and which cap. One that does makes room for the
// others in the batch.
func (a *asking) stillCapped(ctx context.Context, messages []*campaigns.Message) (map[campaigns.ID]string, error) {
	longest, nos, first, last := campaigns.Duration(0), []int64{}, messages[0].PlannedAt, messages[0].PlannedAt
	for _, m := range messages {
		for _, c := range a.capsOf(m) {
			longest = max(longest, c.Window)
		}
		if m.PlannedAt.Before(first) {
			first = m.PlannedAt
		}
		if m.PlannedAt.After(last) {
			last = m.PlannedAt
		}
		nos = append(nos, m.No)
	}
	if longest == 0 {
		return nil, nil
	}
	contacts, err := a.tx.Contacts(ctx, nos, first.Add(-time.Duration(longest)), last.Add(time.Duration(longest)))
	if err != nil {
		return nil, err
	}
	capped := map[campaigns.ID]string{}
	for _, m := range messages {
		for _, c := range a.capsOf(m) {
			if breaks(c, contacts, m) {
				capped[m.ID] = fmt.Sprintf("cap: at most %d on %s in %s; other messages took its place while it waited", c.Max, c.Channel, c.Window)
				contacts = slices.DeleteFunc(contacts, func(other store.Contact) bool { return other.Message == m.ID })
				break
			}
		}
	}
	return capped, nil
}

// capsOf are the caps that may stop a message: only marketing is stopped.
func (a *asking) capsOf(m *campaigns.Message) []campaigns.Cap {
	c := &a.of[m.ID].campaign
	switch {
	case c.Purpose != "marketing":
		return nil
	case c.Caps != nil:
		return *c.Caps
	}
	return a.workspace.Caps
}

// breaks says whether a message is one too many for a cap. contacts are all that count, the message itself among them. Of
// several that were moved the later give way to the earlier and never the other way round: claimed at the same moment by
// several nodes, none of which sees what the others decide, all would give way to each other.
func breaks(c campaigns.Cap, contacts []store.Contact, m *campaigns.Message) bool {
	var others []campaigns.Counted
	for _, contact := range contacts {
		if contact.No == m.No && contact.Message != m.ID && !(contact.Moved && givesWay(&contact, m)) {
			others = append(others, campaigns.Counted{Channel: contact.Channel, At: contact.At})
		}
	}
	return !campaigns.CapsAllow([]campaigns.Cap{c}, m.Channel, m.PlannedAt, others)
}

// givesWay says whether a message that was moved gives way to another: it is planned later. Two for the same instant keep the
// order of their ids. What is planned anew is so for a time that is still to come, later than all that is in hand.
func givesWay(contact *store.Contact, m *campaigns.Message) bool {
	if !contact.At.Equal(m.PlannedAt) {
		return contact.At.After(m.PlannedAt)
	}
	return bytes.Compare(contact.Message[:], m.ID[:]) > 0
}

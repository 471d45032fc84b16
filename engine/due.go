package engine

import (
	"context"
	"time"

	"beckon/campaigns"
)

// onTime is how far behind its tick a run may be and still plan its messages for the tick itself. Were it the moment at
// which each part is queued, a daily message capped at one a day would be stopped whenever today's run is quicker than
// yesterday's.
const onTime = 5 * time.Minute

// A walk is what a batch's gates after the arm work with, and what they use up on the way.
type walk struct {
	start      time.Time // the earliest planned time
	hours      campaigns.Hours
	caps       []campaigns.Cap
	zones      map[string]*time.Location
	slots      map[*time.Location]slot // without a pace everybody in a zone has the same
	pacer      *campaigns.Pacer
	paced      time.Time // the slot at hand
	walked     int64
	others     bool // whether the campaign may have had entries and arms before
	counted    map[int64][]campaigns.Counted
	suppressed map[string]map[string]bool
	ledger
	constants map[*way]map[string]any
}

// A slot is a planned time and when sending closes after it.
type slot struct{ planned, closes time.Time }

func (b *batch) newWalk() *walk {
	w := &walk{start: b.plan.startAt(b.run, b.tx.Now), caps: b.capsOf(), zones: map[string]*time.Location{}, slots: map[*time.Location]slot{}, constants: map[*way]map[string]any{}}
	if !b.isTransactional() {
		w.hours = campaigns.NewHours(b.quietHours(), b.workspace.Blackouts, b.workspace.Location())
	}
	return w
}

// startAt is the earliest time that a run's messages are planned for now: its tick, or now when that is over.
func (p *plan) startAt(run *campaigns.Run, now time.Time) time.Time {
	isTick := run.Kind == campaigns.RunTick || run.Kind == "" // other runs have a time that is only their own
	if isTick && now.Sub(run.Occurrence) < onTime {
		return run.Occurrence
	}
	return now
}

func (p *plan) isTransactional() bool { return p.campaign.Purpose == "transactional" }

// quietHours are the campaign's own, else the workspace's; nil for none.
func (p *plan) quietHours() *campaigns.QuietHours {
	if p.campaign.QuietHours != nil {
		return p.campaign.QuietHours
	}
	return p.workspace.QuietHours
}

// resume takes a run's walk up where the part before left it.
func (b *batch) resume(ctx context.Context) error {
	pace := b.campaign.Pace
	if pace == nil {
		return nil
	}
	walked, last, err := b.books.Walked(ctx, b.run.ID)
	if err != nil {
		return err
	}
	eligible := b.run.Eligible
	if eligible == 0 {
		if eligible, err = b.books.EligibleNow(ctx, b.run.ID); err != nil {
			return err
		}
		eligible += walked
	}
	b.walked, b.pacer = walked, b.newPacer(eligible, last)
	return nil
}

// newPacer paces so many eligible customers in the hours of the campaign's own zone.
func (b *batch) newPacer(eligible int64, last time.Time) *campaigns.Pacer {
	return campaigns.NewPacer(b.campaign.Pace, b.hours, b.campaign.Zone(), b.run.Occurrence, eligible, last)
}

// suspend keeps where the walk stands for the next part.
func (b *batch) suspend(ctx context.Context) error {
	if b.pacer == nil {
		return nil
	}
	return b.books.SaveWalked(ctx, b.run.ID, b.walked, b.pacer.Last())
}

// schedule plans somebody's message; false when caps stop it. A time that caps move is moved on by quiet hours and asked
// again, until both let it be.
func (b *batch) schedule(p *person) bool {
	zone := b.zoneOf(p)
	planned := b.slotIn(zone)
	until := planned.planned
	if b.campaign.Capped != nil {
		until = until.Add(time.Duration(b.campaign.Capped.RetryFor))
	}
	for at := planned.planned; ; {
		free, ok := b.underCaps(p, at, until)
		if !ok {
			return false
		}
		if free.Equal(planned.planned) {
			break
		}
		if at = b.hours.Open(free, zone); at.Equal(free) {
			planned = slot{at, b.hours.Closes(at, zone)}
			break
		}
		if at.After(until) {
			return false
		}
	}
	p.planned, p.closes = planned.planned, planned.closes
	return true
}

// slotIn is the planned time of somebody in a zone before caps: the tick or the pace's slot, then the local clock time, then
// the end of quiet hours and blackouts.
func (b *batch) slotIn(zone *time.Location) slot {
	at := b.start
	if b.pacer != nil {
		b.paced = b.pacer.Slot(b.start)
		at = b.paced
	} else if known, is := b.slots[zone]; is {
		return known
	}
	if b.campaign.SendAt != nil {
		from := at
		if b.pacer == nil { // the tick's: of a run that is late the one after now would be tomorrow's
			from = b.run.Occurrence
		}
		if local := b.campaign.SendAt.Local.Next(from, zone); local.After(at) {
			at = local
		}
	}
	at = b.hours.Open(at, zone)
	s := slot{at, b.hours.Closes(at, zone)}
	if b.pacer == nil {
		b.slots[zone] = s
	}
	return s
}

// pace uses a slot up: of so many an hour by each message, of a spread by everybody who was walked.
func (b *batch) pace(p *person) {
	if b.pacer == nil {
		return
	}
	if b.campaign.Pace.PerHour == 0 {
		if p.gate == campaigns.GateEntry {
			b.paced = b.pacer.Slot(b.start)
		}
		b.pacer.Take(b.paced)
	} else if p.gate == campaigns.GatePassed {
		b.pacer.Take(b.paced)
	}
	b.walked++
}

// zoneOf is the customer's own zone, else the workspace's.
func (b *batch) zoneOf(p *person) *time.Location {
	name, _ := b.field(p, "timezone").(string)
	zone, known := b.zones[name]
	if !known {
		var err error
		if zone, err = time.LoadLocation(name); err != nil || name == "" || name == "Local" {
			zone = b.workspace.Location()
		}
		b.zones[name] = zone
	}
	return zone
}

package campaigns

import (
	"slices"
	"time"
)

// Hours are when messages may be sent: not in the quiet hours, which are read from a clock in each customer's own zone, and
// not on blackout days, which are the workspace's. The zero Hours are always open.
//
// Why by the clock's face: quiet is whatever a clock on the customer's wall shows between From and To. An hour that a clock
// shows twice is quiet twice, one that it leaves out never is, and no day is longer for it.
type Hours struct {
	from, to int // minutes after midnight; equal for no quiet hours
	black    []stretch
}

// stretch is a half-open stretch of time.
type stretch struct{ from, to time.Time }

// NewHours takes quiet hours (nil for none) and blackout days of a zone. What cannot be read is left out.
func NewHours(quiet *QuietHours, blackouts []Blackout, zone *time.Location) Hours {
	var h Hours
	if quiet != nil {
		from, ok1 := quiet.From.Minutes()
		to, ok2 := quiet.To.Minutes()
		if ok1 && ok2 {
			h.from, h.to = from, to
		}
	}
	for _, b := range blackouts {
		first, err1 := time.Parse(time.DateOnly, b.From)
		last, err2 := time.Parse(time.DateOnly, b.To)
		if err1 == nil && err2 == nil && !last.Before(first) {
			h.black = append(h.black, stretch{Place(first, zone), Place(last.AddDate(0, 0, 1), zone)})
		}
	}
	slices.SortFunc(h.black, func(a, b stretch) int { return a.from.Compare(b.from) })
	return h
}

// IsOpen says whether a message may be sent at an instant to somebody who lives in a zone.
func (h *Hours) IsOpen(at time.Time, zone *time.Location) bool {
	return !h.isQuiet(at, zone) && h.blackEnd(at).IsZero()
}

// Open is the first instant from at on at which a message may be sent.
func (h *Hours) Open(at time.Time, zone *time.Location) time.Time {
	for {
		if end := h.blackEnd(at); !end.IsZero() {
			at = end
		} else if h.isQuiet(at, zone) {
			at = h.turns(at, zone, false)
		} else {
			return at
		}
	}
}

// Closes is the first instant after an open one at which nothing may be sent any more; the zero time when that never comes.
func (h *Hours) Closes(at time.Time, zone *time.Location) time.Time {
	var closes time.Time
	if h.from != h.to {
		closes = h.turns(at, zone, true)
	}
	for _, b := range h.black {
		if b.from.After(at) && (closes.IsZero() || b.from.Before(closes)) {
			closes = b.from
		}
	}
	return closes
}

// blackEnd is the end of the blackout that an instant lies in, else the zero time.
func (h *Hours) blackEnd(at time.Time) time.Time {
	for _, b := range h.black {
		if !at.Before(b.from) && at.Before(b.to) {
			return b.to
		}
	}
	return time.Time{}
}

func (h *Hours) isQuiet(at time.Time, zone *time.Location) bool {
	if h.from == h.to {
		return false
	}
	hour, minute, _ := at.In(zone).Clock()
	now := hour*60 + minute
	if h.from < h.to {
		return h.from <= now && now < h.to
	}
	return h.from <= now || now < h.to
}

// turns is the first instant after at at which the clock passes into the quiet hours, or out of them: where it shows the
// boundary, or where the zone's offset changes and takes the clock across it.
func (h *Hours) turns(at time.Time, zone *time.Location, quiet bool) time.Time {
	boundary := h.to
	if quiet {
		boundary = h.from
	}
	for {
		local := at.In(zone)
		hour, minute, second := local.Clock()
		sinceMidnight := time.Duration(hour*3600+minute*60+second)*time.Second + time.Duration(local.Nanosecond())
		ahead := time.Duration(boundary)*time.Minute - sinceMidnight
		if ahead <= 0 {
			ahead += 24 * time.Hour
		}
		_, end := local.ZoneBounds()
		if end.IsZero() || at.Add(ahead).Before(end) {
			return at.Add(ahead)
		}
		at = end
		if h.isQuiet(at, zone) == quiet {
			return at
		}
	}
}

// Next is the first instant from at on at which a zone's clocks come to a clock time; one that a day leaves out is the first
// instant after the gap. A text that is no clock time changes nothing.
func (t ClockTime) Next(at time.Time, zone *time.Location) time.Time {
	minutes, ok := t.Minutes()
	if !ok {
		return at
	}
	local := at.In(zone)
	for day := -1; ; day++ {
		next := Place(time.Date(local.Year(), local.Month(), local.Day()+day, 0, minutes, 0, 0, time.UTC), zone)
		if !next.Before(at) {
			return next
		}
	}
}

// A Pacer gives out the slots of a run's messages, one after another, an interval of open time apart. The zero time of last
// begins anew.
type Pacer struct {
	hours    Hours
	zone     *time.Location
	interval time.Duration
	last     time.Time
	closes   time.Time // of the open stretch that last lies in; zero for never
}

// NewPacer paces a run that begins at start in the hours of the campaign's zone: so many an hour, or so many messages spread
// evenly over the open time of SpreadOver. last is the slot that was given out before, zero for none.
func NewPacer(pace *Pace, hours Hours, zone *time.Location, start time.Time, messages int64, last time.Time) *Pacer {
	p := &Pacer{hours: hours, zone: zone, last: last}
	switch {
	case pace.PerHour > 0:
		p.interval = (time.Hour + time.Duration(pace.PerHour) - 1) / time.Duration(pace.PerHour)
	case pace.SpreadOver != nil && messages > 0:
		p.interval = hours.openFor(start, start.Add(time.Duration(*pace.SpreadOver)), zone) / time.Duration(messages)
	}
	if !last.IsZero() {
		p.closes = hours.Closes(last, zone)
	}
	return p
}

// Slot is the next one, not before an instant: what could not be sent while a run was held is not sent in one go after it.
func (p *Pacer) Slot(notBefore time.Time) time.Time {
	if !p.last.IsZero() {
		if next := p.after(p.interval); !next.Before(notBefore) {
			return next
		}
	}
	return p.hours.Open(notBefore, p.zone)
}

// Take uses a slot up: the next one lies an interval after it.
func (p *Pacer) Take(slot time.Time) {
	if p.last.IsZero() || !slot.Before(p.closes) {
		p.closes = p.hours.Closes(slot, p.zone)
	}
	p.last = slot
}

// Last is the slot that was used last; zero for none.
func (p *Pacer) Last() time.Time { return p.last }

// after is the instant so much open time after the last slot.
func (p *Pacer) after(open time.Duration) time.Time {
	at, closes := p.last, p.closes
	for !closes.IsZero() && !at.Add(open).Before(closes) {
		open -= closes.Sub(at)
		at = p.hours.Open(closes, p.zone)
		closes = p.hours.Closes(at, p.zone)
	}
	return at.Add(open)
}

// openFor is how much of a stretch is open.
func (h *Hours) openFor(from, to time.Time, zone *time.Location) time.Duration {
	total := time.Duration(0)
	for at := h.Open(from, zone); at.Before(to); {
		closes := h.Closes(at, zone)
		if closes.IsZero() || closes.After(to) {
			closes = to
		}
		total += closes.Sub(at)
		at = h.Open(closes, zone)
	}
	return total
}

package engine

import (
	"time"

	"beckon/campaigns"
)

// quiet is when nothing may be sent to one customer: the hours of their own day, and the workspace's days.
type quiet struct {
	zone      *time.Location
	hours     *campaigns.QuietHours // nil for none
	shop      *time.Location
	blackouts []campaigns.Blackout
}

// opens is the first instant from at on at which something may be sent; at itself when it may be sent then.
func (q quiet) opens(at time.Time) time.Time {
	for range 1000 { // each step leaves a stretch of quiet; more in a row is a setting that never opens
		end := q.endOf(at)
		if !end.After(at) {
			return at
		}
		at = end
	}
	return at
}

// endOf is the end of the quiet hours or the blackout that an instant lies in, the zero time for neither.
func (q quiet) endOf(at time.Time) time.Time {
	if from, to, ok := q.minutes(); ok {
		local := at.In(q.zone)
		minute := local.Hour()*60 + local.Minute()
		day := local.Day()
		in := from <= minute && minute < to
		if from > to {
			in = minute >= from || minute < to
			if minute >= from {
				day++
			}
		}
		if in {
			if end := wall(local.Year(), local.Month(), day, to, q.zone); end.After(at) {
				return end
			}
			return at.Add(time.Minute) // the clocks went back over the end
		}
	}
	today := at.In(q.shop).Format(time.DateOnly)
	for _, b := range q.blackouts {
		if b.From <= today && today <= b.To {
			last, err := time.Parse(time.DateOnly, b.To)
			if err == nil {
				return wall(last.Year(), last.Month(), last.Day()+1, 0, q.shop)
			}
		}
	}
	return time.Time{}
}

// closes is when the next quiet hours or blackout after an instant begin; the zero time for never.
func (q quiet) closes(at time.Time) time.Time {
	var next time.Time
	take := func(start time.Time) {
		if start.After(at) && (next.IsZero() || start.Before(next)) {
			next = start
		}
	}
	if from, _, ok := q.minutes(); ok {
		local := at.In(q.zone)
		for day := range 3 {
			take(wall(local.Year(), local.Month(), local.Day()+day, from, q.zone))
		}
	}
	for _, b := range q.blackouts {
		if first, err := time.Parse(time.DateOnly, b.From); err == nil {
			take(wall(first.Year(), first.Month(), first.Day(), 0, q.shop))
		}
	}
	return next
}

// minutes are the ends of the quiet hours; ok is false when there are none.
func (q quiet) minutes() (from, to int, ok bool) {
	if q.hours == nil {
		return 0, 0, false
	}
	from, is := q.hours.From.Minutes()
	to, are := q.hours.To.Minutes()
	return from, to, is && are && from != to
}

func wall(year int, month time.Month, day, minute int, zone *time.Location) time.Time {
	return campaigns.Place(time.Date(year, month, day, minute/60, minute%60, 0, 0, time.UTC), zone)
}

package rules

import "time"

// Instant is the one moment of an evaluation, and the zone whose calendar and clock the rule reads. A nil Zone is UTC.
type Instant struct {
	Now  time.Time
	Zone *time.Location
}

// Times beyond these are missing: they are the first and last seconds that PostgreSQL can store, rounded inwards to
// whole years, and everything within them has a Date.
const (
	firstSecond = -210_000_000_000  // 4686 BC
	lastSecond  = 9_200_000_000_000 // the year 293505
)

// InRange says whether a time, in seconds of the Unix clock, is one that rules know; others are missing.
func InRange(second int64) bool { return second >= firstSecond && second <= lastSecond }

// normal is the instant in whole seconds, within the times that exist, in a zone that is not nil.
func (i Instant) normal() Instant {
	if i.Zone == nil {
		i.Zone = time.UTC
	}
	now := max(firstSecond, min(lastSecond, i.Now.Unix()))
	return Instant{Now: second(now).In(i.Zone), Zone: i.Zone}
}

func second(unix int64) time.Time { return time.Unix(unix, 0) }

// wall is a date and time of day as a clock on the wall shows them: seconds since 1970-01-01T00:00 on that clock.
type wall int64

// in is the first instant at which the clocks of zone show w or later: the end of the gap for a time that is skipped
// in spring, the first of the two for a time that comes twice in autumn.
func (w wall) in(zone *time.Location) time.Time {
	const day = secondsPerDay
	before, after := offsetAt(int64(w)-day, zone), offsetAt(int64(w)+day, zone)
	early, late := int64(w)-max(before, after), int64(w)-min(before, after)
	if offsetAt(early, zone) == int64(w)-early {
		return time.Unix(early, 0).In(zone)
	}
	if offsetAt(late, zone) == int64(w)-late {
		return time.Unix(late, 0).In(zone)
	}
	start, _ := time.Unix(late, 0).In(zone).ZoneBounds()
	return start
}

// parseWall reads 2026-01-31T10:00 or 2026-01-31T10:00:00.
func parseWall(text string) (wall, bool) {
	for _, layout := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil && len(text) == len(layout) {
			return wall(t.Unix()), true
		}
	}
	return 0, false
}

package rules

import "time"

// Clocks are followed from 1800 to 2500; before and after, they stay as they are at the edge. No zone has a rule that is
// known further, and every executor has the same table of changes.
const (
	firstChange int64 = -5_364_662_400 // 1800-01-01
	lastChange  int64 = 16_725_225_600 // 2500-01-01
)

// offsetAt is how far the clocks of zone are ahead of UTC, in seconds.
func offsetAt(unix int64, zone *time.Location) int64 {
	_, offset := time.Unix(max(firstChange, min(lastChange, unix)), 0).In(zone).Zone()
	return int64(offset)
}

// Offsets are the changes of a zone's clocks: from[i] is the Unix second since which the clocks are offset[i] seconds ahead
// of UTC. The first is the beginning of time; there are no changes outside the years 1800 to 2500.
func Offsets(zone *time.Location) (from, offset []int64) {
	at := firstChange
	from, offset = []int64{firstSecond}, []int64{offsetAt(at, zone)}
	for {
		next, more := clocksUntil(at, zone)
		if !more || next > lastChange {
			return from, offset
		}
		at = next
		if ahead := offsetAt(at, zone); ahead != offset[len(offset)-1] {
			from, offset = append(from, at), append(offset, ahead)
		}
	}
}

// clocksUntil is a later second up to which the clocks of zone go on as they do at unix; false when they do so forever.
//
// Why not ZoneBounds alone: on the last day of a leap year beyond a zone's table it says that the day has already ended.
func clocksUntil(unix int64, zone *time.Location) (int64, bool) {
	_, end := time.Unix(unix, 0).In(zone).ZoneBounds()
	switch {
	case end.IsZero():
		return 0, false
	case end.Unix() <= unix:
		return (floorDiv(unix, secondsPerDay) + 1) * secondsPerDay, true
	}
	return end.Unix(), true
}

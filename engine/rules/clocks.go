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
		_, end := time.Unix(at, 0).In(zone).ZoneBounds()
		if end.IsZero() || end.Unix() > lastChange {
			return from, offset
		}
		at = end.Unix()
		from, offset = append(from, at), append(offset, offsetAt(at, zone))
	}
}

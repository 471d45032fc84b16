package campaigns

import (
	"slices"
	"time"
)

// Counted is a message of one customer as caps count it: its channel and when it is, was or would have been sent.
type Counted struct {
	Channel string
	At      time.Time
}

// CapsAllow says whether one more message at an instant breaks no cap: in each window of a cap's length that contains the
// instant, whether it lies before, after or around it, there are at most Max messages with this one. A window is half open:
// two messages exactly its length apart are never in one.
func CapsAllow(caps []Cap, channel string, at time.Time, others []Counted) bool {
	for _, c := range caps {
		if (c.Channel == AnyChannel || c.Channel == channel) && !c.allows(at, others) {
			return false
		}
	}
	return true
}

// CapsFree is the first instant from at on, until included, at which one more message breaks no cap; ok is false when there
// is none. Caps become free only where a message leaves a window, so these are the instants that are tried.
func CapsFree(caps []Cap, channel string, at, until time.Time, others []Counted) (free time.Time, ok bool) {
	if CapsAllow(caps, channel, at, others) {
		return at, true
	}
	var leaves []time.Time
	for _, c := range caps {
		for _, o := range others {
			if left := o.At.Add(time.Duration(c.Window)); left.After(at) && !left.After(until) {
				leaves = append(leaves, left)
			}
		}
	}
	slices.SortFunc(leaves, time.Time.Compare)
	for _, left := range leaves {
		if CapsAllow(caps, channel, left, others) {
			return left, true
		}
	}
	return time.Time{}, false
}

// CapsWindow is the longest window of some caps, 0 for none: what lies further from a planned time matters to none of them.
func CapsWindow(caps []Cap) time.Duration {
	longest := Duration(0)
	for _, c := range caps {
		longest = max(longest, c.Window)
	}
	return time.Duration(longest)
}

// allows looks at every run of Max other messages in a row: together with the new one they must not fit into one window.
func (c *Cap) allows(at time.Time, others []Counted) bool {
	if len(others) < c.Max {
		return true
	}
	window := time.Duration(c.Window)
	var near []time.Time
	for _, o := range others {
		if (c.Channel == AnyChannel || c.Channel == o.Channel) && o.At.Sub(at).Abs() < window {
			near = append(near, o.At)
		}
	}
	slices.SortFunc(near, time.Time.Compare)
	for i := 0; i+c.Max <= len(near); i++ {
		first, last := near[i], near[i+c.Max-1]
		if at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
		if last.Sub(first) < window {
			return false
		}
	}
	return true
}

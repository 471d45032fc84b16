package rules

import "time"

// through looks through a function of the calendar: days_since(x) > 90 is a range of x itself, so that nothing has to be
// worked out for each customer. What cannot be said so stays as it is.
func (b *binder) through(w *Expr) *Expr {
	call := w.Args[0]
	if call.Op != Call || len(call.Args) != 1 {
		return w
	}
	x := call.Args[0]
	var low, high int64
	ok := false
	switch call.Name {
	case "days_since":
		low, high, ok = b.days(x.Type, int64(b.today)-reach(w.High), int64(b.today)-reach(w.Low))
	case "days_until":
		low, high, ok = b.days(x.Type, int64(b.today)+reach(w.Low), int64(b.today)+reach(w.High))
	case "date":
		low, high, ok = b.days(x.Type, w.Low, w.High)
	case "hours_since":
		low, high, ok = b.since(w, time.Hour)
	case "minutes_since":
		low, high, ok = b.since(w, time.Minute)
	case "hours_until":
		first, unit := b.at.Now.Unix(), int64(time.Hour/time.Second)
		low, high, ok = first+reach(w.Low)*unit, first+(reach(w.High)+1)*unit-1, true
	}
	if !ok {
		return w
	}
	first, last := bounds(x.Type)
	low, high = max(low, first), min(high, last)
	if low > high {
		return &Expr{Op: Constant, Type: Bool, Value: false}
	}
	return b.through(&Expr{Op: Within, Type: Bool, Low: low, High: high, Args: []*Expr{x}, Depends: x.Depends})
}

// reach keeps a number of days, hours or minutes within what cannot overflow and is beyond all dates and times.
func reach(n int64) int64 {
	const far = 1 << 40
	return max(-far, min(far, n))
}

func (b *binder) since(w *Expr, unit time.Duration) (low, high int64, ok bool) {
	now, seconds := b.at.Now.Unix(), int64(unit/time.Second)
	return now - (reach(w.High)+1)*seconds + 1, now - reach(w.Low)*seconds, true
}

// days is the range of dates, or of times, whose day is from first to last.
func (b *binder) days(t Type, first, last int64) (low, high int64, ok bool) {
	if t == DateType {
		return first, last, true
	}
	low, lowOK := b.dayStart(first)
	end, highOK := b.dayStart(last + 1)
	return low, end - 1, lowOK && highOK
}

// dayStart is the first second of a day: before it are only earlier days, from it on only that day and later ones. It is
// false where clocks that are set back show a day again.
func (b *binder) dayStart(day int64) (int64, bool) {
	const room = 2 * secondsPerDay
	zone := b.at.Zone
	if day*secondsPerDay < firstSecond-room {
		return firstSecond, true
	}
	if day*secondsPerDay > lastSecond+room {
		return lastSecond + 1, true
	}
	start := wall(day * secondsPerDay).in(zone).Unix()
	for at := start - room; at < start+room; {
		next, more := clocksUntil(at, zone)
		if !more || next >= start+room {
			break
		}
		at = next
		if DateOf(time.Unix(at-1, 0), zone) > DateOf(time.Unix(at, 0), zone) {
			return 0, false
		}
	}
	return start, true
}

package campaigns

import (
	"time"
)

// A ClockTime is a time of day to the minute, written "21:00".
type ClockTime string

// Minutes is the time as minutes after midnight, 0 to 1439; ok is false for a text that is none.
func (t ClockTime) Minutes() (minutes int, ok bool) {
	if len(t) != 5 || t[2] != ':' {
		return 0, false
	}
	hour, minute := digits(string(t[:2])), digits(string(t[3:]))
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return 0, false
	}
	return hour*60 + minute, true
}

// QuietHours are those of the customer's own day in which nothing is sent: from From until before To, over midnight when
// From is the later. Equal ends are no quiet hours.
type QuietHours struct {
	From ClockTime `json:"from" example:"21:00"`
	To   ClockTime `json:"to" example:"09:00"`
}

// SendAt moves a message to the first such clock time of the customer's own zone at or after the tick.
type SendAt struct {
	Local ClockTime `json:"local" example:"10:00"`
}

// Pace spreads a run's messages, in the order of a hash: so many an hour, or evenly over a time. One of the two is set.
type Pace struct {
	PerHour    int64     `json:"per_hour,omitempty" minimum:"1"`
	SpreadOver *Duration `json:"spread_over,omitempty" doc:"at most 30d"`
}

// Late says what is done about ticks that were missed while the service was down: none of them (skip), the latest (once) or
// each. A tick that is later than Grace is never made up.
type Late struct {
	Policy string   `json:"policy" enum:"skip,once,each"`
	Grace  Duration `json:"grace" example:"2h"`
}

// What Late may say.
const (
	LateSkip = "skip"
	LateOnce = "once"
	LateEach = "each"
)

// FreshLate is the late policy of a fresh workspace.
func FreshLate() Late { return Late{Policy: LateOnce, Grace: Duration(2 * time.Hour)} }

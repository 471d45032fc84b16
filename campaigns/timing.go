package campaigns

import (
	"slices"
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
	Grace  Duration `json:"grace" required:"false" example:"2h" doc:"until how long after its time a missed run is made up; skip needs none"`
}

// What Late may say.
const (
	LateSkip = "skip"
	LateOnce = "once"
	LateEach = "each"
)

// FreshLate is the late policy of a fresh workspace.
func FreshLate() Late { return Late{Policy: LateOnce, Grace: Duration(2 * time.Hour)} }

// daysMax bounds what lies ahead: paces, grace times, useful times.
const daysMax = 30

// Check says what is wrong with the two clock times.
func (q *QuietHours) Check() error {
	var checks Checks
	checks.Add(checkClock("from", q.From))
	checks.Add(checkClock("to", q.To))
	return checks.Err()
}

func checkClock(field string, t ClockTime) error {
	if _, ok := t.Minutes(); !ok {
		return Invalid(field, "%q should be a time of day from 00:00 to 23:59", shorten(string(t)))
	}
	return nil
}

// Check says what is wrong with the pace.
func (p *Pace) Check() error {
	switch {
	case (p.PerHour != 0) == (p.SpreadOver != nil):
		return Invalid("pace", `should be one of {"per_hour":1000} and {"spread_over":"3d"}`)
	case p.SpreadOver == nil && (p.PerHour < 1 || p.PerHour > 1_000_000_000):
		return Invalid("pace.per_hour", "should be between 1 and 1000000000")
	case p.SpreadOver != nil && (*p.SpreadOver < Duration(time.Minute) || *p.SpreadOver > daysMax*Day):
		return Invalid("pace.spread_over", "should be between 1m and %dd", daysMax)
	}
	return nil
}

// Check says what is wrong with the policy or the grace time.
func (l *Late) Check() error {
	var checks Checks
	checks.Require(slices.Contains([]string{LateSkip, LateOnce, LateEach}, l.Policy), "late.policy", "%q should be skip, once or each", shorten(l.Policy))
	checks.Require(l.Grace >= 0 && l.Grace <= daysMax*Day, "late.grace", "should be at most %dd", daysMax)
	checks.Require(l.Policy == LateSkip || l.Grace > 0, "late.grace", "is missing: say until how long after its time a missed run is made up, such as 2h")
	return checks.Err()
}

func (d *Definition) checkTiming(checks *Checks) {
	if d.SendAt != nil {
		checks.Add(checkClock("send_at.local", d.SendAt.Local))
	}
	if d.Pace != nil {
		checks.Add(d.Pace.Check())
	}
	if d.QuietHours != nil {
		checks.Under("quiet_hours.", d.QuietHours.Check())
	}
	if d.Late != nil {
		checks.Add(d.Late.Check())
	}
	checks.Require(d.ValidFor == nil || *d.ValidFor >= Duration(time.Minute) && *d.ValidFor <= 366*Day, "valid_for", "should be between 1m and 366d")
}

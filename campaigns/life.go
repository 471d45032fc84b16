package campaigns

import (
	"fmt"
	"slices"
	"time"
)

// Status is where a campaign is in its life.
type Status string

// draft → scheduled → active → (paused ⇄ active) → completed | cancelled → archived
const (
	Draft     Status = "draft"
	Scheduled Status = "scheduled" // launched, nothing has run yet
	Active    Status = "active"
	Paused    Status = "paused"
	Completed Status = "completed"
	Cancelled Status = "cancelled"
	Archived  Status = "archived"
)

// A Move changes a campaign's status.
type Move string

// The moves a person can ask for, and the two that the engine makes by itself.
const (
	Launch   Move = "launch"
	Pause    Move = "pause"
	Resume   Move = "resume"
	Cancel   Move = "cancel"
	Archive  Move = "archive"
	Start    Move = "start"    // the first run begins
	Complete Move = "complete" // the last run has ended
)

// moves is the table of what is allowed: move → from → to.
func moves() map[Move]map[Status]Status {
	return map[Move]map[Status]Status{
		Launch:   {Draft: Scheduled},
		Pause:    {Scheduled: Paused, Active: Paused},
		Resume:   {Paused: Active},
		Cancel:   {Draft: Cancelled, Scheduled: Cancelled, Active: Cancelled, Paused: Cancelled},
		Archive:  {Draft: Archived, Completed: Archived, Cancelled: Archived},
		Start:    {Scheduled: Active, Active: Active},
		Complete: {Active: Completed, Scheduled: Completed},
	}
}

// Move changes the status, or says from where the move would be allowed.
func (c *Campaign) Move(move Move) error {
	if c.Kind == Imported && move != Archive && move != Cancel {
		return Conflict("an imported campaign was sent elsewhere: it cannot %s; import its assignments and read its report", move)
	}
	to, allowed := moves()[move][c.Status]
	if !allowed {
		var from []string
		for status := range moves()[move] {
			from = append(from, string(status))
		}
		slices.Sort(from)
		return Conflict("a campaign that is %s cannot %s: only one that is %s can", c.Status, move, orList(from))
	}
	c.Status = to
	return nil
}

// Launch schedules the first run as of now; a triggered campaign is active at once, and its events make the runs.
func (c *Campaign) Launch(now time.Time) error {
	if err := c.Move(Launch); err != nil {
		return err
	}
	c.LaunchedAt, c.LiveVersion = &now, c.Version
	switch {
	case c.Kind == Triggered:
		c.NextRunAt = nil
		return c.Move(Start)
	case c.Kind == Recurring:
		next, err := c.Schedule.Next(now)
		if err != nil {
			return err
		}
		if next.IsZero() {
			return Invalid("schedule.cron", "%q does not come again", c.Schedule.Cron)
		}
		c.NextRunAt = &next
	case c.At != nil && c.At.Before(now.Add(-5*time.Minute)):
		return Invalid("at", "%s is over: choose a later time, or leave it out to start now", c.At.Format(time.RFC3339))
	case c.At != nil:
		c.NextRunAt = c.At
	default:
		c.NextRunAt = &now
	}
	return nil
}

// MayEdit says whether a new version may be written now.
func (c *Campaign) MayEdit() error {
	if c.Status == Draft || (c.Kind == Imported && c.Status != Archived) {
		return nil
	}
	return Conflict("a campaign that is %s cannot be edited: what runs keeps its version; copy it into a new campaign", c.Status)
}

// Zone is the clock that the campaign's periods and days are read from.
func (c *Campaign) Zone() *time.Location {
	name := c.Frozen.Zone
	if c.Schedule != nil {
		name = c.Schedule.Zone
	}
	if zone, err := time.LoadLocation(name); err == nil {
		return zone
	}
	return time.UTC
}

// Period names the stretch over which arms and windows hold: all of it for once, a quarter for recurring and triggered
// ones, a year where a customer enters at most once a year. Each period draws arms with its own salt.
func (c *Campaign) Period(occurrence time.Time) string {
	local := occurrence.In(c.Zone())
	switch {
	case c.Kind != Recurring && c.Kind != Triggered:
		return ""
	case c.Entry != nil && (c.Entry.OncePer == "year" || c.Entry.Limit != "" || c.Entry.OnceFor != ""):
		return fmt.Sprintf("%04d", local.Year())
	}
	return fmt.Sprintf("%04dQ%d", local.Year(), (int(local.Month())+2)/3)
}

// EntryKey is the key under which a customer enters at an occurrence, for entry limits that do not depend on the
// customer; ok is false for those that do (Every and OnceFor).
func (c *Campaign) EntryKey(occurrence time.Time) (key string, ok bool) {
	local := occurrence.In(c.Zone())
	switch e := c.Entry; {
	case e == nil:
		return "at " + occurrence.UTC().Format(time.RFC3339), true
	case e.Limit == "once":
		return "once", true
	case e.OncePer == "year":
		return local.Format("2006"), true
	case e.OncePer == "month":
		return local.Format("2006-01"), true
	case e.OncePer == "day":
		return local.Format("2006-01-02"), true
	case e.OncePer == "week":
		year, week := local.ISOWeek()
		return fmt.Sprintf("%04d-W%02d", year, week), true
	}
	return "", false
}

// OfferOf is the offer of a variant: its own, else the campaign's, else nil.
func (c *Campaign) OfferOf(v *Variant) *ID {
	if v.OfferID != nil {
		return v.OfferID
	}
	return c.OfferID
}

// HoldoutShare is the share held out; service and transactional messages hold out nobody unless they say so.
func (d *Definition) HoldoutShare() float64 {
	if d.Holdout == nil {
		return 0
	}
	return *d.Holdout
}

// UsefulTime is how long after it was due a message is still worth sending: 3 days unless the campaign says otherwise.
func (d *Definition) UsefulTime() time.Duration {
	if d.ValidFor == nil {
		return time.Duration(3 * Day)
	}
	return time.Duration(*d.ValidFor)
}

func orList(words []string) string {
	switch len(words) {
	case 0:
		return ""
	case 1:
		return words[0]
	}
	text := ""
	for i, word := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			text += " or "
		default:
			text += ", "
		}
		text += word
	}
	return text
}

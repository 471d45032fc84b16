package campaigns

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Status is where a campaign is in its life.
type Status string

// draft → (in_review →) scheduled → active → (paused ⇄ active) → completed | cancelled → archived
const (
	Draft     Status = "draft"
	InReview  Status = "in_review" // never launched, and its newest version was submitted
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
	Submit   Move = "submit"
	SendBack Move = "reject"
	Launch   Move = "launch"
	Pause    Move = "pause"
	Resume   Move = "resume"
	Cancel   Move = "cancel"
	Archive  Move = "archive"
	Start    Move = "start"    // the first run begins
	Complete Move = "complete" // the last run has ended
)

// done is what a campaign is once the move was made, as a message says it.
func (m Move) done() string {
	return map[Move]string{Submit: "submitted", SendBack: "rejected", Launch: "launched", Pause: "paused", Resume: "resumed", Cancel: "cancelled",
		Archive: "archived", Start: "started", Complete: "completed"}[m]
}

// moves is the table of what is allowed: move → from → to.
func moves() map[Move]map[Status]Status {
	return map[Move]map[Status]Status{
		Submit:   {Draft: InReview},
		SendBack: {InReview: Draft},
		Launch:   {Draft: Scheduled, InReview: Scheduled},
		Pause:    {Scheduled: Paused, Active: Paused},
		Resume:   {Paused: Active},
		Cancel:   {Draft: Cancelled, InReview: Cancelled, Scheduled: Cancelled, Active: Cancelled, Paused: Cancelled},
		Archive:  {Draft: Archived, Completed: Archived, Cancelled: Archived},
		Start:    {Scheduled: Active, Active: Active},
		Complete: {Active: Completed, Scheduled: Completed},
	}
}

// Move changes the status, or says from where the move would be allowed.
func (c *Campaign) Move(move Move) error {
	if c.Kind == Imported && move != Archive && move != Cancel {
		return Conflict("an imported campaign was sent elsewhere: it cannot be %s; import its assignments and read its report", move.done())
	}
	to, allowed := moves()[move][c.Status]
	if !allowed {
		var from []string
		for status := range moves()[move] {
			from = append(from, string(status))
		}
		slices.Sort(from)
		return Conflict("a campaign that is %s cannot be %s: only one that is %s can", c.Status, move.done(), orList(from))
	}
	c.Status = to
	return nil
}

// IsOver says whether nothing will be sent any more.
func (c *Campaign) IsOver() bool {
	return c.Status == Completed || c.Status == Cancelled || c.Status == Archived
}

// Launch puts the newest version in effect for the first time, as of now. A triggered campaign is active at once and has no
// next run: events start it.
func (c *Campaign) Launch(now time.Time) error {
	if err := c.Move(Launch); err != nil {
		return err
	}
	c.LaunchedAt, c.LiveVersion = &now, c.Version
	switch {
	case c.Kind == Triggered:
		c.Status = Active
		return c.stillOpen(now)
	case c.Kind == Recurring:
		return c.schedule(now)
	case c.At != nil && c.At.Before(now.Add(-5*time.Minute)):
		return Invalid("at", "%s is over: choose a later time, or leave it out to start now", c.At.Format(time.RFC3339))
	case c.At != nil:
		c.NextRunAt = c.At
	default:
		c.NextRunAt = &now
	}
	return nil
}

// Relaunch puts the newest version in effect in the place of the one before; the status stays. last is the last occurrence
// that was made, nil for none: no occurrence is made twice, and one that is due already is still made.
func (c *Campaign) Relaunch(now time.Time, last *time.Time) error {
	c.LiveVersion = c.Version
	switch {
	case c.Kind == Triggered:
		return c.stillOpen(now)
	case c.NextRunAt != nil && !c.NextRunAt.After(now):
		return nil
	case c.Kind == Recurring && last != nil && last.After(now):
		return c.schedule(*last)
	case c.Kind == Recurring:
		return c.schedule(now)
	case last != nil && (c.At == nil || !c.At.After(*last)):
		return Invalid("at", "the run of %s was made already, and nothing is sent twice: choose a later time, or copy the campaign", last.UTC().Format(time.RFC3339))
	case c.At == nil:
		c.NextRunAt = &now
	case c.At.Before(now.Add(-5 * time.Minute)):
		return Invalid("at", "%s is over: choose a later time", c.At.Format(time.RFC3339))
	default:
		c.NextRunAt = c.At
	}
	return nil
}

// schedule sets the next run to the first tick after an instant.
func (c *Campaign) schedule(after time.Time) error {
	next, err := c.NextTick(after)
	if err != nil {
		return err
	}
	if next == nil && c.Until != nil {
		return Invalid("until", "%s is before the next time of the schedule: choose a later one", c.Until.Format(time.RFC3339))
	}
	if next == nil {
		return Invalid("schedule.cron", "%q does not come again", c.Schedule.Cron)
	}
	c.NextRunAt = next
	return nil
}

// NextTick is the first time of a recurring campaign's schedule after an instant; nil when there is none, or none until its
// end. Other kinds have none.
func (c *Campaign) NextTick(after time.Time) (*time.Time, error) {
	if c.Kind != Recurring {
		return nil, nil
	}
	next, err := c.Schedule.Next(after)
	if err != nil || next.IsZero() || c.Until != nil && next.After(*c.Until) {
		return nil, err
	}
	return &next, nil
}

func (c *Campaign) stillOpen(now time.Time) error {
	if c.Until != nil && !c.Until.After(now) {
		return Invalid("until", "%s is over: choose a later time, or leave it out", c.Until.Format(time.RFC3339))
	}
	return nil
}

// Edit makes the campaign's newest version one that says d, in its place or, once it is launched, beside what is in effect.
// The store gives it its number. The review begins anew.
func (c *Campaign) Edit(d Definition) error {
	if c.IsOver() && (c.Kind != Imported || c.Status == Archived) {
		return Conflict("a campaign that is %s cannot be edited: copy it into a new one", c.Status)
	}
	if d.Kind != c.Kind {
		return Invalid("kind", "stays %q: create another campaign for another kind", c.Kind)
	}
	if c.Status == InReview {
		c.Status = Draft
	}
	c.Definition, c.Frozen, c.Review = d, Frozen{}, Review{State: ReviewDraft}
	return nil
}

// MayReplace says whether the newest version may take the place of the one in effect before: entries are kept under keys
// that the limit makes, and where it is an expression, another one would let everybody in again.
func (c *Campaign) MayReplace(live *Campaign) error {
	var now, before string
	if c.Entry != nil {
		now = c.Entry.OnceFor
	}
	if live.Entry != nil {
		before = live.Entry.OnceFor
	}
	if now != before {
		return Invalid("entry.once_for", "cannot change once the campaign was launched: who entered under the old limit would get it again; copy the campaign into a new one")
	}
	return nil
}

// DrawsAnew says whether the arms have other shares than those of the version in effect before: a new period of assignment
// begins with them.
func (c *Campaign) DrawsAnew(live *Campaign) bool {
	if c.HoldoutShare() != live.HoldoutShare() || len(c.Variants) != len(live.Variants) {
		return true
	}
	return slices.ContainsFunc(c.Variants, func(v Variant) bool {
		return !slices.ContainsFunc(live.Variants, func(was Variant) bool { return was.Name == v.Name && was.Weight == v.Weight })
	})
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

// Period names the stretch over which arms and windows hold: all of it for once, a quarter for recurring ones, a year
// where a customer enters at most once a year, of triggered ones likewise; other shares of the arms begin a new one. Each
// period draws arms with its own salt.
func (c *Campaign) Period(occurrence time.Time) string {
	period := c.stretch(occurrence)
	if c.Frozen.Draw > 0 {
		period = strings.TrimPrefix(fmt.Sprintf("%s #%d", period, c.Frozen.Draw+1), " ")
	}
	return period
}

func (c *Campaign) stretch(occurrence time.Time) string {
	local := occurrence.In(c.Zone())
	switch {
	case c.Kind == Once || c.Kind == Imported:
		return ""
	case c.Entry != nil && (c.Entry.OncePer == "year" || c.Entry.Limit != "" || c.Entry.OnceFor != ""):
		return fmt.Sprintf("%04d", local.Year())
	}
	return fmt.Sprintf("%04dQ%d", local.Year(), (int(local.Month())+2)/3)
}

// Stretch is the time in which all occurrences have the same entry key as one, from until before to, for entry limits that
// do not depend on the customer (EntryKey says which). An entry once for good has the zero times: ever.
func (c *Campaign) Stretch(occurrence time.Time) (from, to time.Time) {
	zone := c.Zone()
	local := occurrence.In(zone)
	day := func(year int, month time.Month, day int) time.Time {
		return Place(time.Date(year, month, day, 0, 0, 0, 0, time.UTC), zone)
	}
	switch e := c.Entry; {
	case e == nil:
		return occurrence, occurrence.Add(time.Microsecond)
	case e.OncePer == "year":
		return day(local.Year(), 1, 1), day(local.Year()+1, 1, 1)
	case e.OncePer == "month":
		return day(local.Year(), local.Month(), 1), day(local.Year(), local.Month()+1, 1)
	case e.OncePer == "day":
		return day(local.Year(), local.Month(), local.Day()), day(local.Year(), local.Month(), local.Day()+1)
	case e.OncePer == "week":
		monday := local.Day() - (int(local.Weekday())+6)%7
		return day(local.Year(), local.Month(), monday), day(local.Year(), local.Month(), monday+7)
	}
	return time.Time{}, time.Time{}
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

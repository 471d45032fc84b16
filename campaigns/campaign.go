package campaigns

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Campaign is who gets what and when. Its Definition is versioned: each edit makes a new version, and a run keeps the
// version it started with.
type Campaign struct {
	ID         ID         `json:"id"`
	Version    int        `json:"version"`
	Status     Status     `json:"status"`
	NextRunAt  *time.Time `json:"next_run_at,omitempty"`
	CreatedAt  time.Time  `json:"created_at"`
	ChangedAt  time.Time  `json:"changed_at"`
	LaunchedAt *time.Time `json:"launched_at,omitempty"`

	// LiveVersion is the launched one, which runs are made from; 0 before the first launch. Version is the newest, which may
	// still be a draft.
	LiveVersion int `json:"live_version,omitempty"`

	// Review is the newest version's.
	Review Review `json:"review"`

	Definition
	Salt   string `json:"-"`
	Frozen Frozen `json:"-"`
}

// Definition is what a marketer writes.
type Definition struct {
	Name     string     `json:"name" minLength:"1" maxLength:"200"`
	Kind     string     `json:"kind" enum:"once,recurring,triggered,imported"`
	Rule     string     `json:"rule,omitempty" doc:"who: an expr rule over a customer"`
	At       *time.Time `json:"at,omitempty" doc:"once: when; now, when launched, if it is left out"`
	Schedule *Schedule  `json:"schedule,omitempty"`
	Until    *time.Time `json:"until,omitempty" doc:"recurring and triggered: the last instant at which it runs or is entered; without end if left out"`
	Trigger  *Trigger   `json:"trigger,omitempty" doc:"triggered: the event that starts it for one customer"`
	Goal     Goal       `json:"goal,omitempty"`
	Purpose  string     `json:"purpose,omitempty" enum:"marketing,service,transactional" doc:"marketing if left out; the others need no holdout"`
	OfferID  *ID        `json:"offer_id,omitempty" doc:"the default of the variants"`
	Variants []Variant  `json:"variants,omitempty"`
	Holdout  *float64   `json:"holdout,omitempty" doc:"share from 0 to 0.5 that is held out; marketing campaigns name it"`
	Entry    *Entry     `json:"entry,omitempty" doc:"how often one customer may enter; once per run (triggered: per event) if left out"`
	Audience *Limited   `json:"audience,omitempty" doc:"not all who match: so many by an order, or a random sample"`
	Reach    string     `json:"reach,omitempty" enum:"every,any" doc:"every: only customers whom every variant can reach are compared (the others stop at not_all_variants); any: these are sent to as well, outside the comparison. every if left out"`

	NeverHoldOut string `json:"never_hold_out,omitempty" doc:"a rule: those who match are sent to and stay outside the measured population"`
	Still        string `json:"still,omitempty" doc:"a rule asked again when the message is about to be sent: false cancels it"`

	SendAt     *SendAt     `json:"send_at,omitempty" doc:"a clock time of the customer's own zone; at the tick if left out"`
	Pace       *Pace       `json:"pace,omitempty"`
	Caps       *[]Cap      `json:"caps,omitempty" doc:"instead of the workspace's; [] for none"`
	Capped     *Capped     `json:"capped,omitempty" doc:"what happens to those whom a cap stops"`
	QuietHours *QuietHours `json:"quiet_hours,omitempty" doc:"instead of the workspace's; from and to equal for none"`
	Priority   int         `json:"priority,omitempty" minimum:"-1000" maximum:"1000" doc:"of campaigns due in the same minute the higher goes first"`
	Budget     *Budget     `json:"budget,omitempty"`
	Late       *Late       `json:"late,omitempty" doc:"what a tick does that was missed while the service was down; the workspace's if left out"`
	Guards     *Guards     `json:"guards,omitempty" doc:"instead of the workspace's; what is left out stays the workspace's"`

	Topic    string `json:"topic,omitempty" maxLength:"60" doc:"one of the workspace's topics: who refused it gets none of this campaign; the channel as a whole if left out"`
	Tracking *bool  `json:"tracking,omitempty" doc:"whether opens and clicks are counted, and links in text messages made short; true if left out"`

	Arms      []Arm     `json:"arms,omitempty" doc:"imported campaigns: the arms of the assignments"`
	Metrics   []Metric  `json:"metrics,omitempty"`
	ValidFor  *Duration `json:"valid_for,omitempty" doc:"a message not sent within this time after it was due expires; 3d if left out"`
	CreatedBy string    `json:"-"` // the name of who wrote this version
	Author    string    `json:"-"` // the id of the key that wrote it; empty where none did
}

// What Reach may say.
const (
	ReachEvery = "every"
	ReachAny   = "any"
)

// The kinds of campaign.
const (
	Once      = "once"
	Recurring = "recurring"
	Triggered = "triggered"
	Imported  = "imported"
)

// Goal is the conversion that the campaign is for, and how long after the message it counts.
type Goal struct {
	Metric string   `json:"metric,omitempty" example:"purchase" doc:"purchase, revenue, redemption, event:<name>; of an imported campaign, one of its metrics"`
	Window Duration `json:"window,omitempty" example:"14d"`
}

// A Variant is one way of treating those who are not held out.
type Variant struct {
	Name       string  `json:"name" minLength:"1" maxLength:"60"`
	Weight     float64 `json:"weight"`
	ChannelID  string  `json:"channel_id"`
	TemplateID ID      `json:"template_id"`
	OfferID    *ID     `json:"offer_id,omitempty"`
	Fallback   []Way   `json:"fallback,omitempty" doc:"tried in order for whom the variant's own channel cannot reach"`
}

// A Way is a channel and the words for it.
type Way struct {
	ChannelID  string `json:"channel_id"`
	TemplateID ID     `json:"template_id"`
}

// Ways are the variant's own channel and template, then its fallbacks.
func (v *Variant) Ways() []Way {
	return append([]Way{{v.ChannelID, v.TemplateID}}, v.Fallback...)
}

// Entry says how often one customer may enter; exactly one of its fields is set.
type Entry struct {
	Limit   string    `json:"limit,omitempty" enum:"once"`
	OncePer string    `json:"once_per,omitempty" enum:"year,month,week,day"`
	Every   *Duration `json:"every,omitempty"`
	OnceFor string    `json:"once_for,omitempty" doc:"once for each value of this expression, such as year(next_birthday)"`
}

// An Arm of an imported campaign. The one called holdout is the control.
type Arm struct {
	Name   string  `json:"name" minLength:"1" maxLength:"60"`
	Weight float64 `json:"weight"`
}

// Holdout is the name of the arm that is deliberately not sent to.
const Holdout = "holdout"

// A Metric is a figure per customer over the goal's window: the share that has any (rate) or the mean of the sum (mean).
type Metric struct {
	Name string `json:"name" minLength:"1" maxLength:"60"`
	Of   string `json:"of" example:"purchase" doc:"purchase, revenue, redemption or event:<name>"`
	Kind string `json:"kind" enum:"rate,mean"`
}

// Defaults fills what was left out.
func (d *Definition) Defaults() {
	if d.Purpose == "" {
		d.Purpose = "marketing"
	}
	if d.Goal.Metric == "" && d.Kind != Imported {
		d.Goal.Metric = "purchase"
	}
	if d.Goal.Window == 0 {
		d.Goal.Window = 14 * Day
	}
	if d.Kind == Once && d.Entry == nil {
		d.Entry = &Entry{Limit: "once"}
	}
}

// Check says what is wrong with a definition by itself; whether its rule, templates, channels and offers are right is
// asked where they are known.
func (d *Definition) Check() error {
	var checks Checks
	checks.Require(strings.TrimSpace(d.Name) != "", "name", "is missing")
	checks.Add(CheckText("name", d.Name))
	checks.Require(slices.Contains([]string{"marketing", "service", "transactional"}, d.Purpose), "purpose", "%q should be marketing, service or transactional", d.Purpose)
	checks.Require(d.Goal.Window > 0 && d.Goal.Window <= 366*Day, "goal.window", "should be between 1s and 366d")
	for i, m := range d.Metrics {
		checks.Under(fmt.Sprintf("metrics[%d].", i), m.check())
	}
	names := func(i int) string { return d.Metrics[i].Name }
	checks.Require(unique(len(d.Metrics), names), "metrics", "has the same name twice")
	switch d.Kind {
	case Imported:
		d.checkImported(&checks)
	case Once, Recurring, Triggered:
		d.checkSending(&checks)
	default:
		checks.Add(Invalid("kind", "%q should be once, recurring, triggered or imported", shorten(d.Kind)))
	}
	return checks.Err()
}

func (d *Definition) checkSending(checks *Checks) {
	checks.Require(strings.TrimSpace(d.Rule) != "", "rule", "is missing: write who should get it, or true for everybody")
	checks.Require(len(d.Arms) == 0, "arms", "belongs to imported campaigns; use variants and holdout")
	for i, m := range d.Metrics {
		checks.Require(m.Name != "conversion" && m.Name != "revenue", fmt.Sprintf("metrics[%d].name", i), "%q is reported of every campaign already; choose another", m.Name)
	}
	d.checkStart(checks)
	checks.Add(checkOf("goal.metric", d.Goal.Metric))
	d.checkArms(checks)
	if d.Entry != nil {
		checks.Add(d.Entry.check())
	}
	checks.Require(slices.Contains([]string{"", ReachEvery, ReachAny}, d.Reach), "reach", "%q should be every or any", shorten(d.Reach))
	d.checkTiming(checks)
	d.checkLimits(checks)
}

// Tracks says whether opens and clicks of the campaign's messages are counted.
func (d *Definition) Tracks() bool { return d.Tracking == nil || *d.Tracking }

// checkStart holds the kind against what says when: a time, a schedule or a trigger.
func (d *Definition) checkStart(checks *Checks) {
	checks.Require(d.Kind != Recurring || d.Schedule != nil, "schedule", "is missing: a recurring campaign needs a cron line and a zone")
	checks.Require(d.Kind != Triggered || d.Trigger != nil, "trigger", `is missing: a triggered campaign names the event that starts it, such as {"event":"purchase"}`)
	switch {
	case d.Kind == Once:
		checks.Require(d.Schedule == nil, "schedule", "belongs to recurring campaigns; use at")
		checks.Require(d.Until == nil, "until", "belongs to recurring and triggered campaigns: one of kind once runs once")
	case d.Kind == Triggered:
		checks.Require(d.Schedule == nil, "schedule", "belongs to recurring campaigns: an event starts this one")
		fallthrough
	default:
		checks.Require(d.At == nil, "at", "belongs to campaigns of kind once")
	}
	checks.Require(d.Kind == Triggered || d.Trigger == nil, "trigger", "belongs to triggered campaigns")
	if d.Schedule != nil && d.Kind == Recurring {
		checks.Add(d.Schedule.Check())
	}
	if d.Trigger != nil && d.Kind == Triggered {
		checks.Under("trigger.", d.Trigger.Check())
		offers := d.OfferID != nil || slices.ContainsFunc(d.Variants, func(v Variant) bool { return v.OfferID != nil })
		checks.Require(!offers || d.Trigger.Event != TriggerCouponIssued, "offer_id", "cannot be given for an issued coupon: the coupon would start campaigns again, without an end")
	}
}

// checkArms looks at the holdout and the variants.
func (d *Definition) checkArms(checks *Checks) {
	if d.Purpose == "marketing" {
		checks.Require(d.Holdout != nil, "holdout", "is missing: name the share to hold out, such as 0.1; 0 measures nothing and must be said")
	}
	if d.Holdout != nil {
		checks.Require(*d.Holdout >= 0 && *d.Holdout <= 0.5, "holdout", "should be between 0 and 0.5")
	}
	checks.Require(len(d.Variants) > 0 && len(d.Variants) <= 20, "variants", "should be one to twenty")
	total := 0.0
	for i, v := range d.Variants {
		checks.Under(fmt.Sprintf("variants[%d].", i), v.check())
		total += v.Weight
	}
	checks.Require(total > 0, "variants", "have no weight: at least one must be above 0")
	checks.Require(!math.IsInf(total, 0), "variants", "have weights that are too large to add up")
	checks.Require(unique(len(d.Variants), func(i int) string { return d.Variants[i].Name }), "variants", "has the same name twice")
}

func (d *Definition) checkImported(checks *Checks) {
	for _, f := range []struct {
		given bool
		field string
	}{{d.Rule != "", "rule"}, {d.Schedule != nil, "schedule"}, {d.At != nil, "at"}, {d.Until != nil, "until"}, {d.Trigger != nil, "trigger"},
		{len(d.Variants) > 0, "variants"}, {d.Holdout != nil, "holdout"}, {d.Entry != nil, "entry"}, {d.Audience != nil, "audience"}, {d.Reach != "", "reach"},
		{d.NeverHoldOut != "", "never_hold_out"}, {d.Still != "", "still"}, {d.SendAt != nil, "send_at"}, {d.Pace != nil, "pace"}, {d.Caps != nil, "caps"},
		{d.Capped != nil, "capped"}, {d.QuietHours != nil, "quiet_hours"}, {d.Priority != 0, "priority"}, {d.Budget != nil, "budget"}, {d.Late != nil, "late"},
		{d.Guards != nil, "guards"}, {d.ValidFor != nil, "valid_for"}, {d.Topic != "", "topic"}, {d.Tracking != nil, "tracking"}} {
		checks.Require(!f.given, f.field, "is not for an imported campaign, which was sent elsewhere: it has arms and metrics alone")
	}
	checks.Require(len(d.Arms) >= 2 && len(d.Arms) <= 20, "arms", "should be two to twenty")
	checks.Require(unique(len(d.Arms), func(i int) string { return d.Arms[i].Name }), "arms", "has the same name twice")
	total := 0.0
	for i, a := range d.Arms {
		checks.Require(a.Weight >= 0 && !math.IsInf(a.Weight, 0) && !math.IsNaN(a.Weight), fmt.Sprintf("arms[%d].weight", i), "should be 0 or more")
		checks.Require(goodName(a.Name), fmt.Sprintf("arms[%d].name", i), "should be 1 to 60 letters, digits, spaces, _ or -")
		total += a.Weight
	}
	checks.Require(total > 0, "arms", "have no weight")
	checks.Require(slices.ContainsFunc(d.Arms, func(a Arm) bool { return a.Name == Holdout }), "arms", "should contain one called holdout: the control that the others are compared with")
	checks.Require(len(d.Metrics) > 0, "metrics", "is empty: name what is measured")
	checks.Require(slices.ContainsFunc(d.Metrics, func(m Metric) bool { return m.Name == d.Goal.Metric }), "goal.metric", "%q should name one of the metrics", d.Goal.Metric)
}

func (v *Variant) check() error {
	var checks Checks
	checks.Require(goodName(v.Name), "name", "should be 1 to 60 letters, digits, spaces, _ or -")
	checks.Require(v.Name != Holdout, "name", "%q is the arm that is not sent to; choose another", Holdout)
	checks.Require(v.Weight >= 0 && !math.IsInf(v.Weight, 0) && !math.IsNaN(v.Weight), "weight", "should be 0 or more")
	checks.Require(len(v.Fallback) <= fallbacksMax, "fallback", "should be at most %d", fallbacksMax)
	ways := v.Ways()
	for i, w := range ways {
		field := ""
		if i > 0 {
			field = fmt.Sprintf("fallback[%d].", i-1)
			checks.Require(!slices.Contains(ways[:i], w), strings.TrimSuffix(field, "."), "is there twice: a way that did not reach somebody does not the second time")
		}
		checks.Require(w.ChannelID != "", field+"channel_id", "is missing: catcher keeps messages in the database")
		checks.Require(w.TemplateID != ID{}, field+"template_id", "is missing")
	}
	return checks.Err()
}

// fallbacksMax is how many ways a variant may have besides its own.
const fallbacksMax = 5

func (e *Entry) check() error {
	set := 0
	for _, is := range []bool{e.Limit != "", e.OncePer != "", e.Every != nil, e.OnceFor != ""} {
		if is {
			set++
		}
	}
	switch {
	case set != 1:
		return Invalid("entry", `should be one of {"limit":"once"}, {"once_per":"month"}, {"every":"30d"}, {"once_for":"year(next_birthday)"}`)
	case e.Limit != "" && e.Limit != "once":
		return Invalid("entry.limit", "%q should be once", shorten(e.Limit))
	case e.OncePer != "" && !slices.Contains([]string{"year", "month", "week", "day"}, e.OncePer):
		return Invalid("entry.once_per", "%q should be year, month, week or day", shorten(e.OncePer))
	case e.Every != nil && *e.Every < Duration(time.Minute):
		return Invalid("entry.every", "should be at least 1m")
	}
	return nil
}

func (m *Metric) check() error {
	var checks Checks
	checks.Require(goodName(m.Name), "name", "should be 1 to 60 letters, digits, spaces, _ or -")
	checks.Require(m.Kind == "rate" || m.Kind == "mean", "kind", "%q should be rate or mean", shorten(m.Kind))
	checks.Add(checkOf("of", m.Of))
	return checks.Err()
}

func checkOf(field, of string) error {
	if event, is := strings.CutPrefix(of, "event:"); is {
		return CheckID(field, event)
	}
	if !slices.Contains([]string{"purchase", "revenue", "redemption"}, of) {
		return Invalid(field, "%q should be purchase, revenue, redemption or event:<name>", shorten(of))
	}
	return nil
}

// goodName says whether a name is 1 to 60 letters, digits, spaces, _, - or apostrophes.
func goodName(name string) bool {
	n := 0
	for _, r := range name {
		if n++; n > 60 || r == utf8.RuneError || !unicode.In(r, unicode.L, unicode.M, unicode.N) && !strings.ContainsRune(" _'-", r) {
			return false
		}
	}
	return n > 0
}

func unique(n int, name func(i int) string) bool {
	seen := map[string]bool{}
	for i := range n {
		seen[name(i)] = true
	}
	return len(seen) == n
}

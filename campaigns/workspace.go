package campaigns

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A Workspace is the one shop that a Beckon serves: its currency, zone and defaults.
type Workspace struct {
	Name      string   `json:"name"`
	Currency  string   `json:"currency" doc:"ISO 4217; fixed once there are purchases"`
	Zone      string   `json:"zone" doc:"IANA time zone of days, cron lines and reports"`
	Country   string   `json:"country" doc:"ISO 3166, read for phone numbers without +"`
	Languages []string `json:"languages"`
	PublicURL string   `json:"public_url,omitempty" doc:"where customers reach this service: links in messages begin with it"`
	Revision  int64    `json:"-"`

	Caps          []Cap       `json:"caps" doc:"of marketing messages to one customer"`
	QuietHours    *QuietHours `json:"quiet_hours" doc:"null for none"`
	GlobalHoldout float64     `json:"global_holdout" doc:"share of customers who get no marketing for a quarter, 0 to 0.2"`
	Excluded      string      `json:"excluded" doc:"a rule: those who match get nothing but transactional messages"`
	Approvals     bool        `json:"approvals" doc:"whether a campaign is launched only after somebody other than its author approved it"`
	Late          Late        `json:"late"`
	Guards        Guards      `json:"guards"`
	Blackouts     []Blackout  `json:"blackouts" doc:"days on which nothing but transactional messages is sent"`
	Unknown       string      `json:"unknown" enum:"leave,resend" doc:"what becomes of a message of which nobody knows whether its provider took it: it is left as unknown, or sent once more"`

	Topics        []Topic  `json:"topics,omitempty" doc:"what people may want or leave by itself, at most 50"`
	ShortDomain   string   `json:"short_domain,omitempty" doc:"a host of yours that leads to this service, for short links in text messages, such as s.example.cn; public_url and /s/ if left out"`
	LinkHosts     []string `json:"link_hosts,omitempty" doc:"hosts whose links are counted also where a customer's data says them, such as partner.example or *.example.com, at most 20; those in a template's own words are counted anyway, and all other links stay as they are"`
	ShortLinkDays int      `json:"short_link_days,omitempty" doc:"for how long short links work; 90 if left out"`
}

// What becomes of a message whose outcome is unknown. A workspace from before there was the choice leaves it.
const (
	UnknownLeave  = "leave"
	UnknownResend = "resend"
)

// A Blackout is a stretch of days of the workspace's zone, both included.
type Blackout struct {
	From string `json:"from" format:"date"`
	To   string `json:"to" format:"date"`
	Name string `json:"name,omitempty"`
}

// FreshWorkspace is what an empty database begins with.
func FreshWorkspace() Workspace {
	w := Workspace{Name: "Beckon", Currency: "CNY", Zone: "Asia/Shanghai", Country: "CN", Languages: []string{"zh", "en"}}
	w.QuietHours = &QuietHours{From: "21:00", To: "09:00"}
	w.Caps = []Cap{{SMS, 1, Day}, {SMS, 4, 30 * Day}, {Email, 1, Day}, {Email, 3, 7 * Day}, {AnyChannel, 2, Day}}
	w.GlobalHoldout, w.Late, w.Guards, w.Blackouts, w.Unknown = 0.02, FreshLate(), FreshGuards(), []Blackout{}, UnknownLeave
	return w
}

// Digits is the number of decimals of the workspace's currency.
func (w *Workspace) Digits() int { return MinorDigits(w.Currency) }

// Location is the workspace's zone; UTC when the name is unknown to this machine, which Check prevents.
func (w *Workspace) Location() *time.Location {
	if zone, err := time.LoadLocation(w.Zone); err == nil {
		return zone
	}
	return time.UTC
}

// Check says what is wrong with the settings.
func (w *Workspace) Check() error {
	var problems []Problem
	if !regexp.MustCompile(`^[A-Z]{3}$`).MatchString(w.Currency) {
		problems = append(problems, Problem{Field: "currency", Message: "write a three-letter ISO 4217 code such as CNY"})
	}
	if _, err := time.LoadLocation(w.Zone); err != nil || w.Zone == "" || w.Zone == "Local" {
		problems = append(problems, Problem{Field: "zone", Message: "write an IANA time zone such as Asia/Shanghai"})
	}
	if !regexp.MustCompile(`^[A-Z]{2}$`).MatchString(w.Country) {
		problems = append(problems, Problem{Field: "country", Message: "write a two-letter ISO 3166 code such as CN"})
	}
	if len(w.Languages) == 0 || len(w.Languages) > 20 || slices.Contains(w.Languages, "") {
		problems = append(problems, Problem{Field: "languages", Message: "name one to twenty languages such as zh, en"})
	}
	if w.PublicURL != "" && !strings.HasPrefix(w.PublicURL, "https://") && !strings.HasPrefix(w.PublicURL, "http://") {
		problems = append(problems, Problem{Field: "public_url", Message: "begin with https:// (or http://)"})
	}
	if err := CheckText("name", w.Name); err != nil {
		problems = append(problems, err.(*Error).Problems...)
	}
	checks := Checks(problems)
	w.checkSending(&checks)
	w.checkPeople(&checks)
	return checks.Err()
}

// holdoutMax is the largest share that a whole workspace may hold out.
const holdoutMax = 0.2

// checkSending looks at what all campaigns send under.
func (w *Workspace) checkSending(checks *Checks) {
	checks.Add(CheckCaps(w.Caps))
	if w.QuietHours != nil {
		checks.Under("quiet_hours.", w.QuietHours.Check())
	}
	checks.Require(w.GlobalHoldout >= 0 && w.GlobalHoldout <= holdoutMax, "global_holdout", "should be between 0 and %v", holdoutMax)
	checks.Add(w.Late.Check())
	checks.Add(w.Guards.Check())
	checks.Require(len(w.Blackouts) <= blackoutsMax, "blackouts", "should be at most %d", blackoutsMax)
	checks.Require(slices.Contains([]string{"", UnknownLeave, UnknownResend}, w.Unknown), "unknown", "should be leave or resend")
	for i, b := range w.Blackouts {
		checks.Under(fmt.Sprintf("blackouts[%d].", i), b.check())
	}
}

// blackoutsMax is how many stretches of days may be named.
const blackoutsMax = 400

func (b Blackout) check() error {
	var checks Checks
	from, err := ParseDate("from", b.From)
	checks.Add(err)
	to, err := ParseDate("to", b.To)
	checks.Add(err)
	checks.Require(checks.Err() != nil || !to.Before(from), "to", "should not lie before from")
	checks.Add(CheckText("name", b.Name))
	return checks.Err()
}

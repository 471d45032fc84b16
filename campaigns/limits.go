package campaigns

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// A Cap is the most messages that one customer gets in any window of a length, on one channel or over all. It holds in
// every window that contains the planned time of a message, looking back and ahead.
type Cap struct {
	Channel string   `json:"channel" maxLength:"30" doc:"sms, email, a kind of address of your own, or any"`
	Max     int      `json:"max" minimum:"1" maximum:"1000"`
	Window  Duration `json:"window" example:"24h"`
}

// AnyChannel is the channel of a cap over all of them.
const AnyChannel = "any"

// Capped says that whom a cap stops is sent to later, when the cap allows it within this time of the planned one; without
// it they stop at the gate cap.
type Capped struct {
	RetryFor Duration `json:"retry_for" example:"24h"`
}

// Limited keeps an audience small: the first Limit customers in the order of an expression ("value_score desc"), or a
// random share. One of Limit and Sample is set.
type Limited struct {
	Limit   int64    `json:"limit,omitempty" minimum:"1"`
	OrderBy string   `json:"order_by,omitempty" example:"total_spend desc" doc:"an expression, then asc or desc; at random if left out"`
	Sample  *float64 `json:"sample,omitempty" doc:"share of the audience, above 0 and at most 1"`
}

// A Budget ends a campaign's sending cleanly: most messages and most that they cost, over all its runs.
type Budget struct {
	Messages *int64  `json:"messages,omitempty" minimum:"1"`
	Cost     Decimal `json:"cost,omitempty" doc:"money; what messages cost is a setting of their channel"`

	Liability *Decimal `json:"liability,omitempty" doc:"not available yet"`
}

// Guards stop a run before it does harm, until somebody lets it go on. Zero or left out: the workspace's.
type Guards struct {
	Growth     *float64 `json:"growth,omitempty" doc:"most times the audience of the run before, or the count at approval, that an audience may be; 0 for no guard"`
	Failures   *float64 `json:"failures,omitempty" doc:"most share of a run's messages that may fail, from 100 messages on"`
	Bounces    *float64 `json:"bounces,omitempty" doc:"likewise bounce"`
	Complaints *float64 `json:"complaints,omitempty" doc:"likewise be complained about"`
	Template   *float64 `json:"template,omitempty" doc:"most share of the audience that may stop at the gate template"`
	Codes      *bool    `json:"codes,omitempty" doc:"whether a run waits when its offers have fewer uses left than it has customers"`
}

// Or fills what is left out from others.
func (g Guards) Or(others Guards) Guards {
	for _, f := range []struct{ to, from **float64 }{{&g.Growth, &others.Growth}, {&g.Failures, &others.Failures}, {&g.Bounces, &others.Bounces},
		{&g.Complaints, &others.Complaints}, {&g.Template, &others.Template}} {
		if *f.to == nil {
			*f.to = *f.from
		}
	}
	if g.Codes == nil {
		g.Codes = others.Codes
	}
	return g
}

// FreshGuards are those of a fresh workspace: an audience at most 3 times the last, 10 % failures, 5 % bounces, 0.3 %
// complaints, 20 % without words, and offers that last.
func FreshGuards() Guards {
	share := func(x float64) *float64 { return &x }
	yes := true
	return Guards{Growth: share(3), Failures: share(0.10), Bounces: share(0.05), Complaints: share(0.003), Template: share(0.20), Codes: &yes}
}

// capsMax is how many caps a workspace or a campaign may have.
const capsMax = 20

// CheckCaps says what is wrong with caps; fields are as caps[0].window.
func CheckCaps(caps []Cap) error {
	var checks Checks
	checks.Require(len(caps) <= capsMax, "caps", "should be at most %d", capsMax)
	for i, c := range caps {
		checks.Under(fmt.Sprintf("caps[%d].", i), c.check())
	}
	return checks.Err()
}

func (c Cap) check() error {
	var checks Checks
	if c.Channel != AnyChannel {
		checks.Require(CheckKindName("channel", c.Channel) == nil, "channel", "%q should be sms, email, a kind of address of your own, or any", shorten(c.Channel))
	}
	checks.Require(c.Max >= 1 && c.Max <= 1000, "max", "should be between 1 and 1000")
	checks.Require(c.Window >= Duration(time.Minute) && c.Window <= 366*Day, "window", "should be between 1m and 366d")
	return checks.Err()
}

// Order is the expression that an audience is limited by, and its direction; ok is false when there is no asc or desc.
func (l *Limited) Order() (expression string, descending, ok bool) {
	text := strings.TrimSpace(l.OrderBy)
	at := strings.LastIndexAny(text, " \t\n)")
	expression, word := strings.TrimSpace(text[:at+1]), strings.ToLower(text[at+1:])
	return expression, word == "desc", expression != "" && (word == "asc" || word == "desc")
}

func (l *Limited) check(kind string) error {
	switch {
	case (l.Limit != 0) == (l.Sample != nil):
		return Invalid("audience", `should be one of {"limit":1000} and {"sample":0.05}`)
	case l.Sample != nil && !(*l.Sample > 0 && *l.Sample <= 1):
		return Invalid("audience.sample", "should be above 0 and at most 1")
	case l.Sample == nil && l.Limit < 1:
		return Invalid("audience.limit", "should be at least 1")
	case l.Limit != 0 && kind == Triggered:
		return Invalid("audience.limit", "belongs to runs over everybody: customers enter a triggered campaign one by one; use sample or budget.messages")
	case l.OrderBy != "" && l.Sample != nil:
		return Invalid("audience.order_by", "goes with limit: a sample is drawn at random")
	}
	if _, _, ok := l.Order(); l.OrderBy != "" && !ok {
		return Invalid("audience.order_by", "%q should be an expression and then asc or desc, like total_spend desc", shorten(l.OrderBy))
	}
	return nil
}

func (b *Budget) check() error {
	var checks Checks
	checks.Require(b.Liability == nil, "budget.liability", "is not available yet: use budget.messages or budget.cost, or limits of the offer")
	checks.Require(b.Messages != nil || b.Cost != "" || b.Liability != nil, "budget", `should have messages or cost, such as {"messages":10000}`)
	checks.Require(b.Messages == nil || *b.Messages >= 1, "budget.messages", "should be at least 1")
	return checks.Err()
}

// Check says what is wrong with the guards that are there.
func (g *Guards) Check() error {
	var checks Checks
	if g.Growth != nil {
		checks.Require(*g.Growth == 0 || *g.Growth >= 1 && !math.IsInf(*g.Growth, 0), "guards.growth", "should be 1 or more, or 0 for no guard")
	}
	for _, share := range []struct {
		value *float64
		field string
	}{{g.Failures, "guards.failures"}, {g.Bounces, "guards.bounces"}, {g.Complaints, "guards.complaints"}, {g.Template, "guards.template"}} {
		if share.value != nil {
			checks.Require(*share.value >= 0 && *share.value <= 1, share.field, "should be a share between 0 and 1")
		}
	}
	return checks.Err()
}

func (d *Definition) checkLimits(checks *Checks) {
	if d.Audience != nil {
		checks.Add(d.Audience.check(d.Kind))
	}
	if d.Caps != nil {
		checks.Add(CheckCaps(*d.Caps))
	}
	if d.Capped != nil {
		checks.Require(d.Capped.RetryFor >= Duration(time.Minute) && d.Capped.RetryFor <= daysMax*Day, "capped.retry_for", "should be between 1m and %dd", daysMax)
	}
	checks.Require(d.Priority >= -1000 && d.Priority <= 1000, "priority", "should be between -1000 and 1000")
	if d.Budget != nil {
		checks.Add(d.Budget.check())
	}
	if d.Guards != nil {
		checks.Add(d.Guards.Check())
	}
}

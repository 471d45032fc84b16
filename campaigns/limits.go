package campaigns

// A Cap is the most messages that one customer gets in any window of a length, on one channel or over all. It holds in
// every window that contains the planned time of a message, looking back and ahead.
type Cap struct {
	Channel string   `json:"channel" enum:"sms,email,any"`
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

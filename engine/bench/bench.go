// Package bench measures what Beckon does beside the plainest program that does the same work on the same machine at the
// same time, and says whether the bars of the design are met.
//
// Why beside: seconds differ between machines and between minutes on one machine. A ratio of two things that were measured
// in turns, seconds apart, does not. Each measure runs several rounds of both, in turns; the values are the medians, and
// the ratio is the median of the rounds' own ratios.
//
// Why a PostgreSQL of its own: what is measured must be durable (a commit waits for the disk), must not meet the shop's
// data, and leaves nothing behind.
//
// Why each round counts its effects: a fast path that loses a message is no path. A measure fails when a message did not
// arrive exactly once, a redemption is missing, or imported lines differ from the copied ones.
package bench

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// Options of Run. Clock is the only source of time. Rows is how many lines, messages or redemptions a round has, 0 for
// each measure's own number; Rounds is how often each side runs, 0 for 3, and for 5 where a
// measure wants it. Say hears what is being done. Serve makes the
// service over a store, and gives what ends it; without it nothing is measured through HTTP.
type Options struct {
	Clock  func() time.Time
	Rows   int
	Rounds int
	Say    func(format string, args ...any)
	Serve  func(s *store.Store) (http.Handler, func(), error)
}

// A Row is one measure: Value and Beside in Unit, Ratio the median of Value/Beside of the rounds. Met says whether the
// ratio reaches the Bar. Where Beside is the most that Value may be, Ratio is Beside/Value and Bar 1. Bar 0 is none.
type Row struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Beside float64 `json:"beside"`
	Ratio  float64 `json:"ratio"`
	Bar    float64 `json:"bar"`
	Met    bool    `json:"met"`
}

// A Report is what was measured, and on what. Notes are sentences about how the rows came about.
type Report struct {
	Machine Machine  `json:"machine"`
	Rows    []Row    `json:"rows"`
	Notes   []string `json:"notes,omitempty"`
}

// All is the name that Run takes for every measure.
const All = "all"

// A measure is one of the things that Run can do.
type measure struct {
	name string
	run  func(ctx context.Context, g *ground) ([]Row, error)
}

func measures() []measure {
	return []measure{{"import", measureImport}, {"send", measureSend}, {"send", measureSMS}, {"redeem", measureRedeem}, {"audience", measureAudience}, {"campaigns", measureCampaigns}, {"triggers", measureTriggers}}
}

// Run measures one thing by its name (import, send, redeem, audience, campaigns, triggers) or All of them.
func Run(ctx context.Context, name string, o Options) (report *Report, err error) {
	said := o.Rounds > 0
	if !said {
		o.Rounds = 3
	}
	if o.Say == nil {
		o.Say = func(string, ...any) {}
	}
	var chosen []measure
	for _, m := range measures() {
		if name == All || name == m.name {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return nil, campaigns.Invalid("name", "there is no measure %q: use import, send, redeem, audience, campaigns, triggers or all", name)
	}
	g, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	g.several, g.chosen = name == All, said
	defer func() {
		if failed := g.close(); err == nil && failed != nil {
			report, err = nil, failed
		}
	}()
	report = &Report{}
	if report.Machine, err = g.machine(ctx); err != nil {
		return nil, err
	}
	for _, m := range chosen {
		rows, err := m.run(ctx, g)
		if err != nil {
			return nil, fmt.Errorf("measuring %s: %w", m.name, err)
		}
		report.Rows = append(report.Rows, rows...)
	}
	report.Notes = g.notes
	return report, nil
}

// rows is how many a round has.
func (o *Options) rows(usual int) int {
	if o.Rows > 0 {
		return o.Rows
	}
	return usual
}

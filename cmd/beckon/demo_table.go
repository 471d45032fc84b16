package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// A demoTable is what the demo shows. Names are those of the reports; money is in major units of the currency.
type demoTable struct {
	Seed      uint64            `json:"seed"`
	Currency  string            `json:"currency"`
	Customers int64             `json:"customers"`
	Purchases int64             `json:"purchases"`
	From      time.Time         `json:"from"`
	To        time.Time         `json:"to"`
	Sent      int64             `json:"sent"`
	Campaigns []demoCampaignRow `json:"campaigns"`
	Phases    []demoPhase       `json:"phases"`
	Seconds   float64           `json:"seconds"`
}

// A demoCampaignRow is one campaign: audience = unreachable + held_out + sent_to, in customers of each of its periods. Immature are those whose
// window has not ended: they are in no lift.
type demoCampaignRow struct {
	CampaignID  campaigns.ID `json:"campaign_id"`
	Name        string       `json:"name"`
	Audience    int64        `json:"audience"`
	Unreachable int64        `json:"unreachable"`
	HeldOut     int64        `json:"held_out"`
	SentTo      int64        `json:"sent_to"`
	Immature    int64        `json:"immature"`
	Sent        int64        `json:"sent"`
	Redeemed    int64        `json:"redeemed"`
	Discount    string       `json:"discount"`
	Revenue     float64      `json:"revenue"`
	Window      string       `json:"window"`
	Coupon      bool         `json:"coupon"`
	Lifts       []demoLift   `json:"lifts"`
}

// A demoLift is one metric: measured beside true.
type demoLift struct {
	Metric      string              `json:"metric"`
	HeldOutMean float64             `json:"holdout_mean"`
	SentMean    float64             `json:"mean"`
	Absolute    *engine.Absolute    `json:"absolute"`
	Incremental *engine.Incremental `json:"incremental"`
	Refused     *engine.Refused     `json:"refused"`
	True        float64             `json:"true"`
	HoldsTrue   bool                `json:"holds_true"`
	Sentence    string              `json:"sentence"`
}

func (p *demoPlay) table(ctx context.Context) (*demoTable, error) {
	t := &demoTable{Seed: p.seed, Currency: p.workspace.Currency, Customers: int64(p.shop.Customers()), From: p.shop.Start(), To: p.shop.End()}
	for _, c := range p.campaigns {
		row, err := p.row(ctx, c)
		if err != nil {
			return nil, fmt.Errorf("the report of %s: %w", c.definition.Name, err)
		}
		t.Campaigns = append(t.Campaigns, row)
		t.Sent += row.Sent
	}
	t.Purchases = p.shop.PastPurchases() + p.posted
	return t, nil
}

func (p *demoPlay) row(ctx context.Context, c *demoCampaign) (demoCampaignRow, error) {
	row := demoCampaignRow{CampaignID: c.campaign.ID, Name: c.definition.Name, Window: c.definition.Goal.Window.String(), Coupon: c.offer != nil}
	report, err := p.engine.Report(ctx, c.campaign.ID)
	if err != nil {
		return row, err
	}
	row.Sent, row.Redeemed, row.Discount = report.Delivery["sent"], report.Redemptions.Count, report.Redemptions.Discount
	for _, arm := range report.Metrics[0].Arms {
		row.Immature += arm.Immature
		if arm.Name == campaigns.Holdout {
			row.HeldOut += arm.Assigned
		} else {
			row.SentTo += arm.Assigned
		}
	}
	if row.Audience, err = p.audience(ctx, &c.campaign); err != nil {
		return row, err
	}
	row.Unreachable = row.Audience - row.HeldOut - row.SentTo
	truth := p.life.Truth(row.Name, time.Duration(c.definition.Goal.Window), p.clock.Now())
	for _, m := range report.Metrics {
		switch m.Name {
		case "conversion":
			row.Lifts = append(row.Lifts, liftOf(&m, truth.Conversion))
		case "revenue":
			row.Lifts = append(row.Lifts, liftOf(&m, truth.Revenue/minorUnits(p.workspace.Digits())))
			for _, arm := range m.Arms {
				if arm.Name != campaigns.Holdout {
					row.Revenue += arm.Sum
				}
			}
		}
	}
	return row, nil
}

func minorUnits(digits int) float64 {
	unit := 1.0
	for range digits {
		unit *= 10
	}
	return unit
}

func liftOf(m *engine.MetricReport, truth float64) demoLift {
	l := demoLift{Metric: m.Name, True: truth}
	for _, arm := range m.Arms {
		if arm.Name == campaigns.Holdout {
			l.HeldOutMean = arm.Mean
		} else {
			l.SentMean = arm.Mean
		}
	}
	if len(m.Lifts) > 0 {
		l.Absolute, l.Incremental, l.Refused = m.Lifts[0].Absolute, m.Lifts[0].Incremental, m.Lifts[0].Refused
	}
	switch {
	case l.Absolute == nil && l.Refused != nil:
		l.Sentence = "No verdict: " + l.Refused.Detail + "."
	case l.Absolute == nil:
		l.Sentence = "Nobody has been due yet."
	default:
		l.HoldsTrue = l.Absolute.Low <= truth && truth <= l.Absolute.High
		l.Sentence = sentence(l.HoldsTrue, l.Absolute)
	}
	return l
}

func sentence(holds bool, a *engine.Absolute) string {
	zero := "It excludes zero: chance alone seldom makes such a difference."
	if a.Low <= 0 && a.High >= 0 {
		zero = "It holds zero too: not yet enough data for a verdict."
	}
	if !holds {
		return "The interval misses the truth, as about one in twenty may. " + zero
	}
	return "The interval holds the truth. " + zero
}

// audience is how many different customers a campaign's rule chose over all its runs of a period, added up over periods.
// Those whom the entry limit stopped have entered before.
func (p *demoPlay) audience(ctx context.Context, c *campaigns.Campaign) (int64, error) {
	type member struct {
		no     int64
		period string
	}
	chosen := map[member]bool{}
	err := p.store.View(ctx, func(tx *store.Tx) error {
		runs, err := tx.Runs(ctx, c.ID, time.Time{}, 1000)
		if err != nil {
			return err
		}
		for _, run := range runs {
			for gate, n := range run.Gates {
				if n == 0 || gate == string(campaigns.GateEntry) {
					continue
				}
				nos, err := tx.AtGate(ctx, run.ID, campaigns.Gate(gate), 0, int(n))
				if err != nil {
					return err
				}
				for _, no := range nos {
					chosen[member{no, c.Period(run.Occurrence)}] = true
				}
			}
		}
		return nil
	})
	return int64(len(chosen)), err
}

func (t *demoTable) print(to io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(to)
		encoder.SetIndent("", "  ")
		return encoder.Encode(t)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s customers, %s purchases, %s to %s, %s messages sent. Seed %d.\n\n", grouped(t.Customers), grouped(t.Purchases),
		t.From.Format(time.DateOnly), t.To.Format(time.DateOnly), grouped(t.Sent), t.Seed)
	heads := [][]any{{"", "", "not", "held", "", "", "bought after it", "lift in % points", "true"},
		{"campaign", "audience", "reachable", "out", "sent", "redeemed", "held out → sent", "[95 % interval]", "lift"}}
	for _, head := range heads {
		fmt.Fprintf(&b, tableLine, head...)
	}
	for _, row := range t.Campaigns {
		row.print(&b, t.Currency)
	}
	b.WriteString("\n")
	for _, phase := range t.Phases {
		fmt.Fprintf(&b, "%s\n", phase)
	}
	fmt.Fprintf(&b, "%-28s %6.1f s\n", "in all", t.Seconds)
	_, err := io.WriteString(to, b.String())
	return err
}

// tableLine is a line of the table, at most 120 columns wide.
const tableLine = "%-21s%10s%11s%8s%9s%9s  %-17s  %-21s %6s\n"

func (r *demoCampaignRow) print(b *strings.Builder, currency string) {
	redeemed := "–"
	if r.Coupon {
		redeemed = grouped(r.Redeemed)
	}
	c, money := &r.Lifts[0], &r.Lifts[1]
	rates := fmt.Sprintf("%.1f %% → %.1f %%", 100*c.HeldOutMean, 100*c.SentMean)
	lift := "–"
	if a := c.Absolute; a != nil {
		lift = fmt.Sprintf("%+.1f  [%+.1f, %+.1f]", 100*a.Value, 100*a.Low, 100*a.High)
	}
	b.WriteString("\n")
	fmt.Fprintf(b, tableLine, r.Name, grouped(r.Audience), grouped(r.Unreachable), grouped(r.HeldOut), grouped(r.Sent),
		redeemed, rates, lift, fmt.Sprintf("%+.1f", 100*c.True))
	if a := money.Absolute; a != nil {
		fmt.Fprintf(b, "    Revenue of those sent to: %s %s; lift %+.2f %s a customer [%+.2f, %+.2f], true %+.2f.\n", grouped(int64(r.Revenue)), currency,
			a.Value, currency, a.Low, a.High, money.True)
	}
	fmt.Fprintf(b, "    %s\n", c.Sentence)
	if r.Immature > 0 {
		fmt.Fprintf(b, "    Not counted: %s customers whose %s have not ended.\n", grouped(r.Immature), r.Window)
	}
}

// grouped writes a number with commas between thousands.
func grouped(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

package engine

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"slices"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/lift"
)

// A Report says what a campaign caused, over the due (imported: all assigned), as of its data cut-off. Money is in major
// units of the workspace's currency.
type Report struct {
	CampaignID  campaigns.ID     `json:"campaign_id"`
	Version     int              `json:"version"`
	DataCutOff  time.Time        `json:"data_cut_off" doc:"everything committed before it is counted"`
	Final       bool             `json:"final" doc:"every window has ended and no further run comes"`
	Currency    string           `json:"currency"`
	Window      string           `json:"window"`
	Metrics     []MetricReport   `json:"metrics"`
	SampleRatio SampleRatio      `json:"sample_ratio"`
	Delivery    map[string]int64 `json:"delivery" doc:"messages by status; ghost is the held out"`
	Redemptions Redemptions      `json:"redemptions"`
}

// MetricReport is one metric: its arms, and each variant against the holdout.
type MetricReport struct {
	Name    string       `json:"name"`
	Of      string       `json:"of"`
	Kind    string       `json:"kind"`
	Primary bool         `json:"primary"`
	Note    string       `json:"note,omitempty" doc:"what a reader should know before believing the figures"`
	Arms    []ArmReport  `json:"arms"`
	Lifts   []LiftReport `json:"lifts"`
}

// ArmReport is one arm. Sum, SumSquares and Mean are over customers whose window has ended.
type ArmReport struct {
	Name       string  `json:"name"`
	Assigned   int64   `json:"assigned"`
	Due        int64   `json:"due"`
	Immature   int64   `json:"immature"`
	Sum        float64 `json:"sum"`
	SumSquares float64 `json:"sum_squares"`
	Mean       float64 `json:"mean"`
}

// LiftReport is one variant against the holdout. What is refused is null, with the reason.
type LiftReport struct {
	Arm         string       `json:"arm"`
	Absolute    *Absolute    `json:"absolute"`
	Relative    *Relative    `json:"relative"`
	Incremental *Incremental `json:"incremental"`
	Refused     *Refused     `json:"refused"`
}

// Absolute is the difference of the means with its 95 % interval.
type Absolute struct {
	Value  float64 `json:"value"`
	SE     float64 `json:"se"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	P      float64 `json:"p"`
	DF     float64 `json:"df"`
	Method string  `json:"method"`
}

// Relative is the difference as a share of the holdout's mean; without low and high when the interval has no end.
type Relative struct {
	Value     float64  `json:"value"`
	Low       *float64 `json:"low"`
	High      *float64 `json:"high"`
	Method    string   `json:"method"`
	Unbounded bool     `json:"unbounded"`
}

// Incremental is what would not have been without the campaign, over the variant's counted customers.
type Incremental struct {
	Value float64 `json:"value"`
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
}

// Refused says why there is no number: a stable word and a sentence.
type Refused struct {
	Reason string `json:"reason"`
	Detail string `json:"detail"`
}

// SampleRatio tests the arms' sizes against their weights; without ok no verdict is given.
type SampleRatio struct {
	P      *float64 `json:"p"`
	OK     bool     `json:"ok"`
	Detail string   `json:"detail,omitempty"`
}

// Redemptions counts coupons that were redeemed.
type Redemptions struct {
	Count    int64  `json:"count"`
	Discount string `json:"discount" doc:"money taken off, a decimal"`
}

const (
	alpha            = 0.05
	sampleRatioAlpha = 0.001
)

// Report works out a campaign's report in one snapshot.
func (e *Engine) Report(ctx context.Context, id campaigns.ID) (*Report, error) {
	var report *Report
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		report, err = e.report(ctx, tx, id)
		return err
	})
	return report, err
}

func (e *Engine) report(ctx context.Context, tx *store.Tx, id campaigns.ID) (*Report, error) {
	c, err := tx.CampaignInEffect(ctx, id)
	if err != nil {
		return nil, err
	}
	w, err := tx.Workspace(ctx)
	if err != nil {
		return nil, err
	}
	r := &Report{CampaignID: id, Version: c.Version, DataCutOff: tx.Now, Currency: w.Currency, Window: c.Goal.Window.String()}
	unit := math.Pow10(w.Digits())
	drawn, err := drawnBy(ctx, tx, &c)
	if err != nil {
		return nil, err
	}
	immature := int64(0)
	for i, metric := range metricsOf(&c) {
		sums, err := tx.ReportSums(ctx, id, drawn.Frozen.Draw, metric, time.Duration(c.Goal.Window))
		if err != nil {
			return nil, err
		}
		if i == 0 {
			r.SampleRatio = sampleRatio(drawn, sums)
			for _, s := range sums {
				immature += s.Immature
			}
		}
		r.Metrics = append(r.Metrics, metricReport(&c, metric, sums, unit, r.SampleRatio))
	}
	warnOfFewBuyers(r.Metrics)
	noteOtherShares(r.Metrics, drawn)
	live, err := tx.LiveRuns(ctx, id)
	if err != nil {
		return nil, err
	}
	r.Final = immature == 0 && !live && c.NextRunAt == nil && len(r.Metrics[0].Arms) > 0
	if r.Delivery, err = tx.CampaignDelivery(ctx, id); err != nil {
		return nil, err
	}
	n, discount, err := tx.CampaignRedemptions(ctx, id)
	r.Redemptions = Redemptions{Count: n, Discount: campaigns.FormatMoney(discount, w.Digits())}
	return r, err
}

// drawnBy is the version by whose shares customers were drawn last: an edit of the shares is reported from when somebody is
// drawn by them. Of an imported campaign it is the newest.
func drawnBy(ctx context.Context, tx *store.Tx, c *campaigns.Campaign) (*campaigns.Campaign, error) {
	if c.Kind == campaigns.Imported {
		return c, nil
	}
	version, err := tx.LastDrawn(ctx, c.ID)
	if err != nil || version == 0 || version == c.Version {
		return c, err
	}
	drawn, err := tx.CampaignVersion(ctx, c.ID, version)
	return &drawn, err
}

// noteOtherShares says that periods are left out. Together with them, arms of other shares would be compared over stretches
// in which customers bought more or less, and the one that was larger in the better stretch would win.
func noteOtherShares(metrics []MetricReport, drawn *campaigns.Campaign) {
	if drawn.Frozen.Draw == 0 {
		return
	}
	for i := range metrics {
		if metrics[i].Note != "" {
			metrics[i].Note += "; "
		}
		metrics[i].Note += "the shares of the arms were changed: only customers drawn by the last shares are counted"
	}
}

// buyersMin is how many of those held out should have bought before a money interval is believed without a word of
// caution: money is skewed and the held out are few, so that with 50 buyers a gain is claimed twice as often as it should
// be, with ten four times.
const buyersMin = 100

// warnOfFewBuyers notes beside money what its interval cannot say by itself.
func warnOfFewBuyers(metrics []MetricReport) {
	for _, rate := range metrics {
		if rate.Of != "purchase" || rate.Kind != "rate" || len(rate.Arms) == 0 || rate.Arms[0].Name != campaigns.Holdout || rate.Arms[0].Sum >= buyersMin {
			continue
		}
		for i := range metrics {
			if money := &metrics[i]; money.Of == "revenue" && money.Kind == "mean" && money.Note == "" {
				money.Note = fmt.Sprintf("only %.0f of those held out bought: with so few, an interval of money claims gains too often; rely on the conversion", rate.Arms[0].Sum)
			}
		}
	}
}

// metricsOf are the goal, what every campaign is asked for, and its own; the goal's metric is primary. A goal of
// redemption is measured as purchase: those held out have no code to redeem.
func metricsOf(c *campaigns.Campaign) []campaigns.Metric {
	if c.Kind == campaigns.Imported {
		return c.Metrics
	}
	metrics := []campaigns.Metric{{Name: "conversion", Of: "purchase", Kind: "rate"}, {Name: "revenue", Of: "revenue", Kind: "mean"}}
	if of := c.Goal.Metric; of != "purchase" && of != "revenue" && of != "redemption" {
		metrics = append(metrics, campaigns.Metric{Name: of, Of: of, Kind: "rate"})
	}
	for _, m := range c.Metrics {
		if !slices.ContainsFunc(metrics, func(known campaigns.Metric) bool { return known.Name == m.Name }) {
			metrics = append(metrics, m)
		}
	}
	return metrics
}

func isPrimary(c *campaigns.Campaign, m campaigns.Metric) bool {
	if c.Kind == campaigns.Imported {
		return m.Name == c.Goal.Metric
	}
	switch c.Goal.Metric {
	case "purchase", "redemption":
		return m.Name == "conversion"
	}
	return m.Name == c.Goal.Metric
}

func metricReport(c *campaigns.Campaign, metric campaigns.Metric, sums []store.ArmSums, unit float64, ratio SampleRatio) MetricReport {
	report := MetricReport{Name: metric.Name, Of: metric.Of, Kind: metric.Kind, Primary: isPrimary(c, metric), Lifts: []LiftReport{}}
	if report.Primary && c.Kind != campaigns.Imported && c.Goal.Metric == "redemption" {
		report.Note = "the goal is a redemption, which those held out cannot make: purchases are compared instead"
	}
	if metric.Of != "revenue" || metric.Kind != "mean" {
		unit = 1
	}
	kind := lift.Mean
	if metric.Kind == "rate" {
		kind = lift.Rate
	}
	var control *lift.Sums
	immature := false
	arms := map[string]lift.Sums{}
	for _, s := range sums {
		l := lift.Sums{N: s.Due - s.Immature, Sum: scaled(s.Sum, unit), SumSquares: scaled(s.SumSquares, unit*unit)}
		arms[s.Arm] = l
		immature = immature || s.Immature > 0
		if s.Arm == campaigns.Holdout {
			control = &l
		}
		report.Arms = append(report.Arms, ArmReport{Name: s.Arm, Assigned: s.Assigned, Due: s.Due, Immature: s.Immature, Sum: l.Sum, SumSquares: l.SumSquares, Mean: l.Mean()})
	}
	slices.SortFunc(report.Arms, func(a, b ArmReport) int { return order(a.Name, b.Name) })
	for _, arm := range report.Arms {
		if arm.Name == campaigns.Holdout {
			continue
		}
		l := liftReport(arm.Name, kind, arms[arm.Name], control, ratio)
		if l.Refused != nil && l.Refused.Reason == string(lift.TooSmall) && immature {
			l.Refused = &Refused{"immature", "too few windows have ended: nobody is counted before theirs has"}
		}
		report.Lifts = append(report.Lifts, l)
	}
	return report
}

// order puts the holdout first.
func order(a, b string) int {
	switch {
	case a == b:
		return 0
	case a == campaigns.Holdout || (b != campaigns.Holdout && a < b):
		return -1
	}
	return 1
}

func liftReport(arm string, kind lift.Kind, treated lift.Sums, control *lift.Sums, ratio SampleRatio) LiftReport {
	report := LiftReport{Arm: arm}
	switch {
	case control == nil:
		report.Refused = &Refused{"no_holdout", "nobody was held out: there is nothing to compare with"}
		return report
	case !ratio.OK:
		report.Refused = &Refused{"sample_ratio", ratio.Detail}
		return report
	}
	absolute, refusal := lift.Difference(kind, treated, *control, alpha)
	if refusal != "" {
		report.Refused = &Refused{string(refusal), refusal.Sentence()}
		return report
	}
	n := float64(treated.N)
	report.Absolute = &Absolute{absolute.Value, absolute.SE, absolute.Low, absolute.High, absolute.P, absolute.DF, string(absolute.Method)}
	report.Incremental = &Incremental{absolute.Value * n, absolute.Low * n, absolute.High * n}
	relative, refusal := lift.RelativeDifference(kind, treated, *control, alpha)
	if refusal != "" {
		report.Refused = &Refused{string(refusal), "the relative lift only: " + refusal.Sentence()}
		return report
	}
	report.Relative = &Relative{Value: relative.Value, Method: string(relative.Method), Unbounded: relative.Unbounded}
	if !relative.Unbounded {
		report.Relative.Low, report.Relative.High = &relative.Low, &relative.High
	}
	return report
}

// sampleRatio tests the arms' sizes against the configured shares: of those assigned, and of those due, who are compared.
// The smaller p is given.
func sampleRatio(c *campaigns.Campaign, sums []store.ArmSums) SampleRatio {
	names, weights := armShares(c)
	assigned, due := make([]int64, len(names)), make([]int64, len(names))
	for _, s := range sums {
		i := slices.Index(names, s.Arm)
		if i < 0 {
			return SampleRatio{Detail: fmt.Sprintf("customers are assigned to the arm %s, which the campaign no longer has, so its share is not known and no lift is given", s.Arm)}
		}
		assigned[i], due[i] = s.Assigned, s.Due
	}
	ratio := SampleRatio{OK: true, Detail: "there are no two arms to compare yet"}
	for _, counts := range [][]int64{assigned, due} {
		p, tested := lift.SampleRatio(counts, weights)
		if tested && (ratio.P == nil || p < *ratio.P) {
			ratio = SampleRatio{P: &p, OK: p >= sampleRatioAlpha}
		}
	}
	if !ratio.OK {
		ratio.Detail = "the arms' sizes do not fit their weights: something treats the arms differently, so no lift is given"
	}
	return ratio
}

// armShares are the shares that customers are drawn with: of Beckon's own arms, the buckets that each has.
func armShares(c *campaigns.Campaign) (names []string, shares []float64) {
	if c.Kind == campaigns.Imported {
		for _, a := range c.Arms {
			names, shares = append(names, a.Name), append(shares, a.Weight)
		}
		return names, shares
	}
	names = []string{campaigns.Holdout}
	weights := make([]float64, len(c.Variants))
	for i, v := range c.Variants {
		names, weights[i] = append(names, v.Name), v.Weight
	}
	shares, err := lift.Arms(c.HoldoutShare(), weights)
	if err != nil {
		return names, make([]float64, len(names)) // refused when the campaign was written; nothing is tested
	}
	for i, r := range lift.Ranges(shares, 1) {
		shares[i] = float64(r.To - r.From)
	}
	return names, shares
}

func scaled(sum *big.Float, unit float64) float64 {
	f, _ := new(big.Float).Quo(sum, big.NewFloat(unit)).Float64()
	return f
}

package engine_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// TestARealExperimentGetsItsPublishedFigures brings the Hillstrom e-mail test in as an imported campaign and reads its
// report: the figures are those that lift_test has from the file alone.
func TestARealExperimentGetsItsPublishedFigures(t *testing.T) {
	rows := fileRows(t, "hillstrom")
	w := newWorld(t, "2026-11-21T10:00:00Z")
	w.update(func(tx *store.Tx) error {
		space, err := tx.LockWorkspace(w.ctx)
		if err != nil {
			return err
		}
		space.Currency, space.Zone = "USD", "America/New_York"
		return tx.SaveWorkspace(w.ctx, space)
	})
	c, err := w.engine.CreateCampaign(w.ctx, "test", campaigns.Definition{Name: "E-mail test", Kind: campaigns.Imported,
		Arms: []campaigns.Arm{{Name: "holdout", Weight: 1}, {Name: "mens", Weight: 1}, {Name: "womens", Weight: 1}},
		Metrics: []campaigns.Metric{{Name: "visit", Of: "event:visit", Kind: "rate"}, {Name: "conversion", Of: "purchase", Kind: "rate"},
			{Name: "spend", Of: "revenue", Kind: "mean"}},
		Goal: campaigns.Goal{Metric: "conversion", Window: 14 * campaigns.Day}})
	w.must(err)
	assignments, events, purchases := hillstrom(rows)
	w.bringIn(campaigns.ImportOptions{Kind: campaigns.ImportAssignments, Format: "csv", CampaignID: &c.ID}, assignments, 64000)
	w.bringIn(campaigns.ImportOptions{Kind: campaigns.ImportEvents, Format: "csv"}, events, 9394)
	w.bringIn(campaigns.ImportOptions{Kind: campaigns.ImportPurchases, Format: "csv"}, purchases, 578)
	report, err := w.engine.Report(w.ctx, c.ID)
	w.must(err)
	if !report.SampleRatio.OK || len(report.Metrics) != 3 {
		t.Fatalf("report %+v", report)
	}
	means := map[string][]float64{"visit": {0.10617, 0.18276, 0.15140}, "conversion": {0.005726, 0.012531, 0.008837}, "spend": {0.6528, 1.4226, 1.0772}}
	for _, m := range report.Metrics {
		for i, arm := range m.Arms {
			if want := means[m.Name][i]; math.Abs(arm.Mean-want) > 6e-5 {
				t.Errorf("%s of %s is %g, published %g", m.Name, arm.Name, arm.Mean, want)
			}
			if arm.Immature != 0 || arm.Assigned != arm.Due {
				t.Errorf("arm %+v", arm)
			}
		}
		if m.Primary != (m.Name == "conversion") {
			t.Errorf("%s: primary %v", m.Name, m.Primary)
		}
	}
	if note := report.Metrics[2].Note; note != "" {
		t.Errorf("122 buyers among the held out are enough: %s", note)
	}
	visits, spend := report.Metrics[0].Lifts[0].Absolute, report.Metrics[2].Lifts[1]
	within(t, "men's visits", visits.Value, 0.076590, 5e-7)
	within(t, "their standard error", visits.SE, 0.003386, 5e-7)
	within(t, "women's spend", spend.Absolute.Value, 0.424412, 5e-7)
	within(t, "its standard error", spend.Absolute.SE, 0.130333, 5e-7)
	within(t, "its p", spend.Absolute.P, 0.0011, 5e-5)
	men := report.Metrics[2].Lifts[0].Relative
	within(t, "men's relative spend, low", *men.Low, 0.64, 5e-3)
	within(t, "men's relative spend, high", *men.High, 1.98, 5e-3)
}

func within(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if math.Abs(got-want) > tolerance {
		t.Errorf("%s: %g, want %g", what, got, want)
	}
}

// bringIn imports a file and asks for as many written rows.
func (w *world) bringIn(options campaigns.ImportOptions, file string, rows int64) {
	w.Helper()
	result, err := engine.Import(w.ctx, w.store, campaigns.NewID(w.store.Now()), options, strings.NewReader(file), nil)
	w.must(err)
	if result.RowsWritten != rows || result.RowsRejected != 0 {
		w.Fatalf("%s: %+v", options.Kind, result)
	}
}

// hillstrom splits the file's rows into what Beckon knows: who was assigned, who came, who bought.
func hillstrom(rows [][]string) (assignments, events, purchases string) {
	arms := map[string]string{"Mens E-Mail": "mens", "Womens E-Mail": "womens", "No E-Mail": "holdout"}
	var a, e, p strings.Builder
	a.WriteString("customer_id,arm,at\n")
	e.WriteString("event_id,customer_id,name,at\n")
	p.WriteString("order_id,customer_id,at,amount\n")
	for _, row := range rows {
		id := row[0]
		fmt.Fprintf(&a, "%s,%s,2008-03-20T12:00:00Z\n", id, arms[row[9]])
		if row[10] == "1" {
			fmt.Fprintf(&e, "v%s,%s,visit,2008-03-22T12:00:00Z\n", id, id)
		}
		if row[11] == "1" {
			fmt.Fprintf(&p, "o%s,%s,2008-03-23T12:00:00Z,%s\n", id, id, row[12])
		}
	}
	return a.String(), e.String(), p.String()
}

package api

import (
	"context"

	"beckon/campaigns"
	"beckon/engine"
)

// reportBody is a report, and as a table a row for each metric and arm.
type reportBody struct {
	*engine.Report
}

// reportRow is one arm under one metric, beside its lift.
type reportRow struct {
	Metric      string   `json:"metric"`
	Primary     bool     `json:"primary"`
	Arm         string   `json:"arm"`
	Assigned    int64    `json:"assigned"`
	Due         int64    `json:"due"`
	Immature    int64    `json:"immature"`
	Sum         float64  `json:"sum"`
	Mean        float64  `json:"mean"`
	Lift        *float64 `json:"lift"`
	Low         *float64 `json:"low"`
	High        *float64 `json:"high"`
	P           *float64 `json:"p"`
	Relative    *float64 `json:"relative"`
	Incremental *float64 `json:"incremental"`
	Refused     string   `json:"refused"`
}

func (s *Server) report(ctx context.Context, in *struct {
	ID     string `path:"id"`
	Format string `query:"format" enum:"json,csv"`
}) (*some[reportBody], error) {
	id, err := campaigns.ParseID("campaign", in.ID)
	if err != nil {
		return nil, err
	}
	report, err := s.engine.Report(ctx, id)
	return &some[reportBody]{reportBody{report}}, err
}

func (b reportBody) rows() any {
	rows := []reportRow{}
	for _, m := range b.Metrics {
		lifts := map[string]engine.LiftReport{}
		for _, l := range m.Lifts {
			lifts[l.Arm] = l
		}
		for _, arm := range m.Arms {
			row := reportRow{Metric: m.Name, Primary: m.Primary, Arm: arm.Name, Assigned: arm.Assigned, Due: arm.Due, Immature: arm.Immature, Sum: arm.Sum, Mean: arm.Mean}
			row.lift(lifts[arm.Name])
			rows = append(rows, row)
		}
	}
	return rows
}

func (r *reportRow) lift(l engine.LiftReport) {
	if l.Absolute != nil {
		r.Lift, r.Low, r.High, r.P = &l.Absolute.Value, &l.Absolute.Low, &l.Absolute.High, &l.Absolute.P
	}
	if l.Relative != nil {
		r.Relative = &l.Relative.Value
	}
	if l.Incremental != nil {
		r.Incremental = &l.Incremental.Value
	}
	if l.Refused != nil {
		r.Refused = l.Refused.Reason
	}
}

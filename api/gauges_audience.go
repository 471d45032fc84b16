package api

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"beckon/engine"
)

// memoryGauges are what this node holds of customers in memory, for Prometheus. They are read from the engine alone, so
// that they stand while the database is away.
type memoryGauges struct {
	engine *engine.Engine
	now    func() time.Time

	bytes, customers, rows, behind, catchUp, caughtUp, horizon, loading, loadingRows, load *prometheus.Desc
}

func newMemoryGauges(e *engine.Engine, now func() time.Time) *memoryGauges {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("beckon_audience_"+name, help, labels, nil)
	}
	return &memoryGauges{engine: e, now: now,
		bytes:       desc("bytes", "Memory that a column or a history of customers takes.", "column"),
		customers:   desc("customers", "Customers in memory."),
		rows:        desc("rows", "Rows of histories in memory."),
		behind:      desc("changes", "Changes that the last catch-up found."),
		catchUp:     desc("catch_up_seconds", "How long the last catch-up took."),
		caughtUp:    desc("caught_up_age_seconds", "How long ago the last catch-up was."),
		horizon:     desc("horizon_age_seconds", "How long the oldest open transaction has held up what is followed, from a minute on."),
		loading:     desc("loading_seconds", "How long the load that is under way has taken; 0 when none is."),
		loadingRows: desc("loading_rows", "Rows that the load that is under way has read."),
		load:        desc("load_seconds", "How long the last load took."),
	}
}

// Describe names them.
func (g *memoryGauges) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{g.bytes, g.customers, g.rows, g.behind, g.catchUp, g.caughtUp, g.horizon, g.loading, g.loadingRows, g.load} {
		to <- d
	}
}

// Collect reads them; a node that keeps no customers in memory has none.
func (g *memoryGauges) Collect(to chan<- prometheus.Metric) {
	stats, is := g.engine.AudienceMemory()
	if !is {
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for column, n := range stats.BytesOf {
		gauge(g.bytes, float64(n), column)
	}
	gauge(g.customers, float64(stats.Customers))
	gauge(g.rows, float64(stats.Rows))
	gauge(g.behind, float64(stats.Behind))
	gauge(g.catchUp, stats.CatchUp.Seconds())
	if !stats.CaughtUpAt.IsZero() {
		gauge(g.caughtUp, g.now().Sub(stats.CaughtUpAt).Seconds())
	}
	gauge(g.horizon, stats.HorizonAge.Seconds())
	loading := 0.0
	if !stats.LoadingSince.IsZero() {
		loading = g.now().Sub(stats.LoadingSince).Seconds()
	}
	gauge(g.loading, loading)
	gauge(g.loadingRows, float64(stats.LoadingRows))
	gauge(g.load, stats.Load.Seconds())
}

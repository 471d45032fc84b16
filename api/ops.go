package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"beckon/api/console"
	"beckon/campaigns"
	"beckon/campaigns/store"
)

// pages are what is served besides the operations of the document.
func (s *Server) pages() {
	s.echo.GET("/healthz", func(c echo.Context) error { return c.JSON(http.StatusOK, map[string]string{"status": "ok"}) })
	s.echo.GET("/readyz", s.ready)
	s.echo.GET("/metrics", echo.WrapHandler(promhttp.HandlerFor(s.gauges.registry, promhttp.HandlerOpts{})))
	s.echo.GET("/openapi.json", s.openAPI)
	s.echo.GET("/docs", s.docs)
	s.echo.GET("/docs.css", s.style)
	s.consolePages()
}

// consolePages are the console's files at the root, under the policy that they are written for.
func (s *Server) consolePages() {
	files, err := console.Files()
	if err != nil {
		s.log.Error("the console cannot be read", "err", err)
		return
	}
	show := http.FileServerFS(files)
	for _, path := range []string{"/", "/console.css", "/console.js", "/icon.svg"} {
		s.echo.GET(path, func(c echo.Context) error {
			c.Response().Header().Set("Content-Security-Policy", console.Policy)
			show.ServeHTTP(c.Response(), c.Request())
			return nil
		})
	}
}

// ready says whether PostgreSQL answers and agrees with this machine about the time; a load balancer then sends requests here.
func (s *Server) ready(c echo.Context) error {
	ctx, cancel := context.WithTimeout(c.Request().Context(), 3*time.Second)
	defer cancel()
	if s.store.Ready(ctx) != nil {
		return unavailable("the database cannot be reached at the moment")
	}
	if s.engine.IsSkewed() {
		return unavailable("this machine's clock differs too much from PostgreSQL's, and nothing is sent: let both follow a time server")
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ready"})
}

// recovered turns a panic into an error that is logged with its place.
func (s *Server) recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			switch r := recover(); {
			case r == nil:
			case c.Request().Context().Err() != nil:
				err = nil // the client went away in the middle of its answer
			default:
				err = fmt.Errorf("panic: %v\n%s", r, debug.Stack())
			}
		}()
		return next(c)
	}
}

// note writes the access log and counts. Routes are named by their pattern: ids, queries and bodies are about people.
func (s *Server) note(c echo.Context, told *call, started time.Time) {
	took, path := s.store.Now().Sub(started), c.Path()
	if path == "" {
		path = "unknown"
	}
	status := c.Response().Status
	method := methodOf(c.Request())
	s.gauges.requests.WithLabelValues(method, path, strconv.Itoa(status)).Inc()
	s.gauges.seconds.WithLabelValues(method, path).Observe(took.Seconds())
	s.log.LogAttrs(c.Request().Context(), slog.LevelInfo, "request", slog.String("request_id", told.id), slog.String("method", c.Request().Method),
		slog.String("route", path), slog.Int("status", status), slog.Duration("took", took), slog.Int64("bytes", c.Response().Size), slog.String("key", told.key.Name))
}

// methodOf is a request's method as a label: a client may invent as many as it likes, and each would be kept for ever.
func methodOf(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return r.Method
	}
	return "other"
}

// gauges are what Prometheus reads. Counts of messages and runs come from the database, at most every gaugesFresh.
type gauges struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	messages *prometheus.Desc
	runs     *prometheus.Desc
	circuits *prometheus.Desc

	store *store.Store
	mu    sync.Mutex
	at    time.Time
	runsN map[campaigns.RunStatus]int64
	sentN map[string]int64
	openN map[string]float64 // by channel: 1 while its circuit is open
}

const (
	gaugesFresh = 10 * time.Second
	gaugesRuns  = 20
)

func newGauges(s *store.Store) *gauges {
	g := &gauges{
		store:    s,
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "beckon_requests_total", Help: "Requests answered."}, []string{"method", "route", "status"}),
		seconds:  prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "beckon_request_seconds", Help: "How long answers took.", Buckets: prometheus.DefBuckets}, []string{"method", "route"}),
		messages: prometheus.NewDesc("beckon_messages", fmt.Sprintf("Messages of the latest %d runs by status.", gaugesRuns), []string{"status"}, nil),
		runs:     prometheus.NewDesc("beckon_runs", fmt.Sprintf("The latest %d runs by status.", gaugesRuns), []string{"status"}, nil),
		circuits: prometheus.NewDesc("beckon_circuit_open", "1 while a channel's provider cannot be used and nothing is sent through it.", []string{"channel"}, nil),
	}
	g.registry.MustRegister(g.requests, g.seconds, g)
	return g
}

// Describe names the gauges that come from the database.
func (g *gauges) Describe(to chan<- *prometheus.Desc) {
	to <- g.messages
	to <- g.runs
	to <- g.circuits
}

// Collect reads them. Without a database there are none, and the other figures stand.
func (g *gauges) Collect(to chan<- prometheus.Metric) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := g.store.Now(); now.Sub(g.at) >= gaugesFresh || g.runsN == nil {
		if err := g.read(); err != nil {
			return
		}
		g.at = now
	}
	for status, n := range g.runsN {
		to <- prometheus.MustNewConstMetric(g.runs, prometheus.GaugeValue, float64(n), string(status))
	}
	for channel, open := range g.openN {
		to <- prometheus.MustNewConstMetric(g.circuits, prometheus.GaugeValue, open, channel)
	}
	for status, n := range g.sentN {
		to <- prometheus.MustNewConstMetric(g.messages, prometheus.GaugeValue, float64(n), status)
	}
}

func (g *gauges) read() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var latest []campaigns.Run
	var providers []campaigns.Provider
	err := g.store.View(ctx, func(tx *store.Tx) (err error) {
		if providers, err = tx.Providers(ctx); err != nil {
			return err
		}
		latest, err = tx.Runs(ctx, campaigns.ID{}, time.Time{}, gaugesRuns)
		return err
	})
	if err != nil {
		return errors.Join(errors.New("counting for Prometheus"), err)
	}
	g.runsN, g.sentN, g.openN = map[campaigns.RunStatus]int64{}, map[string]int64{}, map[string]float64{}
	for i := range providers {
		g.openN[providers[i].ChannelID] = 0
		if providers[i].IsOpen() {
			g.openN[providers[i].ChannelID] = 1
		}
	}
	for _, status := range campaigns.MessageStatuses() {
		g.sentN[string(status)] = 0
	}
	for _, run := range latest {
		g.runsN[run.Status]++
		for status, n := range run.Messages {
			g.sentN[status] += n
		}
	}
	return nil
}

package engine

import (
	"context"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

// ExplainRule says how each part of a rule comes out for a customer now, in the workspace's zone.
func (e *Engine) ExplainRule(ctx context.Context, source, customerID string) (*rules.Explanation, error) {
	rule, err := e.CheckRule(ctx, source)
	if err != nil {
		return nil, err
	}
	var why *rules.Explanation
	err = e.store.View(ctx, func(tx *store.Tx) error {
		at, err := instant(ctx, tx, time.Time{}, "")
		if err != nil {
			return err
		}
		customer, err := tx.Customer(ctx, customerID)
		if err != nil {
			return err
		}
		needs := audience.Needs{}.With(rule.Columns(), rule.Histories())
		return audience.Each(ctx, tx, store.Span{Nos: []int64{customer.No}}, needs, at, func(_ int64, record rules.Record) error {
			found := rule.Explain(record, at)
			why = &found
			return nil
		})
	})
	if err == nil && why == nil {
		err = campaigns.NotFound("customer", customerID)
	}
	return why, err
}

// A Day is how many customers a rule would match on a date.
type Day struct {
	Date  string // 2026-11-21
	Count int64
}

const (
	// ForecastDaysMax is the longest forecast.
	ForecastDaysMax = 366
	// forecastMax is the most customers × days of one forecast: about as much as the time of one request allows.
	forecastMax = 200_000_000
)

// ForecastRule counts who will match on each of the next days, today first, at today's time of day in the workspace's
// zone. What is known now stays as it is; the calendar, and what lapses with it, moves.
func (e *Engine) ForecastRule(ctx context.Context, source string, days int) ([]Day, error) {
	if days < 1 || days > ForecastDaysMax {
		return nil, campaigns.Invalid("days", "should be between 1 and %d", ForecastDaysMax)
	}
	rule, at, err := e.prepareRule(ctx, source, time.Time{}, "")
	if err != nil {
		return nil, err
	}
	var q audience.Question
	counts := make([]Day, days)
	for i := range counts {
		day := rules.Instant{Now: at.Now.In(at.Zone).AddDate(0, 0, i), Zone: at.Zone}
		counts[i].Date = day.Now.Format(time.DateOnly)
		q.Conditions = append(q.Conditions, audience.Asked{Rule: rule, At: day})
	}
	if err := e.refuseForecast(ctx, days); err != nil {
		return nil, err
	}
	found, err := e.finder.Find(ctx, e.store, q)
	if err != nil {
		return nil, err
	}
	for i, count := range found.Counts {
		counts[i].Count = count
	}
	return counts, nil
}

// refuseForecast refuses what would take longer than a request may.
func (e *Engine) refuseForecast(ctx context.Context, days int) error {
	if e.finder.Name() == audience.ByVector {
		return nil
	}
	return e.store.View(ctx, func(tx *store.Tx) error {
		_, customers, err := tx.CustomerSpan(ctx)
		if err == nil && customers*int64(days) > forecastMax {
			err = campaigns.Invalid("days", "%d days over %d customers are more than the %d evaluations that one forecast may take: ask for at most %d days",
				days, customers, forecastMax, forecastMax/customers)
		}
		return err
	})
}

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
		if rule, err = rankedAt(ctx, tx, rule, at, nil); err != nil {
			return err
		}
		needs := audience.Needs{}.With(rule.Columns(), rule.Histories())
		return audience.Each(ctx, tx, store.Span{Nos: []int64{customer.No}}, needs, at, func(_ int64, record rules.Record) error {
			found, err := rule.Explain(ctx, record, at)
			why = &found
			return tooLong(err)
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
	rule, err := e.CheckRule(ctx, source)
	if err != nil {
		return nil, err
	}
	var counts []Day
	err = e.store.View(ctx, func(tx *store.Tx) error {
		at, err := instant(ctx, tx, time.Time{}, "")
		if err != nil {
			return err
		}
		_, customers, err := tx.CustomerSpan(ctx)
		if err != nil {
			return err
		}
		each := customers * int64(1+2*len(rule.Ranks())) // a rank looks twice at everybody
		if each > forecastMax {
			return campaigns.Invalid("rule", "looks at %d customers %d times a day: that is more than the %d evaluations that one forecast may take", customers, each/customers, forecastMax)
		}
		if each*int64(days) > forecastMax {
			return campaigns.Invalid("days", "%d days over %d customers are more than the %d evaluations that one forecast may take: ask for at most %d days",
				days, customers, forecastMax, forecastMax/each)
		}
		instants := make([]rules.Instant, days)
		for i := range instants {
			instants[i] = rules.Instant{Now: at.Now.In(at.Zone).AddDate(0, 0, i), Zone: at.Zone}
			counts = append(counts, Day{Date: instants[i].Now.Format(time.DateOnly)})
		}
		onDay, err := ranked(ctx, tx, rule, instants, nil)
		if err != nil {
			return err
		}
		needs := audience.Needs{}.With(rule.Columns(), rule.Histories())
		return audience.All(ctx, tx, needs, at, func(_ int64, record rules.Record) error {
			for i, day := range instants {
				audience.Lapse(record, day.Now)
				is, err := onDay[i].Decide(ctx, record, day)
				if err != nil {
					return tooLong(err)
				}
				if is {
					counts[i].Count++
				}
			}
			return ctx.Err()
		}, nil)
	})
	return counts, err
}

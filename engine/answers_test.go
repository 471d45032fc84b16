package engine_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// TestAllAnswersAboutARuleAgree asks for a count, for the members a page at a time, for a forecast and for a count as of each of its
// days, and runs a campaign, by the columns in memory and by PostgreSQL.
func TestAllAnswersAboutARuleAgree(t *testing.T) {
	w := newWorld(t, "2028-02-27T22:30:00+08:00") // 29 February is ahead
	w.customers(60, func(i int, c *campaigns.Customer) {
		born := time.Date(1960+i, 2, 27+i%4, 0, 0, 0, 0, time.UTC)
		c.Birthday = &born
		if i%3 == 0 {
			c.Birthday = nil
		}
		if i%7 == 0 {
			c.Email = nil
		}
	})
	w.update(func(tx *store.Tx) error {
		var bought []campaigns.Purchase
		for i := range 90 {
			bought = append(bought, campaigns.Purchase{OrderID: fmt.Sprint("o", i), CustomerID: fmt.Sprint("c", i%40), At: w.clock.Now().Add(time.Duration(i-60) * 7 * time.Hour),
				Lines: []campaigns.Line{{SKU: "a", Qty: 1, Amount: int64(i%11) * 1000}}})
		}
		_, err := tx.CreatePurchases(w.ctx, bought)
		return err
	})
	engines := []*engine.Engine{w.engine, engine.New(w.store, engine.Options{BaseURL: "http://127.0.0.1:8080", AudienceBytes: -1})}
	for _, rule := range []string{
		"birthday_in(1)", "days_until(next_birthday) == 0 && purchase_count > 0", "any(purchases, days_since(.at) == 3)", "ntile(count(purchases), 3) == 2",
		"percentile(total_spend) > 70 && email != nil", "ntile(days_until(next_birthday), 10) == 1", "sum(filter(purchases, days_since(.at) <= 5), .amount) >= 60", "true", "city == \"nowhere\"",
	} {
		var first *engine.Count
		for _, e := range engines {
			count := w.agreeOn(e, rule)
			if first == nil {
				first = count
			}
			if count.Matching != first.Matching || count.Reachable["email"] != first.Reachable["email"] || !slices.Equal(count.Clauses, first.Clauses) || count.Executor == first.Executor && e != w.engine {
				t.Errorf("%s: %+v, and by the other %+v", rule, count, first)
			}
		}
	}
}

// agreeOn compares the answers of one engine.
func (w *world) agreeOn(e *engine.Engine, rule string) *engine.Count {
	w.Helper()
	count, err := e.CountRule(w.ctx, rule, time.Time{}, "")
	w.must(err)
	if len(count.Clauses) == 1 && count.Clauses[0].Count != count.Matching {
		w.Errorf("%s: %+v", rule, count)
	}
	var listed []int64
	for after := int64(0); ; {
		page, err := e.Matching(w.ctx, rule, after, 7)
		w.must(err)
		if len(page) == 0 {
			break
		}
		listed, after = append(listed, page...), page[len(page)-1]
	}
	if int64(len(listed)) != count.Matching || !slices.IsSorted(listed) {
		w.Errorf("%s: %d are counted, listed %v", rule, count.Matching, listed)
	}
	days, err := e.ForecastRule(w.ctx, rule, 12)
	w.must(err)
	for i, day := range days {
		at := w.clock.Now().AddDate(0, 0, i)
		asOf, err := e.CountRule(w.ctx, rule, at, "")
		w.must(err)
		if asOf.Matching != day.Count {
			w.Errorf("%s: forecast of %s is %d, counted as of %v %d", rule, day.Date, day.Count, at, asOf.Matching)
		}
	}
	c := w.campaign(func(d *campaigns.Definition) { d.Rule, d.Name = rule, rule+campaigns.NewID(w.clock.Now()).String() })
	w.must(e.Settle(w.ctx))
	run := w.runs(c.ID)[0]
	var gated int64
	w.view(func(tx *store.Tx) error {
		for _, no := range listed {
			gate, _, err := tx.GateOf(w.ctx, run.ID, no)
			if err != nil {
				return err
			}
			if gate != campaigns.GateRule {
				gated++
			}
		}
		return nil
	})
	if gated != count.Matching || run.Customers != count.Total || run.Executor != count.Executor {
		w.Errorf("%s: %d of %+v went through the run by %s of %d customers", rule, gated, count, run.Executor, run.Customers)
	}
	return count
}

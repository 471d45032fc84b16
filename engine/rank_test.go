package engine_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// ranked is a world of ten customers; customer i has spent i × 10.00 and was born i days after 20 November.
func rankedWorld(t *testing.T) *world {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(10, func(i int, c *campaigns.Customer) {
		born := time.Date(1990, 11, 20+i, 0, 0, 0, 0, time.UTC)
		c.Birthday = &born
	})
	w.update(func(tx *store.Tx) error {
		var bought []campaigns.Purchase
		for i := 1; i < 10; i++ {
			id := string(rune('0' + i))
			bought = append(bought, campaigns.Purchase{OrderID: "o" + id, CustomerID: "c" + id, At: w.clock.Now(), Lines: []campaigns.Line{{SKU: "a", Qty: 1, Amount: int64(i) * 1000}}})
		}
		_, err := tx.CreatePurchases(w.ctx, bought)
		return err
	})
	return w
}

func TestARankedRuleIsCountedExplainedAndRun(t *testing.T) {
	w := rankedWorld(t)
	for rule, want := range map[string]int64{
		"percentile(total_spend) > 90":                         1,
		"ntile(total_spend, 5) == 5 && total_spend >= 90":      1,
		"ntile(total_spend, 2) == 1":                           5,
		"ntile(purchase_count, 10) in 2..3":                    2, // c1 … c9 bought once each: by id
		"ntile(len(purchases), 5) == 1 || id == \"c9\"":        3,
		"percentile(total_spend) == nil":                       0,
		"ntile(last_purchase_at, 3) == nil && birthday != nil": 1,
	} {
		count, err := w.engine.CountRule(w.ctx, rule, time.Time{}, "")
		w.must(err)
		if count.Matching != want || count.Total != 10 {
			t.Errorf("%s: %d of %d, want %d", rule, count.Matching, count.Total, want)
		}
		listed, err := w.engine.Matching(w.ctx, rule, 0, 100)
		w.must(err)
		if int64(len(listed)) != want {
			t.Errorf("%s: lists %d, want %d", rule, len(listed), want)
		}
	}
	why, err := w.engine.ExplainRule(w.ctx, "ntile(total_spend, 5) == 5", "c9")
	w.must(err)
	if !*why.Tree.Matches || why.Tree.Children[0].Value != "5" {
		t.Errorf("explained as %+v", why.Tree)
	}
	c := w.campaign(func(d *campaigns.Definition) { d.Rule = "percentile(total_spend) > 80" })
	w.settle()
	if runs := w.runs(c.ID); len(runs) != 1 || runs[0].Status != campaigns.Done {
		t.Fatalf("%+v", runs)
	}
	if sent := w.messages(store.MessageFilter{Campaign: c.ID}); len(sent) != 2 {
		t.Errorf("the top fifth of ten is %d", len(sent))
	}
}

func TestAForecastRanksCustomersAnewEachDay(t *testing.T) {
	w := rankedWorld(t)
	days, err := w.engine.ForecastRule(w.ctx, `id == "c3" && ntile(days_until(next_birthday), 10) == 1`, 5)
	w.must(err)
	got := []int64{}
	for _, d := range days {
		got = append(got, d.Count)
	}
	if want := []int64{0, 0, 1, 0, 0}; len(got) != 5 || got[2] != want[2] || got[0]+got[1]+got[3]+got[4] != 0 {
		t.Errorf("c3, whose birthday is on the 23rd, is next on days %v", got)
	}
}

func TestAnEntryIsNotForAPlaceAmongOthers(t *testing.T) {
	w := rankedWorld(t)
	template := w.template("Hello", "Hi {{ links.unsubscribe }}")
	_, err := w.engine.CreateCampaign(w.ctx, "test", campaigns.Definition{Name: "Places", Kind: campaigns.Once, Rule: "true",
		Entry: &campaigns.Entry{OnceFor: "ntile(total_spend, 5)"}, Variants: []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: template}}})
	if campaigns.CodeOf(err) != campaigns.CodeInvalid {
		t.Errorf("it is accepted: %v", err)
	}
}

func TestARuleThatTakesTooLongIsToldAndStopsItsRun(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(1, nil)
	w.update(func(tx *store.Tx) error {
		var bought []campaigns.Purchase
		for i := range 400 {
			bought = append(bought, campaigns.Purchase{OrderID: fmt.Sprint(i), CustomerID: "c0", At: w.clock.Now().Add(-time.Duration(i) * time.Hour), Lines: []campaigns.Line{{SKU: "a", Qty: 1, Amount: 1000}}})
		}
		_, err := tx.CreatePurchases(w.ctx, bought)
		return err
	})
	rule := "any(purchases, {let p = #; any(purchases, {let q = #; any(purchases, .at > p.at && .at > q.at && .amount < 0)})})"
	_, err := w.engine.CountRule(w.ctx, rule, time.Time{}, "")
	if campaigns.CodeOf(err) != campaigns.CodeInvalid || !strings.Contains(err.Error(), "takes too long for one customer") {
		t.Errorf("the count ends with %v", err)
	}
	if _, err := w.engine.ExplainRule(w.ctx, rule, "c0"); campaigns.CodeOf(err) != campaigns.CodeInvalid {
		t.Errorf("the explanation ends with %v", err)
	}
	c := w.campaign(func(d *campaigns.Definition) { d.Rule = rule })
	w.settle()
	if runs := w.runs(c.ID); len(runs) != 1 || runs[0].Status != campaigns.Stopped || !strings.Contains(runs[0].Reason, "takes too long") {
		t.Errorf("%+v", runs)
	}
}

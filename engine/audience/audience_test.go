package audience_test

import (
	"context"
	"os"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }

// A shop with two customers: ann bought twice and returned one thing of the second order, bob nothing.
func openShop(t *testing.T) (*store.Store, rules.Instant) {
	t.Helper()
	ctx := context.Background()
	clock := storetest.NewClock(t, "2026-11-21T10:00:00Z")
	s := storetest.Open(t, clock.Now)
	err := s.Update(ctx, func(tx *store.Tx) error {
		skin := campaigns.Attribute{Name: "skin_type", Type: "text"}
		if err := tx.CreateAttribute(ctx, &skin); err != nil {
			return err
		}
		born := time.Date(1990, 2, 28, 0, 0, 0, 0, time.UTC)
		ann := &campaigns.Customer{ID: "ann", Birthday: &born, Tags: []string{"vip", "new"}, Attributes: map[string]any{"skin_type": "dry"}}
		if err := tx.SaveCustomer(ctx, ann); err != nil {
			return err
		}
		if err := tx.SaveCustomer(ctx, &campaigns.Customer{ID: "bob"}); err != nil {
			return err
		}
		_, err := tx.CreatePurchases(ctx, []campaigns.Purchase{
			{OrderID: "o1", CustomerID: "ann", At: clock.Now().AddDate(0, 0, -100), Lines: []campaigns.Line{{SKU: "a", Brand: "Olay", Qty: 1, Amount: 10000}}},
			{OrderID: "o2", CustomerID: "ann", At: clock.Now().AddDate(0, 0, -10), Lines: []campaigns.Line{{SKU: "a", Brand: "Olay", Qty: 2, Amount: 20000}, {SKU: "b", Brand: "Nivea", Qty: 1, Amount: 5000}}},
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	refunds := []campaigns.Refund{{RefundID: "r1", OrderID: "o2", Lines: []campaigns.Line{{SKU: "a", Qty: 1}}}, {RefundID: "r2", OrderID: "o2", Lines: []campaigns.Line{{SKU: "b", Qty: 1}}}}
	for i := range refunds {
		if err := s.Update(ctx, func(tx *store.Tx) error { _, err := tx.CreateRefund(ctx, &refunds[i]); return err }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.CreateEvents(ctx, []campaigns.Event{{EventID: "e1", CustomerID: "ann", Name: "visit", At: clock.Now(), Props: map[string]any{"page": "home"}}}); err != nil {
		t.Fatal(err)
	}
	return s, rules.Instant{Now: clock.Now(), Zone: time.UTC}
}

func TestRulesSeeWhatTheStoreKeeps(t *testing.T) {
	s, at := openShop(t)
	ctx := context.Background()
	schema := rules.NewSchema(2, []rules.Attribute{{Name: "skin_type", Type: rules.Text}, {Name: "event.visit.page", Type: rules.Text}})
	for source, want := range map[string]int64{
		"true":        2,
		`id == "ann"`: 1, `birthday == date("1990-02-28")`: 1, `"vip" in tags`: 1, `skin_type == "dry"`: 1, `skin_type != "dry"`: 1,
		"purchase_count == 2": 1, "total_spend == 200": 1, "avg_basket == 100": 1, "days_since(last_purchase_at) == 10": 1,
		"purchase_count == 0": 1,
		`sum(filter(items, .brand == "Olay"), .amount) == 200`:   1,
		`sum(items, .qty) == 2`:                                  1,
		`any(items, .brand == "Nivea")`:                          0,
		`count(purchases, .amount == 100) == 2`:                  1,
		`any(events, .name == "visit" && .props.page == "home")`: 1,
		"none(messages, true)":                                   2,
		"points == 0":                                            2,
	} {
		rule, err := rules.Compile(schema, source)
		if err != nil {
			t.Errorf("%s: %v", source, err)
			continue
		}
		err = s.View(ctx, func(tx *store.Tx) error {
			n, total := int64(0), int64(0)
			needs := audience.Needs{}.With(rule.Columns(), rule.Histories())
			err := audience.All(ctx, tx, needs, at, func(_ int64, record rules.Record) error {
				total++
				if rule.Matches(record, at) {
					n++
				}
				return nil
			}, nil)
			if n != want || total != 2 {
				t.Errorf("%s: %d of %d, want %d of 2", source, n, total, want)
			}
			return err
		})
		if err != nil {
			t.Errorf("%s: %v", source, err)
		}
	}
}

func TestACouponLapsesAsTheDaysOfAForecastPass(t *testing.T) {
	now := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	coupon := func(state string, expires any) rules.Record {
		return rules.Record{"state": state, "expires_at": expires}
	}
	record := rules.Record{"coupons": []rules.Record{coupon("open", now.AddDate(0, 0, 1)), coupon("used", now), coupon("open", nil)}}
	for day, want := range []string{"open", "lapsed", "lapsed"} {
		audience.Lapse(record, now.AddDate(0, 0, day))
		coupons := record["coupons"].([]rules.Record)
		if coupons[0]["state"] != want || coupons[1]["state"] != "used" || coupons[2]["state"] != "open" {
			t.Errorf("after %d days: %v", day, coupons)
		}
	}
}

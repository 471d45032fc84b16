package engine_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// issued makes a live offer and a campaign that gives a coupon of it to each of n customers, and gives their codes.
func (w *world) issued(n int, change func(o *campaigns.OfferDefinition)) (campaigns.ID, []campaigns.Message) {
	w.Helper()
	c := w.offered(n, change)
	messages := w.messages(store.MessageFilter{Campaign: c})
	if len(messages) != n || messages[0].Code == "" {
		w.Fatalf("%d messages, %+v", len(messages), messages[0])
	}
	return c, messages
}

// offered runs a campaign with an offer over n customers.
func (w *world) offered(n int, change func(o *campaigns.OfferDefinition)) campaigns.ID {
	w.Helper()
	o := campaigns.Offer{Status: campaigns.OfferLive, OfferDefinition: campaigns.OfferDefinition{Name: "Ten off", Effect: campaigns.Effect{Kind: "percent_off", Value: "10"}}}
	change(&o.OfferDefinition)
	w.update(func(tx *store.Tx) error {
		if err := o.Check(2); err != nil {
			return err
		}
		return tx.CreateOffer(w.ctx, &o)
	})
	w.customers(n, nil)
	c := w.campaign(func(d *campaigns.Definition) {
		no := false
		d.OfferID, d.Guards = &o.ID, &campaigns.Guards{Codes: &no} // more coupons than uses is what is tried here
		d.Variants[0].TemplateID = w.template("{{ offer.value }} off", "Show {{ code }} at the till")
	})
	w.settle()
	return c.ID
}

func basket(customer, code string, prices ...int64) campaigns.Basket {
	b := campaigns.Basket{CustomerID: customer, Codes: []string{code}}
	for i, price := range prices {
		b.Lines = append(b.Lines, campaigns.BasketLine{SKU: fmt.Sprint(i), Qty: 1, UnitPrice: price})
	}
	return b
}

func TestACouponTakesItsPercentageOffOnceAndSaysSoAgain(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	campaign, messages := w.issued(2, func(*campaigns.OfferDefinition) {})
	m := messages[0]
	b := basket(m.CustomerID, m.Code[:4]+"-"+m.Code[4:], 3333, 3333, 3333)
	first, err := w.engine.Redeem(w.ctx, "o1", b, false)
	w.must(err)
	if first.Discount != 1000 || first.Total != 8999 || first.Lines[0].Discount != 334 || first.Lines[2].Discount != 333 {
		t.Errorf("redemption %+v", first.Redemption)
	}
	w.clock.Advance(time.Hour)
	again, err := w.engine.Redeem(w.ctx, "o1", b, false)
	w.must(err)
	x, _ := json.Marshal(first.Redemption)
	y, _ := json.Marshal(again.Redemption)
	if string(x) != string(y) || !again.Repeated {
		t.Errorf("the same request was answered\n%s\nthen\n%s", x, y)
	}
	var conflict *campaigns.Error
	if _, err := w.engine.Redeem(w.ctx, "o1", basket(m.CustomerID, m.Code, 100), false); !errors.As(err, &conflict) || conflict.Code != campaigns.CodeConflict {
		t.Errorf("another basket under the same order: %v", err)
	}
	if _, err := w.engine.Redeem(w.ctx, "o2", b, false); !errors.As(err, &conflict) || conflict.Limit != "per_code" {
		t.Errorf("a used code: %v", err)
	}
	if _, err := w.engine.Redeem(w.ctx, "o3", basket(messages[1].CustomerID, m.Code, 100), false); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("another customer's code: %v", err)
	}
	if _, err := w.engine.Redeem(w.ctx, "o4", basket("nobody", m.Code, 100), false); campaigns.CodeOf(err) != campaigns.CodeInvalid {
		t.Errorf("an unknown customer: %v", err)
	}
	report, err := w.engine.Report(w.ctx, campaign)
	w.must(err)
	if report.Redemptions.Count != 1 || report.Redemptions.Discount != "10.00" {
		t.Errorf("redemptions %+v", report.Redemptions)
	}
}

// limit sets the limit on all uses of a campaign's offer.
func (w *world) limit(campaign campaigns.ID, uses int64) {
	w.Helper()
	w.update(func(tx *store.Tx) error {
		c, err := tx.Campaign(w.ctx, campaign)
		if err != nil {
			return err
		}
		o, err := tx.LockOffer(w.ctx, *c.OfferID)
		if err != nil {
			return err
		}
		o.Limits.Total = &uses
		return tx.SaveOffer(w.ctx, &o)
	})
}

func TestOneOfFiftyGetsTheLastUse(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	campaign, messages := w.issued(50, func(*campaigns.OfferDefinition) {})
	w.limit(campaign, 20) // after the codes are out: no more are issued than there are uses
	shared := messages[49]
	race := func(order func(i int) string, code func(i int) campaigns.Message) (won int, limits map[string]int) {
		var mu sync.Mutex
		var all sync.WaitGroup
		limits = map[string]int{}
		for i := range 50 {
			all.Go(func() {
				m := code(i)
				_, err := w.engine.Redeem(w.ctx, order(i), basket(m.CustomerID, m.Code, 10000), false)
				mu.Lock()
				defer mu.Unlock()
				var conflict *campaigns.Error
				switch {
				case err == nil:
					won++
				case errors.As(err, &conflict) && conflict.Code == campaigns.CodeConflict:
					limits[conflict.Limit]++
				default:
					t.Errorf("order %d: %v", i, err)
				}
			})
		}
		all.Wait()
		return won, limits
	}
	if won, limits := race(func(i int) string { return fmt.Sprintf("one-code-%d", i) }, func(int) campaigns.Message { return shared }); won != 1 || limits["per_code"] != 49 {
		t.Errorf("one code, fifty orders: %d won, %v", won, limits)
	}
	if won, limits := race(func(i int) string { return fmt.Sprintf("own-code-%d", i) }, func(i int) campaigns.Message { return messages[i%49] }); won != 19 {
		t.Errorf("19 uses left, fifty orders: %d won, %v", won, limits)
	}
	if won, _ := race(func(int) string { return "same-order" }, func(int) campaigns.Message { return messages[0] }); won != 0 && won != 50 {
		t.Errorf("one order fifty times: %d answered", won)
	}
}

func TestTheSameOrderFiftyTimesAtOnceIsOneRedemption(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	_, messages := w.issued(1, func(*campaigns.OfferDefinition) {})
	var all sync.WaitGroup
	ids := make([]campaigns.ID, 50)
	for i := range ids {
		all.Go(func() {
			r, err := w.engine.Redeem(w.ctx, "o1", basket("c0", messages[0].Code, 5000), false)
			if err != nil {
				t.Errorf("request %d: %v", i, err)
				return
			}
			ids[i] = r.ID
		})
	}
	all.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("two redemptions: %s and %s", ids[0], id)
		}
	}
}

func TestALapsedCouponIsRefusedByTheSalesTime(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	days := 3
	_, messages := w.issued(1, func(o *campaigns.OfferDefinition) { o.DaysAfterIssue = &days })
	w.clock.Advance(5 * 24 * time.Hour)
	b := basket("c0", messages[0].Code, 5000)
	if _, err := w.engine.Redeem(w.ctx, "late", b, false); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("lapsed: %v", err)
	}
	sold := w.clock.Now().Add(-3 * 24 * time.Hour)
	b.At = &sold // the till was offline and posts late
	_, err := w.engine.Redeem(w.ctx, "in time", b, false)
	w.must(err)
}

func TestOfTwoCodesTheBetterAppliesWhenThatIsAllowed(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	_, messages := w.issued(1, func(*campaigns.OfferDefinition) {})
	b := basket("c0", messages[0].Code, 5000)
	b.Codes = append(b.Codes, "NOT-A-CODE")
	if _, err := w.engine.Redeem(w.ctx, "o1", b, false); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("a code that does not apply: %v", err)
	}
	r, err := w.engine.Redeem(w.ctx, "o1", b, true)
	w.must(err)
	if len(r.NotApplied) != 1 || r.Discount != 500 {
		t.Errorf("redemption %+v", r)
	}
	again, err := w.engine.Redeem(w.ctx, "o1", b, true)
	w.must(err)
	if len(again.NotApplied) != 1 || again.NotApplied[0] != r.NotApplied[0] {
		t.Errorf("the repeat forgot what did not apply: %+v", again)
	}
}

func TestALimitOnAllUsesThatIsChangedHoldsForCouponsThatAreOut(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	_, messages := w.issued(6, func(*campaigns.OfferDefinition) {})
	redeem := func(i int) error {
		_, err := w.engine.Redeem(w.ctx, fmt.Sprint("o", i), basket(messages[i].CustomerID, messages[i].Code, 5000), false)
		return err
	}
	limit := func(total *int64) error {
		return w.store.Update(w.ctx, func(tx *store.Tx) error {
			offers, err := tx.Offers(w.ctx, campaigns.ID{}, 1)
			if err != nil {
				return err
			}
			offers[0].Limits.Total = total
			return tx.SaveOffer(w.ctx, &offers[0])
		})
	}
	one, three := int64(1), int64(3)
	w.must(redeem(0))
	w.must(redeem(1))
	if err := limit(&one); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("a limit below what is used: %v", err)
	}
	w.must(limit(&three))
	w.must(redeem(2))
	var conflict *campaigns.Error
	if err := redeem(3); !errors.As(err, &conflict) || conflict.Limit != "total" {
		t.Errorf("a fourth use of three: %v", err)
	}
	w.must(limit(nil))
	w.must(redeem(3))
	five := int64(5)
	w.must(limit(&five))
	w.must(redeem(4))
	if err := redeem(5); !errors.As(err, &conflict) || conflict.Limit != "total" {
		t.Errorf("a sixth use of five: %v", err)
	}
}

func TestCouponsOfAnOfferWhoseLimitIsTakenAwayCanStillBeUsed(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	_, messages := w.issued(1, func(o *campaigns.OfferDefinition) { last := int64(20); o.Limits.Total = &last })
	w.update(func(tx *store.Tx) error {
		offers, err := tx.Offers(w.ctx, campaigns.ID{}, 1)
		if err != nil {
			return err
		}
		offers[0].Limits.Total = nil
		return tx.SaveOffer(w.ctx, &offers[0])
	})
	_, err := w.engine.Redeem(w.ctx, "o1", basket("c0", messages[0].Code, 5000), false)
	w.must(err)
}

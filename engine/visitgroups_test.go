package engine_test

import (
	"testing"

	"beckon/campaigns"
)

// Whoever holds an open coupon is to get nothing more; two campaigns give one for the same event, which comes twice.
func TestWhoGotACouponFromOneCampaignIsExcludedFromTheNextOfTheSameBatch(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.settings(func(s *campaigns.Workspace) { s.Excluded = `any(coupons, .state == "open")` })
	w.customers(3, nil)
	offer, show := w.drawOffer(0), w.template("{{ offer.value }} off", "Show {{ code }} {{ links.unsubscribe }}")
	var both []campaigns.Campaign
	for range 2 {
		both = append(both, w.triggered(campaigns.Trigger{Event: "visit"}, func(d *campaigns.Definition) {
			d.Purpose, d.OfferID, d.Variants[0].TemplateID = "marketing", &offer, show
		}))
	}
	for _, customer := range []string{"c0", "c1", "c2"} {
		w.happens(customer, "visit", customer)
		w.happens(customer, "visit", customer+" again")
	}
	w.settle()
	passed, excluded := int64(0), int64(0)
	for _, c := range both {
		run := w.runs(c.ID)[0]
		passed, excluded = passed+run.Gates["passed"], excluded+run.Gates["excluded"]
	}
	if passed != 3 || excluded != 9 {
		t.Errorf("%d got a coupon and %d were excluded: want 3 and 9", passed, excluded)
	}
}

package engine_test

import (
	"crypto/rand"
	"encoding/hex"
	"testing"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// An entry's key is what the campaign's expression says, and an index takes no text of 6,000 letters.
func TestACampaignWhoseEntriesCannotBeKeptIsPausedAndHoldsUpNoOther(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(2, func(_ int, c *campaigns.Customer) {
		letters := make([]byte, 3000)
		_, _ = rand.Read(letters)
		city := hex.EncodeToString(letters)
		c.City = &city
	})
	well := w.triggered(campaigns.Trigger{Event: "visit"}, nil)
	sick := w.triggered(campaigns.Trigger{Event: "visit"}, func(d *campaigns.Definition) { d.Entry = &campaigns.Entry{OnceFor: "city"} })
	too := w.triggered(campaigns.Trigger{Event: "visit"}, nil)
	w.happens("c0", "visit", "e0")
	w.happens("c1", "visit", "e1")
	w.settle()
	for _, customer := range []string{"c0", "c1"} {
		w.wants(well, customer, 1)
		w.wants(too, customer, 1)
		w.wants(sick, customer, 0)
	}
	if n := w.signals(); n != 0 {
		t.Errorf("%d signals are left", n)
	}
	w.view(func(tx *store.Tx) error {
		c, err := tx.Campaign(w.ctx, sick.ID)
		if c.Status != campaigns.Paused {
			t.Errorf("the campaign is %s", c.Status)
		}
		return err
	})
	for _, customer := range []string{"c0", "c1"} { // what came meanwhile enters when it is mended
		w.writes(customer, func(c *campaigns.Customer) { short := "Xi'an"; c.City = &short })
	}
	w.move(sick.ID, campaigns.Resume)
	w.settle()
	w.wants(sick, "c0", 1)
	w.wants(sick, "c1", 1)
}

func TestTwoCampaignsOfOneBatchShareWhatALimitedOfferHasLeft(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(4, nil)
	offer := w.drawOffer(5)
	show := w.template("{{ offer.value }} off", "Show {{ code }}")
	var both []campaigns.Campaign
	for range 2 {
		both = append(both, w.triggered(campaigns.Trigger{Event: "visit"}, func(d *campaigns.Definition) { d.OfferID, d.Variants[0].TemplateID = &offer, show }))
	}
	for _, customer := range []string{"c0", "c1", "c2", "c3"} {
		w.happens(customer, "visit", customer)
	}
	w.settle()
	passed, without := int64(0), int64(0)
	for _, c := range both {
		run := w.runs(c.ID)[0]
		passed, without = passed+run.Gates["passed"], without+run.Gates["code"]
	}
	if passed != 5 || without != 3 || w.promised(offer) != 0 {
		t.Errorf("%d got a code and %d none, and %d are left: want 5, 3 and 0", passed, without, w.promised(offer))
	}
}

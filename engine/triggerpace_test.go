package engine_test

import (
	"fmt"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// Each of two nodes holds the day's run while it lets somebody in, and the pace is written there.
func TestTwoNodesKeepThePaceOfATriggeredCampaignTogether(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	ids := make([]string, 4*4096) // customers are locked 4,096 at a time
	for i := range ids {
		ids[i] = fmt.Sprint("c", i)
	}
	w.update(func(tx *store.Tx) error { _, err := tx.EnsureCustomers(w.ctx, ids); return err })
	for i := range 1600 {
		w.writes(ids[i%16/4*4096+i], func(c *campaigns.Customer) {
			name, email := "Anna", fmt.Sprint(c.ID, "@example.com")
			c.Name, c.Email = &name, &email
		})
	}
	c := w.triggered(campaigns.Trigger{Event: "cart"}, func(d *campaigns.Definition) { d.Pace = &campaigns.Pace{PerHour: 3600} })
	for i := range 1600 {
		w.happens(ids[i%16/4*4096+i], "cart", fmt.Sprint("e", i))
	}
	began := time.Now()
	errs := make(chan error, 4)
	for range 4 {
		node := engine.New(w.store, engine.Options{})
		go func() { _, err := node.Trigger(w.ctx); errs <- err }()
	}
	for range 4 {
		w.must(<-errs)
	}
	took := time.Since(began)
	if took > 4*time.Second {
		t.Errorf("1,600 events took %s: nodes waited for each other until one was turned away", took)
	}
	slots := map[time.Time]bool{}
	for _, at := range w.due(c.ID) {
		slots[at] = true
	}
	if len(slots) != 1600 {
		t.Errorf("1,600 messages share %d slots", len(slots))
	}
}

package engine_test

import (
	"fmt"
	"testing"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// TestAWorkerThatLetsItsLanesGoComesBackToThem: after some batches a worker lets its lanes go, so that others have their
// turn. When it then finds another lane with a few messages and no more, there are more all the same.
func TestAWorkerThatLetsItsLanesGoComesBackToThem(t *testing.T) {
	const runs = 100
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(10*campaigns.Lanes, nil)
	all := w.campaign(func(*campaigns.Definition) {})
	w.settle()
	var messages []campaigns.Message
	w.view(func(tx *store.Tx) (err error) {
		messages, err = tx.Messages(w.ctx, store.MessageFilter{Campaign: all.ID, Limit: 10_000})
		return err
	})
	for _, m := range messages {
		city, is := map[int16]string{0: "heavy", 1: "light"}[campaigns.Lane(m.No)]
		if !is {
			continue
		}
		w.writes(m.CustomerID, func(c *campaigns.Customer) { c.City = &city })
	}
	channel := w.smtpChannel(newInbox(t))
	for run := range runs {
		w.campaign(func(d *campaigns.Definition) {
			d.Name, d.Rule, d.Variants[0].ChannelID = fmt.Sprintf("Run %d", run), `city == "heavy"`, channel
			if run == 0 {
				d.Rule = `city in ["heavy", "light"]`
			}
		})
	}
	for range runs {
		w.queued()
	}
	_, err := w.engine.Send(w.ctx)
	w.must(err)
	w.view(func(tx *store.Tx) error {
		left, err := tx.IsDue(w.ctx)
		if left {
			t.Error("something was left")
		}
		return err
	})
}

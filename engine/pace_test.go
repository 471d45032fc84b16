package engine_test

import (
	"encoding/json"
	"testing"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// Settings from before a check was made stay in the database, and are read by every node at every start.
func TestAChannelWhoseRateMakesNoSenseStopsNoNode(t *testing.T) {
	for _, rate := range []string{"1e300", "1e-300", "-1", "0.0000000001"} {
		t.Run(rate, func(t *testing.T) {
			w := newWorld(t, "2026-11-21T10:00:00+08:00")
			w.customers(3, nil)
			w.campaign(func(*campaigns.Definition) {})
			w.queued()
			w.update(func(tx *store.Tx) error {
				c, err := tx.LockChannel(w.ctx, campaigns.Catcher)
				if err != nil {
					return err
				}
				if err := json.Unmarshal([]byte(`{"rate_per_second":`+rate+`}`), &c.Settings); err != nil {
					return err
				}
				return tx.SaveChannel(w.ctx, &c)
			})
			if _, err := w.engine.Send(w.ctx); campaigns.CodeOf(err) != campaigns.CodeInvalid {
				t.Errorf("sending with a rate of %s: %v", rate, err)
			}
		})
	}
}

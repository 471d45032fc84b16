package engine_test

import (
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

func TestAnOutcomeThatComesLateTellsOnlyOnceThatItsMessageWasBeingSent(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(1, nil)
	c := w.campaign(func(*campaigns.Definition) {})
	w.queued()
	w.clock.Advance(time.Second)
	owner := campaigns.NewID(w.clock.Now())
	var claimed []campaigns.Message
	w.update(func(tx *store.Tx) error {
		lanes, err := tx.ClaimLanes(w.ctx, campaigns.Catcher, owner, tx.Now.Add(time.Minute), 64)
		if err != nil {
			return err
		}
		claimed, err = tx.ClaimMessages(w.ctx, campaigns.Catcher, lanes, owner, tx.Now.Add(time.Minute), 10)
		return err
	})
	w.clock.Advance(time.Hour)
	_, err := w.engine.Lose(w.ctx)
	w.must(err)
	w.clock.Advance(time.Second)
	w.update(func(tx *store.Tx) error {
		return tx.FinishMessages(w.ctx, owner, []store.Result{{Message: claimed[0], Status: campaigns.MessageSent, Handed: true}})
	})
	m := w.messages(store.MessageFilter{Campaign: c.ID})[0]
	var states []campaigns.MessageStatus
	for _, step := range m.History {
		states = append(states, step.Status)
	}
	if len(states) != 4 || states[1] != campaigns.MessageSending || states[2] != campaigns.MessageUnknown || states[3] != campaigns.MessageSent {
		t.Errorf("its history is %v", states)
	}
}

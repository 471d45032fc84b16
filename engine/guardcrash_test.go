package engine_test

import (
	"context"
	"sync/atomic"
	"testing"

	"beckon/campaigns"
)

// A dying context ends when it has been looked at so many times: a node that dies at that moment.
type dying struct {
	context.Context
	left *atomic.Int64
	die  context.CancelFunc
}

func (d dying) Done() <-chan struct{} {
	if d.left.Add(-1) < 0 {
		d.die()
	}
	return d.Context.Done()
}

func TestATemplateGuardHoldsARunWhereverItsNodeDied(t *testing.T) {
	w := newWorld(t, "2026-11-21T10:00:00+08:00")
	w.customers(120, func(i int, c *campaigns.Customer) {
		if i%2 == 0 {
			c.Name = nil
		}
	})
	selects := func(moments int64) (looks int64, err error) {
		c := w.campaign(func(*campaigns.Definition) {})
		w.steps(w.engine.Tick)
		ctx, die := context.WithCancel(w.ctx)
		defer die()
		left := &atomic.Int64{}
		left.Store(moments)
		_, err = w.engine.Select(dying{ctx, left, die})
		looks = moments - left.Load()
		run := w.runs(c.ID)[0]
		for w.settle(); run.Status == campaigns.Selecting; w.settle() { // PostgreSQL may not have noticed yet, and keeps the run locked
			run = w.runs(c.ID)[0]
		}
		if run = w.runs(c.ID)[0]; run.Held != campaigns.HeldTemplate || run.Gates["template"] != 60 {
			t.Errorf("died at its moment %d (%v): %s, held %q, %v", moments, err, run.Status, run.Held, run.Gates)
		}
		return looks, err
	}
	_, err := selects(1 << 30) // what is kept from one run to the next is read
	w.must(err)
	all, err := selects(1 << 30)
	w.must(err)
	deaths := 0
	for moment := all; moment > all-lastMoments; moment -= 3 {
		if _, err := selects(moment); err != nil {
			deaths++
		}
	}
	if deaths < 3 {
		t.Errorf("it died %d times in the last of %d moments", deaths, all)
	}
}

// lastMoments reach back to where what was selected is committed.
const lastMoments = 36

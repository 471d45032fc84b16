package audience

import (
	"context"
	"time"

	"beckon/campaigns/store"
)

// A horizon is the oldest transaction that was open when the image last caught up, and since when it has been that one.
type horizon struct {
	low      uint64
	since    time.Time
	reported bool
}

// watchHorizon reports, once, an open transaction that keeps changes from being settled for long: the process that runs
// it, since every catch-up reads again what it holds up.
func (im *Image) watchHorizon(ctx context.Context, tx *store.Tx) error {
	now, low := im.options.Clock(), im.position.Low
	im.mu.Lock()
	if im.horizon.low != low || low == im.position.High { // nothing is open where low is the end
		im.horizon = horizon{low: low, since: now}
		im.stats.HorizonAge, im.stats.Horizon = 0, store.Holder{}
	}
	age, reported := now.Sub(im.horizon.since), im.horizon.reported
	if age > horizonFor {
		im.horizon.reported, im.stats.HorizonAge = true, age
	}
	im.mu.Unlock()
	if age <= horizonFor || reported {
		return nil
	}
	holder, err := tx.Holder(ctx, im.position)
	if err != nil {
		return err
	}
	im.mu.Lock()
	im.stats.Horizon = holder
	im.mu.Unlock()
	im.options.Log.Warn("a transaction has been open for long and holds up what audiences follow",
		"age", age, "pid", holder.PID, "query_start", holder.QueryStart, "application", holder.Application)
	return nil
}

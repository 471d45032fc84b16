package engine

import (
	"context"
	"errors"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns/store"
	"beckon/engine/audience"
)

// looksEvery is how often the members of a segment are looked at for campaigns that wait for somebody to enter it.
const looksEvery = time.Minute

// Look finds who entered the segments that campaigns wait for since the last look, a minute ago. The first look, right
// after a launch, is what entering is measured from. It gives how many entered.
func (e *Engine) Look(ctx context.Context) (int, error) {
	var looks []store.Trigger
	var at time.Time
	err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
		at = tx.Now
		looks, err = tx.ClaimLooks(ctx, tx.Now.Add(-looksEvery), 20)
		return err
	})
	total := 0
	for i := 0; err == nil && i < len(looks); i++ {
		var entered int
		entered, err = e.lookOf(ctx, &looks[i], at)
		total += entered
	}
	return total, err
}

func (e *Engine) lookOf(ctx context.Context, t *store.Trigger, at time.Time) (entered int, err error) {
	members, err := e.membersOf(ctx, t)
	var broken *brokenCampaign
	if errors.As(err, &broken) {
		return 0, e.pauseBroken(ctx, broken)
	}
	if err != nil {
		return 0, err
	}
	err = e.store.Update(ctx, func(tx *store.Tx) error {
		nos, saved, err := tx.SaveMembers(ctx, t, at, members)
		if entered = len(nos); err != nil || !saved || entered == 0 {
			return err
		}
		arrivals := make([]arrival, len(nos))
		for i, no := range nos {
			arrivals[i] = arrival{no, "segment " + at.UTC().Format(time.RFC3339Nano), at}
		}
		return tx.SaveWaits(ctx, waitsOf(t, arrivals))
	})
	return entered, err
}

// membersOf are those who are in the segment that a campaign waits for, by the rule that it was launched with.
func (e *Engine) membersOf(ctx context.Context, t *store.Trigger) (*roaring64.Bitmap, error) {
	var p *plan
	err := e.store.View(ctx, func(tx *store.Tx) error {
		doors, broken, err := e.open(ctx, tx, []store.Trigger{*t})
		switch {
		case err != nil:
			return err
		case len(broken) > 0:
			return broken[0]
		}
		p = doors[0].asOf(tx.Now)
		return nil
	})
	if err != nil || p.segment == nil {
		return roaring64.New(), err
	}
	found, err := e.find(ctx, audience.Question{Conditions: []audience.Asked{{Rule: p.segment, At: p.at}}, Members: true})
	if err != nil {
		if isOwn(err) {
			err = &brokenCampaign{plan: p, trigger: t, cause: err}
		}
		return nil, err
	}
	return found.Members, nil
}

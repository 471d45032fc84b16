package engine

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// CreateSegment keeps a new segment after checking its rule.
func (e *Engine) CreateSegment(ctx context.Context, actor string, d campaigns.SegmentDefinition) (campaigns.Segment, error) {
	segment := campaigns.Segment{SegmentDefinition: d}
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		if err := d.Check(); err != nil {
			return err
		}
		if err := tx.LockDefinitions(ctx); err != nil {
			return err
		}
		w, err := readDefinitions(ctx, tx)
		if err != nil {
			return err
		}
		if _, taken := w.Segments[d.Name]; taken {
			return campaigns.Conflict("a segment of this name exists already")
		}
		w.Segments[d.Name] = d.Rule
		if _, err := w.schema().Segment(d.Name); err != nil {
			return problems("rule", err)
		}
		if err := tx.CreateSegment(ctx, &segment); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "create", "segment", segment.ID.String(), nil, d)
	})
	return segment, err
}

// EditSegment changes a segment, found by its id or name. version is the revision that the editor saw, 0 for whichever it
// is. A change that would break a rule in use is refused, and so is another name for one that is used.
func (e *Engine) EditSegment(ctx context.Context, actor, key string, version int64, d campaigns.SegmentDefinition) (campaigns.Segment, error) {
	segment, _, err := e.SpreadSegment(ctx, campaigns.Actor{Name: actor}, key, version, d)
	return segment, err
}

// SpreadSegment is EditSegment, and tells which campaigns use the segment; those that were launched get a draft with it.
func (e *Engine) SpreadSegment(ctx context.Context, by campaigns.Actor, key string, version int64, d campaigns.SegmentDefinition) (campaigns.Segment, []CampaignUse, error) {
	var segment campaigns.Segment
	var uses []CampaignUse
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		old, err := lockSegment(ctx, tx, key, version)
		if err != nil {
			return err
		}
		if err := d.Check(); err != nil {
			return err
		}
		before, err := readDefinitions(ctx, tx)
		if err != nil {
			return err
		}
		if d.Name != old.Name {
			if _, taken := before.Segments[d.Name]; taken {
				return campaigns.Conflict("a segment of this name exists already")
			}
			if err := before.refuseUse(ctx, tx, "renamed", segmentUse(old.Name)); err != nil {
				return err
			}
		}
		after := before.clone()
		delete(after.Segments, old.Name)
		after.Segments[d.Name] = d.Rule
		if _, err := after.schema().Segment(d.Name); err != nil {
			return problems("rule", err)
		}
		if err := before.refuseBreaking(ctx, tx, after); err != nil {
			return err
		}
		segment = old
		segment.SegmentDefinition = d
		if err := tx.SaveSegment(ctx, &segment); err != nil {
			return err
		}
		if uses, err = e.Spread(ctx, tx, by, Edited{Segment: d.Name}); err != nil {
			return err
		}
		return tx.Audit(ctx, by.Name, "edit", "segment", old.ID.String(), old.SegmentDefinition, d)
	})
	return segment, uses, err
}

// DeleteSegment removes a segment that nothing uses which is not over.
func (e *Engine) DeleteSegment(ctx context.Context, actor, key string, version int64) error {
	return e.store.Update(ctx, func(tx *store.Tx) error {
		old, err := lockSegment(ctx, tx, key, version)
		if err != nil {
			return err
		}
		w, err := readDefinitions(ctx, tx)
		if err != nil {
			return err
		}
		if err := w.refuseUse(ctx, tx, "deleted", segmentUse(old.Name)); err != nil {
			return err
		}
		if err := tx.DeleteSegment(ctx, old.ID); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "delete", "segment", old.ID.String(), old.SegmentDefinition, nil)
	})
}

// lockSegment reads a segment for a change.
func lockSegment(ctx context.Context, tx *store.Tx, key string, version int64) (campaigns.Segment, error) {
	if err := tx.LockDefinitions(ctx); err != nil {
		return campaigns.Segment{}, err
	}
	old, err := tx.Segment(ctx, key)
	if err == nil && version != 0 && version != old.Revision {
		err = campaigns.Stale("segment")
	}
	return old, err
}

package engine

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// SubmitCampaign gives a campaign's newest version to review: it freezes all that the version uses and counts the customers
// whom it is for. version is the one that the caller saw, 0 for whichever it is.
func (e *Engine) SubmitCampaign(ctx context.Context, by campaigns.Actor, id campaigns.ID, version int) (campaigns.Campaign, error) {
	counted, audience, err := e.countForReview(ctx, by, id, version)
	if err != nil {
		return counted, err
	}
	return e.review(ctx, by, id, "submit", func(tx *store.Tx, c *campaigns.Campaign) error {
		if err := c.Submit(by, counted.Version, audience, tx.Now); err != nil {
			return err
		}
		p, err := e.newPlan(ctx, tx, *c, tx.Now)
		if err != nil {
			return err
		}
		if c.Frozen, err = e.freeze(ctx, tx, p); err != nil {
			return err
		}
		c.Review.Hash = c.Frozen.Hash
		return nil
	})
}

// countForReview counts before anything is locked: it may take as long as reading all customers.
func (e *Engine) countForReview(ctx context.Context, by campaigns.Actor, id campaigns.ID, version int) (c campaigns.Campaign, audience int64, err error) {
	var p *plan
	err = e.store.View(ctx, func(tx *store.Tx) error {
		if c, err = tx.Campaign(ctx, id); err != nil {
			return err
		}
		asked := c
		if err := asked.Submit(by, version, 0, tx.Now); err != nil {
			return err
		}
		p, err = e.newPlan(ctx, tx, c, tx.Now)
		return err
	})
	if err != nil {
		return c, 0, err
	}
	if err := e.mustHave(ctx, p); err != nil {
		return c, 0, err
	}
	audience, err = e.countPlan(ctx, p)
	return c, audience, err
}

// ApproveCampaign lets the newest version be launched. version and hash are what the reviewer saw, 0 and empty for whichever
// they are.
func (e *Engine) ApproveCampaign(ctx context.Context, by campaigns.Actor, id campaigns.ID, version int, hash string) (campaigns.Campaign, error) {
	return e.review(ctx, by, id, "approve", func(tx *store.Tx, c *campaigns.Campaign) error { return c.Approve(by, version, hash, tx.Now) })
}

// RejectCampaign makes the newest version a draft again, with the reason.
func (e *Engine) RejectCampaign(ctx context.Context, by campaigns.Actor, id campaigns.ID, version int, reason string) (campaigns.Campaign, error) {
	return e.review(ctx, by, id, "reject", func(tx *store.Tx, c *campaigns.Campaign) error { return c.Reject(by, version, reason, tx.Now) })
}

// review is one step of the newest version's review.
func (e *Engine) review(ctx context.Context, by campaigns.Actor, id campaigns.ID, action string, step func(tx *store.Tx, c *campaigns.Campaign) error) (campaigns.Campaign, error) {
	var c campaigns.Campaign
	err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
		if err := tx.HoldDefinitions(ctx); err != nil {
			return err
		}
		if c, err = tx.LockCampaign(ctx, id); err != nil {
			return err
		}
		before := c
		if err := step(tx, &c); err != nil {
			return err
		}
		if err := tx.SaveReview(ctx, &c); err != nil {
			return err
		}
		if err := tx.SaveCampaignState(ctx, &c); err != nil {
			return err
		}
		return tx.Audit(ctx, by.Name, action, "campaign", id.String(), standingOf(&before), standingOf(&c))
	})
	return c, err
}

// A standing is what the audit log keeps of a campaign when its status, its review or the version in effect changes.
type standing struct {
	Status      campaigns.Status `json:"status"`
	Version     int              `json:"version"`
	LiveVersion int              `json:"live_version"`
	Review      campaigns.Review `json:"review"`
}

func standingOf(c *campaigns.Campaign) standing {
	return standing{c.Status, c.Version, c.LiveVersion, c.Review}
}

package engine

import (
	"context"
	"fmt"
	"strings"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// CreateCampaign keeps a new draft after checking all that it names.
func (e *Engine) CreateCampaign(ctx context.Context, actor string, d campaigns.Definition) (campaigns.Campaign, error) {
	d.Defaults()
	d.CreatedBy = actor
	c := campaigns.Campaign{Status: campaigns.Draft, Definition: d}
	err := e.store.Update(ctx, func(tx *store.Tx) error {
		if err := e.checkCampaign(ctx, tx, &c); err != nil {
			return err
		}
		if err := tx.CreateCampaign(ctx, &c); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "create", "campaign", c.ID.String(), nil, c.Definition)
	})
	return c, err
}

// EditCampaign writes a new version of a draft. version is the one the editor saw, 0 for whichever it is.
func (e *Engine) EditCampaign(ctx context.Context, actor string, id campaigns.ID, version int, d campaigns.Definition) (campaigns.Campaign, error) {
	d.Defaults()
	d.CreatedBy = actor
	var c campaigns.Campaign
	err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
		if c, err = tx.LockCampaign(ctx, id); err != nil {
			return err
		}
		if version != 0 && version != c.Version {
			return campaigns.Stale("campaign")
		}
		if err := c.MayEdit(); err != nil {
			return err
		}
		if d.Kind != c.Kind {
			return campaigns.Invalid("kind", "stays %q: create another campaign for another kind", c.Kind)
		}
		before := c.Definition
		c.Definition = d
		if err := e.checkCampaign(ctx, tx, &c); err != nil {
			return err
		}
		if err := tx.SaveCampaignVersion(ctx, &c); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "edit", "campaign", id.String(), before, d)
	})
	return c, err
}

// checkCampaign says what is wrong with a campaign and with what it names.
func (e *Engine) checkCampaign(ctx context.Context, tx *store.Tx, c *campaigns.Campaign) error {
	if err := c.Check(); err != nil {
		return err
	}
	if c.Kind == campaigns.Imported {
		return nil
	}
	if err := tx.HoldDefinitions(ctx); err != nil {
		return err
	}
	_, err := e.newPlan(ctx, tx, *c, tx.Now)
	return err
}

// MoveCampaign launches, pauses, resumes, cancels or archives. version is the one the caller saw, 0 for whichever it is.
func (e *Engine) MoveCampaign(ctx context.Context, actor string, id campaigns.ID, version int, move campaigns.Move) (campaigns.Campaign, error) {
	var c campaigns.Campaign
	err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
		if c, err = tx.LockCampaign(ctx, id); err != nil {
			return err
		}
		if version != 0 && version != c.Version {
			return campaigns.Stale("campaign")
		}
		before := c.Status
		if err := e.move(ctx, tx, &c, move); err != nil {
			return err
		}
		if err := tx.SaveCampaignState(ctx, &c); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, string(move), "campaign", id.String(), before, c.Status)
	})
	return c, err
}

func (e *Engine) move(ctx context.Context, tx *store.Tx, c *campaigns.Campaign, move campaigns.Move) error {
	if move == campaigns.Launch {
		return e.launch(ctx, tx, c)
	}
	if err := c.Move(move); err != nil {
		return err
	}
	switch move {
	case campaigns.Pause:
		return tx.PauseRuns(ctx, c.ID, true)
	case campaigns.Resume:
		return tx.PauseRuns(ctx, c.ID, false)
	case campaigns.Cancel:
		c.NextRunAt = nil
		return tx.StopRuns(ctx, c.ID, "the campaign was cancelled")
	}
	return nil
}

// launch checks once more all that the campaign names and freezes it: templates and offers by their revisions,
// segments and computed attributes by their text, and the workspace's zone.
func (e *Engine) launch(ctx context.Context, tx *store.Tx, c *campaigns.Campaign) error {
	if c.Status != campaigns.Draft || c.Kind == campaigns.Imported {
		return c.Launch(tx.Now)
	}
	if err := tx.HoldDefinitions(ctx); err != nil {
		return err
	}
	p, err := e.newPlan(ctx, tx, *c, tx.Now)
	if err != nil {
		return err
	}
	if err := p.mayLaunch(); err != nil {
		return err
	}
	c.Frozen = campaigns.Frozen{Templates: map[string]int{}, Offers: map[string]int{}, Zone: p.workspace.Zone}
	p.freeze(&c.Frozen)
	for _, v := range p.variants {
		for _, w := range v.ways {
			c.Frozen.Templates[w.TemplateID.String()] = w.revision
		}
		if v.offer != nil {
			c.Frozen.Offers[v.offer.ID.String()] = v.offer.Revision
		}
	}
	return c.Launch(tx.Now)
}

// mayLaunch names what must be put right before anything leaves the machine.
func (p *plan) mayLaunch() error {
	var checks campaigns.Checks
	for i, v := range p.variants {
		field := fmt.Sprintf("variants[%d].", i)
		if v.offer != nil && v.offer.Status != campaigns.OfferLive {
			checks.Add(campaigns.Invalid(field+"offer_id", "the offer %q is %s: make it live first", v.offer.Name, v.offer.Status))
		}
		for j, w := range v.ways {
			if w.kind == campaigns.Email && w.ChannelID != campaigns.Catcher && strings.TrimSpace(p.workspace.PublicURL) == "" {
				checks.Add(campaigns.Invalid(field+wayField(j)+"channel_id", "e-mail needs links that work: set public_url of the workspace (or BECKON_PUBLIC_URL) first"))
			}
		}
	}
	return checks.Err()
}

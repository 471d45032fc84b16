package engine

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// CreateCampaign keeps a new draft after checking all that it names. The definition's Author, where there is one, is the id
// of the key that the actor used.
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

// EditCampaign writes a new version: in the place of a draft, beside what is in effect of a campaign that was launched. version
// is the newest that the editor saw, 0 for whichever it is.
func (e *Engine) EditCampaign(ctx context.Context, actor string, id campaigns.ID, version int, d campaigns.Definition) (campaigns.Campaign, error) {
	d.Defaults()
	d.CreatedBy = actor
	var c campaigns.Campaign
	err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
		if err := tx.HoldDefinitions(ctx); err != nil {
			return err
		}
		if c, err = tx.LockCampaign(ctx, id); err != nil {
			return err
		}
		if version != 0 && version != c.Version {
			return campaigns.Stale("campaign")
		}
		before := c.Definition
		if err := c.Edit(d); err != nil {
			return err
		}
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

// CopyCampaign makes a new draft that says what another campaign's newest version says, under another name if one is given.
func (e *Engine) CopyCampaign(ctx context.Context, by campaigns.Actor, id campaigns.ID, name string) (campaigns.Campaign, error) {
	var d campaigns.Definition
	err := e.store.View(ctx, func(tx *store.Tx) error {
		c, err := tx.Campaign(ctx, id)
		d = c.Definition
		return err
	})
	if err != nil {
		return campaigns.Campaign{}, err
	}
	if d.Author = by.ID; name == "" {
		name = campaigns.CopyName(d.Name)
	}
	d.Name = name
	return e.CreateCampaign(ctx, by.Name, d)
}

// DeleteCampaign removes a campaign that was never launched. version is the one the caller saw, 0 for whichever it is.
func (e *Engine) DeleteCampaign(ctx context.Context, actor string, id campaigns.ID, version int) error {
	return e.store.Update(ctx, func(tx *store.Tx) error {
		c, err := tx.LockCampaign(ctx, id)
		if err != nil {
			return err
		}
		if version != 0 && version != c.Version {
			return campaigns.Stale("campaign")
		}
		if c.LaunchedAt != nil || c.Kind == campaigns.Imported {
			return campaigns.Conflict("a campaign that was launched or brought in stays for its reports: archive it")
		}
		if err := tx.DeleteCampaign(ctx, id); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, "delete", "campaign", id.String(), c.Definition, nil)
	})
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
	if c.Caps != nil {
		if err := CheckCapKinds(ctx, tx, *c.Caps); err != nil {
			return err
		}
	}
	_, err := e.newPlan(ctx, tx, *c, tx.Now)
	return err
}

// MoveCampaign launches, pauses, resumes, cancels or archives. version is the one the caller saw, 0 for whichever it is.
func (e *Engine) MoveCampaign(ctx context.Context, actor string, id campaigns.ID, version int, move campaigns.Move) (campaigns.Campaign, error) {
	var audience *int64
	if move == campaigns.Launch {
		var err error
		if audience, err = e.neededFor(ctx, id); err != nil {
			return campaigns.Campaign{}, err
		}
	}
	var c campaigns.Campaign
	err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
		if move == campaigns.Launch {
			if err := tx.HoldDefinitions(ctx); err != nil {
				return err
			}
		}
		if c, err = tx.LockCampaign(ctx, id); err != nil {
			return err
		}
		if version != 0 && version != c.Version {
			return campaigns.Stale("campaign")
		}
		before := c
		if err := e.move(ctx, tx, &c, move, audience); err != nil {
			return err
		}
		if err := tx.SaveCampaignState(ctx, &c); err != nil {
			return err
		}
		return tx.Audit(ctx, actor, string(move), "campaign", id.String(), standingOf(&before), standingOf(&c))
	})
	return c, err
}

func (e *Engine) move(ctx context.Context, tx *store.Tx, c *campaigns.Campaign, move campaigns.Move, audience *int64) error {
	if move == campaigns.Launch {
		return e.launch(ctx, tx, c, audience)
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

package engine

import (
	"context"
	"fmt"
	"slices"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// Edited names what was edited: one of a template, an offer, a segment and a computed attribute.
type Edited struct {
	Template, Offer    campaigns.ID
	Segment, Attribute string
}

// A CampaignUse is a campaign that is not over and uses what was edited.
type CampaignUse struct {
	ID     campaigns.ID     `json:"id"`
	Name   string           `json:"name"`
	Status campaigns.Status `json:"status"`
}

// Spread tells which campaigns use what this transaction edited. Those that were launched keep what they froze, and get a
// new version, a draft that says the same and will use what was edited, unless there is a newer one than the launched
// already. One of kind once that made its run gets none: nothing would run from it.
func (e *Engine) Spread(ctx context.Context, tx *store.Tx, by campaigns.Actor, what Edited) ([]CampaignUse, error) {
	known, err := readDefinitions(ctx, tx)
	if err != nil {
		return nil, err
	}
	all, err := tx.OpenCampaigns(ctx)
	if err != nil {
		return nil, err
	}
	uses := []CampaignUse{}
	for i := range all {
		c := &all[i]
		if !known.campaignUses(c, what) || slices.ContainsFunc(uses, func(u CampaignUse) bool { return u.ID == c.ID }) {
			continue
		}
		uses = append(uses, CampaignUse{c.ID, c.Name, c.Status})
		if err := e.redraft(ctx, tx, by, c.ID, what); err != nil {
			return nil, err
		}
	}
	return uses, nil
}

// redraft writes the version in effect once more, as a draft.
func (e *Engine) redraft(ctx context.Context, tx *store.Tx, by campaigns.Actor, id campaigns.ID, what Edited) error {
	c, err := tx.LockCampaign(ctx, id)
	if err != nil || c.LiveVersion == 0 || c.Version != c.LiveVersion || c.IsOver() || isPastStart(&c, tx.Now) {
		return err
	}
	before := standingOf(&c)
	d := c.Definition
	d.CreatedBy, d.Author = by.Name, by.ID
	if err := c.Edit(d); err != nil {
		return err
	}
	if err := tx.SaveCampaignVersion(ctx, &c); err != nil {
		return err
	}
	after := struct {
		standing
		Because string `json:"because"`
	}{standingOf(&c), what.String() + " was edited"}
	return tx.Audit(ctx, by.Name, "redraft", "campaign", id.String(), before, after)
}

// String says what was edited.
func (w Edited) String() string {
	switch {
	case w.Segment != "":
		return fmt.Sprintf("the segment %q", w.Segment)
	case w.Attribute != "":
		return fmt.Sprintf("the attribute %q", w.Attribute)
	case w.Offer != campaigns.ID{}:
		return "the offer " + w.Offer.String()
	}
	return "the template " + w.Template.String()
}

// campaignUses says whether a version of a campaign uses what was edited. Segments and attributes are looked for in its
// rules, and in what they use in their turn; a template prints attributes of its own accord.
func (d definitions) campaignUses(c *campaigns.Campaign, what Edited) bool {
	for i := range c.Variants {
		v := &c.Variants[i]
		if id := c.OfferOf(v); id != nil && *id == what.Offer {
			return true
		}
		for _, w := range v.Ways() {
			if w.TemplateID == what.Template {
				return true
			}
		}
	}
	uses := segmentUse(what.Segment)
	if what.Attribute != "" {
		uses = attributeUse(campaigns.Attribute{Name: what.Attribute, Computed: "worked out"}, nil)
	}
	if what.Segment == "" && what.Attribute == "" {
		return false
	}
	if _, frozen := c.Frozen.Computed[what.Attribute]; frozen {
		return true
	}
	return slices.ContainsFunc(d.rulesOf(*c), func(u user) bool {
		used, err := u.compile()
		return err == nil && uses(used)
	})
}

package engine

import (
	"context"
	"maps"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// freeze pins all that a plan uses: templates and offers by their revisions, segments and computed attributes by their text,
// the workspace's zone; and each part by its content.
func (e *Engine) freeze(ctx context.Context, tx *store.Tx, p *plan) (campaigns.Frozen, error) {
	f := campaigns.Frozen{Templates: map[string]int{}, Offers: map[string]int{}, Zone: p.workspace.Zone, Hashes: map[string]string{}}
	p.freezeDefinitions(&f)
	parts := p.contents(&f)
	for _, v := range p.variants {
		for _, w := range v.ways {
			f.Templates[w.TemplateID.String()] = w.revision
			_, words, err := e.words.template(ctx, tx, w.TemplateID, w.revision)
			if err != nil {
				return f, err
			}
			parts["template "+w.TemplateID.String()] = words
			c, err := tx.Channel(ctx, w.ChannelID)
			if err != nil {
				return f, err
			}
			parts["channel "+w.ChannelID] = []any{c.Kind, c.Settings.WithoutSecrets()}
		}
		if v.offer != nil {
			f.Offers[v.offer.ID.String()] = v.offer.Revision
			parts["offer "+v.offer.ID.String()] = v.offer.OfferDefinition
		}
	}
	for name, part := range parts {
		var err error
		if f.Hashes[name], err = campaigns.ContentHash(part); err != nil {
			return f, err
		}
	}
	return f, f.Seal()
}

// freezeDefinitions pins what the plan's rules and values use.
func (p *plan) freezeDefinitions(f *campaigns.Frozen) {
	f.Segments, f.Computed = map[string]string{}, map[string]string{}
	take := func(uses rules.Definitions) {
		maps.Copy(f.Segments, uses.Segments)
		maps.Copy(f.Computed, uses.Computed)
	}
	for _, rule := range []*rules.Rule{p.rule, p.still, p.neverHeldOut, p.segment} {
		if rule != nil {
			take(rule.Uses())
		}
	}
	for _, value := range []*rules.Value{p.onceFor, p.orderBy} {
		if value != nil {
			take(value.Uses())
		}
	}
	for name, value := range p.computed {
		take(value.Uses())
		f.Computed[name] = value.Source()
	}
}

// contents are the campaign's own, by the names under which their hashes are kept.
func (p *plan) contents(f *campaigns.Frozen) map[string]any {
	c := &p.campaign
	order, once := "", ""
	if c.Audience != nil {
		order = c.Audience.OrderBy
	}
	if c.Entry != nil {
		once = c.Entry.OnceFor
	}
	arms := []any{c.HoldoutShare()}
	for _, v := range c.Variants {
		arms = append(arms, v.Name, v.Weight)
	}
	return map[string]any{"definition": c.Definition, "holdout": arms, "zone": f.Zone,
		"rule": []any{c.Rule, c.Still, c.NeverHoldOut, order, once, f.Segments, f.Computed}}
}

package engine

import (
	"context"
	"maps"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// definitions are what rules may name in this workspace: the columns, and the names that are rules themselves.
type definitions struct {
	rules.Definitions
	columns *rules.Schema
}

func readDefinitions(ctx context.Context, tx *store.Tx) (definitions, error) {
	d := definitions{Definitions: rules.Definitions{Segments: map[string]string{}, Computed: map[string]string{}}}
	var err error
	if d.columns, err = columns(ctx, tx); err != nil {
		return d, err
	}
	segments, err := tx.AllSegments(ctx)
	if err != nil {
		return d, err
	}
	for _, s := range segments {
		d.Segments[s.Name] = s.Rule
	}
	computed, err := tx.ComputedAttributes(ctx)
	for _, a := range computed {
		d.Computed[a.Name] = a.Computed
	}
	return d, err
}

func (d definitions) schema() *rules.Schema { return d.columns.With(d.Definitions) }

func (d definitions) clone() definitions {
	d.Segments, d.Computed = maps.Clone(d.Segments), maps.Clone(d.Computed)
	return d
}

// printable are the names of customers that templates may print: built-in and stored attributes, and those computed ones
// that work and depend on one customer alone.
func (d definitions) printable() (names []string) {
	s := d.schema()
	for _, a := range s.Names() {
		names = append(names, a.Name)
	}
	for name := range d.Computed {
		if value, err := s.Computed(name); err == nil && len(value.Ranks()) == 0 {
			names = append(names, name)
		}
	}
	return names
}

// frozen are the definitions that a campaign was launched with; a draft sees the newest.
func (d definitions) frozen(c *campaigns.Campaign) definitions {
	if c.LaunchedAt != nil {
		d.Definitions = rules.Definitions{Segments: c.Frozen.Segments, Computed: c.Frozen.Computed}
	}
	return d
}

// freeze pins what a plan's rules use in the campaign.
func (p *plan) freeze(f *campaigns.Frozen) {
	f.Segments, f.Computed = map[string]string{}, map[string]string{}
	take := func(uses rules.Definitions) {
		maps.Copy(f.Segments, uses.Segments)
		maps.Copy(f.Computed, uses.Computed)
	}
	for _, r := range []*rules.Rule{p.rule, p.still, p.neverHeldOut, p.entered} {
		if r != nil {
			take(r.Uses())
		}
	}
	if p.onceFor != nil {
		take(p.onceFor.Uses())
	}
	for name, value := range p.computed {
		take(value.Uses())
		f.Computed[name] = value.Source()
	}
}

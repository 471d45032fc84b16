package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

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
	take(p.rule.Uses())
	if p.onceFor != nil {
		take(p.onceFor.Uses())
	}
}

// A use says whether a rule that uses these definitions uses the one that is asked about.
type use func(rules.Definitions) bool

func segmentUse(name string) use {
	return func(d rules.Definitions) bool { _, is := d.Segments[name]; return is }
}

// A user is an expression that is in use, with the name that a marketer knows it by.
type user struct {
	name    string
	compile func() (rules.Definitions, error)
}

// users are the definitions themselves, and the rules of the campaigns that are not over.
func (d definitions) users(open []campaigns.Campaign) (all []user) {
	schema := d.schema()
	for _, name := range slices.Sorted(maps.Keys(d.Segments)) {
		all = append(all, user{fmt.Sprintf("the segment %q", name), func() (rules.Definitions, error) { return usesOfRule(schema.Segment(name)) }})
	}
	for _, name := range slices.Sorted(maps.Keys(d.Computed)) {
		all = append(all, user{fmt.Sprintf("the attribute %q", name), func() (rules.Definitions, error) { return usesOfValue(schema.Computed(name)) }})
	}
	for _, c := range open {
		theirs, name := d.frozen(&c).schema(), fmt.Sprintf("the campaign %q", c.Name)
		all = append(all, user{name, func() (rules.Definitions, error) { return usesOfRule(rules.Compile(theirs, c.Rule)) }})
		if c.Entry != nil && c.Entry.OnceFor != "" {
			all = append(all, user{name, func() (rules.Definitions, error) { return usesOfValue(rules.CompileValue(theirs, c.Entry.OnceFor)) }})
		}
	}
	return all
}

func usesOfRule(r *rules.Rule, err error) (rules.Definitions, error) {
	if err != nil {
		return rules.Definitions{}, err
	}
	return r.Uses(), nil
}

func usesOfValue(v *rules.Value, err error) (rules.Definitions, error) {
	if err != nil {
		return rules.Definitions{}, err
	}
	return v.Uses(), nil
}

// refuseUse is a conflict that names who uses a definition that is to be deleted or renamed.
func (d definitions) refuseUse(ctx context.Context, tx *store.Tx, done string, uses use) error {
	open, err := tx.OpenCampaigns(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, u := range d.users(open) {
		if used, err := u.compile(); err == nil && uses(used) && !slices.Contains(names, u.name) {
			names = append(names, u.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return campaigns.Conflict("it is used and cannot be %s: by %s", done, strings.Join(names, ", "))
}

// refuseBreaking is a conflict that names the rules in use which work with these definitions and would not with others.
// What was launched keeps its own and never breaks.
func (d definitions) refuseBreaking(ctx context.Context, tx *store.Tx, after definitions) error {
	open, err := tx.OpenCampaigns(ctx)
	if err != nil {
		return err
	}
	broke := map[string]bool{}
	for _, u := range d.users(open) {
		_, err := u.compile()
		broke[u.name] = broke[u.name] || err != nil
	}
	var broken []string
	for _, u := range after.users(open) {
		if _, err := u.compile(); err != nil && !broke[u.name] {
			broke[u.name] = true
			broken = append(broken, fmt.Sprintf("%s (%s)", u.name, firstProblem(err)))
		}
	}
	if len(broken) == 0 {
		return nil
	}
	return campaigns.Conflict("this change would break %s", strings.Join(broken, ", "))
}

func firstProblem(err error) string {
	if found, is := err.(rules.Errors); is && len(found) > 0 {
		return found[0].Message
	}
	return err.Error()
}

package engine

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/rules"
	"beckon/templates"
)

// A footprint is what something in use needs of a workspace: definitions, names of stored attributes, properties of events.
type footprint struct {
	rules.Definitions
	columns    []string
	properties []string
}

// A use says whether something with this footprint uses what is asked about.
type use func(footprint) bool

func segmentUse(name string) use {
	return func(f footprint) bool { _, is := f.Segments[name]; return is }
}

// attributeUse asks about an attribute among all that are registered. A property of an event goes by its last name, and
// is not missed while another event's has the same name and type.
func attributeUse(a campaigns.Attribute, all []campaigns.Attribute) use {
	property, of := a.Property()
	switch {
	case a.Computed != "":
		return func(f footprint) bool { _, is := f.Computed[a.Name]; return is }
	case !of:
		return func(f footprint) bool { return slices.Contains(f.columns, a.Name) }
	}
	for _, other := range all {
		if same, is := other.Property(); is && same == property && other.Name != a.Name && other.Type == a.Type {
			return func(footprint) bool { return false }
		}
	}
	return func(f footprint) bool { return slices.Contains(f.properties, property) }
}

// A user is an expression or a template that is in use, with the name that a marketer knows it by.
type user struct {
	name    string
	key     string // its own, where names are not
	compile func() (footprint, error)
}

// written is what a marketer wrote that may use definitions: the workspace's rule, campaigns that are not over, and templates.
type written struct {
	excluded  string
	campaigns []campaigns.Campaign
	templates []campaigns.Template
	revisions map[wordsOf]campaigns.TemplateDefinition // by words' key, of what was launched
}

func readWritten(ctx context.Context, tx *store.Tx) (w written, err error) {
	w.revisions = map[wordsOf]campaigns.TemplateDefinition{}
	workspace, err := tx.Workspace(ctx)
	if err != nil {
		return w, err
	}
	w.excluded = workspace.Excluded
	if w.campaigns, err = tx.OpenCampaigns(ctx); err != nil {
		return w, err
	}
	if w.templates, err = tx.Templates(ctx, campaigns.ID{}, math.MaxInt32); err != nil {
		return w, err
	}
	for _, c := range w.campaigns {
		for text, revision := range c.Frozen.Templates {
			id, err := campaigns.ParseID("template", text)
			if err != nil {
				return w, err
			}
			if w.revisions[wordsOf{id, revision}], err = tx.TemplateRevision(ctx, id, revision); err != nil {
				return w, err
			}
		}
	}
	return w, nil
}

// users are the definitions themselves, the workspace's rule, the templates, and the rules and templates of the campaigns
// that are not over.
func (d definitions) users(w written) (all []user) {
	schema := d.schema()
	for _, name := range slices.Sorted(maps.Keys(d.Segments)) {
		all = append(all, user{fmt.Sprintf("the segment %q", name), "segment " + name, func() (footprint, error) { return ofRule(schema.Segment(name)) }})
	}
	for _, name := range slices.Sorted(maps.Keys(d.Computed)) {
		all = append(all, user{fmt.Sprintf("the attribute %q", name), "attribute " + name, func() (footprint, error) { return ofValue(schema.Computed(name)) }})
	}
	if w.excluded != "" {
		all = append(all, user{"the workspace's rule of who is excluded", "workspace", func() (footprint, error) { return ofRule(rules.Compile(schema, w.excluded)) }})
	}
	known := sync.OnceValue(d.printable)
	for _, t := range w.templates {
		all = append(all, user{fmt.Sprintf("the template %q", t.Name), t.ID.String(), func() (footprint, error) { return d.ofTemplate(&t.TemplateDefinition, known()) }})
	}
	for _, c := range w.campaigns {
		all = append(all, d.usersOf(c, w)...)
	}
	return all
}

// usersOf are what one version of a campaign has of its own.
func (d definitions) usersOf(c campaigns.Campaign, w written) (all []user) {
	theirs, name := d.frozen(&c), campaignNamed(&c)
	all = d.rulesOf(c)
	for _, text := range slices.Sorted(maps.Keys(c.Frozen.Templates)) {
		id, _ := campaigns.ParseID("template", text)
		definition := w.revisions[wordsOf{id, c.Frozen.Templates[text]}]
		all = append(all, user{name, versionKey(&c) + " " + text, func() (footprint, error) { return theirs.ofTemplate(&definition, theirs.printable()) }})
	}
	return all
}

func campaignNamed(c *campaigns.Campaign) string { return fmt.Sprintf("the campaign %q", c.Name) }

func versionKey(c *campaigns.Campaign) string { return fmt.Sprintf("%s version %d", c.ID, c.Version) }

// rulesOf are the rules and values of one version of a campaign.
func (d definitions) rulesOf(c campaigns.Campaign) (all []user) {
	schema, name, key := d.frozen(&c).schema(), campaignNamed(&c), versionKey(&c)
	conditions := map[string]string{"rule": c.Rule, "still": c.Still, "never_hold_out": c.NeverHoldOut}
	values := map[string]string{}
	if c.Entry != nil {
		values["once_for"] = c.Entry.OnceFor
	}
	if c.Audience != nil {
		values["order_by"], _, _ = c.Audience.Order()
	}
	if c.Trigger != nil && c.Trigger.Segment != "" {
		conditions["trigger"] = fmt.Sprintf("segment(%q)", c.Trigger.Segment)
	}
	if c.Trigger != nil {
		values["attribute"] = c.Trigger.Attribute
	}
	for _, field := range slices.Sorted(maps.Keys(conditions)) {
		if source := conditions[field]; source != "" {
			all = append(all, user{name, key + " " + field, func() (footprint, error) { return ofRule(rules.Compile(schema, source)) }})
		}
	}
	for _, field := range slices.Sorted(maps.Keys(values)) {
		if source := values[field]; source != "" {
			all = append(all, user{name, key + " " + field, func() (footprint, error) { return ofValue(rules.CompileValue(schema, source)) }})
		}
	}
	return all
}

func ofRule(r *rules.Rule, err error) (footprint, error) {
	if err != nil {
		return footprint{}, err
	}
	return footprint{r.Uses(), r.Columns(), r.Properties()}, nil
}

func ofValue(v *rules.Value, err error) (footprint, error) {
	if err != nil {
		return footprint{}, err
	}
	return footprint{v.Uses(), v.Columns(), v.Properties()}, nil
}

// ofTemplate is what a template prints of customers, of all that it may.
func (d definitions) ofTemplate(t *campaigns.TemplateDefinition, printable []string) (footprint, error) {
	f := footprint{Definitions: rules.Definitions{Computed: map[string]string{}}}
	parsed, err := templates.Parse(sourceOf(t), templates.Known(printable))
	if err != nil {
		return f, err
	}
	for _, variable := range parsed.Variables() {
		name, of := strings.CutPrefix(variable, "customer.")
		if source, is := d.Computed[name]; of && is {
			f.Computed[name] = source
		} else if of {
			f.columns = append(f.columns, name)
		}
	}
	return f, nil
}

// refuseUse is a conflict that names who uses what is to be deleted or renamed.
func (d definitions) refuseUse(ctx context.Context, tx *store.Tx, done string, uses use) error {
	w, err := readWritten(ctx, tx)
	if err != nil {
		return err
	}
	var names []string
	for _, u := range d.users(w) {
		if used, err := u.compile(); err == nil && uses(used) && !slices.Contains(names, u.name) {
			names = append(names, u.name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return campaigns.Conflict("it is used and cannot be %s: by %s; change or end that first", done, strings.Join(names, ", "))
}

// refuseBreaking is a conflict that names what works with these definitions and would not with others. What was launched
// keeps its own segments and computed attributes: only the stored ones' names can break it.
func (d definitions) refuseBreaking(ctx context.Context, tx *store.Tx, after definitions) error {
	w, err := readWritten(ctx, tx)
	if err != nil {
		return err
	}
	broke := map[string]bool{}
	for _, u := range d.users(w) {
		_, err := u.compile()
		broke[u.key] = err != nil
	}
	var broken []string
	for _, u := range after.users(w) {
		if _, err := u.compile(); err != nil && !broke[u.key] {
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

// CheckExcluded says what is wrong with the rule of whom a workspace excludes; it holds the definitions that the rule uses.
func CheckExcluded(ctx context.Context, tx *store.Tx, source string) error {
	if source == "" {
		return nil
	}
	if err := tx.HoldDefinitions(ctx); err != nil {
		return err
	}
	s, err := schema(ctx, tx)
	if err != nil {
		return err
	}
	_, err = rules.Compile(s, source)
	return problems("excluded", err)
}

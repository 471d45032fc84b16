package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/lift"
	"beckon/engine/rules"
	"beckon/templates"
)

// A plan is a campaign's version made ready to run: rule compiled, templates parsed, arms laid out.
type plan struct {
	campaign  campaigns.Campaign
	workspace *campaigns.Workspace
	rule      *rules.Rule
	onceFor   *rules.Value
	variants  []variant
	channels  []string // kinds of address that the variants use, sorted
	ranges    []lift.Range
	at        rules.Instant
	period    string
	key       string // of the entry, where it is the same for everybody
	oneKey    bool

	moneyNames map[string]bool
}

type variant struct {
	campaigns.Variant
	channel  string // campaigns.Email or campaigns.SMS
	revision int
	template *templates.Template
	offer    *campaigns.Offer
}

// schema is what rules may name in this workspace.
func schema(ctx context.Context, tx *store.Tx) (*rules.Schema, error) {
	d, err := readDefinitions(ctx, tx)
	if err != nil {
		return nil, err
	}
	return d.schema(), nil
}

// columns are the built-in names and the registered attributes.
func columns(ctx context.Context, tx *store.Tx) (*rules.Schema, error) {
	w, err := tx.Workspace(ctx)
	if err != nil {
		return nil, err
	}
	attributes, err := tx.Attributes(ctx)
	if err != nil {
		return nil, err
	}
	var custom []rules.Attribute
	for _, a := range attributes {
		t, ok := rules.ParseType(a.Type)
		if !ok {
			return nil, fmt.Errorf("attribute %s has the type %q", a.Name, a.Type)
		}
		custom = append(custom, rules.Attribute{Name: a.Name, Type: t})
	}
	return rules.NewSchema(w.Digits(), custom), nil
}

func moneyNames(s *rules.Schema) map[string]bool {
	names := map[string]bool{}
	for _, a := range s.Names() {
		names[a.Name] = a.Type == rules.Money
	}
	return names
}

// TemplateVariables are the variables that a template may use in this workspace.
func TemplateVariables(ctx context.Context, tx *store.Tx) ([]string, error) {
	s, err := schema(ctx, tx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, a := range s.Names() {
		names = append(names, a.Name)
	}
	return templates.Known(names), nil
}

// ParseTemplate checks and compiles a template of this workspace.
func ParseTemplate(ctx context.Context, tx *store.Tx, d *campaigns.TemplateDefinition) (*templates.Template, error) {
	known, err := TemplateVariables(ctx, tx)
	if err != nil {
		return nil, err
	}
	return templates.Parse(templates.Source{Channel: d.Channel, Parts: d.Parts, Defaults: d.Defaults()}, known)
}

// problems turns what is wrong with a rule into an error about a field.
func problems(field string, err error) error {
	var found rules.Errors
	if !errors.As(err, &found) {
		return err
	}
	var checks campaigns.Checks
	for _, e := range found {
		checks = append(checks, campaigns.Problem{Field: field, Message: e.Message, Line: e.Line, Column: e.Column, Hint: e.Hint})
	}
	return checks.Err()
}

// newPlan makes a plan for an occurrence; its errors name the field of the campaign that is wrong. A campaign that is not
// frozen yet (a check before launch) uses the newest revisions.
func (e *Engine) newPlan(ctx context.Context, tx *store.Tx, c campaigns.Campaign, occurrence time.Time) (*plan, error) {
	w, err := tx.Workspace(ctx)
	if err != nil {
		return nil, err
	}
	known, err := readDefinitions(ctx, tx)
	if err != nil {
		return nil, err
	}
	s := known.frozen(&c).schema()
	if c.Frozen.Zone == "" {
		c.Frozen.Zone = w.Zone
	}
	p := &plan{campaign: c, workspace: w, at: rules.Instant{Now: occurrence.Truncate(time.Second), Zone: c.Zone()}, period: c.Period(occurrence)}
	p.moneyNames = moneyNames(s)
	p.key, p.oneKey = c.EntryKey(occurrence)
	var checks campaigns.Checks
	if p.rule, err = rules.Compile(s, c.Rule); err != nil {
		checks.Add(problems("rule", err))
	}
	if c.Entry != nil && c.Entry.OnceFor != "" {
		if p.onceFor, err = rules.CompileValue(s, c.Entry.OnceFor); err != nil {
			checks.Add(problems("entry.once_for", err))
		}
	}
	weights := make([]float64, len(c.Variants))
	for i, v := range c.Variants {
		ready, err := e.variant(ctx, tx, &c, v)
		if err != nil {
			if campaigns.CodeOf(err) == "" {
				return nil, err
			}
			checks.Under(fmt.Sprintf("variants[%d].", i), err)
			continue
		}
		p.variants = append(p.variants, ready)
		p.channels = append(p.channels, ready.channel)
		weights[i] = v.Weight
	}
	if err := checks.Err(); err != nil {
		return nil, err
	}
	slices.Sort(p.channels)
	p.channels = slices.Compact(p.channels)
	shares, err := lift.Arms(c.HoldoutShare(), weights)
	if err != nil {
		return nil, campaigns.Invalid("variants", "%v", err)
	}
	p.ranges = lift.Ranges(shares, 1)
	return p, nil
}

func (e *Engine) variant(ctx context.Context, tx *store.Tx, c *campaigns.Campaign, v campaigns.Variant) (variant, error) {
	ready := variant{Variant: v}
	if err := e.variantTemplate(ctx, tx, c, &ready); err != nil {
		return ready, err
	}
	ch, err := tx.Channel(ctx, v.ChannelID)
	if campaigns.CodeOf(err) == campaigns.CodeNotFound {
		return ready, campaigns.Invalid("channel_id", "there is no channel %q", v.ChannelID)
	}
	if err != nil {
		return ready, err
	}
	if !ch.Carries(ready.channel) {
		return ready, campaigns.Invalid("channel_id", "the channel %s (%s) does not carry %s", ch.ID, ch.Kind, ready.channel)
	}
	id := c.OfferOf(&v)
	if id == nil {
		if slices.Contains(ready.template.Variables(), "code") {
			return ready, campaigns.Invalid("offer_id", "is missing: the template prints a code")
		}
		return ready, nil
	}
	offer, err := tx.Offer(ctx, *id)
	if revision, frozen := c.Frozen.Offers[id.String()]; frozen && err == nil {
		offer, err = tx.OfferRevision(ctx, *id, revision)
	}
	if campaigns.CodeOf(err) == campaigns.CodeNotFound {
		return ready, campaigns.Invalid("offer_id", "there is no offer %q", id)
	}
	ready.offer = &offer
	return ready, err
}

func (e *Engine) variantTemplate(ctx context.Context, tx *store.Tx, c *campaigns.Campaign, v *variant) error {
	revision, frozen := c.Frozen.Templates[v.TemplateID.String()]
	if !frozen {
		t, err := tx.Template(ctx, v.TemplateID)
		if campaigns.CodeOf(err) == campaigns.CodeNotFound {
			return campaigns.Invalid("template_id", "there is no template %q", v.TemplateID)
		}
		if err != nil {
			return err
		}
		revision = t.Revision
	}
	parsed, definition, err := e.words.template(ctx, tx, v.TemplateID, revision)
	if campaigns.CodeOf(err) == campaigns.CodeInvalid {
		return campaigns.Invalid("template_id", "the template does not work: %v", err)
	}
	if err != nil {
		return err
	}
	v.channel, v.revision, v.template = definition.Channel, revision, parsed
	return nil
}

// needs are the columns and histories that selecting reads besides the rule's own.
func (p *plan) needs() audience.Needs {
	needs := audience.Needs{Columns: []string{"email_hash", "phone_hash", "email_consent", "sms_consent", "last_purchase_at", "registered_at"}}
	if p.onceFor != nil {
		needs = needs.With(p.onceFor.Columns(), p.onceFor.Histories())
	}
	return needs
}

// entryKey is the key under which a customer enters; earlier is what the customer entered before.
func (p *plan) entryKey(record rules.Record, earlier store.EntryHistory) string {
	if p.oneKey {
		return p.key
	}
	if p.onceFor != nil {
		return "for " + p.onceFor.Text(record, p.at)
	}
	return fmt.Sprintf("every %s, entry %d", p.campaign.Entry.Every, earlier.N+1)
}

// mayEnter says whether the entry limit lets a customer in. A cool-down lies between planned times: between the moments at
// which runs came to a customer, every 7d would let nobody into next week's run that is a second quicker.
func (p *plan) mayEnter(record rules.Record, earlier store.EntryHistory) bool {
	if e := p.campaign.Entry; e != nil && e.Every != nil {
		return earlier.N == 0 || !earlier.Last.After(p.at.Now.Add(-time.Duration(*e.Every)))
	}
	return !slices.Contains(earlier.Keys, p.entryKey(record, earlier))
}

// armOf is the arm that a key draws in the plan's period: the holdout or a variant's name.
func (p *plan) armOf(key string) (arm string, bucket int) {
	bucket = lift.KeyBucket(p.campaign.Salt+" "+p.period, key)
	i := lift.Choose(bucket, p.ranges)
	switch {
	case i == 0:
		return campaigns.Holdout, bucket
	case i < 0: // beyond the last range by rounding
		i = len(p.variants)
	}
	return p.variants[i-1].Name, bucket
}

func (p *plan) variantNamed(name string) *variant {
	for i := range p.variants {
		if p.variants[i].Name == name {
			return &p.variants[i]
		}
	}
	return nil
}

// words caches parsed templates: a revision never changes.
type words struct {
	mu     sync.Mutex
	parsed map[string]parsedTemplate
}

type parsedTemplate struct {
	template   *templates.Template
	definition campaigns.TemplateDefinition
}

// wordsMax bounds the cache; it is emptied when it is full.
const wordsMax = 1000

// cached is a revision that was parsed before, else nil.
func (w *words) cached(id campaigns.ID, revision int) *templates.Template {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.parsed[wordsKey(id, revision)].template
}

func wordsKey(id campaigns.ID, revision int) string { return fmt.Sprintf("%s/%d", id, revision) }

func (w *words) template(ctx context.Context, tx *store.Tx, id campaigns.ID, revision int) (*templates.Template, campaigns.TemplateDefinition, error) {
	key := wordsKey(id, revision)
	w.mu.Lock()
	found, ok := w.parsed[key]
	w.mu.Unlock()
	if ok {
		return found.template, found.definition, nil
	}
	definition, err := tx.TemplateRevision(ctx, id, revision)
	if err != nil {
		return nil, definition, err
	}
	parsed, err := ParseTemplate(ctx, tx, &definition)
	if err != nil {
		return nil, definition, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.parsed == nil || len(w.parsed) >= wordsMax {
		w.parsed = map[string]parsedTemplate{}
	}
	w.parsed[key] = parsedTemplate{parsed, definition}
	return parsed, definition, nil
}

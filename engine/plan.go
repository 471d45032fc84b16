package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
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

	orderBy    *rules.Value // what the audience is limited by; nil for at random
	descending bool

	excluded     *rules.Rule // the workspace's; nil where there is none
	segment      *rules.Rule // of the segment that the trigger waits for; nil where there is none
	still        *rules.Rule // nil where there is none
	neverHeldOut *rules.Rule // likewise

	computed map[string]*rules.Value // that templates print, by name
	variants []variant
	kinds    []string           // of address that the variants use, sorted
	own      map[string]ownKind // those of them that are the shop's own
	ranges   []lift.Range
	at       rules.Instant
	period   string
	key      string // of the entry, where it is the same for everybody
	oneKey   bool
	from, to time.Time        // of the stretch that the key holds for; zero for ever
	resends  []campaigns.ID   // the runs that this one sends again for, the first of them last
	events   map[int64]string // what happened to each customer who enters for it, where every event may enter

	moneyNames map[string]bool
	language   *string // of previews: what is shown instead of each customer's own
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
	d, err := readDefinitions(ctx, tx)
	if err != nil {
		return nil, err
	}
	return templates.Known(d.printable()), nil
}

// ParseTemplate settles, checks and compiles a template that is to be kept.
func ParseTemplate(ctx context.Context, tx *store.Tx, d *campaigns.TemplateDefinition) (*templates.Template, error) {
	w, err := tx.Workspace(ctx)
	if err != nil {
		return nil, err
	}
	d.Settle(w)
	if err := d.Check(); err != nil {
		return nil, err
	}
	known, err := TemplateVariables(ctx, tx)
	if err != nil {
		return nil, err
	}
	own, err := readKinds(ctx, tx)
	if err != nil {
		return nil, err
	}
	var checks campaigns.Checks
	for _, err := range []error{own.checkParts(d), checkProviderTemplate(ctx, tx, d)} {
		if campaigns.CodeOf(err) == "" && err != nil {
			return nil, err
		}
		checks.Add(err)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Variables)) { // Parse looks at those with a default
		checks.Require(d.Variables[name].Default != nil || slices.Contains(known, name), "variables."+name, "there is no such variable")
	}
	parsed, err := templates.Parse(sourceOf(d), known)
	checks.Add(err)
	return parsed, checks.Err()
}

// parseRevision compiles a template as it was saved: messages are made again from revisions that print attributes which
// have another name by now, or none.
func parseRevision(ctx context.Context, tx *store.Tx, d *campaigns.TemplateDefinition) (*templates.Template, error) {
	known, err := TemplateVariables(ctx, tx)
	if err != nil {
		return nil, err
	}
	printed := regexp.MustCompile(`customer\.[a-z][a-z0-9_]*`)
	source := sourceOf(d)
	for _, parts := range append(slices.Collect(maps.Values(d.Languages)), source.Parts, source.Params) {
		for _, part := range parts {
			known = append(known, printed.FindAllString(part, -1)...)
		}
	}
	return templates.Parse(source, known)
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
	theirs, launched := known.frozen(&c), c.Frozen.Is()
	if c.Frozen.Zone == "" {
		c.Frozen.Zone = w.Zone
	}
	p := &plan{campaign: c, workspace: w, at: rules.Instant{Now: occurrence.Truncate(time.Second), Zone: c.Zone()}, period: c.Period(occurrence)}
	p.moneyNames, p.computed = moneyNames(theirs.schema()), map[string]*rules.Value{}
	p.key, p.oneKey = c.EntryKey(occurrence)
	p.from, p.to = c.Stretch(p.at.Now)
	var checks campaigns.Checks
	p.compile(theirs.schema(), known.schema(), &checks)
	p.checkTrigger(known, &checks)
	if !launched {
		p.checkTopic(&checks)
	}
	if err := e.planVariants(ctx, tx, p, theirs, &checks); err != nil {
		return nil, err
	}
	if err := p.planKinds(ctx, tx, theirs.schema(), &checks); err != nil {
		return nil, err
	}
	if err := checks.Err(); err != nil {
		return nil, err
	}
	return p, p.layArms()
}

// compile reads the campaign's own expressions and the workspace's; what is wrong goes to checks.
func (p *plan) compile(theirs, newest *rules.Schema, checks *campaigns.Checks) {
	c := &p.campaign
	for _, r := range []struct {
		to     **rules.Rule
		schema *rules.Schema
		field  string
		source string
	}{
		{&p.rule, theirs, "rule", c.Rule}, {&p.still, theirs, "still", c.Still}, {&p.neverHeldOut, theirs, "never_hold_out", c.NeverHoldOut},
		{&p.excluded, newest, "excluded (of the workspace)", p.workspace.Excluded},
	} {
		if r.source == "" && r.field != "rule" {
			continue
		}
		var err error
		if *r.to, err = rules.Compile(r.schema, r.source); err != nil {
			checks.Add(problems(r.field, err))
		} else if r.field == "still" && len((*r.to).Ranks()) > 0 {
			checks.Add(campaigns.Invalid("still", "cannot use percentile or ntile: it is asked about one customer, when the message is about to be sent"))
		} else if r.field == "never_hold_out" && len((*r.to).Ranks()) > 0 {
			checks.Add(campaigns.Invalid("never_hold_out", "cannot use percentile or ntile: it is asked about one customer, when the message is queued"))
		}
	}
	p.compileValues(theirs, checks)
	if c.Trigger != nil && c.Trigger.Segment != "" {
		var err error
		if p.segment, err = rules.Compile(theirs, fmt.Sprintf("segment(%q)", c.Trigger.Segment)); err != nil {
			checks.Add(campaigns.Invalid("trigger.segment", "there is no segment %q that works", c.Trigger.Segment))
		}
	}
	if c.Trigger != nil && c.Trigger.Attribute != "" && !slices.ContainsFunc(theirs.Names(), func(a rules.Attribute) bool { return a.Name == c.Trigger.Attribute }) {
		checks.Add(campaigns.Invalid("trigger.attribute", "there is no attribute %q that is kept for each customer", c.Trigger.Attribute))
	}
	if c.Budget != nil && c.Budget.Cost != "" {
		if minor, err := campaigns.ParseMoney(string(c.Budget.Cost), p.workspace.Digits()); err != nil || minor <= 0 {
			checks.Add(campaigns.Invalid("budget.cost", "%q should be an amount of money above 0 with at most %d decimals", c.Budget.Cost, p.workspace.Digits()))
		}
	}
}

// compileValues reads the expressions that are no conditions: of entries, and of the order by which an audience is limited.
func (p *plan) compileValues(theirs *rules.Schema, checks *campaigns.Checks) {
	c := &p.campaign
	var err error
	if c.Entry != nil && c.Entry.OnceFor != "" {
		if p.onceFor, err = rules.CompileValue(theirs, c.Entry.OnceFor); err != nil {
			checks.Add(problems("entry.once_for", err))
		} else if len(p.onceFor.Ranks()) > 0 {
			checks.Add(campaigns.Invalid("entry.once_for", "cannot use percentile or ntile: who is where changes with everybody else, and an entry is for good"))
		}
	}
	if c.Audience == nil || c.Audience.OrderBy == "" {
		return
	}
	var expression string
	expression, p.descending, _ = c.Audience.Order()
	if p.orderBy, err = rules.CompileValue(theirs, expression); err != nil {
		checks.Add(problems("audience.order_by", err))
	} else if len(p.orderBy.Ranks()) > 0 {
		checks.Add(campaigns.Invalid("audience.order_by", "cannot use percentile or ntile: order by what they are worked out from"))
	}
}

// layArms lays the holdout and the variants side by side, by their weights.
func (p *plan) layArms() error {
	weights := make([]float64, len(p.variants))
	for i, v := range p.variants {
		weights[i] = v.Weight
	}
	shares, err := lift.Arms(p.campaign.HoldoutShare(), weights)
	if err != nil {
		return campaigns.Invalid("variants", "%v", err)
	}
	p.ranges = lift.Ranges(shares, 1)
	return nil
}

// needs are the columns and histories that selecting reads besides the rule's own.
func (p *plan) needs() audience.Needs {
	needs := audience.Needs{Columns: []string{"email_hash", "phone_hash", "email_consent", "sms_consent", "last_purchase_at", "registered_at"}}
	needs = needs.With(p.ownColumns(), nil)
	if p.onceFor != nil {
		needs = needs.With(p.onceFor.Columns(), p.onceFor.Histories())
	}
	return needs
}

// entryKey is the key under which a customer enters; earlier is what the customer entered before.
func (p *plan) entryKey(no int64, record rules.Record, earlier store.EntryHistory) string {
	if key, is := p.events[no]; is {
		return "event " + key
	}
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
func (p *plan) mayEnter(no int64, record rules.Record, earlier store.EntryHistory) bool {
	if e := p.campaign.Entry; e != nil && e.Every != nil {
		return earlier.N == 0 || !earlier.Last.After(p.cooledBefore())
	}
	if _, perEvent := p.events[no]; p.oneKey && !perEvent {
		// Who entered under another limit that an earlier version had, in what is one stretch of this one, has entered.
		if slices.ContainsFunc(earlier.At, func(at time.Time) bool { return p.from.IsZero() || !at.Before(p.from) && at.Before(p.to) }) {
			return false
		}
	}
	return !slices.Contains(earlier.Keys, p.entryKey(no, record, earlier))
}

// cooledBefore is the last time of an earlier entry that a cool-down has passed since. Whole days are days of the campaign's
// clock: seven times 24 hours would let nobody into the weekly tick after the clocks went forward.
func (p *plan) cooledBefore() time.Time {
	every := *p.campaign.Entry.Every
	if every%campaigns.Day != 0 {
		return p.at.Now.Add(-time.Duration(every))
	}
	local := p.at.Now.In(p.campaign.Zone())
	return campaigns.Place(time.Date(local.Year(), local.Month(), local.Day()-int(every/campaigns.Day), local.Hour(), local.Minute(), local.Second(), 0, time.UTC), p.campaign.Zone())
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

package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
	"beckon/templates"
)

// refusedShown is how many customers a refusal names.
const refusedShown = 5

// mustHave refuses to go on while somebody who matches the campaign's rule lacks a variable that its template lets nobody
// lack. Whose words do not print it lacks nothing.
func (e *Engine) mustHave(ctx context.Context, p *plan) error {
	names := p.refusing()
	if len(names) == 0 {
		return nil
	}
	members, err := e.mayLack(ctx, p, names)
	if err != nil || members.IsEmpty() {
		return err
	}
	links, err := e.links(ctx, p.workspace)
	if err != nil {
		return err
	}
	found, err := e.checkAll(ctx, p, links, members)
	if err != nil {
		return err
	}
	var checks campaigns.Checks
	for _, name := range names {
		fault := found.faults[(&templates.MissingError{Variable: name}).Error()]
		if fault == nil {
			continue
		}
		ids, err := e.someIDs(ctx, fault.customers)
		if err != nil {
			return err
		}
		checks.Add(campaigns.Invalid(p.fieldRefusing(name), "%d customers of the audience lack %s, and the template refuses that: give it a default, let it skip them, or leave them out by the rule; among them %s",
			fault.customers.GetCardinality(), name, strings.Join(ids, ", ")))
	}
	return checks.Err()
}

// refusing are the variables that templates of a plan print and let nobody lack, each once, sorted.
func (p *plan) refusing() (names []string) {
	for i := range p.variants {
		for _, w := range p.variants[i].ways {
			printed := w.template.Variables()
			names = append(names, slices.DeleteFunc(slices.Clone(w.refusing), func(name string) bool { return !slices.Contains(printed, name) })...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// fieldRefusing is where the campaign names the template that refuses a variable.
func (p *plan) fieldRefusing(name string) string {
	for i := range p.variants {
		for j, w := range p.variants[i].ways {
			if slices.Contains(w.refusing, name) {
				return fmt.Sprintf("variants[%d].%stemplate_id", i, wayField(j))
			}
		}
	}
	return "variants"
}

// mayLack are those of the audience who may lack one of some variables: who do is asked as a rule where the variables are
// attributes, so that nobody else is looked at.
func (e *Engine) mayLack(ctx context.Context, p *plan, names []string) (*roaring64.Bitmap, error) {
	matching, err := e.find(ctx, audience.Question{Conditions: []audience.Asked{{Rule: p.rule, At: p.at}}, Members: true})
	if err != nil {
		return nil, err
	}
	var lacks *rules.Rule
	err = e.store.View(ctx, func(tx *store.Tx) error {
		d, err := readDefinitions(ctx, tx)
		if err != nil {
			return err
		}
		s := d.frozen(&p.campaign).schema()
		if source := lackingRule(s, names); source != "" {
			lacks, err = rules.Compile(s, source)
		}
		return err
	})
	if err != nil || lacks == nil {
		return matching.Members, err
	}
	lacking, err := e.find(ctx, audience.Question{Conditions: []audience.Asked{{Rule: lacks, At: p.at}}, Members: true})
	if err != nil {
		return nil, err
	}
	return roaring64.And(matching.Members, lacking.Members), nil
}

// lackingRule is a rule for who may lack one of some variables; empty where no rule says it.
func lackingRule(s *rules.Schema, names []string) string {
	var conditions []string
	for _, name := range names {
		attribute, of := strings.CutPrefix(name, "customer.")
		i := slices.IndexFunc(s.Names(), func(a rules.Attribute) bool { return a.Name == attribute })
		if !of || i < 0 {
			return ""
		}
		condition := attribute + " == nil"
		if s.Names()[i].Type == rules.Text {
			condition += " || " + attribute + ` == ""`
		}
		conditions = append(conditions, condition)
	}
	return strings.Join(conditions, " || ")
}

// someIDs are the first of some customers.
func (e *Engine) someIDs(ctx context.Context, customers *roaring64.Bitmap) (ids []string, err error) {
	var nos []int64
	for it := customers.Iterator(); it.HasNext() && len(nos) < refusedShown; {
		nos = append(nos, int64(it.Next()))
	}
	err = e.store.View(ctx, func(tx *store.Tx) error {
		found, err := tx.CustomerIDs(ctx, nos)
		for _, no := range nos {
			if found[no] != "" {
				ids = append(ids, found[no])
			}
		}
		return err
	})
	return ids, err
}

package engine

import (
	"context"
	"errors"
	"maps"
	"slices"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/rules"
	"beckon/templates"
)

// A Trial is a template that is looked at before it is used: one that is kept, or one that is being written.
type Trial struct {
	Template   campaigns.ID                  // of one that is kept
	Definition *campaigns.TemplateDefinition // of one that is being written; nil for one that is kept
	ChannelID  string                        // what it would leave through, which adds to its words and has a price; may be empty
	Language   *string                       // asked for instead of the customer's; nil for theirs
}

// A Preview is what a customer would get.
type Preview struct {
	Channel  string // email, sms or a kind of address of a gateway's own
	Language string // of the words; "" for the template's first
	Parts    templates.Parts
	SMS      *templates.SMS // how a text message travels; nil of others
}

// Preview renders a template as a customer would get it. Code and offer are stand-ins.
func (e *Engine) Preview(ctx context.Context, t Trial, customerID string) (*Preview, error) {
	links, err := e.previewLinks(ctx)
	if err != nil {
		return nil, err
	}
	var shown *Preview
	err = e.store.View(ctx, func(tx *store.Tx) error {
		p, err := e.trialPlan(ctx, tx, t)
		if err != nil {
			return err
		}
		customer, err := tx.Customer(ctx, customerID)
		if err != nil {
			return err
		}
		b := p.showing(tx, links)
		if err := b.load(ctx, []int64{customer.No}); err != nil {
			return err
		}
		if len(b.people) == 0 {
			return campaigns.NotFound("customer", customerID)
		}
		m, parts, err := b.show(&b.people[0], &p.variants[0], &p.variants[0].ways[0])
		if err != nil {
			return campaigns.Conflict("this customer would get no message: %v", plainly(err))
		}
		shown = &Preview{Channel: m.Channel, Language: m.Language, Parts: parts, SMS: travels(m.Channel, parts)}
		return nil
	})
	return shown, err
}

// travels says how a text message goes; nil of other kinds.
func travels(kind string, parts templates.Parts) *templates.SMS {
	if kind != campaigns.SMS {
		return nil
	}
	counted := templates.Segments(parts["text"])
	return &counted
}

// plainly is what was wrong with one customer's message, in a sentence.
func plainly(err error) error {
	var wrong *campaigns.Error
	if errors.As(err, &wrong) && len(wrong.Problems) > 0 {
		return errors.New(wrong.Problems[0].Message)
	}
	return err
}

func (e *Engine) previewLinks(ctx context.Context) (links, error) {
	var w *campaigns.Workspace
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		w, err = tx.Workspace(ctx)
		return err
	})
	if err != nil {
		return links{}, err
	}
	return e.links(ctx, w)
}

// trialPlan is a plan of one variant with a made-up offer.
func (e *Engine) trialPlan(ctx context.Context, tx *store.Tx, t Trial) (*plan, error) {
	w, err := tx.Workspace(ctx)
	if err != nil {
		return nil, err
	}
	d, err := readDefinitions(ctx, tx)
	if err != nil {
		return nil, err
	}
	definition, parsed, err := parseTrial(ctx, tx, t)
	if err != nil {
		return nil, err
	}
	computed := map[string]*rules.Value{}
	if err := d.compute(parsed, computed); err != nil {
		return nil, err
	}
	words := way{kind: definition.Channel}
	if t.ChannelID != "" {
		c, err := tx.Channel(ctx, t.ChannelID)
		if campaigns.CodeOf(err) == campaigns.CodeNotFound {
			return nil, campaigns.Invalid("channel_id", "there is no channel %q", t.ChannelID)
		}
		if err != nil {
			return nil, err
		}
		words.ChannelID = c.ID
		if err := words.through(&c); err != nil {
			return nil, err
		}
		words.signs(&c, "marketing")
	}
	words.say(parsed)
	offer := &campaigns.Offer{OfferDefinition: campaigns.OfferDefinition{Name: "Preview", Effect: campaigns.Effect{Kind: "percent_off", Value: "10"}}}
	return &plan{workspace: w, at: rules.Instant{Now: tx.Now, Zone: w.Location()}, moneyNames: moneyNames(d.schema()), computed: computed, language: t.Language,
		campaign: campaigns.Campaign{Definition: campaigns.Definition{Name: definition.Name, Purpose: "marketing"}},
		variants: []variant{{ways: []way{words}, offer: offer}}}, nil
}

// parseTrial compiles what is being written as it would be kept, and what is kept as it is used.
func parseTrial(ctx context.Context, tx *store.Tx, t Trial) (d campaigns.TemplateDefinition, parsed *templates.Template, err error) {
	if t.Definition != nil {
		d = *t.Definition
		parsed, err = ParseTemplate(ctx, tx, &d)
		return d, parsed, err
	}
	kept, err := tx.Template(ctx, t.Template)
	if err != nil {
		return d, nil, err
	}
	parsed, err = parseRevision(ctx, tx, &kept.TemplateDefinition)
	return kept.TemplateDefinition, parsed, err
}

// showing is a batch that reads what its templates print and nothing else: it shows what people would get.
func (p *plan) showing(tx *store.Tx, links links) *batch {
	b := (&readyRun{plan: p, links: links}).batch(tx, &campaigns.Run{CampaignID: p.campaign.ID, Version: p.campaign.Version, Occurrence: tx.Now})
	b.shows = true
	return b
}

// show is the message that somebody would get, and what it would say. Its error is why they would get none.
func (b *batch) show(p *person, v *variant, w *way) (*campaigns.Message, templates.Parts, error) {
	code := ""
	if v.offer != nil {
		code = someCode
	}
	m := b.would(p, v, w, code)
	parts, err := say(w.template, m)
	if err == nil && b.isTooMuch(p, v, w, code) {
		err = errVarsMax
	}
	if prefix := w.shortPrefix(b); err == nil && prefix != "" && !b.links.inert {
		parts["text"] = shortForm(parts["text"], prefix, keptHosts(m)) // as long as it will be
	}
	return m, parts, err
}

// errVarsMax says why a message cannot be kept.
var errVarsMax = errors.New("the values that the template prints for this customer take more than 4 KB")

// WhyUnprintable says of customers who stand at a run's gate template what is wrong with the message that they would get, as
// far as it is still wrong: their values may have changed since. Those for whom nothing is are left out.
func (e *Engine) WhyUnprintable(ctx context.Context, tx *store.Tx, run *campaigns.Run, nos []int64) (map[int64]string, error) {
	p, err := e.planOf(ctx, tx, run)
	if campaigns.CodeOf(err) != "" { // what the run used is gone
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	links, err := e.links(ctx, p.workspace)
	if err != nil {
		return nil, err
	}
	b, found, why := p.showing(tx, links), newChecked(), map[int64]string{}
	if err := b.load(ctx, nos); err != nil {
		return nil, err
	}
	found.check(b)
	for _, message := range slices.Sorted(maps.Keys(found.faults)) {
		for it := found.faults[message].customers.Iterator(); it.HasNext(); {
			why[int64(it.Next())] = message
		}
	}
	return why, nil
}

package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/templates"
)

// A variant is one of a plan's: the ways in which its message can reach somebody, tried in order, and what it offers.
type variant struct {
	campaigns.Variant
	ways  []way
	offer *campaigns.Offer
}

// A way is a channel, the words for it and the kind of address that it needs.
type way struct {
	campaigns.Way
	kind     string // campaigns.Email or campaigns.SMS
	revision int
	template *templates.Template

	sayings     map[string]*saying // by language, the first under ""
	hasRequired bool               // in some language
	refusing    []string           // variables that nobody of an audience may lack
	cost        tariff             // of its messages

	signOff, optOut string         // the channel's, around a text
	around          map[string]any // the same, as a message keeps them
}

// planVariants makes the campaign's variants ready; what is wrong with them goes to checks.
func (e *Engine) planVariants(ctx context.Context, tx *store.Tx, p *plan, theirs definitions, checks *campaigns.Checks) error {
	var ofAll *campaigns.Offer
	if id := p.campaign.OfferID; id != nil {
		offer, err := planOffer(ctx, tx, &p.campaign, *id)
		if err != nil && campaigns.CodeOf(err) == "" {
			return err
		}
		checks.Add(err) // under the campaign's own field, and once
		ofAll = &offer
	}
	for i, v := range p.campaign.Variants {
		field := fmt.Sprintf("variants[%d].", i)
		ready, err := e.variant(ctx, tx, &p.campaign, v, ofAll)
		if err != nil {
			if campaigns.CodeOf(err) == "" {
				return err
			}
			checks.Under(field, err)
			continue
		}
		for j := range ready.ways {
			if err := theirs.compute(ready.ways[j].template, p.computed); err != nil {
				checks.Under(field+wayField(j), err)
			}
			p.kinds = append(p.kinds, ready.ways[j].kind)
		}
		p.variants = append(p.variants, ready)
	}
	slices.Sort(p.kinds)
	p.kinds = slices.Compact(p.kinds)
	return nil
}

// wayField is the field of a variant that holds its i-th way.
func wayField(i int) string {
	if i == 0 {
		return ""
	}
	return fmt.Sprintf("fallback[%d].", i-1)
}

// variant makes one ready; ofAll is the campaign's offer, the default.
func (e *Engine) variant(ctx context.Context, tx *store.Tx, c *campaigns.Campaign, v campaigns.Variant, ofAll *campaigns.Offer) (variant, error) {
	ready := variant{Variant: v}
	var checks campaigns.Checks
	for i, w := range v.Ways() {
		opened, err := e.way(ctx, tx, c, w)
		if err != nil && campaigns.CodeOf(err) == "" {
			return ready, err
		}
		checks.Under(wayField(i), err)
		ready.ways = append(ready.ways, opened)
	}
	if err := checks.Err(); err != nil {
		return ready, err
	}
	if v.OfferID == nil && ofAll != nil {
		ready.offer = ofAll
		return ready, nil
	}
	if v.OfferID == nil {
		for _, w := range ready.ways {
			if slices.Contains(w.template.Variables(), "code") {
				return ready, campaigns.Invalid("offer_id", "is missing: the template prints a code")
			}
		}
		return ready, nil
	}
	offer, err := planOffer(ctx, tx, c, *v.OfferID)
	ready.offer = &offer
	return ready, err
}

// planOffer is an offer as a campaign gives it: one that is frozen keeps the revision that it was launched with.
func planOffer(ctx context.Context, tx *store.Tx, c *campaigns.Campaign, id campaigns.ID) (campaigns.Offer, error) {
	offer, err := tx.Offer(ctx, id)
	if revision, frozen := c.Frozen.Offers[id.String()]; frozen && err == nil {
		offer, err = tx.OfferRevision(ctx, id, revision)
	}
	if campaigns.CodeOf(err) == campaigns.CodeNotFound {
		return offer, campaigns.Invalid("offer_id", "there is no offer %q", id)
	}
	return offer, err
}

// way opens a channel and its words; a campaign that is frozen uses the revision that it was launched with.
func (e *Engine) way(ctx context.Context, tx *store.Tx, c *campaigns.Campaign, w campaigns.Way) (way, error) {
	ready := way{Way: w}
	revision, frozen := c.Frozen.Templates[w.TemplateID.String()]
	if !frozen {
		t, err := tx.Template(ctx, w.TemplateID)
		if campaigns.CodeOf(err) == campaigns.CodeNotFound {
			return ready, campaigns.Invalid("template_id", "there is no template %q", w.TemplateID)
		}
		if err != nil {
			return ready, err
		}
		revision = t.Revision
	}
	parsed, definition, err := e.words.template(ctx, tx, w.TemplateID, revision)
	if campaigns.CodeOf(err) == campaigns.CodeInvalid {
		return ready, campaigns.Invalid("template_id", "the template does not work: %v", err)
	}
	if err != nil {
		return ready, err
	}
	ready.kind, ready.revision, ready.template = definition.Channel, revision, parsed
	ch, err := tx.Channel(ctx, w.ChannelID)
	if campaigns.CodeOf(err) == campaigns.CodeNotFound {
		return ready, campaigns.Invalid("channel_id", "there is no channel %q", w.ChannelID)
	}
	if err == nil {
		ready.signs(&ch, c.Purpose)
		err = ready.through(&ch)
	}
	ready.refusing = definition.Refusing()
	ready.say(parsed)
	if c.Tracks() {
		ready.keepsLinks()
	}
	return ready, err
}

// keepsLinks lets the messages of a way keep how their links are made countable.
func (w *way) keepsLinks() {
	name := linksGroup + "." + trackName
	if w.kind == campaigns.SMS {
		name = linksGroup + "." + shortName
	}
	if w.kind == campaigns.Email || w.kind == campaigns.SMS {
		for _, s := range w.sayings {
			s.origins = strings.Join(append(s.words.Origins(), templates.OriginsIn(w.signOff, w.optOut)...), " ")
			s.variables = append(slices.Clone(s.variables), name, linksGroup+"."+hostsName)
			slices.Sort(s.variables)
		}
	}
}

// shortPrefix is what the short links of a way's text messages begin with; empty where it has none.
func (w *way) shortPrefix(b *batch) string {
	if w.kind != campaigns.SMS || !b.campaign.Tracks() {
		return ""
	}
	return shortPrefix(b.workspace, b.links.base)
}

// through takes over what a channel means for a way.
func (w *way) through(c *campaigns.Channel) (err error) {
	if !c.Carries(w.kind) {
		return campaigns.Invalid("channel_id", "the channel %s (%s) does not carry %s", c.ID, c.Kind, w.kind)
	}
	w.cost, err = tariffOf(c)
	return err
}

// A saying is a way's words in one language.
type saying struct {
	language  string // as the template names it; "" for its first
	words     *templates.Words
	variables []string        // what is kept with a message, sorted
	required  map[string]bool // those without a default
	origins   string          // of the links in its words and its sender's, where links are made countable
}

// say gives a way its words.
func (w *way) say(t *templates.Template) {
	w.template, w.sayings, w.hasRequired = t, map[string]*saying{}, false
	for _, language := range append([]string{""}, t.Languages()...) {
		words := t.In(language)
		s := &saying{language: language, words: words, variables: words.Variables(), required: map[string]bool{}}
		for _, name := range words.Required() {
			s.required[name], w.hasRequired = true, true
		}
		w.sayings[language] = s
	}
}

// isSpoken says whether a way's words depend on the customer's language.
func (w *way) isSpoken() bool { return len(w.sayings) > 1 }

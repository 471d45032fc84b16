package engine

import (
	"context"
	"maps"
	"slices"
	"strings"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/channel"
	"beckon/templates"
)

// sourceOf is a template as package templates reads it.
func sourceOf(d *campaigns.TemplateDefinition) templates.Source {
	src := templates.Source{Channel: d.Channel, Parts: d.Parts, Languages: d.Languages, Defaults: d.Defaults(), Language: d.Language, Currency: d.Currency,
		InlineCSS: d.InlineCSS != nil && *d.InlineCSS, Own: d.Channel != campaigns.Email && d.Channel != campaigns.SMS}
	if d.ProviderTemplate != nil {
		src.Params = d.ProviderTemplate.Params
	}
	return src
}

// checkProviderTemplate says what is wrong with the registered template that a template names.
func checkProviderTemplate(ctx context.Context, tx *store.Tx, d *campaigns.TemplateDefinition) error {
	p := d.ProviderTemplate
	if p == nil {
		return nil
	}
	var checks campaigns.Checks
	checks.Under("provider_template.", p.Check())
	c, err := tx.Channel(ctx, p.ChannelID)
	switch {
	case campaigns.CodeOf(err) == campaigns.CodeNotFound:
		checks.Require(false, "provider_template.channel_id", "there is no channel %q", p.ChannelID)
	case err != nil:
		return err
	case c.Kind != campaigns.KindGateway || !c.Carries(d.Channel):
		checks.Require(false, "provider_template.channel_id", "%s is no gateway that carries %s", c.Name, d.Channel)
	}
	return checks.Err()
}

// checkParts says whether a template of an own kind of address has that kind's parts.
func (k kinds) checkParts(d *campaigns.TemplateDefinition) error {
	own, is := k[d.Channel]
	if d.Channel == campaigns.Email || d.Channel == campaigns.SMS {
		return nil
	}
	if !is {
		return campaigns.Invalid("channel", "there is no such channel: use email, sms%s, or make a gateway that sends it first", k.listed())
	}
	var checks campaigns.Checks
	for _, name := range own.Parts {
		checks.Require(strings.TrimSpace(d.Parts[name]) != "", "parts."+name, "the part is missing")
	}
	for _, name := range slices.Sorted(maps.Keys(d.Parts)) {
		checks.Require(slices.Contains(own.Parts, name), "parts."+name, "a template for %s has no such part: its parts are %s", own.Name, strings.Join(own.Parts, ", "))
	}
	return checks.Err()
}

// registered takes a message's parts apart: its words, and the registered template where the message leaves through the
// gateway that knows it, the channel that carries it.
func (e *Engine) registered(ctx context.Context, m *campaigns.Message, channelID string, parts templates.Parts) (templates.Parts, *channel.Registered, error) {
	d, known := e.words.defined(m.TemplateID, m.TemplateRevision)
	if !known {
		err := e.store.View(ctx, func(tx *store.Tx) (err error) {
			_, d, err = e.words.template(ctx, tx, m.TemplateID, m.TemplateRevision)
			return err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	if d.ProviderTemplate == nil {
		return parts, nil, nil
	}
	words, params := parts.Params()
	if d.ProviderTemplate.ChannelID != channelID {
		return words, nil, nil
	}
	return words, &channel.Registered{Code: d.ProviderTemplate.Code, Params: params}, nil
}

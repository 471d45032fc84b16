package main

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
	"beckon/engine/shop"
)

// A demoCampaign is one that the demo switches on, and what its messages do to the simulated customers.
type demoCampaign struct {
	template   campaigns.TemplateDefinition
	offer      *campaigns.OfferDefinition
	definition campaigns.Definition
	effect     shop.Effect
	campaign   campaigns.Campaign // once it is launched
}

// demoHoldout is the share that each campaign leaves without a message.
const demoHoldout = 0.2

// demoCampaigns are three that every shop needs: birthdays on the first of the month, win-back on Tuesdays, and each day
// the points that lapse within thirty.
func demoCampaigns(zone string) []*demoCampaign {
	holdout := demoHoldout
	cooldown := 90 * campaigns.Day
	define := func(name, rule, cron, purpose string, entry campaigns.Entry) campaigns.Definition {
		return campaigns.Definition{Name: name, Kind: campaigns.Recurring, Rule: rule, Schedule: &campaigns.Schedule{Cron: cron, Zone: zone},
			Goal: campaigns.Goal{Metric: "purchase", Window: 14 * campaigns.Day}, Purpose: purpose, Holdout: &holdout, Entry: &entry,
			Caps: &[]campaigns.Cap{}} // the shop knows what each message does to a customer, not what a missing one would have
	}
	days := 14
	return []*demoCampaign{
		{template: birthdayTemplate(), effect: shop.Effect{Chance: 0.16},
			definition: define("Birthday month", "month(birthday) == month(today)", "0 9 1 * *", "marketing", campaigns.Entry{OncePer: "year"})},
		{template: lapsedTemplate(), effect: shop.Effect{Chance: 0.09, PercentOff: 15},
			offer:      &campaigns.OfferDefinition{Name: "15 % welcome back", Effect: campaigns.Effect{Kind: "percent_off", Value: "15"}, DaysAfterIssue: &days, Reach: "issued"},
			definition: define("Lapsed 90 days", "days_since(last_purchase_at) >= 90", "10 9 * * 2", "marketing", campaigns.Entry{Every: &cooldown})},
		{template: pointsTemplate(), effect: shop.Effect{Chance: 0.12},
			definition: define("Points about to expire", "points_expiring(30) >= 200", "0 10 * * *", "service",
				campaigns.Entry{OnceFor: "min(map(filter(lots, .remaining > 0 && days_until(.last_valid_on) in 0..30), .last_valid_on))"})},
	}
}

func birthdayTemplate() campaigns.TemplateDefinition {
	return campaigns.TemplateDefinition{Name: "Birthday month", Channel: campaigns.Email, Parts: map[string]string{
		"subject": `{% if customer.language == "en" %}Your birthday month, {{ customer.name }}{% else %}{{ customer.name }}，生日月快乐{% endif %}`,
		"html": `<h1>{% if customer.language == "en" %}Happy birthday, {{ customer.name }}!{% else %}{{ customer.name }}，生日快乐！{% endif %}</h1>
<p>{% if customer.language == "en" %}All this month your points count double.{% else %}本月购物，积分翻倍。{% endif %}</p>
<p><a href="{{ links.unsubscribe }}">{% if customer.language == "en" %}Unsubscribe{% else %}退订{% endif %}</a></p>`,
		"text": `{% if customer.language == "en" %}Happy birthday, {{ customer.name }}! All this month your points count double.{% else %}{{ customer.name }}，生日快乐！本月购物，积分翻倍。{% endif %} {{ links.unsubscribe }}`,
	}}
}

func lapsedTemplate() campaigns.TemplateDefinition {
	return campaigns.TemplateDefinition{Name: "Welcome back", Channel: campaigns.Email, Parts: map[string]string{
		"subject": `{% if customer.language == "en" %}{{ offer.value }} off: we miss you{% else %}好久不见，送您{{ offer.value }}优惠{% endif %}`,
		"html": `<p>{% if customer.language == "en" %}Dear {{ customer.name }}, take {{ offer.value }} off your next order with the code{% else %}{{ customer.name }}，下单立减{{ offer.value }}，优惠码{% endif %} <b>{{ code }}</b></p>
<p><a href="{{ links.unsubscribe }}">{% if customer.language == "en" %}Unsubscribe{% else %}退订{% endif %}</a></p>`,
		"text": `{{ customer.name }}: {{ offer.value }} {{ code }} {{ links.unsubscribe }}`,
	}}
}

func pointsTemplate() campaigns.TemplateDefinition {
	return campaigns.TemplateDefinition{Name: "Points about to expire", Channel: campaigns.SMS, Parts: map[string]string{
		"text": `{% if customer.language == "en" %}{{ points.expiring }} of your points lapse on {{ points.expires_on }}.{% else %}您有{{ points.expiring }}积分将于{{ points.expires_on }}到期。{% endif %}`,
	}}
}

// launch keeps template and offer, and creates and launches the campaign through the catcher: nothing leaves the machine.
func (c *demoCampaign) launch(ctx context.Context, s *store.Store, e *engine.Engine) error {
	template := campaigns.Template{TemplateDefinition: c.template}
	err := s.Update(ctx, func(tx *store.Tx) error {
		if _, err := engine.ParseTemplate(ctx, tx, &template.TemplateDefinition); err != nil {
			return err
		}
		if err := tx.CreateTemplate(ctx, &template); err != nil || c.offer == nil {
			return err
		}
		offer := campaigns.Offer{Status: campaigns.OfferLive, OfferDefinition: *c.offer}
		if err := tx.CreateOffer(ctx, &offer); err != nil {
			return err
		}
		c.definition.OfferID = &offer.ID
		return nil
	})
	if err != nil {
		return err
	}
	c.definition.Variants = []campaigns.Variant{{Name: "A", Weight: 1, ChannelID: campaigns.Catcher, TemplateID: template.ID}}
	if c.campaign, err = e.CreateCampaign(ctx, "demo", c.definition); err != nil {
		return err
	}
	c.campaign, err = e.MoveCampaign(ctx, "demo", c.campaign.ID, 0, campaigns.Launch)
	return err
}

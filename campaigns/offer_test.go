package campaigns_test

import (
	"errors"
	"testing"

	"beckon/campaigns"
)

func TestAnOffersEffectIsCheckedByField(t *testing.T) {
	for name, c := range map[string]struct {
		effect campaigns.Effect
		field  string
	}{
		"ten percent":            {campaigns.Effect{Kind: "percent_off", Value: "10", Max: "5"}, ""},
		"a fine percentage":      {campaigns.Effect{Kind: "percent_off", Value: "12.55"}, ""},
		"five off":               {campaigns.Effect{Kind: "amount_off", Value: "5", Scope: "order"}, ""},
		"no kind":                {campaigns.Effect{Value: "5"}, "effect.kind"},
		"no percentage":          {campaigns.Effect{Kind: "percent_off"}, "effect.value"},
		"more than all":          {campaigns.Effect{Kind: "percent_off", Value: "100.01"}, "effect.value"},
		"finer than hundredths":  {campaigns.Effect{Kind: "percent_off", Value: "1.005"}, "effect.value"},
		"no amount":              {campaigns.Effect{Kind: "amount_off"}, "effect.value"},
		"a negative amount":      {campaigns.Effect{Kind: "amount_off", Value: "-1"}, "effect.value"},
		"finer than the cent":    {campaigns.Effect{Kind: "amount_off", Value: "1.005"}, "effect.value"},
		"a negative most at all": {campaigns.Effect{Kind: "amount_off", Value: "1", Max: "-1"}, "effect.max"},
		"items":                  {campaigns.Effect{Kind: "amount_off", Value: "1", Scope: "items"}, "effect.scope"},
	} {
		d := campaigns.OfferDefinition{Name: "Offer", Effect: c.effect}
		err := d.Check(2)
		var e *campaigns.Error
		if c.field == "" && err != nil || c.field != "" && (!errors.As(err, &e) || e.Problems[0].Field != c.field) {
			t.Errorf("%s: %v, want a problem with %q", name, err, c.field)
		}
	}
}

package engine

import (
	"context"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// A Keeper is a gate that would keep a customer from marketing messages by one kind of address, whatever the campaign.
type Keeper struct {
	Channel string         `json:"channel" enum:"email,sms"`
	Gate    campaigns.Gate `json:"gate" doc:"excluded, consent, suppressed, address or global_holdout"`
}

// KeptOut says what would keep a customer from marketing messages now, whether a rule matches or not.
func (e *Engine) KeptOut(ctx context.Context, customerID string) ([]Keeper, error) {
	keepers := []Keeper{}
	return keepers, e.store.View(ctx, func(tx *store.Tx) error {
		customer, err := tx.Customer(ctx, customerID)
		if err != nil {
			return err
		}
		w, err := tx.Workspace(ctx)
		if err != nil {
			return err
		}
		known, err := readDefinitions(ctx, tx)
		if err != nil {
			return err
		}
		for _, kind := range []string{campaigns.Email, campaigns.SMS} {
			p := &plan{workspace: w, at: rules.Instant{Now: tx.Now.Truncate(time.Second), Zone: w.Location()}, oneKey: true, kinds: []string{kind},
				campaign: campaigns.Campaign{Definition: campaigns.Definition{Purpose: "marketing"}}, variants: []variant{{ways: []way{{kind: kind}}}}}
			if w.Excluded != "" {
				if p.excluded, err = rules.Compile(known.schema(), w.Excluded); err != nil {
					return problems("excluded (of the workspace)", err)
				}
			}
			gates, err := p.early(ctx, ownBooks{tx}, []int64{customer.No}, false)
			if err != nil {
				return err
			}
			for gate := range gates {
				if gate != campaigns.GateEligible {
					keepers = append(keepers, Keeper{kind, gate})
				}
			}
		}
		return nil
	})
}

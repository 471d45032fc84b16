package engine

import (
	"slices"

	"beckon/campaigns"
	"beckon/engine/rules"
)

// checkTrigger says what is wrong with a triggered campaign where the workspace's names are known.
func (p *plan) checkTrigger(known definitions, checks *campaigns.Checks) {
	t := p.campaign.Trigger
	if t == nil {
		return
	}
	if p.rule != nil && len(p.rule.Ranks()) > 0 {
		checks.Add(campaigns.Invalid("rule", "cannot use percentile or ntile: it is asked about one customer, when the event comes; a segment that is entered may use them"))
	}
	if t.Attribute == "" {
		return
	}
	derived := []string{"id", "tier_until", "tier_shortfall", "first_purchase_at", "last_purchase_at", "purchase_count", "lifetime_points", "total_spend", "avg_basket", "next_birthday", "points"}
	isColumn := slices.ContainsFunc(known.columns.Names(), func(a rules.Attribute) bool { return a.Name == t.Attribute })
	checks.Require(isColumn && !slices.Contains(derived, t.Attribute), "trigger.attribute", "%q is no attribute of a profile that can be written", t.Attribute)
}

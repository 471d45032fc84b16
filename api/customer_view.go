package api

import (
	"context"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// customerView is what it takes to show customers: the workspace's currency and zone, and the types of attributes.
type customerView struct {
	workspace  *campaigns.Workspace
	attributes map[string]campaigns.Attribute
}

func newCustomerView(ctx context.Context, tx *store.Tx) (v customerView, err error) {
	if v.workspace, err = tx.Workspace(ctx); err != nil {
		return v, err
	}
	all, err := tx.Attributes(ctx)
	v.attributes = map[string]campaigns.Attribute{}
	for _, a := range all {
		if !a.IsEventProperty() {
			v.attributes[a.Name] = a
		}
	}
	return v, err
}

// bodies are customers as they are shown in a list.
func (v customerView) bodies(customers []*campaigns.Customer) []customerBody {
	all := make([]customerBody, len(customers))
	for i, c := range customers {
		all[i] = v.body(c)
	}
	return all
}

func (v customerView) body(c *campaigns.Customer) customerBody {
	digits, f := v.workspace.Digits(), &c.Figures
	b := customerBody{ID: c.ID, Name: c.Name, Gender: c.Gender, Email: c.Email, Phone: c.Phone, City: c.City, Language: c.Language, Timezone: c.Timezone,
		Tier: c.Tier, RegisteredAt: c.RegisteredAt, SMSConsent: c.SMSConsent, EmailConsent: c.EmailConsent, Tags: c.Tags, Attributes: map[string]any{},
		PurchaseCount: f.PurchaseCount, TotalSpend: campaigns.FormatMoney(f.TotalSpend, digits), FirstPurchaseAt: f.FirstPurchaseAt,
		LastPurchaseAt: f.LastPurchaseAt, LifetimePoints: f.LifetimePoints, Revision: c.Revision, ChangedAt: c.ChangedAt}
	if b.Tags == nil {
		b.Tags = []string{}
	}
	if c.Birthday != nil {
		b.Birthday = c.Birthday.Format(time.DateOnly)
	}
	if f.PurchaseCount > 0 {
		b.AvgBasket = campaigns.FormatMoney(average(f.TotalSpend, f.PurchaseCount), digits)
	}
	for name, value := range c.Attributes {
		if minor, is := value.(int64); is && v.attributes[name].Type == "money" {
			value = campaigns.FormatMoney(minor, digits)
		}
		if value != nil {
			b.Attributes[name] = value
		}
	}
	return b
}

// average is sum / n, rounded half up.
func average(sum, n int64) int64 {
	whole, rest := sum/n, sum%n
	if rest < 0 {
		whole, rest = whole-1, rest+n
	}
	if 2*rest >= n {
		whole++
	}
	return whole
}

// points are what a customer can spend today, in the workspace's zone.
func (v customerView) points(ctx context.Context, tx *store.Tx, no int64) (*int64, error) {
	lots, err := tx.Lots(ctx, no)
	local := tx.Now.In(v.workspace.Location())
	today := time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.UTC)
	var sum int64
	for _, l := range lots {
		if !l.ActiveFrom.After(today) && (l.LastValidOn == nil || !l.LastValidOn.Before(today)) {
			sum += l.Remaining
		}
	}
	return &sum, err
}

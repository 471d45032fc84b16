package campaigns

import (
	"slices"
	"strings"
)

// A Trigger starts a campaign for one customer: the name of an ingested event, or one of TriggerEvents. After waits so
// long, and Unless drops it when an event of that name came in between (an abandoned basket that was bought after all).
// While one waits, a newer event of the same customer takes its place, and the time begins anew.
type Trigger struct {
	Event     string    `json:"event" example:"purchase"`
	Attribute string    `json:"attribute,omitempty" doc:"customer.updated: only when this attribute changed"`
	Segment   string    `json:"segment,omitempty" doc:"segment.entered: the segment"`
	After     *Duration `json:"after,omitempty" example:"2h"`
	Unless    string    `json:"unless,omitempty" example:"purchase"`
}

// The triggers that are no ingested event.
const (
	TriggerPurchase        = "purchase"
	TriggerRefund          = "refund"
	TriggerCustomerCreated = "customer.created"
	TriggerCustomerUpdated = "customer.updated"
	TriggerCouponIssued    = "coupon.issued"
	TriggerCouponRedeemed  = "coupon.redeemed"
	TriggerConsentGiven    = "consent.given"
	TriggerSegmentEntered  = "segment.entered"
)

// TriggerEvents are the built-in triggers.
func TriggerEvents() []string {
	return []string{TriggerPurchase, TriggerRefund, TriggerCustomerCreated, TriggerCustomerUpdated, TriggerCouponIssued, TriggerCouponRedeemed,
		TriggerConsentGiven, TriggerSegmentEntered}
}

// triggersToCome are names that will be built in: an ingested event may have them, but starts nothing.
func triggersToCome() []string { return []string{"points.earned", "tier.changed"} }

// IsBuiltIn says whether a name of an event is the service's own: an ingested event of that name starts nothing.
func IsBuiltIn(event string) bool {
	return slices.Contains(TriggerEvents(), event) || slices.Contains(triggersToCome(), event)
}

// Check says what is wrong with the trigger; whether its attribute and segment exist is asked where names are known.
func (t *Trigger) Check() error {
	var checks Checks
	switch {
	case t.Event == "":
		checks.Add(Invalid("event", "is missing: name an event, or one of %s", strings.Join(TriggerEvents(), ", ")))
	case slices.Contains(triggersToCome(), t.Event):
		checks.Add(Invalid("event", "%q is not available yet: use one of %s, or an event of your own", t.Event, strings.Join(TriggerEvents(), ", ")))
	default:
		checks.Add(CheckID("event", t.Event))
	}
	checks.Require(t.Attribute == "" || t.Event == TriggerCustomerUpdated, "attribute", "belongs to the event customer.updated")
	checks.Require(t.Segment == "" || t.Event == TriggerSegmentEntered, "segment", "belongs to the event segment.entered")
	checks.Require(t.Segment != "" || t.Event != TriggerSegmentEntered, "segment", "is missing: name the segment that is entered")
	checks.Require(t.After == nil || *t.After > 0 && *t.After <= 366*Day, "after", "should be above 0 and at most 366d")
	if t.Unless != "" {
		checks.Add(CheckID("unless", t.Unless))
		checks.Require(t.After != nil, "unless", "needs after: between the event and the message there must be time for the other one to come")
		dated := []string{TriggerPurchase, TriggerRefund, TriggerCouponIssued, TriggerCouponRedeemed, TriggerConsentGiven}
		checks.Require(!IsBuiltIn(t.Unless) || slices.Contains(dated, t.Unless), "unless", "%q keeps no history that could be asked: use %s or the name of an event", t.Unless, strings.Join(dated, ", "))
	}
	return checks.Err()
}

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

// AfterMax is the longest that a trigger may wait.
const AfterMax = 366 * Day

// Check says what is wrong with a trigger by itself.
func (t *Trigger) Check() error {
	var checks Checks
	checks.Add(CheckID("trigger.event", t.Event))
	checks.Require(!slices.Contains(triggersToCome(), t.Event), "trigger.event", "%q cannot start a campaign yet: use %s or the name of an event", t.Event, strings.Join(TriggerEvents(), ", "))
	checks.Require(t.Attribute == "" || t.Event == TriggerCustomerUpdated, "trigger.attribute", "belongs to %s alone: leave it out", TriggerCustomerUpdated)
	checks.Require(t.Event != TriggerSegmentEntered || t.Segment != "", "trigger.segment", "is missing: name the segment that is entered")
	checks.Require(t.Event == TriggerSegmentEntered || t.Segment == "", "trigger.segment", "belongs to %s alone: leave it out", TriggerSegmentEntered)
	checks.Require(t.After == nil || (*t.After > 0 && *t.After <= AfterMax), "trigger.after", "should be between 1s and 366d")
	checks.Require(t.Unless == "" || t.After != nil, "trigger.unless", "needs after: without it there is no time in which the other event could come")
	if t.Unless != "" {
		checks.Add(CheckID("trigger.unless", t.Unless))
	}
	dated := []string{TriggerPurchase, TriggerRefund, TriggerCouponIssued, TriggerCouponRedeemed, TriggerConsentGiven}
	checks.Require(!IsBuiltIn(t.Unless) || slices.Contains(dated, t.Unless), "trigger.unless", "%q keeps no history that could be asked: use %s or the name of an event", t.Unless, strings.Join(dated, ", "))
	return checks.Err()
}

// checkTrigger says what is wrong with a definition's trigger.
func (d *Definition) checkTrigger(checks *Checks) {
	if d.Kind != Triggered {
		checks.Require(d.Trigger == nil, "trigger", "belongs to campaigns of kind triggered")
		return
	}
	if d.Trigger == nil {
		checks.Add(Invalid("trigger", `is missing: name the event that starts the campaign for one customer, such as {"event":"purchase"}`))
		return
	}
	checks.Add(d.Trigger.Check())
	checks.Require(d.Audience == nil, "audience", "belongs to campaigns that choose from everybody: a triggered one takes who comes")
	if d.Trigger.Event != TriggerCouponIssued {
		return
	}
	offers := d.OfferID != nil || slices.ContainsFunc(d.Variants, func(v Variant) bool { return v.OfferID != nil })
	checks.Require(!offers, "offer_id", "cannot be given for an issued coupon: the coupon would start campaigns again, without an end")
}

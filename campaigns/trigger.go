package campaigns

// A Trigger starts a campaign for one customer: the name of an ingested event, or one of TriggerEvents. After waits so
// long, and Unless drops it when an event of that name came in between (an abandoned basket that was bought after all).
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

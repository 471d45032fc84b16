package campaigns

import (
	"fmt"
	"time"
)

// A Basket is what somebody is about to pay for, with the codes they show.
type Basket struct {
	CustomerID string
	At         *time.Time // the sale's time decides what is valid; nil is now
	Lines      []BasketLine
	Codes      []string
}

// BasketLine is one position; UnitPrice is minor units.
type BasketLine struct {
	SKU       string
	Brand     string
	Category  string
	Qty       int32
	UnitPrice int64
}

// A Coupon is a code issued to a customer, and the offer it opens.
type Coupon struct {
	No            int64
	CustomerID    string
	Code          string
	OfferID       ID
	OfferRevision int
	CampaignID    *ID
	RunID         *ID
	MessageID     *ID
	IssuedAt      time.Time
	ExpiresAt     *time.Time
	Uses          int64
	UsesMax       int64
	UsedAt        *time.Time
}

// A Redemption is the one durable fact that an offer was used on an order: amounts are minor units.
type Redemption struct {
	ID        ID
	OrderID   string
	No        int64
	At        time.Time
	CreatedAt time.Time
	Subtotal  int64
	Discount  int64
	Total     int64
	Lines     []PricedLine
	Applied   []Applied

	NotApplied []NotApplied
}

// PricedLine is a basket line with what was taken off it.
type PricedLine struct {
	Amount   int64
	Discount int64
	Offers   []LineDiscount
}

// LineDiscount is one offer's share on one line.
type LineDiscount struct {
	OfferID  ID
	Discount int64
}

// Applied is an offer that was used, by which code, and what it took off.
type Applied struct {
	OfferID    ID
	Code       string
	Discount   int64
	CampaignID *ID
	MessageID  *ID
}

// A NotApplied is a code that was shown and did not take effect, and why.
type NotApplied struct {
	Code    string
	OfferID *ID
	Reason  string
}

// Check says what is wrong with a basket that is to be redeemed at now.
func (b *Basket) Check(now time.Time) error {
	var checks Checks
	if b.CustomerID != "" {
		checks.Add(CheckID("customer_id", b.CustomerID))
	}
	if b.At != nil {
		checks.Add(CheckAt("at", *b.At, now))
	}
	checks.Require(len(b.Lines) > 0 && len(b.Lines) <= LinesMax, "lines", "should be 1 to %d", LinesMax)
	checks.Require(len(b.Codes) <= 20, "codes", "has more than 20 codes")
	var sum int64
	for i, line := range b.Lines {
		field := func(name string) string { return fmt.Sprintf("lines[%d].%s", i, name) }
		checks.Require(line.Qty >= 0 && line.Qty <= 100_000, field("qty"), "should be between 0 and 100000")
		checks.Require(line.UnitPrice >= 0 && line.UnitPrice <= AmountMax/100_000, field("unit_price"), "should be 0 or more, and not so large")
		checks.Add(CheckText(field("sku"), line.SKU))
		checks.Add(CheckText(field("brand"), line.Brand))
		checks.Add(CheckText(field("category"), line.Category))
		sum += int64(line.Qty) * line.UnitPrice / 100
	}
	checks.Require(sum <= AmountMax, "lines", "add up to more than can be kept")
	return checks.Err()
}

// CouponProblem says why a coupon cannot be used at an instant by a customer, empty when it can. The offer is the one it
// was issued under.
func (c *Coupon) CouponProblem(offer *Offer, customer int64, at time.Time) string {
	switch {
	case customer != 0 && customer != c.No:
		return "issued to another customer"
	case offer.Status != OfferLive:
		return "the offer is " + offer.Status
	case offer.From != nil && at.Before(*offer.From):
		return "not valid before " + offer.From.Format(time.RFC3339)
	case c.ExpiresAt != nil && !at.Before(*c.ExpiresAt):
		return "lapsed at " + c.ExpiresAt.Format(time.RFC3339)
	case at.Before(c.IssuedAt.Add(-24 * time.Hour)):
		return "not yet issued then"
	case c.Uses >= c.UsesMax:
		return "used up"
	}
	return ""
}

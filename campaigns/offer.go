package campaigns

import (
	"slices"
	"strings"
	"time"
)

// An Offer is what a customer gets at the till. A coupon keeps the revision it was issued under.
type Offer struct {
	ID        ID        `json:"id"`
	Revision  int       `json:"revision"`
	Status    string    `json:"status" enum:"draft,live,paused"`
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
	OfferDefinition
}

// The states of an offer. Only a live one is issued and redeemed.
const (
	OfferDraft  = "draft"
	OfferLive   = "live"
	OfferPaused = "paused"
)

// OfferDefinition is what a marketer writes. Reach is issued: only customers that a campaign issued a coupon to.
type OfferDefinition struct {
	Name           string      `json:"name" minLength:"1" maxLength:"200"`
	Effect         Effect      `json:"effect"`
	From           *time.Time  `json:"from,omitempty"`
	Until          *time.Time  `json:"until,omitempty" doc:"the first instant at which it is over"`
	DaysAfterIssue *int        `json:"days_after_issue,omitempty" minimum:"1" maximum:"3660" doc:"a coupon lapses so many days after its issue"`
	Limits         OfferLimits `json:"limits,omitempty"`
	Reach          string      `json:"reach,omitempty" enum:"issued" doc:"issued: only holders of a coupon that a campaign issued"`
}

// Effect is the discount on the whole order: Value is a percentage (percent_off) or an amount of money (amount_off), both
// decimal; Max bounds the discount.
type Effect struct {
	Kind  string  `json:"kind" enum:"percent_off,amount_off"`
	Value Decimal `json:"value"`
	Max   Decimal `json:"max,omitempty" doc:"most money taken off"`
	Scope string  `json:"scope,omitempty" enum:"order"`
}

// OfferLimits bound how often an offer is used; nil is no limit.
type OfferLimits struct {
	Total   *int64 `json:"total,omitempty" minimum:"1"`
	PerCode *int64 `json:"per_code,omitempty" minimum:"1" maximum:"1000000" doc:"1 if left out"`
}

// Decimal is an exact decimal that may come as a JSON string or number and leaves as a string.
type Decimal string

// MarshalJSON writes a string, so that no reader rounds it.
func (d Decimal) MarshalJSON() ([]byte, error) {
	return []byte(`"` + strings.ReplaceAll(string(d), `"`, "") + `"`), nil
}

// UnmarshalJSON reads a string or a number, digit for digit.
func (d *Decimal) UnmarshalJSON(data []byte) error {
	text := strings.Trim(string(data), `"`)
	if text == "null" {
		return nil
	}
	if _, err := ParseMoney(text, 9); err != nil {
		return Invalid("decimal", "%s is not a decimal such as 19.90", shorten(string(data)))
	}
	*d = Decimal(text)
	return nil
}

// OfferSlots is over how many rows a counter of uses is spread, so that a hot offer does not queue on one.
const OfferSlots = 16

// Check says what is wrong with the definition in a currency of so many digits.
func (d *OfferDefinition) Check(digits int) error {
	var checks Checks
	checks.Require(strings.TrimSpace(d.Name) != "", "name", "is missing")
	checks.Add(CheckText("name", d.Name))
	checks.Require(d.Effect.Scope == "" || d.Effect.Scope == "order", "effect.scope", "%q should be order", d.Effect.Scope)
	switch d.Effect.Kind {
	case "percent_off":
		percent, err := ParseMoney(string(d.Effect.Value), 2)
		checks.Require(err == nil && percent > 0 && percent <= 100_00, "effect.value", "%q should be a percentage above 0 and at most 100, with at most 2 decimals", d.Effect.Value)
	case "amount_off":
		amount, err := ParseMoney(string(d.Effect.Value), digits)
		checks.Require(err == nil && amount > 0 && amount <= AmountMax, "effect.value", "%q should be an amount of money above 0 with at most %d decimals", d.Effect.Value, digits)
	default:
		checks.Add(Invalid("effect.kind", "%q should be percent_off or amount_off", d.Effect.Kind))
	}
	if d.Effect.Max != "" {
		most, err := ParseMoney(string(d.Effect.Max), digits)
		checks.Require(err == nil && most > 0, "effect.max", "%q should be an amount of money above 0", d.Effect.Max)
	}
	checks.Require(d.Until == nil || d.From == nil || d.Until.After(*d.From), "until", "should lie after from")
	checks.Require(slices.Contains([]string{"", "issued"}, d.Reach), "reach", "%q should be issued", d.Reach)
	checks.Require(d.Limits.Total == nil || *d.Limits.Total > 0, "limits.total", "should be above 0")
	checks.Require(d.Limits.PerCode == nil || *d.Limits.PerCode > 0, "limits.per_code", "should be above 0")
	checks.Require(d.DaysAfterIssue == nil || *d.DaysAfterIssue > 0 && *d.DaysAfterIssue <= 3660, "days_after_issue", "should be between 1 and 3660")
	return checks.Err()
}

// UsesPerCode is how often one coupon can be redeemed.
func (d *OfferDefinition) UsesPerCode() int64 {
	if d.Limits.PerCode == nil {
		return 1
	}
	return *d.Limits.PerCode
}

// ExpiresAt is when a coupon issued at an instant lapses: the earlier of the offer's end and its own days; nil never.
// Days are counted in the zone and end at its midnight.
func (d *OfferDefinition) ExpiresAt(issued time.Time, zone *time.Location) *time.Time {
	expires := d.Until
	if d.DaysAfterIssue != nil {
		local := issued.In(zone)
		end := Place(time.Date(local.Year(), local.Month(), local.Day()+*d.DaysAfterIssue+1, 0, 0, 0, 0, time.UTC), zone)
		if expires == nil || end.Before(*expires) {
			expires = &end
		}
	}
	return expires
}

// Slots divides a limit over the slots of its counter: all in slot 0 below 64 uses, so that the last use is exact.
func Slots(limit int64) []int64 {
	slots := make([]int64, OfferSlots)
	if limit < 64 {
		slots[0] = limit
		return slots
	}
	for i := range slots {
		slots[i] = limit / OfferSlots
	}
	slots[0] += limit % OfferSlots
	return slots
}

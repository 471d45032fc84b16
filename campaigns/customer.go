package campaigns

import (
	"strings"
	"time"
	"unicode/utf8"
)

// A Customer is a person a shop knows. No is Beckon's own number, never reused, and the key everywhere; ID is the
// caller's. A nil field is missing. Attributes holds registered attributes by name in these Go types: string, int64 (int
// and money), float64, bool, Date text "2006-01-02", time.Time, []string; an absent or nil one is missing.
type Customer struct {
	No           int64
	ID           string
	Name         *string
	Gender       *string
	Birthday     *time.Time // midnight UTC of the calendar day
	City         *string
	Language     *string
	Timezone     *string
	Tier         *string
	RegisteredAt *time.Time
	Email        *string // as NormalEmail gives it
	Phone        *string // E.164
	SMSConsent   *bool
	EmailConsent *bool
	Tags         []string
	Attributes   map[string]any
	Revision     int64
	ChangedAt    time.Time
	Figures      Figures

	// ConsentSource is kept with a consent that a write of the profile changes; empty is "profile".
	ConsentSource string
}

// Figures are derived from a customer's purchases and kept in the transaction that writes them. TotalSpend is minor
// units, net of refunds; wholly refunded orders are in none of the others.
type Figures struct {
	PurchaseCount   int64
	TotalSpend      int64
	FirstPurchaseAt *time.Time
	LastPurchaseAt  *time.Time
	LifetimePoints  int64
}

// Lengths that are accepted, in bytes.
const (
	IDMax   = 200
	TextMax = 2000
	TagsMax = 200
)

// CheckID says whether a caller's id can be kept: 1 to 200 bytes of valid UTF-8 without control characters.
func CheckID(field, id string) error {
	if id == "" {
		return Invalid(field, "is missing")
	}
	if len(id) > IDMax {
		return Invalid(field, "is longer than %d bytes", IDMax)
	}
	return CheckText(field, id)
}

// CheckText refuses what PostgreSQL or a reader could not hold: invalid UTF-8, NUL and other control characters but tab
// and line breaks, and more than 2,000 bytes.
func CheckText(field, text string) error {
	if len(text) > TextMax {
		return Invalid(field, "is longer than %d bytes", TextMax)
	}
	if !utf8.ValidString(text) {
		return Invalid(field, "is not valid UTF-8")
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r < 32 && r != '\t' && r != '\n' && r != '\r' }); i >= 0 {
		return Invalid(field, "contains a control character at byte %d (NUL and the like cannot be kept)", i+1)
	}
	return nil
}

// Check says what is wrong with the fields of a profile, all of it at once.
func (c *Customer) Check() error {
	var checks Checks
	for _, f := range []struct {
		name string
		text *string
	}{{"name", c.Name}, {"gender", c.Gender}, {"city", c.City}, {"language", c.Language}, {"timezone", c.Timezone}, {"tier", c.Tier}} {
		if f.text != nil {
			checks.Add(CheckText(f.name, *f.text))
		}
	}
	if c.Timezone != nil {
		if _, err := time.LoadLocation(*c.Timezone); err != nil || *c.Timezone == "" || *c.Timezone == "Local" {
			checks.Add(Invalid("timezone", "%q is not an IANA time zone such as Asia/Shanghai", shorten(*c.Timezone)))
		}
	}
	if len(c.Tags) > TagsMax {
		checks.Add(Invalid("tags", "has more than %d tags", TagsMax))
	}
	for _, tag := range c.Tags {
		checks.Add(CheckText("tags", tag))
	}
	if c.Birthday != nil && (c.Birthday.Year() < 1900 || c.Birthday.Year() > 2100) {
		checks.Add(Invalid("birthday", "lies outside 1900 to 2100"))
	}
	return checks.Err()
}

package engine

import (
	"strconv"
	"time"

	"beckon/campaigns"
)

// importValues reads the texts of a file. It remembers the last time and the zones that it saw: neighbouring rows share
// them.
type importValues struct {
	zone    *time.Location
	digits  int
	country string
	zones   map[string]bool // IANA names, and whether there is such a zone
	text    string
	at      time.Time
}

// time reads a moment that has happened by now, in whole seconds.
func (v *importValues) time(field, text string, now time.Time) (time.Time, error) {
	if text == v.text && text != "" {
		return v.at, nil
	}
	if text == "" {
		return time.Time{}, campaigns.Invalid(field, "is missing")
	}
	at, err := campaigns.ParseTime(field, text, v.zone)
	if err != nil {
		return at, err
	}
	at = at.UTC().Truncate(time.Second)
	if err := campaigns.CheckAt(field, at, now); err != nil {
		return at, err
	}
	v.text, v.at = text, at
	return at, nil
}

// id checks a caller's id.
func (v *importValues) id(row *importRow, field, text string) error {
	if row.clean && text != "" {
		return nil
	}
	return campaigns.CheckID(field, text)
}

// plain checks a text that may be empty.
func (v *importValues) plain(row *importRow, field, text string) error {
	if row.clean {
		return nil
	}
	return campaigns.CheckText(field, text)
}

// zoneName checks an IANA time zone.
func (v *importValues) zoneName(field, text string) error {
	known, seen := v.zones[text]
	if !seen {
		_, err := time.LoadLocation(text)
		known = err == nil && text != "Local"
		if len(v.zones) < 1000 {
			v.zones[text] = known
		}
	}
	if !known {
		return campaigns.Invalid(field, "%.60q is not an IANA time zone such as Asia/Shanghai", text)
	}
	return nil
}

// qty reads a quantity.
func (v *importValues) qty(text string) (int32, error) {
	if text == "" {
		return 1, nil
	}
	n, err := strconv.ParseInt(text, 10, 32)
	switch {
	case err != nil:
		return 0, campaigns.Invalid("qty", "%.60q is not a whole number", text)
	case n < 0:
		return 0, campaigns.Invalid("qty", "is negative: send what came back as a refund")
	}
	return int32(n), nil
}

// amount reads a line's amount.
func (v *importValues) amount(text string) (int64, error) {
	if text == "" {
		return 0, campaigns.Invalid("amount", "is missing")
	}
	amount, err := campaigns.ParseMoney(text, v.digits)
	if err == nil && (amount > campaigns.AmountMax || amount < -campaigns.AmountMax) {
		err = campaigns.Invalid("amount", "is too large")
	}
	return amount, err
}

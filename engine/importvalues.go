package engine

import (
	"math"
	"strconv"
	"strings"
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
	if err != nil {
		amount, err = withoutNoise(text, v.digits, err)
	}
	if err == nil && (amount > campaigns.AmountMax || amount < -campaigns.AmountMax) {
		err = campaigns.Invalid("amount", "is too large")
	}
	return amount, err
}

// noiseMax is the share of a minor unit up to which a difference is the noise of floating-point arithmetic.
const noiseMax = 1e-6

// withoutNoise reads what a program that reckons money in floating point writes for an exact amount: 4.440892e-16 for 0,
// or 12.340000000000002. Anything that is really finer than the minor unit stays refused: money is never rounded.
func withoutNoise(text string, digits int, refused error) (int64, error) {
	value, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(value, 0) || math.IsNaN(value) || len(text) < 8 || strings.ContainsAny(text, "xX_") {
		return 0, refused
	}
	minor := value * math.Pow10(digits)
	if math.Abs(minor) > 1e12 || math.Abs(minor-math.Round(minor)) > noiseMax {
		return 0, refused
	}
	return int64(math.Round(minor)), nil
}

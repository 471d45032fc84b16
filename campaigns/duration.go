package campaigns

import (
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time written as in the API: "90d", "36h", "15m", "30s". A day is 24 hours.
type Duration time.Duration

// Day is 24 hours.
const Day = Duration(24 * time.Hour)

// ParseDuration reads one whole number with one unit. At most 100 years.
func ParseDuration(text string) (Duration, error) {
	units := map[byte]time.Duration{'d': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute, 's': time.Second}
	bad := Invalid("duration", "%q is not a duration: write a number and d, h, m or s, like 90d or 36h", shorten(text))
	if len(text) < 2 || len(text) > 12 {
		return 0, bad
	}
	unit, known := units[text[len(text)-1]]
	n, err := strconv.ParseInt(text[:len(text)-1], 10, 64)
	if !known || err != nil || n < 0 || n > int64(100*366*24*time.Hour/unit) {
		return 0, bad
	}
	return Duration(time.Duration(n) * unit), nil
}

// String writes the largest unit that divides the duration.
func (d Duration) String() string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d != 0 && time.Duration(d)%u.unit == 0 {
			return strconv.FormatInt(int64(time.Duration(d)/u.unit), 10) + u.name
		}
	}
	return strconv.FormatInt(int64(time.Duration(d)/time.Second), 10) + "s"
}

// MarshalText writes the duration as in the API.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the duration as in the API.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

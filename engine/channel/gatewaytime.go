package channel

import (
	"strconv"
	"time"
)

// TimeOf reads RFC 3339, a wall clock of a zone, or Unix seconds or milliseconds; anything else is the zero time, which
// stands for now.
func TimeOf(text, zone string) time.Time {
	if unix, err := strconv.ParseInt(text, 10, 64); err == nil && len(text) <= 13 {
		if unix > 1e11 {
			return time.UnixMilli(unix)
		}
		return time.Unix(unix, 0)
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at
	}
	place, err := time.LoadLocation(zone)
	if err != nil {
		return time.Time{}
	}
	for _, layout := range []string{time.DateTime, "2006-01-02T15:04:05", "2006/01/02 15:04:05", "20060102150405"} {
		if at, err := time.ParseInLocation(layout, text, place); err == nil {
			return at
		}
	}
	return time.Time{}
}

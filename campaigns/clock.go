package campaigns

import (
	"strings"
	"time"
)

// ParseTime reads an RFC 3339 time, or one without an offset as local time of the zone: "2006-01-02T15:04:05", with a
// space for the T, or a day alone for its midnight. A date that does not exist, such as 30 February, is refused.
func ParseTime(field, text string, zone *time.Location) (time.Time, error) {
	if at, ok := localTime(text, zone); ok {
		return at, nil
	}
	if len(text) > 19 && len(text) < 50 && (text[10] == 'T' || text[10] == 't' || text[10] == ' ') {
		rest := text[19:]
		if rest[0] == '.' && strings.Trim(rest[1:], "0123456789") == "" && len(rest) > 1 {
			if at, ok := localTime(text[:19], zone); ok {
				return at, nil
			}
		}
		if at, err := time.Parse(time.RFC3339, text[:10]+"T"+text[11:]); err == nil {
			return at, nil
		}
	}
	if _, err := time.Parse(time.DateOnly, text[:min(10, len(text))]); err != nil && strings.Contains(err.Error(), "out of range") {
		return time.Time{}, Invalid(field, "%q is a date that does not exist", shorten(text))
	}
	return time.Time{}, Invalid(field, "%q is not a time: write it like 2026-11-21T10:00:00+08:00", shorten(text))
}

// ParseDate reads a calendar day such as "2026-11-21" as its midnight in UTC.
func ParseDate(field, text string) (time.Time, error) {
	if len(text) == 10 {
		if day, ok := localTime(text, time.UTC); ok {
			return day, nil
		}
		if _, err := time.Parse(time.DateOnly, text); err != nil && strings.Contains(err.Error(), "out of range") {
			return time.Time{}, Invalid(field, "%q is a date that does not exist", text)
		}
	}
	return time.Time{}, Invalid(field, "%q is not a date: write it like 2026-11-21", shorten(text))
}

// localTime reads a day, or a day and a time to the second, without allocating: imports bring millions.
func localTime(text string, zone *time.Location) (time.Time, bool) {
	if len(text) != 10 && (len(text) != 19 || (text[10] != 'T' && text[10] != ' ') || text[13] != ':' || text[16] != ':') {
		return time.Time{}, false
	}
	if text[4] != '-' || text[7] != '-' {
		return time.Time{}, false
	}
	year, month, day := digits(text[0:4]), digits(text[5:7]), digits(text[8:10])
	hour, minute, second := 0, 0, 0
	if len(text) == 19 {
		hour, minute, second = digits(text[11:13]), digits(text[14:16]), digits(text[17:19])
	}
	if year < 1 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59 {
		return time.Time{}, false
	}
	return time.Date(year, time.Month(month), day, hour, minute, second, 0, zone), true
}

// digits is the number that decimal digits spell, -1 when one is none.
func digits(text string) int {
	n := 0
	for i := range len(text) {
		d := text[i] - '0'
		if d > 9 {
			return -1
		}
		n = n*10 + int(d)
	}
	return n
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

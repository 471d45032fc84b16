package campaigns

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// Parse reads a value of the attribute's type from a file's text, as Customer.Attributes holds it: money in the
// workspace's currency, times without an offset in its zone, lists with | between their texts or as a JSON array. An
// empty text is a missing value, nil.
func (a Attribute) Parse(text string, digits int, zone *time.Location) (any, error) {
	if text == "" {
		return nil, nil
	}
	switch a.Type {
	case "int":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, Invalid(a.Name, "%q is not a whole number", shorten(text))
		}
		return n, nil
	case "number":
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
			return nil, Invalid(a.Name, "%q is not a number", shorten(text))
		}
		return n, nil
	case "money":
		minor, err := ParseMoney(text, digits)
		return minor, renamed(a.Name, err)
	case "bool":
		return ParseBool(a.Name, text)
	case "date":
		day, err := ParseDate(a.Name, text)
		return day.Format(time.DateOnly), err
	case "time":
		return ParseTime(a.Name, text, zone)
	case "text_list":
		return ParseList(a.Name, text)
	}
	return text, CheckText(a.Name, text)
}

// ParseBool reads true or false, in any case, and 1 or 0.
func ParseBool(field, text string) (bool, error) {
	switch {
	case text == "1" || strings.EqualFold(text, "true"):
		return true, nil
	case text == "0" || strings.EqualFold(text, "false"):
		return false, nil
	}
	return false, Invalid(field, "%q is neither true nor false", shorten(text))
}

// ParseList reads texts with | between them, or a JSON array of texts; empty ones are left out.
func ParseList(field, text string) ([]string, error) {
	var list []string
	if !strings.HasPrefix(text, "[") || json.Unmarshal([]byte(text), &list) != nil {
		list = strings.Split(text, "|")
	}
	kept := list[:0]
	for _, element := range list {
		if element = strings.TrimSpace(element); element == "" {
			continue
		}
		if err := CheckText(field, element); err != nil {
			return nil, err
		}
		kept = append(kept, element)
	}
	if len(kept) > TagsMax {
		return nil, Invalid(field, "has more than %d texts", TagsMax)
	}
	return kept, nil
}

// renamed puts an error under the name of the field that was read.
func renamed(field string, err error) error {
	var checks Checks
	checks.Add(err)
	for i := range checks {
		checks[i].Field = field
	}
	return checks.Err()
}

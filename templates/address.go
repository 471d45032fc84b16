package templates

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// beginsAddress says whether what follows a piece of html begins an address that a reader's program follows or loads.
func beginsAddress(before string) bool {
	return regexp.MustCompile(`(?i)[\s"'](href|src|action|background|formaction|xlink:href)\s*=\s*["']?\s*$`).MatchString(before)
}

// address refuses a value that would make of a link something else, such as javascript: customers write their own values.
func address(value any) (any, error) {
	text, is := value.(string)
	if !is || strings.HasPrefix(text, "https://") || strings.HasPrefix(text, "http://") { // nearly all
		return value, nil
	}
	bare := strings.ToLower(strings.Map(func(r rune) rune { // browsers skip these before they read a scheme
		if r <= ' ' || unicode.IsControl(r) || unicode.IsSpace(r) {
			return -1
		}
		return r
	}, text))
	scheme := regexp.MustCompile(`^([a-z][a-z0-9+.-]*):`).FindStringSubmatch(bare)
	if scheme != nil && !slices.Contains([]string{"http", "https", "mailto", "tel", "sms"}, scheme[1]) {
		return nil, fmt.Errorf("%.60q is not an address that a link may lead to", text)
	}
	return value, nil
}

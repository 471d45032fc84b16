package campaigns

import (
	"math"
	"strconv"
	"strings"
)

// ParseMoney reads a decimal such as "199.90" or "-5" as int64 minor units of a currency with so many minor digits.
// A value finer than the minor unit, an exponent, or one beyond int64 is refused: money is never rounded on the way in.
func ParseMoney(text string, digits int) (int64, error) {
	whole, fraction, _ := strings.Cut(text, ".")
	negative := strings.HasPrefix(whole, "-")
	whole = strings.TrimPrefix(whole, "-")
	if whole == "" || !isDigits(whole) || !isDigits(fraction) || strings.HasSuffix(text, ".") {
		return 0, Invalid("amount", "%q is not an amount of money: write it like 199.90", shorten(text))
	}
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > digits {
		return 0, Invalid("amount", "%q is finer than the currency's smallest unit (%d decimals)", shorten(text), digits)
	}
	joined := whole + fraction + strings.Repeat("0", digits-len(fraction))
	minor, err := strconv.ParseInt(joined, 10, 64)
	if err != nil {
		return 0, Invalid("amount", "%q is too large", shorten(text))
	}
	if negative {
		minor = -minor
	}
	return minor, nil
}

// FormatMoney writes minor units as a decimal with all minor digits: 19990 with 2 digits is "199.90".
func FormatMoney(minor int64, digits int) string {
	sign, magnitude := "", uint64(minor)
	if minor < 0 {
		sign, magnitude = "-", uint64(-(minor+1))+1
	}
	text := strconv.FormatUint(magnitude, 10)
	if digits == 0 {
		return sign + text
	}
	if len(text) <= digits {
		text = strings.Repeat("0", digits+1-len(text)) + text
	}
	return sign + text[:len(text)-digits] + "." + text[len(text)-digits:]
}

// AddMoney is a + b, and false when it does not fit.
func AddMoney(a, b int64) (int64, bool) {
	if (b > 0 && a > math.MaxInt64-b) || (b < 0 && a < math.MinInt64-b) {
		return 0, false
	}
	return a + b, true
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

// shorten keeps a client's text readable inside an error.
func shorten(text string) string {
	if len(text) <= 60 {
		return text
	}
	return strings.ToValidUTF8(text[:57], "") + "…"
}

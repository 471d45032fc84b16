package rules

import (
	"encoding/json"
	"math"
	"math/big"
	"strings"
	"time"
)

// reader turns a stored value into a value of its type, or nil when it is missing or of another type. Values that are
// already right pass through as they are, without an allocation.
func reader(t Type) func(any) any {
	switch t {
	case Bool:
		return readAs[bool]
	case Int, Money:
		return readInt
	case Number:
		return readNumber
	case Text:
		return readAs[string]
	case DateType:
		return readAs[Date]
	case Time:
		return readTime
	case TextList:
		return readAs[[]string]
	case object:
		return readAs[map[string]any]
	}
	return func(any) any { return nil }
}

func readAs[T any](v any) any {
	if _, ok := v.(T); ok {
		return v
	}
	return nil
}

func readInt(v any) any {
	switch n := v.(type) {
	case int64:
		return v
	case int:
		return int64(n)
	}
	return nil
}

func readNumber(v any) any {
	if n, ok := v.(float64); ok && isFinite(n) {
		return v
	}
	return nil
}

// readTime drops fractions of a second: stored times are whole seconds.
func readTime(v any) any {
	t, ok := v.(time.Time)
	if !ok || t.Unix() < firstSecond || t.Unix() > lastSecond {
		return nil
	}
	if t.Nanosecond() != 0 {
		return time.Unix(t.Unix(), 0).In(t.Location())
	}
	return v
}

func isFinite(n float64) bool { return !math.IsNaN(n) && !math.IsInf(n, 0) }

// finite is n, or nil for NaN and ±Inf.
func finite(n float64) any {
	if !isFinite(n) {
		return nil
	}
	return n
}

// PropReader turns a property, as encoding/json decodes it, into a value of its registered type. A value of another
// JSON type is missing. Money is in major units, as everywhere in the API: a decimal string or a number; digits are the
// currency's.
func PropReader(t Type, digits int) func(any) any {
	switch t {
	case Int:
		return readJSONInt
	case Number:
		return readJSONNumber
	case Money:
		return func(v any) any { return readJSONMoney(v, digits) }
	case DateType:
		return readJSONDate
	case Time:
		return readJSONTime
	case TextList:
		return readJSONList
	}
	return reader(t)
}

func readJSONNumber(v any) any {
	if n, ok := v.(json.Number); ok {
		f, err := n.Float64()
		if err != nil {
			return nil
		}
		v = f
	}
	return readNumber(v)
}

func readJSONInt(v any) any {
	if n, ok := v.(json.Number); ok {
		if i, err := n.Int64(); err == nil {
			return i
		}
	}
	n, ok := readJSONNumber(v).(float64)
	if !ok || n != math.Trunc(n) || n < math.MinInt64 || n >= math.MaxInt64 {
		return nil
	}
	return int64(n)
}

func readJSONMoney(v any, digits int) any {
	text, ok := v.(string)
	if !ok {
		n, ok := readJSONNumber(v).(float64)
		if !ok {
			return nil
		}
		text = shortest(n)
	}
	exact, ok := decimal(text)
	if !ok {
		return nil
	}
	minor, ok := toMinor(exact, digits)
	if !ok {
		return nil
	}
	return minor
}

func readJSONDate(v any) any {
	text, _ := v.(string)
	d, err := ParseDate(text)
	if err != nil {
		return nil
	}
	return d
}

func readJSONTime(v any) any {
	text, _ := v.(string)
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return nil
	}
	return readTime(t)
}

func readJSONList(v any) any {
	if texts, ok := v.([]string); ok {
		return texts
	}
	items, ok := v.([]any)
	if !ok {
		return nil
	}
	for _, item := range items {
		if _, ok := item.(string); !ok {
			return nil
		}
	}
	return v
}

// decimal is the exact value of a decimal number of reasonable length, such as 199.90 or 1e3.
func decimal(text string) (*big.Rat, bool) {
	const lengthMax, exponentMax = 400, 400
	mantissa, exponent, _ := strings.Cut(strings.ToLower(text), "e")
	if len(text) > lengthMax || strings.ContainsAny(text, "/_xXpPoObB") || mantissa == "" || len(exponent) > len("+999") {
		return nil, false
	}
	r, ok := new(big.Rat).SetString(text)
	return r, ok
}

// toMinor is exact in minor units; false when it is finer than one, or does not fit.
func toMinor(exact *big.Rat, digits int) (int64, bool) {
	minor := new(big.Rat).Mul(exact, new(big.Rat).SetInt64(pow10(digits)))
	if !minor.IsInt() || !minor.Num().IsInt64() {
		return 0, false
	}
	return minor.Num().Int64(), true
}

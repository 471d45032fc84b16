package rules

import (
	"math/big"
	"strconv"
	"time"
)

// Value is a compiled expression of any single value, such as year(next_birthday). It is immutable and safe for
// concurrent use.
type Value struct {
	expression
	kind Type
}

// CompileValue makes a value over a customer. The error is of type Errors.
func CompileValue(s *Schema, source string) (*Value, error) {
	e, err := build(s.customer, source, 0)
	if err != nil {
		return nil, err
	}
	return &Value{expression: e, kind: e.checked.shape.kind}, nil
}

// Type is the type of the value.
func (v *Value) Type() Type { return v.kind }

// Of is the value for a customer at an instant, as in a Record: bool, int64, float64, string, Date or time.Time; nil is
// missing. It never fails: one that takes too long (ErrTooLong) is missing.
func (v *Value) Of(c Record, at Instant) any {
	answer, _ := v.evaluate(c, at)
	return answer
}

// Text is the value's canonical text, "" when it is missing: true or false, digits, the shortest decimal of a number,
// an amount in major units with all its decimals, a date as 2026-01-31, a time as 2026-01-31T10:00:00Z in UTC.
func (v *Value) Text(c Record, at Instant) string {
	return v.scope.text(v.Of(c, at), v.kind)
}

// text is the canonical text of a single value of a type, "" when it is missing.
func (s *scope) text(value any, t Type) string {
	switch x := value.(type) {
	case bool:
		return strconv.FormatBool(x)
	case int64:
		if t == Money {
			return new(big.Rat).SetFrac64(x, s.scale).FloatString(s.digits)
		}
		return strconv.FormatInt(x, 10)
	case float64:
		return strconv.FormatFloat(x+0, 'f', -1, 64)
	case string:
		return x
	case Date:
		return x.String()
	case time.Time:
		return x.UTC().Format(time.RFC3339)
	}
	return ""
}

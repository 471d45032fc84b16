package rules

import (
	"testing"

	"pgregory.net/rapid"
)

// What tests of the executors need of this package's generators.

// WriteRule draws a well-typed rule as text.
func WriteRule(t *rapid.T, s *Schema, depth int) string {
	w := &writer{t: t, s: s.customer}
	return w.condition(depth)
}

// SomeCustomer draws a record.
func SomeCustomer(t *rapid.T, s *Schema, at Instant) Record { return someCustomer(t, s.customer, at) }

// SomeInstant draws an instant.
func SomeInstant(t *rapid.T) Instant { return someInstant(t) }

// Shop is a schema with an attribute of every type.
func Shop() *Schema { return shop() }

// Noon is a fixed instant in Shanghai.
func Noon(t testing.TB) Instant { return noon(t) }

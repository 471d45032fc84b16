package rules

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// What tests of the executors need of this package's generators.

// WriteRule draws a well-typed rule as text, and the schema with the segments and computed attributes that it may use.
func WriteRule(t *rapid.T, s *Schema, depth int) (string, *Schema) {
	w := &writer{t: t, s: s.customer}
	if !w.chance(3) {
		return w.condition(depth), s
	}
	d := Definitions{Segments: map[string]string{}, Computed: map[string]string{}}
	for i, kind := range []Type{Int, Money, Text, Bool, Number} {
		name := fmt.Sprintf("made%d", i)
		d.Computed[name] = w.value(kind, 2)
		w.vars = append(w.vars, Attribute{name, kind})
	}
	d.Segments["some"] = w.condition(2)
	w.segments = []string{"some"}
	return w.condition(depth), s.With(d)
}

// SomeCustomer draws a record.
func SomeCustomer(t *rapid.T, s *Schema, at Instant) Record { return someCustomer(t, s.customer, at) }

// SomeInstant draws an instant.
func SomeInstant(t *rapid.T) Instant { return someInstant(t) }

// Shop is a schema with an attribute of every type.
func Shop() *Schema { return shop() }

// Noon is a fixed instant in Shanghai.
func Noon(t testing.TB) Instant { return noon(t) }

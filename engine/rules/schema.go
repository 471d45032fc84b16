package rules

import (
	"slices"
	"strings"
)

// Attribute is a custom attribute. A name of the form event.<event>.<prop> gives an event's property its type.
type Attribute struct {
	Name string
	Type Type
}

// Schema is every name that a rule may use, with its type. It is immutable.
type Schema struct {
	customer *scope
	line     *scope
}

// scope is what names mean in one kind of rule.
type scope struct {
	digits     int // of the currency's minor unit
	scale      int64
	attributes map[string]*attribute
	lists      map[string]*table
	props      map[string]Type
	functions  map[string]*function
	segments   map[string]string // nil where segment("…") means nothing
	computed   map[string]string
}

// table is a history: its rows' fields, and the field that says since when a row is seen.
type table struct {
	name   string
	index  int    // its place in an evaluation's cache
	seenAt string // empty: always seen
	fields map[string]Type
}

// attribute is a scalar name. Stored ones read their column; derived ones have columns and lists of their own.
type attribute struct {
	name    string
	kind    Type
	columns []string
	lists   []string
	derive  func(*evaluation) any // nil for a stored one
}

// NewSchema describes a workspace: minorDigits is the currency's (2 for CNY and USD, 0 for JPY; at most 6), custom its
// own attributes. A custom attribute never hides a built-in one.
func NewSchema(minorDigits int, custom []Attribute) *Schema {
	digits := max(0, min(6, minorDigits))
	customer := &scope{digits: digits, scale: pow10(digits), attributes: map[string]*attribute{}, lists: map[string]*table{}, props: map[string]Type{}, functions: functions(), segments: map[string]string{}}
	line := &scope{digits: digits, scale: customer.scale, attributes: map[string]*attribute{}, functions: map[string]*function{}}
	custom = slices.Clone(custom)
	slices.SortStableFunc(custom, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	for _, a := range custom {
		prop, isProp := EventProperty(a.Name)
		_, known := customer.props[prop]
		switch {
		case a.Type < Bool || a.Type > TextList:
		case isProp && !known:
			customer.props[prop] = a.Type
		case !isProp:
			customer.attributes[a.Name] = stored(a)
		}
	}
	for _, a := range builtinAttributes() {
		customer.attributes[a.Name] = stored(a)
	}
	for _, a := range derivedAttributes() {
		customer.attributes[a.name] = a
	}
	for i, t := range histories() {
		t.index = i
		customer.lists[t.name] = t
	}
	for _, a := range lineAttributes() {
		line.attributes[a.Name] = stored(a)
	}
	for name, f := range customer.functions {
		if f.columns == nil && f.lists == nil { // it looks at nothing but its argument
			line.functions[name] = f
		}
	}
	for _, a := range clockAttributes() {
		customer.attributes[a.name] = a
		line.attributes[a.name] = a
	}
	return &Schema{customer: customer, line: line}
}

// Names is every scalar name that a rule may use, built-in and custom, sorted.
func (s *Schema) Names() []Attribute {
	names := make([]Attribute, 0, len(s.customer.attributes))
	for name, a := range s.customer.attributes {
		names = append(names, Attribute{Name: name, Type: a.kind})
	}
	slices.SortFunc(names, func(a, b Attribute) int { return strings.Compare(a.Name, b.Name) })
	return names
}

func stored(a Attribute) *attribute {
	return &attribute{name: a.Name, kind: a.Type, columns: []string{a.Name}}
}

// EventProperty is the <prop> of event.<event>.<prop>; an event's name may itself have dots. Of several events that have
// a property of the same name, the first event in code-point order gives it its type.
func EventProperty(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, "event.")
	last := strings.LastIndexByte(rest, '.')
	if !ok || last <= 0 || last == len(rest)-1 {
		return "", false
	}
	return rest[last+1:], true
}

func pow10(digits int) int64 {
	n := int64(1)
	for range digits {
		n *= 10
	}
	return n
}

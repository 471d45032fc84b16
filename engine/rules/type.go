package rules

// Type is the type of a value in a rule.
type Type uint8

// The types of attributes and fields. A date's is DateType, because Date is the Go type of its values.
const (
	Bool     Type = iota + 1
	Int           // int64
	Number        // float64, always finite
	Money         // int64 minor units
	Text          // UTF-8
	DateType      // a calendar day: Date
	Time          // an instant in whole seconds
	TextList      // []string

	// The rest exists only inside a rule.
	null    // the literal nil, which goes with every type
	list    // a list of scalars or of rows
	row     // one row of a history
	object  // the properties of an event
	between // a..b, to the right of `in`
	broken  // already reported, so that one mistake is one error
)

// String is the name that the API uses.
func (t Type) String() string {
	names := [...]string{"", "bool", "int", "number", "money", "text", "date", "time", "text_list", "nil", "list", "row", "properties", "range", "broken"}
	if int(t) < len(names) {
		return names[t]
	}
	return ""
}

// ParseType finds a type of attribute by its name.
func ParseType(name string) (Type, bool) {
	for t := Bool; t <= TextList; t++ {
		if t.String() == name {
			return t, true
		}
	}
	return 0, false
}

// shape is the full type of a node. A text_list is a list whose elements are text.
type shape struct {
	kind Type
	elem Type   // of a list: a scalar type, row, or null for an empty literal
	rows *table // of a row, or of a list of rows
}

func scalar(t Type) shape {
	if t == TextList {
		return shape{kind: list, elem: Text}
	}
	return shape{kind: t}
}

// element is the shape of a list's elements.
func (s shape) element() shape {
	return shape{kind: s.elem, rows: s.rows}
}

func (s shape) isScalar() bool { return s.kind >= Bool && s.kind <= Time }

func (s shape) isNumeric() bool { return s.kind == Int || s.kind == Number || s.kind == Money }

func (s shape) isText() bool { return s.kind == Text || s.kind == null }

// String is how an error names the type to a marketer.
func (s shape) String() string {
	switch {
	case s.kind == list && s.elem == row:
		return "a list of " + s.rows.name
	case s.kind == list && s.elem == null:
		return "an empty list"
	case s.kind == list:
		return "a list of " + s.elem.String()
	case s.kind == row:
		return "one of " + s.rows.name
	case s.kind == null:
		return "nil"
	case s.kind == Int:
		return "an int"
	case s.kind == Text, s.kind == Money, s.kind == object:
		return s.kind.String()
	}
	return "a " + s.kind.String()
}

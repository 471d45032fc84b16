package rules

// What executors of whole audiences share with the reference, for single values: one meaning, one place.

// CompareIntNumber compares an int with a finite number by exact value: -1, 0 or 1.
func CompareIntNumber(i int64, n float64) int { return compareIntNumber(i, n) }

// CompareMoneyNumber compares an amount in minor units with a finite number in major units, by the number's shortest
// decimal form: -1, 0 or 1.
func CompareMoneyNumber(minor int64, n float64, scale int64) int {
	return compareMoneyNumber(minor, n, scale)
}

// MultiplyInts is exact; false when the answer does not fit.
func MultiplyInts(a, b int64) (int64, bool) { return multiplyInts(a, b) }

// FloorDiv is a/b rounded down.
func FloorDiv(a, b int64) int64 { return floorDiv(a, b) }

// Age is the number of anniversaries from a birthday to today; negative before the birth.
func Age(birthday, today Date) int64 { return age(birthday, today) }

// AverageBasket is the total over the count, rounded half up to the minor unit. The count is more than 0.
func AverageBasket(total, count int64) int64 { return averageBasket(total, count) }

// A Wide is a sum of 128 bits. The zero value is 0.
type Wide struct{ sum wide }

// Add adds to the sum.
func (w *Wide) Add(n int64) { w.sum.add(n) }

// Int64 is the sum; false when it does not fit.
func (w *Wide) Int64() (int64, bool) {
	n, ok := w.sum.int64().(int64)
	return n, ok
}

// A Table is a history as executors see it: the field that says since when a row is seen ("" when it always is), and all
// fields with their types. The registered properties of events are fields named props.<name>.
type Table struct {
	Name   string
	SeenAt string
	Fields []Attribute
}

// SeenAt is the field that says since when the rows of a history are seen, "" when they always are.
func SeenAt(history string) string {
	for _, t := range histories() {
		if t.name == history {
			return t.seenAt
		}
	}
	return ""
}

// Stored are the stored columns of a customer that a rule may read, sorted by name.
func (s *Schema) Stored() []Attribute {
	var out []Attribute
	for _, a := range s.Names() {
		if s.customer.attributes[a.Name].derive == nil {
			out = append(out, a)
		}
	}
	return out
}

// Tables are the histories of a customer.
func (s *Schema) Tables() []Table {
	var out []Table
	for _, t := range histories() {
		table := Table{Name: t.name, SeenAt: t.seenAt}
		for field, kind := range t.fields {
			if kind != object {
				table.Fields = append(table.Fields, Attribute{field, kind})
				continue
			}
			for prop, kind := range s.customer.props {
				table.Fields = append(table.Fields, Attribute{field + "." + prop, kind})
			}
		}
		out = append(out, table)
	}
	return out
}

// Read is a value of a Record as its type, nil when it is missing or of another type.
func Read(t Type, v any) any { return reader(t)(v) }

// ReadProperty is a property of an event, as encoding/json decodes it, as its registered type; nil when it is missing or of
// another JSON type.
func (s *Schema) ReadProperty(t Type, v any) any { return PropReader(t, s.customer.digits)(v) }

// Raw is an int, an amount in minor units, a date in days or a time in Unix seconds as a plain number; false for all else.
func Raw(v any) (int64, bool) { return rawInt(v) }

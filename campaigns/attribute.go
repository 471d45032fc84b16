package campaigns

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// An Attribute is a fact about a customer that the shop registered: a typed column of its own (Column), or, with a name
// of the form event.<event>.<property>, the type under which rules read that property of that event. A Computed one is an
// expression over the others: rules use it by its name, nothing of it is kept, and its type follows from it.
type Attribute struct {
	Name      string    `json:"name"`
	Type      string    `json:"type" enum:"text,int,number,money,bool,date,time,text_list"`
	Computed  string    `json:"computed,omitempty"`
	Column    string    `json:"-"`
	CreatedAt time.Time `json:"created_at"`
}

// AttributesMax is the most columns that customers may have besides the built-in ones, and the most computed attributes.
const AttributesMax = 500

// AttributeTypes are the types an attribute can have.
func AttributeTypes() []string {
	return []string{"text", "int", "number", "money", "bool", "date", "time", "text_list"}
}

// IsEventProperty says whether the attribute types a property of an event.
func (a Attribute) IsEventProperty() bool { return strings.HasPrefix(a.Name, "event.") }

// Property is the last name of event.<event>.<property>, by which rules read it; false for an attribute of customers.
func (a Attribute) Property() (string, bool) {
	if !a.IsEventProperty() {
		return "", false
	}
	return a.Name[strings.LastIndexByte(a.Name, '.')+1:], true
}

// HasColumn says whether each customer has a value of their own that is kept.
func (a Attribute) HasColumn() bool { return a.Computed == "" && !a.IsEventProperty() }

// Check says what is wrong with the name and the type; the type of a computed one is not asked for. taken are the names that rules know already.
func (a Attribute) Check(taken []string) error {
	if a.Computed == "" && !slices.Contains(AttributeTypes(), a.Type) {
		return Invalid("type", "%q is not a type: use one of %s", shorten(a.Type), strings.Join(AttributeTypes(), ", "))
	}
	if a.IsEventProperty() && a.Computed != "" {
		return Invalid("computed", "is not for a property of an event: register its type, and compute with events in an attribute of another name")
	}
	return a.MayBeNamed(taken)
}

// MayBeNamed says what is wrong with the name. taken are the names that rules know already.
func (a Attribute) MayBeNamed(taken []string) error {
	if a.IsEventProperty() {
		if !regexp.MustCompile(`^event\.[a-z][a-z0-9_.]{0,62}\.[a-z][a-z0-9_]{0,62}$`).MatchString(a.Name) {
			return Invalid("name", "%q should read event.<event>.<property>, lower case, with letters, digits and _", shorten(a.Name))
		}
		return nil
	}
	if !regexp.MustCompile(`^[a-z][a-z0-9_]{0,62}$`).MatchString(a.Name) {
		return Invalid("name", "%q is not a name: begin with a lower-case letter, then letters, digits and _, at most 63", shorten(a.Name))
	}
	if slices.Contains(taken, a.Name) {
		return Invalid("name", "%q means something already in rules: choose another name", a.Name)
	}
	return nil
}

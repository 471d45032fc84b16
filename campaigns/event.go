package campaigns

import "time"

// An Event is something a customer did that is no purchase. Its id decides: it counts once, however often it is sent.
// Props is a JSON object; a rule reads a property once its type is registered (Attribute).
type Event struct {
	EventID    string
	CustomerID string
	Name       string
	At         time.Time
	Props      map[string]any
}

// Check says what is wrong with an event seen at now.
func (e *Event) Check(now time.Time) error {
	var checks Checks
	checks.Add(CheckID("event_id", e.EventID))
	checks.Add(CheckID("customer_id", e.CustomerID))
	checks.Add(CheckID("name", e.Name))
	checks.Add(CheckAt("at", e.At, now))
	if len(e.Props) > 100 {
		checks.Add(Invalid("props", "has more than 100 properties"))
	}
	return checks.Err()
}

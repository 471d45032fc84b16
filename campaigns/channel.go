package campaigns

import (
	"encoding/json"
	"time"
)

// A Channel is a configured provider that messages leave through. Settings are its kind's own (engine/channel knows
// them); what is secret in them is written and never read back.
type Channel struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Kind      string          `json:"kind" enum:"smtp,catcher"`
	Settings  json.RawMessage `json:"settings"`
	Revision  int64           `json:"-"`
	CreatedAt time.Time       `json:"created_at"`
	ChangedAt time.Time       `json:"changed_at"`
}

// Catcher is the id of the channel that a fresh service has: it keeps every message and sends none.
const Catcher = "catcher"

// Carries says whether a kind of channel can carry a kind of address; the catcher carries all.
func (c *Channel) Carries(channel string) bool {
	switch c.Kind {
	case "smtp":
		return channel == Email
	case "catcher":
		return true
	}
	return false
}

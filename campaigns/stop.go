package campaigns

import "time"

// A Stop is the switch that keeps everything from being sent: since when, by whom and why.
type Stop struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}

// GapAfter is how long no node may have shown a sign of life before that counts as a gap: what waited to be sent meanwhile
// is then not sent without being asked for. A tick that is not later than this is on time.
const GapAfter = 10 * time.Minute

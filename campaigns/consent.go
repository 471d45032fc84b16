package campaigns

import "time"

// A Consent is somebody's word on one channel and topic: the latest by time wins, and none at all is no.
type Consent struct {
	Channel string // Email, SMS or a kind of the shop's own
	Topic   string // empty: the channel as a whole
	Granted bool
	At      time.Time
	Source  string
	Proof   string
}

// Check says what is wrong with a consent.
func (c *Consent) Check() error {
	var checks Checks
	checks.Add(CheckKindName("channel", c.Channel))
	checks.Require(len(c.Topic) <= 60, "topic", "is longer than 60 bytes")
	checks.Add(CheckText("topic", c.Topic))
	checks.Require(c.Source != "", "source", "is missing: say where the consent was given")
	checks.Add(CheckText("source", c.Source))
	checks.Add(CheckText("proof", c.Proof))
	checks.Require(c.At.IsZero() || c.At.Year() >= 1900, "at", "lies before 1900")
	return checks.Err()
}

// A Suppression keeps an address from ever being sent to on a channel. Address is empty once its owner was erased: then
// only the keyed hash is left.
type Suppression struct {
	Hash    []byte    `json:"-"`
	Channel string    `json:"channel" doc:"email, sms, or a kind of address of your own"`
	Address string    `json:"address"`
	Reason  string    `json:"reason"`
	At      time.Time `json:"at" readOnly:"true"`
}

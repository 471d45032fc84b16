package campaigns

import "time"

// A Consent is somebody's word on one channel and topic: the latest by time wins, and none at all is no.
type Consent struct {
	Channel string // Email or SMS
	Topic   string // empty: the channel as a whole
	Granted bool
	At      time.Time
	Source  string
	Proof   string
}

// A Suppression keeps an address from ever being sent to on a channel. Address is empty once its owner was erased: then
// only the keyed hash is left.
type Suppression struct {
	Channel string    `json:"channel" enum:"email,sms"`
	Address string    `json:"address"`
	Reason  string    `json:"reason"`
	At      time.Time `json:"at" readOnly:"true"`
}

package campaigns

import "time"

// A Track is something that somebody did with a message that they got.
type Track struct {
	No        int64
	MessageID ID
	Kind      TrackKind
	At        time.Time
	Agent     string // AgentPerson or AgentMachine
	URL       string // of a click: where it led
}

// TrackKind is what was done: opened, clicked or unsubscribed, as a message's history says it.
type TrackKind string

// The kinds of track. Unsubscribed is counted whether or not the campaign tracks: it is a person's word.
const (
	Opened       TrackKind = "opened"
	Clicked      TrackKind = "clicked"
	Unsubscribed TrackKind = "unsubscribed"
)

// Who did it, as far as that can be told: a program that reads mail before people do counts for nothing.
const (
	AgentPerson  = "person"
	AgentMachine = "machine"
)

// A Link is a short address that stands in a text message for a longer one.
type Link struct {
	Code      string
	No        int64
	MessageID ID
	URL       string
	ExpiresAt *time.Time // nil for never: links for leaving
}

// Tracking is how many of a run's messages people did something with, each message once.
type Tracking struct {
	Opened       int64 `json:"opened"`
	Clicked      int64 `json:"clicked"`
	Unsubscribed int64 `json:"unsubscribed"`
}

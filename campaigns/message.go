package campaigns

import (
	"time"
)

// A Message is one text to one person: written when it is queued and once more with its outcome. A ghost is the message
// that somebody who is held out would have got; it is never sent.
type Message struct {
	ID               ID
	No               int64
	CustomerID       string
	CampaignID       ID
	RunID            ID
	Version          int
	Variant          string
	Ghost            bool
	Channel          string // Email or SMS
	ChannelID        string
	TemplateID       ID
	TemplateRevision int
	Address          string
	Language         string         // of the template's words, empty for its first
	Vars             map[string]any // what the template says about this person, nested as it names them
	VarsText         []byte         // Vars as JSON, where they are only written
	Code             string
	Status           MessageStatus
	Attempts         int
	ProviderID       string
	History          []Change
	ContentHash      []byte
	Content          map[string]string // the rendered parts, where the channel keeps them
	QueuedAt         time.Time
	DueAt            time.Time // of the next attempt
	PlannedAt        time.Time // when it is, or would have been, sent: what caps count
	ClosesAt         time.Time // when the customer's next quiet hours begin: not sent by then, it is planned anew; zero for never
	Moved            bool      // it was planned later than its tick: caps and quiet hours are asked again when it is claimed
	Exempt           bool      // from caps: transactional
	Links            []Link    // of a text message: the short links that its content was made with
	Segments         int       // of a text message that was sent
	CostMicros       int64     // millionths of the workspace's currency
	NotAfter         time.Time // its useful time: not sent by then, it expires
	FinishedAt       *time.Time
	SendingAt        time.Time // when it was marked as being sent, where it is claimed
	Resent           bool      // it was sent again because its outcome was unknown
}

// A Change is one step in a message's life.
type Change struct {
	At     time.Time     `json:"at"`
	Status MessageStatus `json:"status"`
	Detail string        `json:"detail,omitempty"`
}

// MessageStatus is where a message is: queued → sending → sent → delivered | bounced | failed, or unknown when its node
// died between handing it over and recording the answer, cancelled with its campaign, expired when it came too late, ghost
// when held out.
type MessageStatus string

const (
	MessageQueued    MessageStatus = "queued"
	MessageSending   MessageStatus = "sending"
	MessageSent      MessageStatus = "sent"
	MessageDelivered MessageStatus = "delivered"
	MessageBounced   MessageStatus = "bounced"
	MessageFailed    MessageStatus = "failed"
	MessageUnknown   MessageStatus = "unknown"
	MessageCancelled MessageStatus = "cancelled"
	MessageExpired   MessageStatus = "expired"
	MessageGhost     MessageStatus = "ghost"
)

// MessageStatuses are those a run counts.
func MessageStatuses() []MessageStatus {
	return []MessageStatus{MessageQueued, MessageSending, MessageSent, MessageDelivered, MessageBounced, MessageFailed, MessageUnknown, MessageCancelled, MessageExpired}
}

// Lanes is how many lanes the outbox of a channel has. A node leases a lane, so that two never work on the same rows.
const Lanes = 64

// Lane is where a customer's messages wait: by their number, so that one customer's messages keep their order.
func Lane(no int64) int16 { return int16(no & (Lanes - 1)) }

// AttemptsMax is after how many temporary refusals a message has failed.
const AttemptsMax = 8

// Backoff is how long to wait before the next attempt, without jitter: 30 s doubling up to an hour.
func Backoff(attempts int) time.Duration {
	return min(30*time.Second<<min(max(attempts-1, 0), 10), time.Hour)
}

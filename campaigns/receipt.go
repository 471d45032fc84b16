package campaigns

import "time"

// A Receipt is what a provider says of a message after it accepted it: that it arrived, that it bounced, that somebody
// complained. It names the message by the provider's id, or by our own where that came back (a return path).
type Receipt struct {
	ProviderID string        `json:"provider_id,omitempty"`
	MessageID  ID            `json:"message_id,omitzero"` // where ours is known; No then too
	No         int64         `json:"no,omitempty"`
	Address    string        `json:"address,omitempty"` // of who bounced or complained, where nothing else is known
	Status     MessageStatus `json:"status,omitempty"`  // delivered, bounced or failed; empty: on its way, or a complaint alone
	Hard       bool          `json:"hard,omitempty"`    // the address will never work: it is suppressed
	Complaint  bool          `json:"complaint,omitempty"`
	At         time.Time     `json:"at"`
	Detail     string        `json:"detail,omitempty"` // what the provider said
}

// An Inbound is a text that somebody sent to one of our numbers.
type Inbound struct {
	ID         ID        `json:"id"`
	ChannelID  string    `json:"channel_id"`
	ProviderID string    `json:"provider_id,omitempty"` // what makes a repeated delivery known
	From       string    `json:"from"`
	To         string    `json:"to"`
	Text       string    `json:"text"`
	At         time.Time `json:"at"`
}

// After is where a message stands after a receipt, and whether that is another place. What a provider delivered stays
// delivered unless it bounces later; what failed may have been delivered late; what is unknown is settled by any word of its
// provider. A message that was never handed over stays where it is.
func (s MessageStatus) After(r *Receipt) (MessageStatus, bool) {
	to := r.Status
	switch s {
	case MessageUnknown:
		if to == "" {
			to = MessageSent
		}
	case MessageSent:
		if to == "" {
			return s, false
		}
	case MessageFailed:
		if to != MessageDelivered {
			return s, false
		}
	case MessageDelivered:
		if to != MessageBounced {
			return s, false
		}
	default:
		return s, false
	}
	return to, true
}

// Waits says whether a receipt that names a message in this state came before the message's own answer was recorded.
func (s MessageStatus) Waits() bool { return s == MessageQueued || s == MessageSending }

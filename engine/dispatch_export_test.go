package engine

import (
	"beckon/campaigns"
	"beckon/engine/channel"
)

// OpenWith lets a test send through senders of its own.
func (e *Engine) OpenWith(open func(campaigns.Channel, channel.Options) (channel.Sender, error)) {
	e.opens = open
}

// InFlight is how many messages stand in marked batches of the node.
func (e *Engine) InFlight() int {
	e.flight.mu.Lock()
	defer e.flight.mu.Unlock()
	return e.flight.used
}

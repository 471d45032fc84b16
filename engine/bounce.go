package engine

import (
	"context"

	"beckon/campaigns"
)

// hookBounces takes bounces and complaints that a provider posts.
func (e *Engine) hookBounces(_ context.Context, c *campaigns.Channel, _ Hook) error {
	return campaigns.Conflict("the channel %s reads no bounces", c.ID)
}

package engine

import "beckon/engine/audience"

// AudienceMemory tells what this node holds of customers in memory and how it follows; false where it holds none.
func (e *Engine) AudienceMemory() (audience.ImageStats, bool) { return e.finder.Stats() }

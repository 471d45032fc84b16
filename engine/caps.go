package engine

import (
	"context"
	"time"

	"beckon/campaigns"
)

// capsOf are those that stop this plan's messages: none for service and transactional ones.
func (p *plan) capsOf() []campaigns.Cap {
	switch {
	case p.campaign.Purpose != "marketing":
		return nil
	case p.campaign.Caps != nil:
		return *p.campaign.Caps
	}
	return p.workspace.Caps
}

// count reads what the batch's people were sent and will be sent, as far as caps ask for it.
func (b *batch) count(ctx context.Context, nos []int64) (err error) {
	b.counted = nil
	if caps := b.capsOf(); len(caps) > 0 {
		b.counted, err = b.books.CountedMessages(ctx, nos, b.start, campaigns.CapsWindow(caps))
	}
	return err
}

// underCaps is the first instant from at until included at which none of the variants' messages would break a cap.
func (b *batch) underCaps(p *person, at, until time.Time) (time.Time, bool) {
	others := b.counted[p.no]
	if len(others) == 0 {
		return at, true
	}
	for {
		free, ok := at, true
		for _, w := range p.ways {
			if free, ok = campaigns.CapsFree(b.caps, w.kind, free, until, others); !ok {
				return at, false
			}
		}
		if free.Equal(at) {
			return at, true
		}
		at = free
	}
}

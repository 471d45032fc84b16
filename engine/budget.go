package engine

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/templates"
)

// A ledger is what budgets and limited offers have left while a batch is walked.
type ledger struct {
	spent    store.Spent
	hasSpent bool
	rooms    map[campaigns.ID]int64 // codes that limited offers may still issue
	closed   bool                   // an offer of the variants cannot be used now
}

// limits reads what is left of the budget and of limited offers, and holds it until the transaction ends: two runs of one
// campaign at once spend one budget. A batch that decides several times goes on with what it has.
func (b *batch) limits(ctx context.Context, _ []int64) error {
	b.closed = slices.ContainsFunc(b.variants, b.isClosed)
	if b.campaign.Budget != nil && !b.hasSpent {
		var err error
		if b.spent, err = b.books.Spent(ctx, b.campaign.ID, b.run.Version, !b.dry); err != nil {
			return err
		}
		b.hasSpent = true
	}
	if b.rooms != nil {
		return nil
	}
	b.rooms = map[campaigns.ID]int64{}
	for _, offer := range b.offers() {
		uses, limited, err := b.books.Room(ctx, offer.ID, false)
		if limited && !b.dry && err == nil {
			uses, limited, err = b.books.Room(ctx, offer.ID, true)
		}
		if err != nil {
			return err
		}
		if limited {
			b.rooms[offer.ID] = uses / offer.UsesPerCode()
		}
	}
	return nil
}

// offers are the variants', each once, in the order of their ids: locks are taken in one order. Whether their uses are
// limited is asked of the offers as they are now, not as the campaign froze them.
func (p *plan) offers() (offers []*campaigns.Offer) {
	for i := range p.variants {
		o := p.variants[i].offer
		if o != nil && !slices.ContainsFunc(offers, func(other *campaigns.Offer) bool { return other.ID == o.ID }) {
			offers = append(offers, o)
		}
	}
	slices.SortFunc(offers, func(a, b *campaigns.Offer) int { return slices.Compare(a.ID[:], b.ID[:]) })
	return offers
}

// isSpent says whether the budget was reached before somebody came to it: everybody behind stops there, in every arm.
func (b *batch) isSpent(p *person) bool {
	budget := b.campaign.Budget
	if budget == nil {
		return false
	}
	if budget.Messages != nil && b.spent.Messages >= *budget.Messages {
		b.spent.Reached = true
	}
	if most, limited := b.costMax(); limited && !b.spent.Reached {
		b.spent.Reached = b.spent.CostMicros+b.dearest(p) > most
	}
	return b.spent.Reached
}

// costMax is the most that a campaign's messages may cost in micros.
func (p *plan) costMax() (micros int64, limited bool) {
	if p.campaign.Budget == nil || p.campaign.Budget.Cost == "" {
		return 0, false
	}
	micros, err := campaigns.ParseMoney(string(p.campaign.Budget.Cost), 6)
	return micros, err == nil
}

// spend takes what somebody's message uses; a ghost's uses nothing.
func (b *batch) spend(p *person) {
	if b.isGhost(p) {
		return
	}
	p.price = b.priceOf(p, p.variant, p.ways[0])
	b.spent.Messages++
	b.spent.CostMicros += p.price
	if offer := p.variant.offer; offer != nil {
		if _, limited := b.rooms[offer.ID]; limited {
			b.rooms[offer.ID]--
		}
	}
}

// lacksCodes says whether a code of one of the variants could not be issued now.
func (b *batch) lacksCodes() bool {
	if b.closed {
		return true
	}
	for _, left := range b.rooms {
		if left <= 0 {
			return true
		}
	}
	return false
}

// isClosed says whether a variant's offer cannot be used now.
func (b *batch) isClosed(v variant) bool {
	if v.offer == nil {
		return false
	}
	expires := v.offer.ExpiresAt(b.tx.Now, b.workspace.Location())
	return v.offer.Status != campaigns.OfferLive || (expires != nil && !b.tx.Now.Before(*expires))
}

// dearest is the most that a message to somebody would cost in any of the variants, so that a budget sees no arm.
func (b *batch) dearest(p *person) int64 {
	most := int64(0)
	for _, w := range p.ways {
		most = max(most, b.priceOf(p, b.variantOf(w), w))
	}
	return most
}

// variantOf is the variant that a way belongs to.
func (b *batch) variantOf(w *way) *variant {
	for i := range b.variants {
		for j := range b.variants[i].ways {
			if &b.variants[i].ways[j] == w {
				return &b.variants[i]
			}
		}
	}
	return &b.variants[0]
}

// priceOf is what a message costs: segments are counted on the text as it will be sent.
func (b *batch) priceOf(p *person, v *variant, w *way) int64 {
	if w.cost.perSegment == 0 || w.kind != campaigns.SMS {
		return w.cost.perMessage
	}
	code := ""
	if v.offer != nil {
		code = someCode
	}
	m := b.would(p, v, w, code)
	parts, err := say(w.template, m)
	if err != nil {
		return w.cost.perMessage
	}
	text := shortForm(parts["text"], w.shortPrefix(b), keptHosts(m))
	return w.cost.of(w.kind, templates.Segments(text).Segments)
}

// saveLimits keeps what was spent; codes are counted where they are issued.
func (b *batch) saveLimits(ctx context.Context) error {
	if b.campaign.Budget == nil {
		return nil
	}
	return b.books.SaveSpent(ctx, b.campaign.ID, b.run.Version, b.spent)
}

// budgetReason says that a run ended at its budget, where somebody did.
func (e *Engine) budgetReason(ctx context.Context, tx *store.Tx, run *campaigns.Run) (string, error) {
	stopped, err := tx.StoppedAt(ctx, run.ID, campaigns.GateBudget)
	if err != nil || !stopped {
		return run.Reason, err
	}
	c, err := tx.CampaignVersion(ctx, run.CampaignID, run.Version)
	if err != nil || c.Budget == nil {
		return run.Reason, err
	}
	spent, err := tx.Spent(ctx, c.ID, run.Version, false)
	if err != nil {
		return run.Reason, err
	}
	if c.Budget.Messages != nil && spent.Messages >= *c.Budget.Messages {
		return fmt.Sprintf("the budget of %s messages was reached", thousands(*c.Budget.Messages)), nil
	}
	w, err := tx.Workspace(ctx)
	if err != nil {
		return run.Reason, err
	}
	return fmt.Sprintf("the budget of %s %s was reached", c.Budget.Cost, w.Currency), nil
}

// thousands writes a number with commas.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

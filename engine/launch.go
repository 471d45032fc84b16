package engine

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
)

// launch puts the campaign's newest version in effect, for the first time or in the place of the one before. What was
// approved uses what it froze then; anything else is frozen now. audience is how many customers match, nil where nothing
// asks for it.
func (e *Engine) launch(ctx context.Context, tx *store.Tx, c *campaigns.Campaign, audience *int64) error {
	if c.Kind == campaigns.Imported {
		return c.Launch(tx.Now)
	}
	w, err := tx.Workspace(ctx)
	if err != nil {
		return err
	}
	approved, err := tx.ApprovedVersion(ctx, c.ID)
	if err != nil {
		return err
	}
	if err := c.MayLaunch(w.Approvals, approved); err != nil {
		return err
	}
	p, err := e.newPlan(ctx, tx, *c, tx.Now)
	if err != nil {
		return err
	}
	if err := p.mayLaunch(); err != nil {
		return err
	}
	if err := p.mustLast(ctx, tx, audience); err != nil {
		return err
	}
	if !c.Frozen.Is() {
		if c.Frozen, err = e.freeze(ctx, tx, p); err != nil {
			return err
		}
	}
	if err := e.putInEffect(ctx, tx, c); err != nil {
		return err
	}
	c.Review.Hash = c.Frozen.Hash
	return tx.LaunchVersion(ctx, c)
}

// putInEffect makes the newest version the one that runs are made from.
func (e *Engine) putInEffect(ctx context.Context, tx *store.Tx, c *campaigns.Campaign) error {
	if c.LiveVersion == 0 {
		return c.Launch(tx.Now)
	}
	live, err := tx.CampaignVersion(ctx, c.ID, c.LiveVersion)
	if err != nil {
		return err
	}
	if err := c.MayReplace(&live); err != nil {
		return err
	}
	c.Frozen.Draw = live.Frozen.Draw
	if c.DrawsAnew(&live) {
		c.Frozen.Draw++
	}
	last, err := tx.LastOccurrence(ctx, c.ID)
	if err != nil {
		return err
	}
	return c.Relaunch(tx.Now, last)
}

// mayLaunch names what must be put right before anything leaves the machine.
func (p *plan) mayLaunch() error {
	var checks campaigns.Checks
	named := map[string]bool{} // the campaign's own offer is that of many variants
	for i, v := range p.variants {
		field := fmt.Sprintf("variants[%d].", i)
		if at := v.offerField(i); v.offer != nil && v.offer.Status != campaigns.OfferLive && !named[at] {
			named[at] = true
			checks.Add(campaigns.Invalid(at, "the offer %q is %s: make it live first", v.offer.Name, v.offer.Status))
		}
		for j, w := range v.ways {
			if w.ChannelID != campaigns.Catcher && w.needsLinks() && strings.TrimSpace(p.workspace.PublicURL) == "" {
				checks.Add(campaigns.Invalid(field+wayField(j)+"channel_id", "e-mail, and whatever has links, needs links that work: set public_url of the workspace (or BECKON_PUBLIC_URL) first"))
			}
		}
	}
	return checks.Err()
}

// needsLinks says whether what is sent this way leads back to us: e-mail always does, to be unsubscribed from.
func (w *way) needsLinks() bool {
	return w.kind == campaigns.Email || slices.ContainsFunc(w.template.Variables(), func(name string) bool { return strings.HasPrefix(name, "links.") })
}

// offerField is where the campaign names the offer of its i-th variant.
func (v *variant) offerField(i int) string {
	if v.OfferID == nil {
		return "offer_id"
	}
	return fmt.Sprintf("variants[%d].offer_id", i)
}

// A share of the audience gets an offer; field is where the campaign names it.
type offerShare struct {
	offer *campaigns.Offer
	field string
	share float64
}

// offerShares are those of the offers that have a limit on all uses, none when the campaign does not mind that they run out.
func (p *plan) offerShares() (shares []offerShare) {
	var guards campaigns.Guards
	if p.campaign.Guards != nil {
		guards = *p.campaign.Guards
	}
	if codes := guards.Or(p.workspace.Guards).Codes; codes != nil && !*codes || p.campaign.Kind == campaigns.Triggered {
		return nil
	}
	total := 0.0
	for _, v := range p.variants {
		total += v.Weight
	}
	at := map[campaigns.ID]int{}
	for i, v := range p.variants {
		if v.offer == nil || v.offer.Limits.Total == nil {
			continue
		}
		if _, seen := at[v.offer.ID]; !seen {
			at[v.offer.ID] = len(shares)
			shares = append(shares, offerShare{offer: v.offer, field: v.offerField(i)})
		}
		shares[at[v.offer.ID]].share += v.Weight / total * (1 - p.campaign.HoldoutShare())
	}
	return shares
}

// mustLast refuses offers that have fewer uses left than customers who would get them.
func (p *plan) mustLast(ctx context.Context, tx *store.Tx, audience *int64) error {
	if audience == nil {
		return nil
	}
	var checks campaigns.Checks
	for _, s := range p.offerShares() {
		left, limited, err := tx.UsesLeft(ctx, s.offer.ID)
		if err != nil {
			return err
		}
		need := int64(math.Ceil(float64(*audience)*s.share - 1e-9))
		if limited && left < need {
			checks.Add(campaigns.Invalid(s.field, "the offer %q has %d uses left, and about %d of the %d customers would get it: raise its limits.total, limit the audience, or set guards.codes to false for first come, first served",
				s.offer.Name, left, need, *audience))
		}
	}
	return checks.Err()
}

// neededFor counts the customers that a launch asks for: when an offer may run out. What is wrong with the campaign it
// leaves to the launch, but for customers who lack what none of them may lack.
func (e *Engine) neededFor(ctx context.Context, id campaigns.ID) (*int64, error) {
	p, err := e.planNewest(ctx, id)
	if campaigns.CodeOf(err) != "" {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := e.mustHave(ctx, p); err != nil || len(p.offerShares()) == 0 {
		return nil, err
	}
	n, err := e.countPlan(ctx, p)
	return &n, err
}

// planNewest makes a plan of a campaign's newest version as of now.
func (e *Engine) planNewest(ctx context.Context, id campaigns.ID) (p *plan, err error) {
	err = e.store.View(ctx, func(tx *store.Tx) error {
		c, err := tx.Campaign(ctx, id)
		if err != nil {
			return err
		}
		p, err = e.newPlan(ctx, tx, c, tx.Now)
		return err
	})
	return p, err
}

// countPlan is how many customers the plan is for: those who match its rule, as far as its audience is not limited.
func (e *Engine) countPlan(ctx context.Context, p *plan) (int64, error) {
	found, err := e.find(ctx, audience.Question{Conditions: []audience.Asked{{Rule: p.rule, At: p.at}}})
	if err != nil {
		return 0, err
	}
	n := found.Counts[0]
	switch a := p.campaign.Audience; {
	case a == nil:
	case a.Sample != nil:
		n = int64(math.Ceil(float64(n) * *a.Sample))
	default:
		n = min(n, a.Limit)
	}
	return n, nil
}

// isPastStart says whether a campaign of kind once made its run: another version of it would have nothing to do.
func isPastStart(c *campaigns.Campaign, now time.Time) bool {
	return c.Kind == campaigns.Once && c.LiveVersion != 0 && (c.NextRunAt == nil || c.NextRunAt.Before(now))
}

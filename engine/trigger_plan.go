package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// doorPlans caches the plans of live triggered campaigns by campaign. They are dropped together when anything changes that
// they are made of besides the version.
type doorPlans struct {
	mu    sync.Mutex
	mark  string
	plans map[campaigns.ID]*plan
}

// find gives the plan of a version, nil when it is not there, under the mark of the definitions that it is made of.
func (c *doorPlans) find(mark string, t *store.Trigger) *plan {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.plans[t.CampaignID]; c.mark == mark && p != nil && p.campaign.Version == t.Version {
		return p
	}
	return nil
}

func (c *doorPlans) keep(mark string, p *plan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mark != mark || c.plans == nil {
		c.mark, c.plans = mark, map[campaigns.ID]*plan{}
	}
	c.plans[p.campaign.ID] = p
}

// forget drops the plans of campaigns that are not among those that are live.
func (c *doorPlans) forget(live []store.Trigger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range c.plans {
		if !slices.ContainsFunc(live, func(t store.Trigger) bool { return t.CampaignID == id }) {
			delete(c.plans, id)
		}
	}
}

// open makes the plans of triggers ready, as of whenever they were made, and gives those that do not work any more.
func (e *Engine) open(ctx context.Context, tx *store.Tx, triggers []store.Trigger) (doors []*door, broken []*brokenCampaign, err error) {
	if len(triggers) == 0 {
		return nil, nil, nil
	}
	mark, err := tx.DefinitionsMark(ctx)
	if err != nil {
		return nil, nil, err
	}
	for i := range triggers {
		t := &triggers[i]
		kept := e.doorPlans.find(mark, t)
		if kept == nil {
			kept, err = e.doorPlan(ctx, tx, t)
			var own *brokenCampaign
			if errors.As(err, &own) {
				broken = append(broken, own)
				continue
			}
			if err != nil {
				return nil, nil, err
			}
			e.doorPlans.keep(mark, kept)
		}
		doors = append(doors, &door{plan: kept, trigger: t})
	}
	return doors, broken, nil
}

func (e *Engine) doorPlan(ctx context.Context, tx *store.Tx, t *store.Trigger) (*plan, error) {
	c, err := tx.CampaignVersion(ctx, t.CampaignID, t.Version)
	if err != nil {
		return nil, err
	}
	p, err := e.newPlan(ctx, tx, c, tx.Now)
	if err != nil && isOwn(err) {
		return nil, &brokenCampaign{plan: &plan{campaign: c, at: rules.Instant{Zone: c.Zone()}}, trigger: t, cause: err}
	}
	return p, err
}

// asOf is the plan at another instant: rules, words and arms are shared.
func (p *plan) asOf(now time.Time) *plan {
	at := *p
	at.at.Now = now.Truncate(time.Second)
	at.period = p.campaign.Period(now)
	at.key, at.oneKey = p.campaign.EntryKey(now)
	at.from, at.to = p.campaign.Stretch(at.at.Now)
	return &at
}

// A brokenCampaign is one whose launched version does not work any more.
type brokenCampaign struct {
	*plan
	trigger *store.Trigger
	cause   error
	left    []arrival // who did not go through its gates; nil for nobody did
}

func (b *brokenCampaign) Error() string {
	return fmt.Sprintf("campaign %s: %v", b.campaign.ID, b.cause)
}
func (b *brokenCampaign) Unwrap() error { return b.cause }

// isOwn says that an error is a campaign's own and would come again: its definitions are wrong, or what it writes cannot be
// kept. What is temporary is nobody's.
func isOwn(err error) bool {
	code := campaigns.CodeOf(err)
	return code == campaigns.CodeInvalid || code == campaigns.CodeNotFound || store.IsLasting(err)
}

// pauseBroken pauses a campaign that does not work, with the reason in the audit: its signals are kept until it is resumed
// or they are of no more use, and it holds up no other.
func (e *Engine) pauseBroken(ctx context.Context, b *brokenCampaign) error {
	e.log.Error("triggered campaign paused", "campaign", b.campaign.Name, "err", b.cause)
	return e.store.Update(ctx, func(tx *store.Tx) error {
		c, err := tx.LockLive(ctx, b.campaign.ID)
		if err != nil || c.Move(campaigns.Pause) != nil {
			return err
		}
		if err := tx.PauseRuns(ctx, c.ID, true); err != nil {
			return err
		}
		return errors.Join(tx.SaveCampaignState(ctx, &c), tx.Audit(ctx, "beckon", "pause", "campaign", c.ID.String(), campaigns.Active, b.cause.Error()))
	})
}

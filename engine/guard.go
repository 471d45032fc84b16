package engine

import (
	"context"
	"fmt"
	"math"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

const (
	guardedFrom  = 100 // shares of fewer messages say little
	growingFrom  = 10  // an audience of fewer harms nobody, however many times the last it is
	ofRunBefore  = "the %d of the run of %s"
	ofApproval   = "the %d counted at approval"
	resumeOrStop = "POST /v1/runs/%s/resume lets it go on, …/stop ends it"
)

// hold marks a run as held, unless somebody let it go on in spite of that guard.
func hold(ctx context.Context, tx *store.Tx, run *campaigns.Run, guard, format string, args ...any) error {
	waived, err := tx.Waived(ctx, run.ID, guard)
	if err == nil && !waived {
		run.Held, run.Reason = guard, fmt.Sprintf(format, args...)+"; "+fmt.Sprintf(resumeOrStop, run.ID)
	}
	return err
}

func (p *plan) guards() campaigns.Guards {
	var own campaigns.Guards
	if p.campaign.Guards != nil {
		own = *p.campaign.Guards
	}
	return own.Or(p.workspace.Guards)
}

// guardSelected holds a run whose audience is found, before anybody of it is queued, when it is much larger than it should
// be or its offers would not last. A resend has no audience of its own to be compared.
func (e *Engine) guardSelected(ctx context.Context, tx *store.Tx, p *plan, run *campaigns.Run, audience int64) error {
	if run.Kind != campaigns.RunResend {
		if err := p.guardGrowth(ctx, tx, run, audience); err != nil || run.Held != "" {
			return err
		}
	}
	return p.guardCodes(ctx, tx, run, run.Eligible)
}

func (p *plan) guardGrowth(ctx context.Context, tx *store.Tx, run *campaigns.Run, audience int64) error {
	growth := p.guards().Growth
	if growth == nil || *growth <= 0 || audience < growingFrom {
		return nil
	}
	exceeds := func(other int64, than string) error {
		if float64(audience) <= *growth*float64(other) {
			return nil
		}
		return hold(ctx, tx, run, campaigns.HeldAudience, "the audience of %d is more than %g times %s: look whether the rule still says what it should", audience, *growth, than)
	}
	earlier, err := tx.EarlierRun(ctx, run)
	if err != nil {
		return err
	}
	if earlier != nil {
		if err := exceeds(earlier.Audience, fmt.Sprintf(ofRunBefore, earlier.Audience, earlier.Occurrence.In(p.campaign.Zone()).Format("2006-01-02 15:04"))); err != nil || run.Held != "" {
			return err
		}
	}
	approved, err := tx.ApprovedAudience(ctx, run.CampaignID, run.Version)
	if err != nil || approved == nil {
		return err
	}
	return exceeds(*approved, fmt.Sprintf(ofApproval, *approved))
}

// guardCodes holds a run when an offer of limited use has fewer uses left than the run would give it out.
func (p *plan) guardCodes(ctx context.Context, tx *store.Tx, run *campaigns.Run, eligible int64) error {
	if codes := p.guards().Codes; codes == nil || !*codes {
		return nil
	}
	for _, limited := range p.limitedShares() {
		left, _, err := tx.UsesLeft(ctx, limited.offer.ID)
		if err != nil {
			return err
		}
		need := int64(math.Ceil(float64(eligible)*limited.share - 1e-9))
		if need > left {
			return hold(ctx, tx, run, campaigns.HeldCodes, "the offer %q can be used %d more times, and about %d of %d customers would get it: raise its limit", limited.offer.Name, left, need, eligible)
		}
	}
	return nil
}

// a limitedOffer is one of limited use with the share of the eligible who would get it.
type limitedOffer struct {
	offer *campaigns.Offer
	share float64
}

func (p *plan) limitedShares() (found []limitedOffer) {
	total := 0.0
	for _, v := range p.variants {
		total += v.Weight
	}
	for _, v := range p.variants {
		if v.offer == nil || v.offer.Limits.Total == nil || v.Weight == 0 {
			continue
		}
		share := v.Weight / total * (1 - p.campaign.HoldoutShare())
		known := false
		for i := range found {
			if found[i].offer.ID == v.offer.ID {
				found[i].share += share
				known = true
			}
		}
		if !known {
			found = append(found, limitedOffer{v.offer, share})
		}
	}
	return found
}

// guardQueued holds a run while it is queued when too many of those walked so far stop at the gate template.
func (e *Engine) guardQueued(ctx context.Context, p *plan, run *campaigns.Run) error {
	most := p.guards().Template
	if most == nil || *most <= 0 {
		return nil
	}
	return e.store.Update(ctx, func(tx *store.Tx) error {
		now := *run
		if err := p.guardTemplate(ctx, tx, &now, *most); err != nil || now.Held == "" {
			return err
		}
		_, err := tx.HoldRun(ctx, run.ID, now.Held, now.Reason)
		return err
	})
}

func (p *plan) guardTemplate(ctx context.Context, tx *store.Tx, run *campaigns.Run, most float64) error {
	gates, err := tx.Gates(ctx, run.ID)
	if err != nil {
		return err
	}
	walked := int64(0)
	for _, gate := range []campaigns.Gate{campaigns.GateHoldout, campaigns.GateCap, campaigns.GateBudget, campaigns.GateCode, campaigns.GateTemplate, campaigns.GatePassed} {
		walked += gates[gate]
	}
	stopped := gates[campaigns.GateTemplate] + gates[campaigns.GhostGate(campaigns.GateTemplate)]
	if walked < guardedFrom || float64(stopped) <= most*float64(walked)+1e-9 {
		return nil
	}
	return hold(ctx, tx, run, campaigns.HeldTemplate, "the template cannot be printed for %d of the first %d customers, more than %g %%: give its variables defaults", stopped, walked, most*100)
}

// Guard looks at what became of the messages of runs that are being sent, and holds those of which too many fail or bounce.
// It gives how many runs it held. Runs where nothing ended badly, nearly all, cost no question of their own.
func (e *Engine) Guard(ctx context.Context) (int, error) {
	var open []campaigns.Run
	var ended map[campaigns.ID]store.MessageCounts
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		var ids []campaigns.ID
		for _, status := range []campaigns.RunStatus{campaigns.Queueing, campaigns.Sending} {
			runs, err := tx.OpenRuns(ctx, status)
			if err != nil {
				return err
			}
			open = append(open, runs...)
		}
		for i := range open {
			ids = append(ids, open[i].ID)
		}
		if len(ids) > 0 {
			ended, err = outcomesOf(ctx, tx, ids)
		}
		return err
	})
	held := 0
	for i := range open {
		if err != nil {
			break
		}
		var did bool
		did, err = e.guardOutcomes(ctx, &open[i], ended[open[i].ID])
		if did {
			held++
		}
	}
	return held, err
}

// outcomesOf counts the messages of runs, those that were complained about beside.
func outcomesOf(ctx context.Context, tx *store.Tx, runs []campaigns.ID) (map[campaigns.ID]store.MessageCounts, error) {
	ended, err := tx.MessagesOf(ctx, runs)
	if err != nil {
		return nil, err
	}
	complaints, err := tx.CountComplaints(ctx, runs)
	for run, n := range complaints {
		if ended[run] == nil {
			ended[run] = store.MessageCounts{}
		}
		ended[run][complained] = n
	}
	return ended, err
}

// An outcomeGuard holds a run when a share of its messages ends badly.
type outcomeGuard struct {
	held   string
	status campaigns.MessageStatus
	most   *float64
	what   string
}

// complained stands for messages that somebody complained about; their status stays what it was.
const complained campaigns.MessageStatus = "complained"

// outcomeGuards are those of a campaign.
func outcomeGuards(g campaigns.Guards) []outcomeGuard {
	return []outcomeGuard{
		{campaigns.HeldFailures, campaigns.MessageFailed, g.Failures, "failed: look at their history and at the channel's settings"},
		{campaigns.HeldBounces, campaigns.MessageBounced, g.Bounces, "bounced: look where the addresses come from"},
		{campaigns.HeldComplaints, complained, g.Complaints, "were complained about: look who asked for them"},
	}
}

// guardOutcomes holds a run when the share of its messages that ended badly is too large. A guard that was waived hides no
// other.
func (e *Engine) guardOutcomes(ctx context.Context, run *campaigns.Run, messages store.MessageCounts) (held bool, err error) {
	if messages.Of(campaigns.MessageFailed, campaigns.MessageBounced, complained) == 0 {
		return false, nil
	}
	ended := messages.Of(campaigns.MessageSent, campaigns.MessageDelivered, campaigns.MessageBounced, campaigns.MessageFailed)
	guard, reason := "", ""
	err = e.store.View(ctx, func(tx *store.Tx) error {
		guards, err := guardsOf(ctx, tx, run)
		if err != nil {
			return err
		}
		for _, g := range outcomeGuards(guards) {
			bad := messages.Of(g.status)
			if g.most == nil || *g.most <= 0 || ended < guardedFrom || float64(bad) <= *g.most*float64(ended)+1e-9 {
				continue
			}
			if waived, err := tx.Waived(ctx, run.ID, g.held); err != nil {
				return err
			} else if waived {
				continue
			}
			guard = g.held
			reason = fmt.Sprintf("%d of the first %d messages, more than %g %%, %s; "+resumeOrStop, bad, ended, *g.most*100, g.what, run.ID)
			return nil
		}
		return nil
	})
	if err != nil || guard == "" {
		return false, err
	}
	err = e.store.Update(ctx, func(tx *store.Tx) (err error) {
		held, err = tx.HoldRun(ctx, run.ID, guard, reason)
		return err
	})
	if held {
		e.log.Warn("a guard holds a run", "run", run.ID, "guard", guard, "reason", reason)
	}
	return held, err
}

func guardsOf(ctx context.Context, tx *store.Tx, run *campaigns.Run) (campaigns.Guards, error) {
	w, err := tx.Workspace(ctx)
	if err != nil {
		return campaigns.Guards{}, err
	}
	c, err := tx.CampaignVersion(ctx, run.CampaignID, run.Version)
	return (&plan{campaign: c, workspace: w}).guards(), err
}

package engine

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
)

// A DryRun is the table that a run of a campaign at this moment would give. Counts are of customers.
type DryRun struct {
	Version    int              `json:"version" doc:"of the campaign that was tried"`
	Audience   int64            `json:"audience" doc:"customers who match the rule; the sum of the gates"`
	Gates      map[string]int64 `json:"gates"`
	GhostGates map[string]int64 `json:"ghost_gates" doc:"later gates of those held out"`
	Arms       map[string]int64 `json:"arms" doc:"customers by arm, of those who passed the gates before the arms"`
	Messages   int64            `json:"messages" doc:"messages that would be written"`
	TookMS     int64            `json:"took_ms"`
	Executor   string           `json:"executor"`
}

// Table is the dry run as rows, gates in the order in which they are walked.
func (d *DryRun) Table() []DryRunRow {
	rows := []DryRunRow{{"audience", "", d.Audience}}
	for _, gate := range campaigns.Gates() {
		rows = append(rows, DryRunRow{"gate", string(gate), d.Gates[string(gate)]})
	}
	for _, gate := range campaigns.Gates() {
		if n := d.GhostGates[string(gate)]; n > 0 {
			rows = append(rows, DryRunRow{"ghost_gate", string(gate), n})
		}
	}
	for _, arm := range slices.Sorted(maps.Keys(d.Arms)) {
		rows = append(rows, DryRunRow{"arm", arm, d.Arms[arm]})
	}
	return append(rows, DryRunRow{"messages", "", d.Messages})
}

// A DryRunRow is one figure of a dry run: of is audience, gate, ghost_gate, arm or messages.
type DryRunRow struct {
	Of        string `json:"of"`
	Name      string `json:"name"`
	Customers int64  `json:"customers"`
}

// DryRunCampaign leads a campaign's audience through all gates as a run at this moment would, and writes nothing. version is
// the one to try, 0 for the newest, draft or not.
func (e *Engine) DryRunCampaign(ctx context.Context, id campaigns.ID, version int) (*DryRun, error) {
	started := e.store.Now()
	var p *plan
	err := e.store.View(ctx, func(tx *store.Tx) error {
		c, err := tx.Campaign(ctx, id)
		if err == nil && version != 0 && version != c.Version {
			c, err = tx.CampaignVersion(ctx, id, version)
		}
		if err != nil {
			return err
		}
		if c.Kind == campaigns.Imported {
			return campaigns.Conflict("an imported campaign was sent elsewhere: there is nothing to try")
		}
		p, err = e.newPlan(ctx, tx, c, tx.Now)
		return err
	})
	if err != nil {
		return nil, err
	}
	found, err := e.sift(ctx, p, nil, func(ctx context.Context, q audience.Question) (*audience.Answer, error) { return e.find(ctx, q) })
	if err != nil {
		return nil, err
	}
	out := &DryRun{Version: p.campaign.Version, Gates: map[string]int64{}, GhostGates: map[string]int64{}, Arms: map[string]int64{}, Executor: found.answer.Executor}
	for _, gate := range campaigns.Gates() {
		out.Gates[string(gate)] = 0
	}
	for gate, members := range found.gates {
		out.Gates[string(gate)] = int64(members.GetCardinality())
	}
	err = e.late(ctx, found, out)
	for _, n := range out.Gates {
		out.Audience += n
	}
	out.Messages = out.Gates[string(campaigns.GatePassed)]
	out.TookMS = e.store.Now().Sub(started).Round(time.Millisecond).Milliseconds()
	return out, err
}

// lateWalkers is how many walk a dry run's parts side by side: one waits for PostgreSQL while another calculates.
const lateWalkers = 2

// late leads the eligible through the gates after the arms, in the order in which a run would, and adds what became of them.
func (e *Engine) late(ctx context.Context, found *sieve, out *DryRun) error {
	next, stop := iter.Pull(found.parts(found.rest))
	defer stop()
	walkers := lateWalkers
	if found.scarce() { // who comes first decides who gets it
		walkers = 1
	}
	var parts, sums sync.Mutex
	var walking sync.WaitGroup
	failed := make([]error, walkers)
	for i := range failed {
		walking.Go(func() {
			failed[i] = e.store.View(ctx, func(tx *store.Tx) error {
				b, err := e.dryBatch(ctx, tx, found.plan, int64(found.rest.GetCardinality()))
				if err != nil {
					return err
				}
				b.listed = found.facts.suppressed
				for {
					parts.Lock()
					nos, more := next()
					parts.Unlock()
					if !more {
						return nil
					}
					if err := b.decide(ctx, nos); err != nil {
						return err
					}
					sums.Lock()
					out.add(b)
					sums.Unlock()
				}
			})
		})
	}
	walking.Wait()
	return errors.Join(failed...)
}

// add counts what became of a batch.
func (d *DryRun) add(b *batch) {
	for gate, nos := range b.gates {
		if gate.IsGhost() {
			d.GhostGates[strings.TrimPrefix(string(gate), "ghost:")] += int64(len(nos))
		} else {
			d.Gates[string(gate)] += int64(len(nos))
		}
	}
	for i := range b.people {
		if p := &b.people[i]; !p.outside && p.arm.Arm != "" {
			d.Arms[p.arm.Arm]++
		}
	}
}

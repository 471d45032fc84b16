package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
)

// partSize is how many customers are queued in one transaction.
const partSize = 4096

// Select finds the audience of one planned run: the rule, then the gates before the arms, which are facts from before any
// treatment. What it finds is written in one transaction at the end, so that an interrupted selection begins anew.
func (e *Engine) Select(ctx context.Context) (int, error) {
	for _, status := range []campaigns.RunStatus{campaigns.Planned, campaigns.Selecting} {
		run, err := e.claimRun(ctx, status, campaigns.Selecting)
		if err != nil {
			return 0, err
		}
		if run != nil {
			return 1, e.stopOnFault(ctx, run, e.selectRun(ctx, run))
		}
	}
	return 0, nil
}

// claimRun leases the first run in a state that no other node holds; nil when there is none.
func (e *Engine) claimRun(ctx context.Context, from, to campaigns.RunStatus) (*campaigns.Run, error) {
	var open []campaigns.Run
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		open, err = tx.OpenRuns(ctx, from)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range open {
		var won bool
		err := e.store.Update(ctx, func(tx *store.Tx) (err error) {
			won, err = tx.ClaimRun(ctx, open[i].ID, from, to, e.node, tx.Now.Add(Lease))
			return err
		})
		if err != nil {
			return nil, err
		}
		if won {
			open[i].Status = to
			return &open[i], nil
		}
	}
	return nil, nil
}

// stopOnFault stops a run whose definition no longer works, so that one broken campaign never holds up the others; what
// is temporary (the database, a lost lease) is left to be tried again.
func (e *Engine) stopOnFault(ctx context.Context, run *campaigns.Run, err error) error {
	if err == nil || isStale(err) {
		return nil
	}
	code := campaigns.CodeOf(err)
	if code != campaigns.CodeInvalid && code != campaigns.CodeNotFound {
		return fmt.Errorf("run %s: %w", run.ID, err)
	}
	e.log.Error("run stopped", "run", run.ID, "err", err)
	return e.store.Update(ctx, func(tx *store.Tx) error {
		status := run.Status
		run.Status, run.Reason, run.FinishedAt = campaigns.Stopped, err.Error(), &tx.Now
		return tx.SaveRun(ctx, run, status, e.node, tx.Now)
	})
}

// A selection is a run's audience while it is found.
type selection struct {
	*plan
	gates    map[campaigns.Gate]*roaring64.Bitmap
	suspects []suspect // eligible customers who share an address with somebody
}

// a suspect is somebody who may get no message because a more recently active profile has the same address.
type suspect struct {
	no       int64
	activeAt time.Time
	hashes   []string
}

// a candidate is a customer of the span at hand who matches the rule and may enter.
type candidate struct {
	no       int64
	activeAt time.Time
	hash     map[string][]byte // by kind of address
	consent  map[string]bool
}

func (e *Engine) selectRun(ctx context.Context, run *campaigns.Run) error {
	sel := &selection{gates: map[campaigns.Gate]*roaring64.Bitmap{}}
	err := e.store.View(ctx, func(tx *store.Tx) error {
		c, err := tx.CampaignVersion(ctx, run.CampaignID, run.Version)
		if err != nil {
			return err
		}
		sel.plan, err = e.newPlan(ctx, tx, c, run.Occurrence)
		return err
	})
	if err != nil {
		return err
	}
	members, err := e.members(ctx, run, sel.plan)
	if err != nil {
		return err
	}
	if err := e.gateMembers(ctx, run, sel, members); err != nil {
		return err
	}
	sel.resolveDuplicates()
	return e.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.ClearAudience(ctx, run.ID); err != nil {
			return err
		}
		for gate, members := range sel.gates {
			size := 0
			if gate == campaigns.GateEligible {
				size = partSize
			}
			if err := tx.SaveAudience(ctx, run.ID, gate, members, size); err != nil {
				return err
			}
		}
		run.Status = campaigns.Queueing
		run.SelectedAt = &tx.Now
		return tx.SaveRun(ctx, run, campaigns.Selecting, e.node, tx.Now.Add(Lease))
	})
}

// members are the customers who match the run's rule; the run is held and progress shown while they are found.
func (e *Engine) members(ctx context.Context, run *campaigns.Run, p *plan) (*roaring64.Bitmap, error) {
	q := audience.Question{Conditions: []audience.Asked{{Rule: p.rule, At: p.at}}, Members: true}
	q.Progress = func(scanned int64) error { return e.renewRun(ctx, run, scanned) }
	var found *audience.Answer
	err := e.whileHeld(ctx, run, func(ctx context.Context) (err error) {
		found, err = e.find(ctx, q)
		return err
	})
	if err != nil {
		return nil, err
	}
	run.Customers, run.Executor, run.SelectMS = found.Total, found.Executor, found.Took.Milliseconds()
	return found.Members, e.renewRun(ctx, run, found.Total)
}

func (e *Engine) renewRun(ctx context.Context, run *campaigns.Run, scanned int64) error {
	run.Scanned = scanned
	return e.store.Update(ctx, func(tx *store.Tx) error {
		return tx.SaveRun(ctx, run, campaigns.Selecting, e.node, tx.Now.Add(Lease))
	})
}

// gateMembers leads the members through the gates before the arms, a batch at a time.
func (e *Engine) gateMembers(ctx context.Context, run *campaigns.Run, sel *selection, members *roaring64.Bitmap) error {
	needs := sel.needs()
	nos := make([]int64, 0, audience.SpanSize)
	for it := members.Iterator(); it.HasNext(); {
		nos = nos[:0]
		for it.HasNext() && len(nos) < audience.SpanSize {
			nos = append(nos, int64(it.Next()))
		}
		err := e.store.View(ctx, func(tx *store.Tx) error { return sel.gate(ctx, tx, needs, nos) })
		if err != nil {
			return err
		}
		if err := e.renewRun(ctx, run, run.Scanned); err != nil {
			return err
		}
	}
	return nil
}

// gate leads members through the gates; nos ascend.
func (sel *selection) gate(ctx context.Context, tx *store.Tx, needs audience.Needs, nos []int64) error {
	earlier, err := sel.earlierEntries(ctx, tx, store.Span{From: nos[0], To: nos[len(nos)-1] + 1})
	if err != nil {
		return err
	}
	var candidates []candidate
	err = audience.Each(ctx, tx, store.Span{Nos: nos}, needs, sel.at, func(no int64, record rules.Record) error {
		if !sel.mayEnter(no, record, earlier[no]) {
			sel.put(campaigns.GateEntry, no)
		} else {
			candidates = append(candidates, candidateOf(no, record))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return sel.gateReach(ctx, tx, candidates)
}

// earlierEntries are those that the entry limit may ask for; none when each run is an entry of its own.
func (sel *selection) earlierEntries(ctx context.Context, tx *store.Tx, span store.Span) (map[int64]store.EntryHistory, error) {
	if sel.campaign.Entry == nil {
		return nil, nil
	}
	return tx.EntryHistories(ctx, sel.campaign.ID, span.From, span.To)
}

func candidateOf(no int64, record rules.Record) candidate {
	c := candidate{no: no, hash: map[string][]byte{}, consent: map[string]bool{}}
	for kind, columns := range map[string][2]string{campaigns.Email: {"email_hash", "email_consent"}, campaigns.SMS: {"phone_hash", "sms_consent"}} {
		c.hash[kind], _ = record[columns[0]].([]byte)
		c.consent[kind], _ = record[columns[1]].(bool)
	}
	if at, ok := record["last_purchase_at"].(time.Time); ok {
		c.activeAt = at
	} else if at, ok := record["registered_at"].(time.Time); ok {
		c.activeAt = at
	}
	return c
}

// gateReach lets through who can be reached by every variant: so nobody is drawn into an arm that could not be sent to.
func (sel *selection) gateReach(ctx context.Context, tx *store.Tx, candidates []candidate) error {
	suppressed, shared := map[string]map[string]bool{}, map[string]map[string]bool{}
	for _, kind := range sel.kinds {
		var hashes [][]byte
		for _, c := range candidates {
			if c.hash[kind] != nil {
				hashes = append(hashes, c.hash[kind])
			}
		}
		var err error
		if suppressed[kind], err = tx.Suppressed(ctx, kind, hashes); err != nil {
			return err
		}
		if shared[kind], err = tx.Shared(ctx, kind, hashes); err != nil {
			return err
		}
	}
	for _, c := range candidates {
		var stopped []campaigns.Gate
		var common []string
		for _, kind := range sel.kinds {
			if gate := sel.reach(c, kind, suppressed[kind]); gate != "" {
				stopped = append(stopped, gate)
			}
			if shared[kind][string(c.hash[kind])] {
				common = append(common, kind+" "+string(c.hash[kind]))
			}
		}
		switch {
		case len(stopped) > 0 && len(stopped) < len(sel.kinds):
			sel.put(campaigns.GateReach, c.no)
		case len(stopped) > 0:
			sel.put(stopped[0], c.no)
		case len(common) > 0:
			sel.suspects = append(sel.suspects, suspect{c.no, c.activeAt, common})
		default:
			sel.put(campaigns.GateEligible, c.no)
		}
	}
	return nil
}

// reach is the gate that keeps somebody from a kind of address; empty when none does. Missing consent is no;
// transactional messages need none.
func (sel *selection) reach(c candidate, kind string, suppressed map[string]bool) campaigns.Gate {
	switch {
	case !c.consent[kind] && sel.campaign.Purpose != "transactional":
		return campaigns.GateConsent
	case c.hash[kind] == nil:
		return campaigns.GateAddress
	case suppressed[string(c.hash[kind])]:
		return campaigns.GateSuppressed
	}
	return ""
}

// resolveDuplicates leaves one customer per address: the most recently active, the newest among equals.
func (sel *selection) resolveDuplicates() {
	slices.SortFunc(sel.suspects, func(a, b suspect) int {
		if order := b.activeAt.Compare(a.activeAt); order != 0 {
			return order
		}
		return int(b.no - a.no)
	})
	taken := map[string]bool{}
	for _, s := range sel.suspects {
		if slices.ContainsFunc(s.hashes, func(hash string) bool { return taken[hash] }) {
			sel.put(campaigns.GateDuplicate, s.no)
			continue
		}
		for _, hash := range s.hashes {
			taken[hash] = true
		}
		sel.put(campaigns.GateEligible, s.no)
	}
}

func (sel *selection) put(gate campaigns.Gate, no int64) {
	if sel.gates[gate] == nil {
		sel.gates[gate] = roaring64.New()
	}
	sel.gates[gate].Add(uint64(no))
}

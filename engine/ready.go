package engine

import (
	"context"
	"sync"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/offers"
)

// A readyRun is what all batches of a run have in common.
type readyRun struct {
	plan    *plan
	cipher  *offers.Cipher
	links   links
	crowded map[string]map[string]bool
	until   time.Time
}

// readyRuns keeps what makes runs ready to queue, so that it is not worked out for every piece.
type readyRuns struct {
	mu    sync.Mutex
	known map[campaigns.ID]*readyRun
}

// readyFor is how long it is used: a change of the workspace's settings is followed after so long.
const readyFor = 10 * time.Second

func (r *readyRuns) forget(run campaigns.ID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, run)
}

// recall gives what is still fresh, and forgets what is not.
func (r *readyRuns) recall(run campaigns.ID, now time.Time) *readyRun {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, known := range r.known {
		if !now.Before(known.until) || known.until.After(now.Add(readyFor)) {
			delete(r.known, id)
		}
	}
	return r.known[run]
}

func (r *readyRuns) keep(run campaigns.ID, ready *readyRun) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.known = map[campaigns.ID]*readyRun{}
	}
	r.known[run] = ready
}

func (e *Engine) readyToQueue(ctx context.Context, run *campaigns.Run) (*readyRun, error) {
	now := e.store.Now()
	if ready := e.ready.recall(run.ID, now); ready != nil {
		return ready, nil
	}
	p, err := e.planOfRun(ctx, run)
	if err != nil {
		return nil, err
	}
	ready, err := e.readyOf(ctx, p)
	if err != nil {
		return nil, err
	}
	if run.Eligible >= crowdedFrom {
		err = e.store.View(ctx, func(tx *store.Tx) error { return ready.readCrowded(ctx, tx, run.Eligible) })
	}
	if err != nil {
		return nil, err
	}
	ready.until = now.Add(readyFor)
	e.ready.keep(run.ID, ready)
	return ready, nil
}

// readyOf is what batches of a plan need beside it.
func (e *Engine) readyOf(ctx context.Context, p *plan) (*readyRun, error) {
	cipher, err := e.cipher(ctx)
	if err != nil {
		return nil, err
	}
	links, err := e.links(ctx, p.workspace)
	return &readyRun{plan: p, cipher: cipher, links: links}, err
}

// readCrowded reads which addresses belong to too many, where a run is large enough to be worth it.
func (r *readyRun) readCrowded(ctx context.Context, tx *store.Tx, eligible int64) (err error) {
	if eligible >= crowdedFrom {
		r.crowded, err = tx.AllCrowded(ctx, sharersMax)
	}
	return err
}

// cipher makes unique codes; its key is the workspace's.
func (e *Engine) cipher(ctx context.Context) (*offers.Cipher, error) {
	key, err := e.store.Secret(ctx, "codes")
	if err != nil {
		return nil, err
	}
	return offers.NewCipher(key)
}

// batch begins one in a transaction.
func (r *readyRun) batch(tx *store.Tx, run *campaigns.Run) *batch {
	b := &batch{plan: r.plan, run: run, tx: tx, books: ownBooks{tx}, cipher: r.cipher, links: r.links.ofOne(), crowded: r.crowded, gates: map[campaigns.Gate][]int64{}}
	b.walk = b.newWalk()
	return b
}

// dryBatch decides as a run of so many eligible customers would at this moment, and writes nothing. decide is called with one
// span of them after another, in their order, and leaves each time in people and gates what became of the span.
func (e *Engine) dryBatch(ctx context.Context, tx *store.Tx, p *plan, eligible int64) (*batch, error) {
	ready, err := e.readyOf(ctx, p)
	if err != nil {
		return nil, err
	}
	if err := ready.readCrowded(ctx, tx, eligible); err != nil {
		return nil, err
	}
	b := ready.batch(tx, &campaigns.Run{CampaignID: p.campaign.ID, Version: p.campaign.Version, Occurrence: tx.Now, Kind: campaigns.RunManual, Eligible: eligible})
	b.dry = true
	if p.campaign.Pace != nil {
		b.pacer = b.newPacer(eligible, time.Time{})
	}
	return b, nil
}

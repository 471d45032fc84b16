package audience

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// errWaiting says that what a question reads is still being loaded.
var errWaiting = errors.New("what the rule reads is still being loaded")

// SlowestAnswer is how long PostgreSQL may take over a rule that somebody types.
const SlowestAnswer = 30 * time.Second

// ErrTooSlow says that PostgreSQL took longer than SlowestAnswer.
var ErrTooSlow = errors.New("takes PostgreSQL too long")

// triedAgainAfter is how long what did not fit into memory is not tried again.
const triedAgainAfter = 10 * time.Minute

// A Chooser is the executor of a node. It asks the columns in memory, and PostgreSQL where they are too large, are still
// being loaded, or the database is distributed.
//
// Why it never asks everybody by the reference: PostgreSQL narrows at least, and the reference finishes the rest.
type Chooser struct {
	vector   Vector
	patience time.Duration
	slowest  time.Duration // of PostgreSQL's answers, where there is a patience
	*choices
}

// choices is what choosers of one image know in common.
type choices struct {
	mu          sync.Mutex
	asked       bool
	distributed bool
	refused     map[string]time.Time // needs that did not fit → when
}

// NewChooser chooses between an image, which workers look at side by side, and PostgreSQL; without an image it is always
// PostgreSQL.
func NewChooser(image *Image, workers int) *Chooser {
	return &Chooser{vector: Vector{Image: image, Workers: workers}, slowest: SlowestAnswer, choices: &choices{refused: map[string]time.Time{}}}
}

// Waiting is the chooser for somebody who waits only so long for what has to be loaded; meanwhile PostgreSQL answers, and
// the load goes on.
func (c *Chooser) Waiting(patience time.Duration) *Chooser {
	waiting := *c
	waiting.patience, waiting.vector.patience = patience, patience
	return &waiting
}

// Name is "vector" while there is an image.
func (c *Chooser) Name() string {
	if c.vector.Image == nil {
		return ByPushdown
	}
	return ByVector
}

// Find chooses and asks.
func (c *Chooser) Find(ctx context.Context, s *store.Store, q Question) (*Answer, error) {
	found := &vectorFind{Vector: c.vector, question: q}
	why, err := c.whyNot(ctx, s, found)
	if err != nil {
		return nil, err
	}
	if why != "" {
		return c.findBeside(ctx, s, q, why)
	}
	answer, err := c.vector.Find(ctx, s, q)
	switch {
	case errors.Is(err, ErrTooLarge):
		c.refuse(found.needs(), s.Now())
		return c.findBeside(ctx, s, q, whyTooLarge)
	case errors.Is(err, errWaiting):
		return c.findBeside(ctx, s, q, "what it reads is still being loaded into memory, and PostgreSQL answers meanwhile")
	}
	if err == nil {
		answer.Why = whyVector(q.Conditions[0])
	}
	return answer, err
}

// findBeside asks PostgreSQL, since the columns in memory cannot be asked. Nobody who types waits for longer than
// SlowestAnswer.
func (c *Chooser) findBeside(ctx context.Context, s *store.Store, q Question, why string) (*Answer, error) {
	if c.patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.slowest, ErrTooSlow)
		defer cancel()
	}
	answer, err := Pushdown{}.Find(ctx, s, q)
	switch {
	case err == nil:
		answer.Why = why + answer.Why
	case errors.Is(context.Cause(ctx), ErrTooSlow):
		err = ErrTooSlow
	}
	return answer, err
}

// A Choice is the executor that a rule would be asked of now, and why.
type Choice struct{ Executor, Why string }

const whyTooLarge = "what it reads does not fit into the memory that audiences may take"

// Choose says what Find would do.
func (c *Chooser) Choose(ctx context.Context, s *store.Store, asked Asked) (Choice, error) {
	found := &vectorFind{Vector: c.vector, question: Question{Conditions: []Asked{asked}}}
	why, err := c.whyNot(ctx, s, found)
	if err != nil {
		return Choice{}, err
	}
	asked = asked.placed()
	if why == "" {
		return Choice{ByVector, whyVector(asked)}, nil
	}
	err = s.View(ctx, func(tx *store.Tx) error {
		condition, err := ConditionOf(ctx, tx, asked)
		if err == nil {
			why += condition.whyLeft()
		}
		return err
	})
	return Choice{ByPushdown, why}, err
}

// whyVector says how much of a rule the columns in memory decide.
func whyVector(asked Asked) string {
	if left := plan(asked.bind()).left; left != "" {
		return "it is narrowed over columns in memory; those who are left are looked at one by one, because " + left
	}
	return "all of it runs over columns in memory"
}

// whyLeft goes on from why PostgreSQL is asked, where it only narrows; empty where it decides all of the rule.
func (c *Condition) whyLeft() string {
	if c.IsWhole() {
		return ""
	}
	return "; PostgreSQL narrows it, and those who are left are looked at one by one, because " + strings.Join(c.Left, ", ")
}

// placed is a rule whose percentiles and ntiles have cuts that are made up: the path that it takes does not depend on where
// the buckets begin, and does depend on that they begin somewhere, for then most ranks are ranges of what they are by.
func (a Asked) placed() Asked {
	var cuts []rules.Cuts
	for _, r := range a.Rule.Ranks() {
		buckets := r.Buckets
		if buckets == 0 {
			buckets = 100
		}
		made := make(rules.Cuts, buckets)
		for i := range made {
			made[i] = rules.Cut{Key: int64(i), Number: float64(i), ID: "id", Value: int64(i) + 1}
		}
		cuts = append(cuts, made)
	}
	return Asked{Rule: a.Rule.Ranked(cuts), At: a.At, Where: a.Where}
}

// whyNot says why the columns in memory are not asked; empty when they are.
func (c *Chooser) whyNot(ctx context.Context, s *store.Store, found *vectorFind) (string, error) {
	if c.vector.Image == nil {
		return "this node keeps no customers in memory", nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.asked {
		var err error
		if c.distributed, err = s.IsDistributed(ctx); err != nil {
			return "", err
		}
		c.asked = true
	}
	if c.distributed {
		return "the customers are spread over several databases, which are asked where they are", nil
	}
	key := needsKey(found.needs())
	if at, is := c.refused[key]; is && s.Now().Sub(at) < triedAgainAfter {
		return whyTooLarge, nil
	}
	delete(c.refused, key)
	return "", nil
}

func (c *Chooser) refuse(needs Needs, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.refused) > 1000 { // rules that somebody typed long ago
		clear(c.refused)
	}
	c.refused[needsKey(needs)] = now
}

func needsKey(n Needs) string {
	key := strings.Join(n.Columns, " ") + "|" + strings.Join(n.Histories, " ")
	for _, history := range slices.Sorted(maps.Keys(n.Fields)) {
		key += "|" + history + ":" + strings.Join(n.Fields[history], " ")
	}
	return key
}

// Stats tells what is in memory; false where this node keeps no customers there.
func (c *Chooser) Stats() (ImageStats, bool) {
	if c.vector.Image == nil {
		return ImageStats{}, false
	}
	return c.vector.Image.Stats(), true
}

// Keep catches up when nobody asks; call it every minute, before changes are trimmed.
func (c *Chooser) Keep(ctx context.Context, s *store.Store) error {
	if c.vector.Image == nil {
		return nil
	}
	return c.vector.Image.Keep(ctx, s)
}

// Close lets go of what is in memory.
func (c *Chooser) Close(ctx context.Context, s *store.Store) error {
	if c.vector.Image == nil {
		return nil
	}
	return c.vector.Image.Close(ctx, s)
}

package audience

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"beckon/campaigns/store"
)

// errWaiting says that what a question reads is still being loaded.
var errWaiting = errors.New("what the rule reads is still being loaded")

// triedAgainAfter is how long what did not fit into memory is not tried again.
const triedAgainAfter = 10 * time.Minute

// A Chooser is the executor of a node. It asks the columns in memory, and PostgreSQL where they are too large, are still
// being loaded, or the database is distributed.
//
// Why it never asks everybody by the reference: PostgreSQL narrows at least, and the reference finishes the rest.
type Chooser struct {
	vector   Vector
	patience time.Duration
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
	return &Chooser{vector: Vector{Image: image, Workers: workers}, choices: &choices{refused: map[string]time.Time{}}}
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
		return Pushdown{}.Find(ctx, s, q)
	}
	answer, err := c.vector.Find(ctx, s, q)
	switch {
	case errors.Is(err, ErrTooLarge):
		c.refuse(found.needs(), s.Now())
	case !errors.Is(err, errWaiting):
		return answer, err
	}
	return Pushdown{}.Find(ctx, s, q)
}

// A Choice is the executor that a rule would be asked of now, and why.
type Choice struct{ Executor, Why string }

// Choose says what Find would do.
func (c *Chooser) Choose(ctx context.Context, s *store.Store, asked Asked) (Choice, error) {
	found := &vectorFind{Vector: c.vector, question: Question{Conditions: []Asked{asked}}}
	why, err := c.whyNot(ctx, s, found)
	if err != nil {
		return Choice{}, err
	}
	if why == "" {
		ready := plan(asked.Rule.Bind(asked.At))
		if ready.left == "" {
			return Choice{ByVector, "all of it runs over columns in memory"}, nil
		}
		return Choice{ByVector, "it is narrowed over columns in memory; those who are left are looked at one by one, because " + ready.left}, nil
	}
	var left []string
	err = s.View(ctx, func(tx *store.Tx) error {
		condition, err := ConditionOf(ctx, tx, asked)
		if err == nil {
			left = condition.Left
		}
		return err
	})
	if len(left) > 0 {
		why += fmt.Sprintf("; PostgreSQL narrows it, and those who are left are looked at one by one, because %s", strings.Join(left, ", "))
	}
	return Choice{ByPushdown, why}, err
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
		return "what it reads does not fit into the memory that audiences may take", nil
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

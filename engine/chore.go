package engine

import (
	"context"
	"sync"
	"time"
)

// A chore is what channels do beside sending campaigns: each for itself, so that one whose provider hangs holds up no other.
type chore struct {
	name  string
	every time.Duration
	due   func(ctx context.Context) (channels []string, err error) // where there is something to do now
	do    func(ctx context.Context, channelID string) (worked int, err error)
}

func (e *Engine) allChores() []chore {
	return []chore{
		{"replies", time.Second, e.repliesDue, e.Reply},
		{"questions", askEvery, e.questionsDue, e.Ask},
	}
}

// choreLoop does a chore on all channels where there is something to do until ctx ends, then waits for what was begun.
func (e *Engine) choreLoop(ctx context.Context, c chore) {
	var running sync.WaitGroup
	defer running.Wait()
	var mu sync.Mutex
	busy := map[string]bool{}
	ticker := time.NewTicker(c.every)
	defer ticker.Stop()
	for {
		channels, err := c.due(ctx)
		if err != nil && ctx.Err() == nil {
			e.log.Error("looking for what channels have to do failed, trying again", "step", c.name, "err", err)
		}
		for _, id := range channels {
			mu.Lock()
			begin := !busy[id]
			busy[id] = true
			mu.Unlock()
			if !begin {
				continue
			}
			running.Go(func() {
				e.chore(ctx, c, id)
				mu.Lock()
				defer mu.Unlock()
				delete(busy, id)
			})
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// chore does a chore on a channel until nothing is left for now.
func (e *Engine) chore(ctx context.Context, c chore, channelID string) {
	for ctx.Err() == nil {
		worked, err := c.do(ctx, channelID)
		if err != nil && ctx.Err() == nil {
			e.log.Error("step failed, trying again", "step", c.name, "channel", channelID, "err", err)
		}
		if err != nil || worked == 0 {
			return
		}
	}
}

// Chores does all chores on all channels once: the step for tests and the demo.
func (e *Engine) Chores(ctx context.Context) (total int, err error) {
	for _, c := range e.allChores() {
		channels, err := c.due(ctx)
		if err != nil {
			return total, err
		}
		for _, id := range channels {
			worked, err := c.do(ctx, id)
			if err != nil {
				return total, err
			}
			total += worked
		}
	}
	return total, nil
}

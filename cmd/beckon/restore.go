package main

import (
	"context"
	"fmt"
	"time"

	"beckon/engine"
)

type restoreCommand struct {
	database
	Mark bool `help:"Mark the database as restored; there is nothing else to choose yet." default:"true"`
}

// Run marks the database as restored from a backup: the backup itself is brought back with PostgreSQL's own tools before.
func (c *restoreCommand) Run(ctx context.Context, o *output) error {
	opening, err := c.open(ctx, o, time.Now)
	if err != nil {
		return err
	}
	defer opening.close(o)
	now := opening.store.Now()
	if err := opening.store.EnsureMonths(ctx, "audit", now); err != nil {
		return err
	}
	held, err := engine.Restored(ctx, opening.store, "beckon restore")
	if err != nil {
		return fmt.Errorf("marking the database as restored: %w", err)
	}
	fmt.Fprintf(o.out, "marked as restored: %d runs wait until somebody resumes or stops them\n", held)
	return nil
}

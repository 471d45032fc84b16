package main

import (
	"context"
	"time"
)

type migrateCommand struct{ database }

// Run migrates: serving does the same at its start, this is for those who want it done before.
func (c *migrateCommand) Run(ctx context.Context, o *output) error {
	opening, err := c.open(ctx, o, time.Now)
	if err != nil {
		return err
	}
	defer opening.close(o)
	o.say("the schema is up to date")
	return nil
}

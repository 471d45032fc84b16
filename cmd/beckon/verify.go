package main

import (
	"context"
	"fmt"
	"time"

	"beckon/campaigns/store"
)

type verifyCommand struct{ database }

// verifySpan is how many customer numbers are worked out in one transaction, a second or so.
const verifySpan = 20_000

// Run works the figures of all customers out from their purchases and lots, and says how many differed from those kept:
// there should be none.
func (c *verifyCommand) Run(ctx context.Context, o *output) error {
	opening, err := c.open(ctx, o, time.Now)
	if err != nil {
		return err
	}
	defer opening.close(o)
	var end, customers, mended int64
	if err := opening.store.View(ctx, func(tx *store.Tx) (err error) {
		end, customers, err = tx.CustomerSpan(ctx)
		return err
	}); err != nil {
		return err
	}
	for from := int64(0); from < end; from += verifySpan {
		err := opening.store.Update(ctx, func(tx *store.Tx) error {
			n, err := tx.RebuildFigures(ctx, from, min(from+verifySpan, end)-1)
			mended += n
			return err
		})
		if err != nil {
			return fmt.Errorf("working figures out anew: %w", err)
		}
		o.say("%d %% of %d customers", min(from+verifySpan, end)*100/end, customers)
	}
	fmt.Fprintf(o.out, "%d customers' figures worked out anew, %d mended\n", customers, mended)
	return nil
}

package main

import (
	"context"
	"fmt"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

type verifyCommand struct{ database }

// verifySpan is how many customer numbers are worked out in one transaction, a second or so.
const verifySpan = 20_000

// verifyRuns is how many runs' messages are counted in one transaction.
const verifyRuns = 100

// Run works the figures of all customers out from their purchases and lots, counts the messages of all runs, and says how many
// differed from those kept: there should be none.
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
	return verifyCounts(ctx, o, opening.store)
}

// verifyCounts counts the messages of all runs by status.
func verifyCounts(ctx context.Context, o *output, s *store.Store) error {
	var runs, mended int64
	for after := (campaigns.ID{}); ; {
		var ids []campaigns.ID
		var n int64
		err := s.Update(ctx, func(tx *store.Tx) (err error) {
			if ids, err = tx.RunIDs(ctx, after, verifyRuns); err != nil || len(ids) == 0 {
				return err
			}
			n, err = tx.RebuildCounts(ctx, ids)
			return err
		})
		if err != nil {
			return fmt.Errorf("counting messages anew: %w", err)
		}
		if len(ids) == 0 {
			break
		}
		runs, mended, after = runs+int64(len(ids)), mended+n, ids[len(ids)-1]
	}
	fmt.Fprintf(o.out, "%d runs' messages counted anew, %d mended\n", runs, mended)
	return nil
}

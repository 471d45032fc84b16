package store

import (
	"context"
	"fmt"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// SaveRemainder keeps what of another run a run sends again.
func (tx *Tx) SaveRemainder(ctx context.Context, run campaigns.ID, remainder campaigns.Remainder) error {
	_, err := tx.exec(ctx, "keeping what is sent again", `UPDATE runs SET remainder = $2 WHERE id = $1`, run, remainder)
	return err
}

// Remainder reads what of another run a run sends again.
func (tx *Tx) Remainder(ctx context.Context, run campaigns.ID) (campaigns.Remainder, error) {
	var remainder campaigns.Remainder
	if err := tx.tx.QueryRow(ctx, `SELECT coalesce(remainder, '{}') FROM runs WHERE id = $1`, run).Scan(&remainder); err != nil {
		return remainder, fmt.Errorf("reading what is sent again: %w", err)
	}
	return remainder, nil
}

// OpenResend says whether a run that sends to the remainder of another is not over yet.
func (tx *Tx) OpenResend(ctx context.Context, of campaigns.ID) (bool, error) {
	var open bool
	err := tx.tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM runs WHERE resend_of = $1 AND status NOT IN ('done', 'stopped'))`, of).Scan(&open)
	if err != nil {
		return false, fmt.Errorf("looking for a run that sends again: %w", err)
	}
	return open, nil
}

// FirstOf is the run that a chain of resends began with, and all runs of the chain up to it, the given one included.
func (tx *Tx) FirstOf(ctx context.Context, run campaigns.ID) (campaigns.Run, []campaigns.ID, error) {
	chain := []campaigns.ID{}
	for {
		r, err := one(ctx, tx, "run", run.String(), runColumns+` WHERE id = $1`, scanRun, run)
		if err != nil {
			return r, nil, err
		}
		chain = append(chain, r.ID)
		if r.ResendOf == nil {
			return r, chain, nil
		}
		run = *r.ResendOf
	}
}

// RemainderOf are the customers of a run whose message ended with one of the statuses, or who ended at one of the gates,
// without those who got a message by another run that sent to its remainder. Who had several messages is there only when
// none of them ended otherwise.
func (tx *Tx) RemainderOf(ctx context.Context, run campaigns.ID, remainder campaigns.Remainder, except campaigns.ID) (*roaring64.Bitmap, error) {
	members := roaring64.New()
	statuses := make([]string, len(remainder.Statuses))
	for i, status := range remainder.Statuses {
		statuses[i] = string(status)
	}
	if err := tx.collect(ctx, members, `SELECT no FROM messages WHERE run_id = $1 AND NOT ghost GROUP BY no HAVING bool_and(status = ANY($2))`, run, statuses); err != nil {
		return nil, err
	}
	for _, gate := range remainder.Gates {
		if err := tx.collectGate(ctx, members, run, gate); err != nil {
			return nil, err
		}
	}
	later := roaring64.New()
	err := tx.collect(ctx, later, `SELECT m.no FROM messages m WHERE m.run_id IN (SELECT id FROM runs WHERE resend_of = $1 AND id <> $2) AND NOT m.ghost`, run, except)
	members.AndNot(later)
	return members, err
}

// collect adds the numbers that a query gives.
func (tx *Tx) collect(ctx context.Context, into *roaring64.Bitmap, sql string, args ...any) error {
	rows, err := tx.tx.Query(ctx, sql, args...)
	if err != nil {
		return fmt.Errorf("reading a remainder: %w", err)
	}
	var no int64
	if _, err := pgx.ForEachRow(rows, []any{&no}, func() error { into.Add(uint64(no)); return nil }); err != nil {
		return fmt.Errorf("reading a remainder: %w", err)
	}
	return nil
}

func (tx *Tx) collectGate(ctx context.Context, into *roaring64.Bitmap, run campaigns.ID, gate campaigns.Gate) error {
	waiting, err := tx.waiting(ctx, run, gate)
	if err != nil {
		return err
	}
	into.Or(waiting)
	for chunk := int64(0); ; {
		found, err := tx.chunkAtGate(ctx, run, gate, chunk)
		if err != nil || found == nil {
			return err
		}
		for _, no := range found.nos {
			into.Add(uint64(no))
		}
		chunk = found.chunk + 1
	}
}

// EntryHolders are those of the customers who entered a campaign by one of the runs.
func (tx *Tx) EntryHolders(ctx context.Context, campaign campaigns.ID, runs []campaigns.ID, nos []int64) (map[int64]bool, error) {
	found, err := many(ctx, tx, "entries", `SELECT DISTINCT no FROM campaign_entries WHERE no = ANY($1) AND campaign_id = $2 AND run_id = ANY($3)`,
		pgx.RowTo[int64], nos, campaign, runs)
	holders := make(map[int64]bool, len(found))
	for _, no := range found {
		holders[no] = true
	}
	return holders, err
}

package store

import (
	"context"
	"fmt"
	"time"

	"beckon/campaigns"
)

// nothingBefore is the condition that of the runs of r's minute none of a higher priority waits to be queued, other than
// those that are paused or held.
const nothingBefore = `NOT EXISTS (SELECT FROM runs h WHERE h.status IN ('planned', 'selecting', 'queueing') AND NOT h.paused
	AND h.held IS NULL AND h.open_until IS NULL AND h.priority > r.priority AND date_trunc('minute', h.occurrence) = date_trunc('minute', r.occurrence))`

// TakeTurn leases to a node the run whose turn it is to queue a piece; nil when there is none. Of runs that are due in the
// same minute a lower priority waits until the higher ones have queued, unless those are paused or held. All others take
// turns: who has waited longest is next, then the older one. One statement.
func (tx *Tx) TakeTurn(ctx context.Context, owner campaigns.ID, until time.Time) (*campaigns.Run, error) {
	return first(many(ctx, tx, "the next run to queue", `UPDATE runs SET owner = $1, lease_until = $2,
			turn_at = greatest($3, (SELECT max(turn_at) FROM runs WHERE status NOT IN ('done', 'stopped')) + interval '1 microsecond')
		WHERE id = (SELECT id FROM runs r WHERE status = 'queueing' AND NOT paused AND held IS NULL AND (owner IS NULL OR owner = $1 OR lease_until < $3)
			AND open_until IS NULL AND `+nothingBefore+` ORDER BY turn_at NULLS FIRST, created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
		RETURNING `+runList, scanRun, owner, until, tx.Now))
}

// KeepQueueing keeps a run queueing and with its owner until the transaction ends: whoever stops or pauses it waits, and finds
// what this transaction queues. ok is false when it was stopped, paused or held before, or is another node's.
func (tx *Tx) KeepQueueing(ctx context.Context, run, owner campaigns.ID) (ok bool, err error) {
	n, err := tx.exec(ctx, "holding a run", `SELECT FROM runs WHERE id = $1 AND owner = $2 AND status = 'queueing' AND NOT paused AND held IS NULL FOR SHARE`, run, owner)
	return n == 1, err
}

// Walked is how many of a run's customers were walked so far, and the last slot of its pace; zero before the first.
func (tx *Tx) Walked(ctx context.Context, run campaigns.ID) (walked int64, pacedTo time.Time, err error) {
	var to *time.Time
	if err = tx.tx.QueryRow(ctx, `SELECT walked, paced_to FROM runs WHERE id = $1`, run).Scan(&walked, &to); err != nil {
		return 0, pacedTo, fmt.Errorf("reading a run's pace: %w", err)
	}
	if to != nil {
		pacedTo = *to
	}
	return walked, pacedTo, nil
}

// SaveWalked writes them.
func (tx *Tx) SaveWalked(ctx context.Context, run campaigns.ID, walked int64, pacedTo time.Time) error {
	_, err := tx.exec(ctx, "writing a run's pace", `UPDATE runs SET walked = $2, paced_to = $3 WHERE id = $1`, run, walked, nullTime(pacedTo))
	return err
}

// EligibleNow is how many of a run's audience have still to be queued.
func (tx *Tx) EligibleNow(ctx context.Context, run campaigns.ID) (n int64, err error) {
	err = tx.tx.QueryRow(ctx, `SELECT coalesce(sum(n), 0) FROM run_parts WHERE run_id = $1`, run).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("counting who is left to queue: %w", err)
	}
	return n, nil
}

// StoppedAt says whether anybody of a run stands at a gate, ghosts included.
func (tx *Tx) StoppedAt(ctx context.Context, run campaigns.ID, gate campaigns.Gate) (is bool, err error) {
	err = tx.tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM audiences WHERE run_id = $1 AND gate IN ($2, $3))
		OR EXISTS (SELECT FROM run_gates WHERE run_id = $1 AND gate IN ($2, $3))`, run, gate, campaigns.GhostGate(gate)).Scan(&is)
	if err != nil {
		return false, fmt.Errorf("looking at a gate: %w", err)
	}
	return is, nil
}

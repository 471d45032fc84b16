package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// The control row holds what every node looks at before it claims: whether sending was stopped, and when a node lived
// last. While that is longer ago than campaigns.GapAfter nothing is claimed, so that no loop runs ahead of whoever decides
// what the gap means.

// notStale is the condition of claims that no gap waits to be looked at, given the number of the parameter that is now.
func notStale(now int) string {
	return fmt.Sprintf(`NOT EXISTS (SELECT 1 FROM control WHERE beat_at < $%d::timestamptz - interval '%d seconds')`, now, int(campaigns.GapAfter.Seconds()))
}

// notStopped is the condition of claims that sending is not stopped.
const notStopped = `NOT EXISTS (SELECT 1 FROM control WHERE stopped_at IS NOT NULL)`

// Beat shows a sign of life and gives the one before, nil when there was none. Nodes that beat at once wait for each other:
// one of them sees the gap.
func (tx *Tx) Beat(ctx context.Context) (*time.Time, error) {
	var before *time.Time
	if err := tx.tx.QueryRow(ctx, `SELECT beat_at FROM control WHERE id = 1 FOR UPDATE`).Scan(&before); err != nil {
		return nil, fmt.Errorf("reading the last sign of life: %w", err)
	}
	_, err := tx.exec(ctx, "showing a sign of life", `UPDATE control SET beat_at = $1 WHERE id = 1`, tx.Now)
	return before, err
}

// Stopped is the switch that keeps everything from being sent; nil while sending goes on.
func (tx *Tx) Stopped(ctx context.Context) (*campaigns.Stop, error) { return tx.stopped(ctx, "") }

// LockStopped reads the switch for update.
func (tx *Tx) LockStopped(ctx context.Context) (*campaigns.Stop, error) {
	return tx.stopped(ctx, " FOR UPDATE")
}

func (tx *Tx) stopped(ctx context.Context, lock string) (*campaigns.Stop, error) {
	var at *time.Time
	var stop campaigns.Stop
	err := tx.tx.QueryRow(ctx, `SELECT stopped_at, coalesce(stopped_by, ''), coalesce(stopped_reason, '') FROM control WHERE id = 1`+lock).Scan(&at, &stop.By, &stop.Reason)
	if err != nil {
		return nil, fmt.Errorf("reading the stop switch: %w", err)
	}
	if at == nil {
		return nil, nil
	}
	stop.At = *at
	return &stop, nil
}

// SaveStop sets the switch, or with nil lets sending go on.
func (tx *Tx) SaveStop(ctx context.Context, stop *campaigns.Stop) error {
	if stop == nil {
		_, err := tx.exec(ctx, "letting sending go on", `UPDATE control SET stopped_at = NULL, stopped_by = NULL, stopped_reason = NULL WHERE id = 1`)
		return err
	}
	_, err := tx.exec(ctx, "stopping all sending", `UPDATE control SET stopped_at = $1, stopped_by = $2, stopped_reason = $3 WHERE id = 1`, stop.At, stop.By, stop.Reason)
	return err
}

// Halted says whether nothing may be sent now, and which of the runs may not send.
func (tx *Tx) Halted(ctx context.Context, runs []campaigns.ID) (all bool, halted []campaigns.ID, err error) {
	err = tx.tx.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM control WHERE stopped_at IS NOT NULL),
		coalesce((SELECT array_agg(id) FROM runs WHERE id = ANY($1) AND (paused OR held IS NOT NULL OR status = 'stopped')), '{}')`, runs).Scan(&all, &halted)
	if err != nil {
		return false, nil, fmt.Errorf("asking what was stopped: %w", err)
	}
	return all, halted, nil
}

// LoseAll makes unknown whatever is marked as being sent, whoever has leased it: in a restored database nobody is sending
// what it says is being sent.
func (tx *Tx) LoseAll(ctx context.Context) (int64, error) {
	if _, err := tx.exec(ctx, "ending leases", `UPDATE lanes SET lease_until = 'epoch', owner = NULL WHERE owner IS NOT NULL`); err != nil {
		return 0, err
	}
	if _, err := tx.exec(ctx, "ending leases of runs", `UPDATE runs SET lease_until = NULL, owner = NULL WHERE owner IS NOT NULL`); err != nil {
		return 0, err
	}
	return tx.LoseMessages(ctx, false)
}

// HoldRun keeps a run from going on until somebody lets it; false when it is over, held already, or was let go on by
// somebody who knew of the same trouble.
func (tx *Tx) HoldRun(ctx context.Context, id campaigns.ID, held, reason string) (bool, error) {
	n, err := tx.exec(ctx, "holding a run", `UPDATE runs SET held = $2, reason = $3 WHERE id = $1 AND held IS NULL
		AND status NOT IN ('done', 'stopped') AND ($2 = 'gap' OR NOT $2 = ANY(waived))`, id, held, reason)
	return n == 1, err
}

// LockRun reads a run for update, without counts.
func (tx *Tx) LockRun(ctx context.Context, id campaigns.ID) (campaigns.Run, error) {
	return one(ctx, tx, "run", id.String(), runColumns+` WHERE id = $1 FOR UPDATE`, scanRun, id)
}

// ReleaseRun lets a held run go on; what held it is not asked again.
func (tx *Tx) ReleaseRun(ctx context.Context, id campaigns.ID) error {
	_, err := tx.exec(ctx, "letting a run go on", `UPDATE runs SET waived = array_append(waived, held), held = NULL, reason = NULL WHERE id = $1 AND held IS NOT NULL`, id)
	return err
}

// Waived says whether somebody let a run go on in spite of a guard.
func (tx *Tx) Waived(ctx context.Context, run campaigns.ID, guard string) (bool, error) {
	var waived bool
	err := tx.tx.QueryRow(ctx, `SELECT $2 = ANY(waived) FROM runs WHERE id = $1`, run, guard).Scan(&waived)
	if err != nil {
		return false, fmt.Errorf("asking whether a guard was waived: %w", err)
	}
	return waived, nil
}

// StopRun ends one run for good: what is queued is cancelled, what is being sent goes on.
func (tx *Tx) StopRun(ctx context.Context, id campaigns.ID, reason string) error {
	_, err := tx.exec(ctx, "stopping a run", `UPDATE runs SET status = 'stopped', held = NULL, reason = $2, finished_at = $3
		WHERE id = $1 AND status NOT IN ('done', 'stopped')`, id, reason, tx.Now)
	if err != nil {
		return err
	}
	if _, err = tx.DropMessages(ctx); err != nil {
		return err
	}
	return tx.dropGhosts(ctx, "r.id", id)
}

// An Interrupted run is one that is not over and has something to do. OldestDue is when the first of its messages that
// wait was due, nil when none does.
type Interrupted struct {
	campaigns.Run
	OldestDue *time.Time
}

// InterruptedRuns lists runs that are not over, paused ones only when all is set; those with nothing left to send only
// then as well.
func (tx *Tx) InterruptedRuns(ctx context.Context, all bool) ([]Interrupted, error) {
	runs, err := many(ctx, tx, "interrupted runs", runColumns+` WHERE status NOT IN ('done', 'stopped') AND held IS NULL AND ($1 OR NOT paused)
		ORDER BY occurrence, id`, scanRun, all)
	if err != nil {
		return nil, err
	}
	var found []Interrupted
	for _, r := range runs {
		i := Interrupted{Run: r}
		err := tx.tx.QueryRow(ctx, `SELECT min(due_at) FROM outbox WHERE run_id = $1`, r.ID).Scan(&i.OldestDue)
		if err != nil && !errors.Is(err, pgx.ErrNoRows) {
			return nil, fmt.Errorf("reading what is queued: %w", err)
		}
		if all || r.Status != campaigns.Sending || i.OldestDue != nil {
			found = append(found, i)
		}
	}
	return found, nil
}

// CancelDue cancels what is queued of a run and was due by now; what is due later stays, and so do the ghosts. It gives how many.
func (tx *Tx) CancelDue(ctx context.Context, run campaigns.ID, reason string) (int64, error) {
	n, err := tx.exec(ctx, "cancelling messages that are late", `WITH dropped AS (
			DELETE FROM outbox WHERE run_id = $3 AND due_at <= $1 AND sending_at IS NULL RETURNING message_id, no, attempts),
		dead AS (UPDATE messages m SET status = 'cancelled', finished_at = $1, attempts = d.attempts,
				history = history || jsonb_build_object('at', $4::text, 'status', 'cancelled', 'detail', $5::text)
			FROM dropped d WHERE m.id = d.message_id AND m.no = d.no AND m.status = 'queued' RETURNING m.no, m.code, m.run_id),
		moves AS (SELECT run_id, 'queued' AS before, 'cancelled' AS after FROM dead)`+counting+lapsing+`
		SELECT FROM dead`, tx.Now, changedCoupons, run, stamp(tx.Now), reason)
	if err != nil {
		return 0, err
	}
	return n, tx.dropDueGhosts(ctx, run, reason)
}

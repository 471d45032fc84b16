package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"beckon/campaigns"
)

// A Signal says that something happened to a customer which a live triggered campaign waits for. It is written by the
// transaction that makes it happen, only when somebody waits for it by then, and deleted by the one that decides what it
// starts. (No, Event, Key) is what happened: the event's own id decides, so that it counts once.
type Signal struct {
	No      int64
	Event   string
	Key     string
	At      time.Time // when it happened
	SeenAt  time.Time // when it was told
	Changed []string  // customer.updated: the attributes
}

// signalSlices is how many slices the signals are spread over. A transaction that works on a slice holds its lock, so
// that no two nodes decide about the same customer at once, and one customer's signals are decided in order.
const signalSlices = 16

// signalLocks is the class of the slices' advisory locks.
const signalLocks = 0x5369676e

// The triggers are looked at by the statement that writes the signals: it sees every launch that was committed before it
// began.
const writeSignals = `INSERT INTO signals (no, event, key, slice, at, seen_at)
	SELECT s.no, $1, s.key, s.no % $5, s.at, $6 FROM unnest($2::bigint[], $3::text[], $4::timestamptz[]) s(no, key, at)
	WHERE EXISTS (SELECT FROM triggers t WHERE t.event = $1) ORDER BY s.no, s.key ON CONFLICT DO NOTHING`

// queueSignals adds to a batch the writing of signals of one event, where somebody waits for it.
func (tx *Tx) queueSignals(batch *pgx.Batch, event string, signals []Signal) {
	if len(signals) == 0 {
		return
	}
	batch.Queue(writeSignals, tx.signalArgs(event, signals)...).Exec(func(tag pgconn.CommandTag) error {
		tx.signalled = tx.signalled || tag.RowsAffected() > 0
		return nil
	})
}

// signal writes signals of one event, where somebody waits for it.
func (tx *Tx) signal(ctx context.Context, event string, signals ...Signal) error {
	if len(signals) == 0 {
		return nil
	}
	n, err := tx.exec(ctx, "signalling "+event, writeSignals, tx.signalArgs(event, signals)...)
	tx.signalled = tx.signalled || n > 0
	return err
}

func (tx *Tx) signalArgs(event string, signals []Signal) []any {
	nos, keys, times := make([]int64, len(signals)), make([]string, len(signals)), make([]time.Time, len(signals))
	for i, s := range signals {
		nos[i], keys[i], times[i] = s.No, s.Key, s.At
	}
	return []any{event, nos, keys, times, signalSlices, tx.Now}
}

// signalUpdate says that attributes of a customer changed, and made revision.
func (tx *Tx) signalUpdate(ctx context.Context, no, revision int64, changed []string) error {
	if tx.made[no] || len(changed) == 0 { // a customer who came into being in this transaction is created, not updated
		return nil
	}
	n, err := tx.exec(ctx, "signalling an update", `INSERT INTO signals (no, event, key, slice, at, seen_at, changed)
		SELECT $1, $2, $3, $1::bigint % $4, $5, $6, $7 WHERE EXISTS (SELECT FROM triggers t WHERE t.event = $2) ON CONFLICT DO NOTHING`,
		no, campaigns.TriggerCustomerUpdated, fmt.Sprintf("%d:%d", no, revision), signalSlices, wholeSecond(tx.Now), tx.Now, changed)
	tx.signalled = tx.signalled || n > 0
	return err
}

// signalCreated says that customers came into being.
func (tx *Tx) signalCreated(ctx context.Context, nos ...int64) error {
	if tx.made == nil {
		tx.made = map[int64]bool{}
	}
	signals := make([]Signal, len(nos))
	for i, no := range nos {
		tx.made[no] = true
		signals[i] = Signal{No: no, Key: fmt.Sprint(no), At: wholeSecond(tx.Now)}
	}
	return tx.signal(ctx, campaigns.TriggerCustomerCreated, signals...)
}

// changedAttributes says which columns of a customer are about to change, by the names that rules have for them; none
// when no live campaign waits for updates.
func (tx *Tx) changedAttributes(ctx context.Context, no int64, columns []string, values []any) ([]string, error) {
	var waits bool
	if err := tx.tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM triggers WHERE event = $1)`, campaigns.TriggerCustomerUpdated).Scan(&waits); err != nil || !waits {
		return nil, err
	}
	attributes, err := tx.customerAttributes(ctx)
	if err != nil {
		return nil, err
	}
	names := map[string]string{"email_hash": "", "phone_hash": ""} // they change with the address that they are of
	for _, a := range attributes {
		names[a.Column] = a.Name
	}
	sql := "SELECT ARRAY["
	for i, column := range columns {
		if i > 0 {
			sql += ", "
		}
		sql += fmt.Sprintf("%s IS DISTINCT FROM $%d", column, i+2)
	}
	var is []bool
	if err := tx.tx.QueryRow(ctx, sql+"] FROM customers WHERE no = $1", append([]any{no}, values...)...).Scan(&is); err != nil {
		return nil, fmt.Errorf("comparing a customer: %w", err)
	}
	var changed []string
	for i, column := range columns {
		name, renamed := names[column]
		if !renamed {
			name = column
		}
		if is[i] && name != "" {
			changed = append(changed, name)
		}
	}
	return changed, nil
}

// Signalled tells that a transaction of this process wrote signals and was committed.
func (s *Store) Signalled() <-chan struct{} { return s.signals }

// Wake lets somebody who waits for Signalled look.
func (s *Store) Wake() {
	select {
	case s.signals <- struct{}{}:
	default: // somebody is to look already
	}
}

// ClaimSlices locks, until the transaction ends, up to limit slices that have signals and that nobody else works on,
// those that wait longest first.
func (tx *Tx) ClaimSlices(ctx context.Context, limit int) ([]int16, error) {
	return many(ctx, tx, "slices with signals", `WITH busy AS MATERIALIZED (
			SELECT slice, first.seen_at FROM generate_series(0, $2::int - 1) slice
			CROSS JOIN LATERAL (SELECT s.seen_at FROM signals s WHERE s.slice = slice.slice ORDER BY s.seen_at LIMIT 1) first ORDER BY first.seen_at)
		SELECT slice::smallint FROM busy WHERE pg_try_advisory_xact_lock($1, slice) LIMIT $3`, pgx.RowTo[int16], signalLocks, signalSlices, limit)
}

// Signals reads the signals of slices, the oldest first.
func (tx *Tx) Signals(ctx context.Context, slices []int16, limit int) ([]Signal, error) {
	return many(ctx, tx, "signals", `SELECT no, event, key, at, seen_at, changed FROM signals WHERE slice = ANY($1) ORDER BY seen_at, no, key LIMIT $2`,
		pgx.RowToStructByPos[Signal], slices, limit)
}

// DropSignals deletes signals that were decided.
func (tx *Tx) DropSignals(ctx context.Context, signals []Signal) error {
	nos, events, keys := make([]int64, len(signals)), make([]string, len(signals)), make([]string, len(signals))
	for i, s := range signals {
		nos[i], events[i], keys[i] = s.No, s.Event, s.Key
	}
	_, err := tx.exec(ctx, "dropping signals", `DELETE FROM signals s USING unnest($1::bigint[], $2::text[], $3::text[]) d(no, event, key)
		WHERE s.no = d.no AND s.event = d.event AND s.key = d.key`, nos, events, keys)
	return err
}

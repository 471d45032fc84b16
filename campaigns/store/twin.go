package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// twinWait is how long a View waits for a second connection: who holds one must not wait for ever for another.
const twinWait = 20 * time.Millisecond

// Twin opens a second connection that sees exactly the snapshot of a View, so that two can read at once; close ends it. It
// is nil, without an error, when no connection is free.
func (tx *Tx) Twin(ctx context.Context) (twin *Tx, close func(), err error) {
	waiting, cancel := context.WithTimeout(ctx, twinWait)
	defer cancel()
	conn, err := tx.store.pool.Acquire(waiting)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, func() {}, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("opening a second view: %w", err)
	}
	var snapshot string
	if err := tx.tx.QueryRow(ctx, `SELECT pg_export_snapshot()`).Scan(&snapshot); err != nil {
		conn.Release()
		return nil, nil, fmt.Errorf("sharing a snapshot: %w", err)
	}
	second, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.RepeatableRead})
	if err != nil {
		conn.Release()
		return nil, nil, fmt.Errorf("opening a second view: %w", err)
	}
	close = func() {
		_ = second.Rollback(context.WithoutCancel(ctx)) // it only reads, and its connection is dropped if this fails
		conn.Release()
	}
	if _, err := second.Exec(ctx, `SET TRANSACTION SNAPSHOT '`+strings.ReplaceAll(snapshot, "'", "")+`'`); err != nil {
		close()
		return nil, nil, fmt.Errorf("sharing a snapshot: %w", err)
	}
	return &Tx{Now: tx.Now, tx: second, store: tx.store}, close, nil
}

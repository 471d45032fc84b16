package store

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"beckon/campaigns"
)

// RejectsShown is how many rejected rows an import carries itself; Rejects pages through all.
const RejectsShown = 1000

// importsMax is how many imports may run at once: each holds a connection.
const importsMax = 4

const importColumns = `SELECT id, kind, status, phase, dry_run, options, ignored_columns, rows_read, rows_written, rows_unchanged,
	rows_rejected, COALESCE(error, ''), started_at, finished_at FROM imports`

func scanImport(row pgx.CollectableRow) (campaigns.Import, error) {
	var i campaigns.Import
	err := row.Scan(&i.ID, &i.Kind, &i.Status, &i.Phase, &i.DryRun, &i.Options, &i.IgnoredColumns, &i.RowsRead, &i.RowsWritten,
		&i.RowsUnchanged, &i.RowsRejected, &i.Error, &i.StartedAt, &i.FinishedAt)
	return i, err
}

// Import reads one with its first rejected rows.
func (tx *Tx) Import(ctx context.Context, id campaigns.ID) (campaigns.Import, error) {
	i, err := one(ctx, tx, "import", id.String(), importColumns+` WHERE id = $1`, scanImport, id)
	if err == nil && i.RowsRejected > 0 {
		i.Rejected, err = tx.Rejects(ctx, id, 0, RejectsShown)
	}
	return i, err
}

// Imports lists imports without their rejected rows, the newest first: those below the id before (the zero id: from the
// top).
func (tx *Tx) Imports(ctx context.Context, before campaigns.ID, limit int) ([]campaigns.Import, error) {
	return many(ctx, tx, "imports", importColumns+` WHERE $1 OR id < $2 ORDER BY id DESC LIMIT $3`, scanImport, before == campaigns.ID{}, before, limit)
}

// Rejects lists rejected rows by number: those after afterRow, at most limit.
func (tx *Tx) Rejects(ctx context.Context, id campaigns.ID, afterRow int64, limit int) ([]campaigns.Reject, error) {
	return many(ctx, tx, "rejected rows", `SELECT row, field, message FROM import_rejects WHERE import_id = $1 AND row > $2 ORDER BY row, field LIMIT $3`,
		func(row pgx.CollectableRow) (campaigns.Reject, error) {
			var r campaigns.Reject
			err := row.Scan(&r.Row, &r.Field, &r.Message)
			return r, err
		}, id, afterRow, limit)
}

// CreateImport begins an import. More than four at once are refused.
func (tx *Tx) CreateImport(ctx context.Context, i *campaigns.Import) error {
	if _, err := tx.exec(ctx, "waiting to import", `SELECT pg_advisory_xact_lock(hashtext('imports'))`); err != nil {
		return err
	}
	var running int
	if err := tx.tx.QueryRow(ctx, `SELECT count(*) FROM imports WHERE status = 'running'`).Scan(&running); err != nil {
		return fmt.Errorf("counting imports: %w", err)
	}
	if running >= importsMax {
		return campaigns.Conflict("%d imports are running already: post this one when one of them has finished", running)
	}
	i.StartedAt = tx.Now
	_, err := tx.exec(ctx, "creating an import", `INSERT INTO imports (id, kind, status, phase, dry_run, options, started_at, seen_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $7)`, i.ID, i.Kind, i.Status, i.Phase, i.DryRun, i.Options, tx.Now)
	return err
}

// SaveImport writes how far an import is.
func (tx *Tx) SaveImport(ctx context.Context, i *campaigns.Import) error {
	var failed *string
	if i.Error != "" {
		failed = &i.Error
	}
	_, err := tx.exec(ctx, "saving an import", `UPDATE imports SET status = $2, phase = $3, ignored_columns = $4, rows_read = $5, rows_written = $6,
		rows_unchanged = $7, rows_rejected = $8, error = $9, finished_at = $10, seen_at = $11 WHERE id = $1`,
		i.ID, i.Status, i.Phase, i.IgnoredColumns, i.RowsRead, i.RowsWritten, i.RowsUnchanged, i.RowsRejected, failed, i.FinishedAt, tx.Now)
	return err
}

// FailInterrupted marks imports whose node died as failed and drops what they had staged. A living import holds an
// advisory lock; between reading and merging, when it may hold none, it has a minute. Call it at start and now and then.
func (s *Store) FailInterrupted(ctx context.Context) (failed int, err error) {
	var running []campaigns.ID
	err = s.View(ctx, func(tx *Tx) error {
		running, err = tx.interrupted(ctx)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, id := range running {
		err := s.Update(ctx, func(tx *Tx) error {
			var dead bool
			if err := tx.tx.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, leaseKey(id)).Scan(&dead); err != nil {
				return fmt.Errorf("asking whether an import lives: %w", err)
			}
			if !dead {
				return nil
			}
			if still, err := tx.interrupted(ctx); err != nil || !slices.Contains(still, id) {
				return err // it had its lock until now, and went on to be merged
			}
			failed++
			if err := tx.dropStage(ctx, id); err != nil {
				return err
			}
			_, err := tx.exec(ctx, "failing an import", `UPDATE imports SET status = 'failed', finished_at = $2, error = $3 WHERE id = $1 AND status = 'running'`,
				id, tx.Now, "the service stopped while it was importing: post the file again; rows that are there already do not change")
			return err
		})
		if err != nil {
			return failed, err
		}
	}
	return failed, nil
}

// interrupted are imports that look as if their node died; their lock says whether it did.
func (tx *Tx) interrupted(ctx context.Context) ([]campaigns.ID, error) {
	return many(ctx, tx, "imports", `SELECT id FROM imports WHERE status = 'running' AND (phase <> 'staged' OR seen_at < $1)`,
		pgx.RowTo[campaigns.ID], tx.Now.Add(-time.Minute))
}

// DiskFull recognises that PostgreSQL has no room left.
func DiskFull(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && e.Code == "53100"
}

// leaseKey is the advisory lock that a living import holds.
func leaseKey(id campaigns.ID) int64 { return int64(binary.BigEndian.Uint64(id[8:])) }

// stageName is the name of a staging table of an import.
func stageName(id campaigns.ID, part int) string {
	return fmt.Sprintf("import_%s_%d", hex.EncodeToString(id[:]), part)
}

// dropStage drops all staging tables of an import.
func (tx *Tx) dropStage(ctx context.Context, id campaigns.ID) error {
	names, err := many(ctx, tx, "staging tables", `SELECT relname::text FROM pg_class WHERE relkind = 'r' AND starts_with(relname, $1)`,
		pgx.RowTo[string], "import_"+hex.EncodeToString(id[:])+"_")
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := tx.exec(ctx, "dropping a staging table", "DROP TABLE IF EXISTS "+pgx.Identifier{name}.Sanitize()); err != nil {
			return err
		}
	}
	return nil
}

package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// slicesOfNo is into how many slices customers are divided for those who queue; slices are of contiguous numbers, so that a
// part of a run touches few.
const (
	slicesOfNo    = 256
	sliceBits     = 12
	sliceLockKind = 0x51ce // keeps these advisory locks apart from others
)

// LockSlices holds, until the transaction ends, the slices that customers lie in: whoever reads what caps and entry limits
// count and then queues holds them, so that no two do it for the same customer at once. Slices are taken in ascending
// order; what the transaction reads afterwards shows all that others wrote under them. Those that it holds already are not
// asked for again.
func (tx *Tx) LockSlices(ctx context.Context, nos []int64) error {
	var wanted [slicesOfNo]bool
	for _, no := range nos {
		wanted[(no>>sliceBits)&(slicesOfNo-1)] = true
	}
	var ascending []int32
	for slice, is := range wanted {
		if is && !tx.slices[slice] {
			ascending = append(ascending, int32(slice))
			tx.slices[slice] = true
		}
	}
	if len(ascending) == 0 {
		return nil
	}
	_, err := tx.exec(ctx, "locking slices", `SELECT pg_advisory_xact_lock($1, slice) FROM unnest($2::int[]) AS slice`, sliceLockKind, ascending)
	return err
}

// whereNo is the condition that a column is one of some numbers, with its parameters $1 to $3: over a range of the index
// where the numbers lie close together, else one by one.
func whereNo(column string, nos []int64) (sql string, args []any) {
	if len(nos) == 0 {
		return column + " = ANY($1) AND $2::bigint IS NULL AND $3::bigint IS NULL", []any{nos, nil, nil}
	}
	first, last := slices.Min(nos), slices.Max(nos)
	if last-first < 4*int64(len(nos)) {
		return fmt.Sprintf("%s BETWEEN $2 AND $3 AND $1::bigint[] IS NULL", column), []any{nil, first, last}
	}
	return column + " = ANY($1) AND $2::bigint IS NULL AND $3::bigint IS NULL", []any{nos, nil, nil}
}

// eachRow gives the raw binary values of a query's rows, valid until row returns.
func (tx *Tx) eachRow(ctx context.Context, what, sql string, row func(values [][]byte) error, args ...any) error {
	rows, err := tx.tx.Query(ctx, sql, append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, args...)...)
	if err != nil {
		return fmt.Errorf("reading %s: %w", what, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.RawValues()); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", what, err)
	}
	return nil
}

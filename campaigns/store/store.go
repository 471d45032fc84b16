package store

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"beckon/campaigns"
)

// Store is a pool of connections to one PostgreSQL, and the clock that its transactions read.
type Store struct {
	pool    *pgxpool.Pool
	clock   func() time.Time
	months  monthCache
	secret  secretCache
	signals chan struct{} // some were committed
	seal    seal
}

// Tx is one transaction. Now is its time, the same for all it writes.
type Tx struct {
	Now   time.Time
	tx    pgx.Tx
	store *Store

	signalled bool             // signals were written
	made      map[int64]bool   // customers who came into being
	slices    [slicesOfNo]bool // of customers that the transaction holds
}

// Options of Open. Connections is the most that the pool opens, 0 for 16. Key seals the secrets of channels, 32 bytes that
// are not in the database; without one, channels that have secrets can neither be kept nor read.
type Options struct {
	Connections int
	Key         []byte
}

// Open connects, and waits up to half a minute for a PostgreSQL that is still starting. It does not migrate.
func Open(ctx context.Context, url string, clock func() time.Time, options Options) (*Store, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, fmt.Errorf("reading DATABASE_URL: %w", err)
	}
	config.MaxConns = int32(options.Connections)
	if config.MaxConns == 0 {
		config.MaxConns = 16
	}
	config.ConnConfig.RuntimeParams["timezone"] = "UTC"
	config.ConnConfig.RuntimeParams["application_name"] = "beckon"
	config.AfterConnect = registerTypes
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("opening PostgreSQL: %w", err)
	}
	s := &Store{pool: pool, clock: clock, signals: make(chan struct{}, 1), seal: newSeal(options.Key)}
	if err := s.wait(ctx); err != nil {
		pool.Close()
		return nil, err
	}
	return s, nil
}

// wait pings until PostgreSQL answers; a wrong password or database fails at once.
func (s *Store) wait(ctx context.Context) error {
	deadline := time.NewTimer(30 * time.Second)
	defer deadline.Stop()
	for {
		err := s.pool.Ping(ctx)
		if err == nil {
			return nil
		}
		var refused *pgconn.PgError
		if errors.As(err, &refused) && refused.Code != "57P03" {
			return fmt.Errorf("PostgreSQL refuses the connection: %w", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			return fmt.Errorf("PostgreSQL does not answer (is it running, and is DATABASE_URL right?): %w", err)
		case <-time.After(250 * time.Millisecond):
		}
	}
}

// Close waits for what runs and closes the connections.
func (s *Store) Close() { s.pool.Close() }

// Now is the clock that transactions read, in PostgreSQL's microseconds: what is written is read back the same.
func (s *Store) Now() time.Time { return s.clock().UTC().Truncate(time.Microsecond) }

// Ready says whether PostgreSQL answers.
func (s *Store) Ready(ctx context.Context) error { return s.pool.Ping(ctx) }

// View runs reads in one snapshot.
func (s *Store) View(ctx context.Context, read func(tx *Tx) error) error {
	return s.begin(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.RepeatableRead}, read)
}

// Update runs writes in one transaction. When PostgreSQL breaks a deadlock it is tried again, up to four times: write
// must do nothing but query.
func (s *Store) Update(ctx context.Context, write func(tx *Tx) error) error {
	var err error
	for range 4 {
		if err = s.begin(ctx, pgx.TxOptions{}, write); !again(err) {
			return err
		}
	}
	return err
}

func (s *Store) begin(ctx context.Context, options pgx.TxOptions, do func(tx *Tx) error) error {
	var t *Tx
	err := pgx.BeginTxFunc(ctx, s.pool, options, func(tx pgx.Tx) error {
		t = &Tx{Now: s.Now(), tx: tx, store: s}
		return do(t)
	})
	if err == nil && t.signalled {
		s.Wake()
	}
	return translate(err)
}

// Apart runs writes within the transaction that are undone by themselves when they fail, so that the rest of it goes on.
func (tx *Tx) Apart(ctx context.Context, write func() error) error {
	outer := tx.tx
	defer func() { tx.tx = outer }()
	return pgx.BeginFunc(ctx, outer, func(inner pgx.Tx) error {
		tx.tx = inner
		return write()
	})
}

// IsLasting says that PostgreSQL refused what a statement would write, and will refuse it again: a text with a NUL, a value
// that is out of its range or too long for an index, a constraint that it breaks.
func IsLasting(err error) bool {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return false
	}
	class := e.Code[:min(2, len(e.Code))]
	return class == "22" || class == "54" || class == "23" && e.ConstraintName != "" // a partition that lacks has no name
}

// again recognises deadlocks and serialization failures.
func again(err error) bool {
	var e *pgconn.PgError
	return errors.As(err, &e) && (e.Code == "40P01" || e.Code == "40001")
}

// translate turns PostgreSQL's named constraints, and what a deleted attribute's column leaves behind, into errors that a
// caller can act on.
func translate(err error) error {
	var e *pgconn.PgError
	if !errors.As(err, &e) {
		return err
	}
	switch {
	case e.Code == "42703" && regexp.MustCompile(`\ba\d+\b`).MatchString(e.Message):
		return campaigns.Unavailable(err, "an attribute was deleted meanwhile: try again")
	case e.Code == "55P03":
		return campaigns.Unavailable(err, "customers are being read by a long evaluation: try again when it is over")
	case e.Code == "54011":
		return campaigns.Conflict("customers have had too many attributes, those that were deleted included: copy the data into a new database first")
	}
	if message, known := constraints()[e.ConstraintName]; known {
		conflict := campaigns.Conflict("%s", message)
		conflict.Err = err
		return conflict
	}
	switch e.Code {
	case "53100":
		return campaigns.Unavailable(err, "the database's disk is full: make room and try again; what was written before is kept")
	case "22021", "22P05":
		invalid := campaigns.Invalid("body", "contains text that cannot be kept (a NUL character or invalid UTF-8)")
		invalid.Err = err
		return invalid
	}
	return err
}

func constraints() map[string]string {
	return map[string]string{
		"api_keys_hash":     "this key exists already",
		"attributes_pkey":   "an attribute of this name exists already",
		"channels_pkey":     "a channel of this id exists already",
		"runs_occurrence":   "this occurrence has run already",
		"segments_name":     "a segment of this name exists already",
		"attributes_column": "an attribute of this name exists already",
	}
}

// one reads a single row into T by column name; a missing row is NotFound.
func one[T any](ctx context.Context, tx *Tx, what, id, sql string, scan func(row pgx.CollectableRow) (T, error), args ...any) (T, error) {
	rows, err := tx.tx.Query(ctx, sql, args...)
	if err != nil {
		var none T
		return none, fmt.Errorf("reading %s: %w", what, err)
	}
	found, err := pgx.CollectExactlyOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return found, campaigns.NotFound(what, id)
	}
	if err != nil {
		return found, fmt.Errorf("reading %s: %w", what, err)
	}
	return found, nil
}

// many reads all rows.
func many[T any](ctx context.Context, tx *Tx, what, sql string, scan func(row pgx.CollectableRow) (T, error), args ...any) ([]T, error) {
	rows, err := tx.tx.Query(ctx, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	found, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	return found, nil
}

// exec runs a statement and gives the number of rows that it touched.
func (tx *Tx) exec(ctx context.Context, doing, sql string, args ...any) (int64, error) {
	tag, err := tx.tx.Exec(ctx, sql, args...)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", doing, err)
	}
	return tag.RowsAffected(), nil
}

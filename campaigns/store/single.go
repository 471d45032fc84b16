package store

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Single runs what is one statement, whether it reads or writes: such a statement is a transaction by itself, and saying so
// in two more would be most of what a step costs that finds nothing to do. It is tried again like an Update.
func (s *Store) Single(ctx context.Context, do func(tx *Tx) error) error {
	var err error
	for range 4 {
		err = s.pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
			return do(&Tx{Now: s.Now(), tx: single{conn: conn}, store: s})
		})
		if !again(err) {
			break
		}
	}
	return translate(err)
}

// single is a connection outside any transaction in the place of one. What only a transaction can do it has not.
type single struct {
	pgx.Tx
	conn *pgxpool.Conn
}

func (s single) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	return s.conn.Query(ctx, sql, args...)
}

func (s single) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	return s.conn.QueryRow(ctx, sql, args...)
}

func (s single) Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error) {
	return s.conn.Exec(ctx, sql, args...)
}

func (s single) Conn() *pgx.Conn { return s.conn.Conn() }

package store

import "context"

// Figure reads one number past the store's methods, for tests.
func (s *Store) Figure(ctx context.Context, sql string) (n int64, err error) {
	err = s.pool.QueryRow(ctx, sql).Scan(&n)
	return n, err
}

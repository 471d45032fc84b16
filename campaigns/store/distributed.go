package store

import (
	"context"
	"fmt"
)

// IsDistributed says whether the database is spread over several machines by Citus.
func (s *Store) IsDistributed(ctx context.Context) (bool, error) {
	var is bool
	if err := s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'citus')`).Scan(&is); err != nil {
		return false, fmt.Errorf("asking whether the database is distributed: %w", err)
	}
	return is, nil
}

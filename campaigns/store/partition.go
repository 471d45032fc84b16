package store

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// monthCache remembers which partitions exist, so that a write asks PostgreSQL only once a month.
type monthCache struct{ known sync.Map }

// EnsureMonths makes the monthly partitions of a table for each of the times. It commits by itself: creating a partition
// takes a short lock on the table, which a long transaction must not hold.
func (s *Store) EnsureMonths(ctx context.Context, table string, times ...time.Time) error {
	for _, at := range times {
		at = at.UTC()
		if table == "events" && at.Year() < 2000 {
			continue // events_old holds them
		}
		month := time.Date(at.Year(), at.Month(), 1, 0, 0, 0, 0, time.UTC)
		name := fmt.Sprintf("%s_%s", table, month.Format("200601"))
		if _, known := s.months.known.Load(name); known {
			continue
		}
		sql := fmt.Sprintf(`CREATE TABLE IF NOT EXISTS %s PARTITION OF %s FOR VALUES FROM ('%s') TO ('%s')`, name, table,
			month.Format(time.RFC3339), month.AddDate(0, 1, 0).Format(time.RFC3339))
		err := s.Update(ctx, func(tx *Tx) error {
			if _, err := tx.exec(ctx, "waiting to make a partition", `SELECT pg_advisory_xact_lock(hashtext($1))`, name); err != nil {
				return err
			}
			if _, err := tx.exec(ctx, "making partition "+name, sql); err != nil || table != "messages" {
				return err
			}
			_, err := tx.exec(ctx, "leaving room and leaving out statistics", "ALTER TABLE "+name+roomForOutcomes+withoutStatistics)
			return err
		})
		if err != nil {
			return err
		}
		s.months.known.Store(name, true)
	}
	return nil
}

// roomForOutcomes lets a message's outcome and its receipt stand on the page where it was queued, so that no index is written for
// them: two of a page's messages find room at once, and what they leave is used again.
const roomForOutcomes = ` SET (fillfactor = 50),`

// withoutStatistics spares PostgreSQL the comparison of what no condition asks for, while a partition fills by the million.
const withoutStatistics = ` ALTER vars SET STATISTICS 0, ALTER history SET STATISTICS 0, ALTER content SET STATISTICS 0, ALTER content_hash SET STATISTICS 0,
	ALTER address SET STATISTICS 0, ALTER not_after SET STATISTICS 0, ALTER finished_at SET STATISTICS 0`

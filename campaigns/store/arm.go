package store

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// An Assignment is the arm that a customer has for a period of a campaign, drawn once and kept for ever.
type Assignment struct {
	No      int64
	Arm     string
	Bucket  int16
	DueAt   *time.Time // the first due entry of the period: where the window begins
	Existed bool
}

// Assignments reads the arms that customers have already.
func (tx *Tx) Assignments(ctx context.Context, campaign campaigns.ID, period string, nos []int64) (map[int64]Assignment, error) {
	found, err := many(ctx, tx, "arms", `SELECT no, arm, coalesce(bucket, 0), due_at FROM arms WHERE no = ANY($1) AND campaign_id = $2 AND period = $3`,
		func(row pgx.CollectableRow) (Assignment, error) {
			a := Assignment{Existed: true}
			err := row.Scan(&a.No, &a.Arm, &a.Bucket, &a.DueAt)
			return a, err
		}, nos, campaign, period)
	byNo := make(map[int64]Assignment, len(found))
	for _, a := range found {
		byNo[a.No] = a
	}
	return byNo, err
}

// SaveAssignments keeps new arms and the first due time of those that exist. An arm that is there never changes.
func (tx *Tx) SaveAssignments(ctx context.Context, run *campaigns.Run, period string, assignments []Assignment) error {
	nos, arms, buckets, due := make([]int64, len(assignments)), make([]string, len(assignments)), make([]int16, len(assignments)), make([]*time.Time, len(assignments))
	for i, a := range assignments {
		nos[i], arms[i], buckets[i], due[i] = a.No, a.Arm, a.Bucket, a.DueAt
	}
	_, err := tx.exec(ctx, "saving arms", `INSERT INTO arms (no, campaign_id, period, arm, bucket, version, run_id, assigned_at, due_at)
		SELECT no, $1, $2, arm, bucket, $3, $4, $5, due FROM unnest($6::bigint[], $7::text[], $8::smallint[], $9::timestamptz[]) AS a(no, arm, bucket, due)
		ON CONFLICT (no, campaign_id, period) DO UPDATE SET due_at = EXCLUDED.due_at WHERE arms.due_at IS NULL AND EXCLUDED.due_at IS NOT NULL`,
		run.CampaignID, period, run.Version, run.ID, tx.Now, nos, arms, buckets, due)
	return err
}

// ArmKeys reads the keys that arms are drawn by; who has none yet gets the proposed one, and keeps it. A key that another
// transaction gave meanwhile is not seen by the statement that waited for it: it is read by a second one.
func (tx *Tx) ArmKeys(ctx context.Context, proposed map[int64]string) (map[int64]string, error) {
	nos, keys := make([]int64, 0, len(proposed)), make([]string, 0, len(proposed))
	for no, key := range proposed {
		nos, keys = append(nos, no), append(keys, key)
	}
	kept := make(map[int64]string, len(nos))
	read := func(sql string, args ...any) error {
		rows, err := tx.tx.Query(ctx, sql, args...)
		if err != nil {
			return fmt.Errorf("reading arm keys: %w", err)
		}
		var no int64
		var key string
		if _, err = pgx.ForEachRow(rows, []any{&no, &key}, func() error { kept[no] = key; return nil }); err != nil {
			return fmt.Errorf("reading arm keys: %w", err)
		}
		return nil
	}
	err := read(`WITH fresh AS (
			INSERT INTO arm_keys (no, key) SELECT * FROM unnest($1::bigint[], $2::text[]) AS k(no, key) ORDER BY no ON CONFLICT DO NOTHING RETURNING no, key)
		SELECT no, key FROM fresh UNION ALL SELECT no, key FROM arm_keys WHERE no = ANY($1)`, nos, keys)
	if err == nil && len(kept) < len(nos) {
		err = read(`SELECT no, key FROM arm_keys WHERE no = ANY($1)`, nos)
	}
	return kept, err
}

// Enter lets customers into a campaign under their keys and gives those who got in: the only guard of entry limits. An
// entry's time is the run's planned one.
func (tx *Tx) Enter(ctx context.Context, run *campaigns.Run, keys map[int64]string) (map[int64]bool, error) {
	nos, texts := make([]int64, 0, len(keys)), make([]string, 0, len(keys))
	for no, key := range keys {
		nos, texts = append(nos, no), append(texts, key)
	}
	entered, err := many(ctx, tx, "entries", `INSERT INTO campaign_entries (no, campaign_id, key, run_id, at)
		SELECT no, $1, key, $2, $3 FROM unnest($4::bigint[], $5::text[]) AS e(no, key) ORDER BY no ON CONFLICT DO NOTHING RETURNING no`,
		pgx.RowTo[int64], run.CampaignID, run.ID, run.Occurrence, nos, texts)
	in := make(map[int64]bool, len(entered))
	for _, no := range entered {
		in[no] = true
	}
	return in, err
}

// An EntryHistory is how often and when last a customer entered a campaign, and under which keys.
type EntryHistory struct {
	No   int64
	N    int
	Last time.Time
	Keys []string
}

// EntryHistories reads the entries of a span of numbers.
func (tx *Tx) EntryHistories(ctx context.Context, campaign campaigns.ID, from, to int64) (map[int64]EntryHistory, error) {
	found, err := many(ctx, tx, "entries", `SELECT no, count(*), max(at), array_agg(key) FROM campaign_entries
		WHERE no >= $1 AND no < $2 AND campaign_id = $3 GROUP BY no`,
		func(row pgx.CollectableRow) (EntryHistory, error) {
			var h EntryHistory
			err := row.Scan(&h.No, &h.N, &h.Last, &h.Keys)
			return h, err
		}, from, to, campaign)
	if err != nil {
		return nil, fmt.Errorf("reading who entered: %w", err)
	}
	byNo := make(map[int64]EntryHistory, len(found))
	for _, h := range found {
		byNo[h.No] = h
	}
	return byNo, nil
}

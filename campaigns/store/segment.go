package store

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

const segmentColumns = `SELECT id, name, rule, revision, created_at, changed_at FROM segments`

func scanSegment(row pgx.CollectableRow) (campaigns.Segment, error) {
	var s campaigns.Segment
	err := row.Scan(&s.ID, &s.Name, &s.Rule, &s.Revision, &s.CreatedAt, &s.ChangedAt)
	return s, err
}

// Segments lists segments from the newest, beginning below the id before (the zero id: from the top).
func (tx *Tx) Segments(ctx context.Context, before campaigns.ID, limit int) ([]campaigns.Segment, error) {
	return many(ctx, tx, "segments", segmentColumns+` WHERE $1 OR id < $2 ORDER BY id DESC LIMIT $3`, scanSegment, before == campaigns.ID{}, before, limit)
}

// AllSegments lists all of them by name, for what rules may use.
func (tx *Tx) AllSegments(ctx context.Context) ([]campaigns.Segment, error) {
	return many(ctx, tx, "segments", segmentColumns+` ORDER BY name COLLATE "C"`, scanSegment)
}

// Segment reads one by its id or its name: a name never looks like an id.
func (tx *Tx) Segment(ctx context.Context, key string) (campaigns.Segment, error) {
	if id, err := campaigns.ParseID("segment", key); err == nil {
		return one(ctx, tx, "segment", key, segmentColumns+` WHERE id = $1`, scanSegment, id)
	}
	return one(ctx, tx, "segment", key, segmentColumns+` WHERE name = $1`, scanSegment, key)
}

// LockDefinitions lets one transaction at a time change segments and computed attributes: two changes that are right by
// themselves may make a circle together. It waits for those who hold them.
func (tx *Tx) LockDefinitions(ctx context.Context) error {
	_, err := tx.exec(ctx, "locking definitions", `LOCK TABLE segments IN EXCLUSIVE MODE`)
	return err
}

// HoldDefinitions keeps segments and computed attributes as they are until the transaction ends, so that a campaign is
// never saved beside the end of what it uses.
func (tx *Tx) HoldDefinitions(ctx context.Context) error {
	_, err := tx.exec(ctx, "holding definitions", `LOCK TABLE segments IN SHARE MODE`)
	return err
}

// CreateSegment keeps a new segment as revision 1.
func (tx *Tx) CreateSegment(ctx context.Context, s *campaigns.Segment) error {
	var count int
	if err := tx.tx.QueryRow(ctx, `SELECT count(*) FROM segments`).Scan(&count); err != nil {
		return fmt.Errorf("counting segments: %w", err)
	}
	if count >= campaigns.SegmentsMax {
		return campaigns.Conflict("there are %d segments already, the most that can be", count)
	}
	s.ID, s.Revision, s.CreatedAt, s.ChangedAt = campaigns.NewID(tx.Now), 1, tx.Now, tx.Now
	_, err := tx.exec(ctx, "creating a segment", `INSERT INTO segments (id, name, rule, revision, created_at, changed_at) VALUES ($1, $2, $3, 1, $4, $4)`,
		s.ID, s.Name, s.Rule, tx.Now)
	return err
}

// SaveSegment writes name and rule.
func (tx *Tx) SaveSegment(ctx context.Context, s *campaigns.Segment) error {
	s.Revision, s.ChangedAt = s.Revision+1, tx.Now
	_, err := tx.exec(ctx, "saving a segment", `UPDATE segments SET name = $2, rule = $3, revision = $4, changed_at = $5 WHERE id = $1`,
		s.ID, s.Name, s.Rule, s.Revision, tx.Now)
	return err
}

// DeleteSegment removes a segment; what was launched has its own copy.
func (tx *Tx) DeleteSegment(ctx context.Context, id campaigns.ID) error {
	_, err := tx.exec(ctx, "deleting a segment", `DELETE FROM segments WHERE id = $1`, id)
	return err
}

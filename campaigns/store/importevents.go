package store

import (
	"context"
	"fmt"

	"beckon/campaigns"
)

// EventStage are the staged columns of events after key and row; props is JSON.
func EventStage() []StageColumn {
	return []StageColumn{{"event_id", "text"}, {"customer_id", "text"}, {"name", "text"}, {"at", "timestamptz"}, {"props", "text"}}
}

// mergeEvents writes the events of a slice that are new.
func (m *Merge) mergeEvents(ctx context.Context, tx *Tx, from string) (MergeCounts, error) {
	written, all, err := tx.counted(ctx, fmt.Sprintf(`WITH f AS MATERIALIZED (SELECT DISTINCT ON (s.event_id) s.*, i.no FROM %s s
			JOIN customer_ids i ON i.id = s.customer_id ORDER BY s.event_id, s.row),
		fresh AS (INSERT INTO event_ids (event_id, no) SELECT event_id, no FROM f ORDER BY event_id ON CONFLICT DO NOTHING RETURNING event_id),
		written AS (INSERT INTO events (no, name, at, event_id, props)
			SELECT f.no, f.name, f.at, f.event_id, f.props::jsonb FROM f JOIN fresh USING (event_id) ORDER BY f.no, f.name, f.at),
		noted AS (INSERT INTO changes (xid, no, kind) SELECT DISTINCT pg_current_xact_id(), f.no, $1::smallint FROM f JOIN fresh USING (event_id))
		SELECT (SELECT count(*) FROM fresh), (SELECT count(*) FROM %s s)`, from, from), changedEvents)
	if err != nil {
		return MergeCounts{}, err
	}
	return m.settle(ctx, tx, written, all, fmt.Sprintf(`SELECT $1, s.row, 'event_id', 'the event exists already, of another customer'
		FROM %s s JOIN customer_ids i ON i.id = s.customer_id JOIN event_ids e ON e.event_id = s.event_id WHERE e.no <> i.no`, from))
}

// PointStage are the staged columns of points after key and row; entry_id is missing where it is to be derived, and
// earned_given false where earned_on was.
func PointStage() []StageColumn {
	return []StageColumn{{"entry_id", "text"}, {"customer_id", "text"}, {"points", "bigint"}, {"earned_on", "date"}, {"earned_given", "boolean"},
		{"active_from", "date"}, {"last_valid_on", "date"}, {"reason", "text"}}
}

// mergePoints writes the lots of a slice that are new, each with the entry that earned it. A lot without an id gets one
// from its customer, its days and its place among the rows that have the same ones, so that the file again changes
// nothing.
func (m *Merge) mergePoints(ctx context.Context, tx *Tx, from, zone string) (MergeCounts, error) {
	named := fmt.Sprintf(`SELECT s.row, s.customer_id, s.points, s.earned_on, s.active_from, s.last_valid_on, s.reason, i.no,
		COALESCE(s.entry_id, 'lot-' || md5(s.customer_id || E'\x1f' || CASE WHEN s.earned_given THEN s.earned_on::text ELSE '' END || E'\x1f'
			|| COALESCE(s.last_valid_on::text, '') || E'\x1f' || row_number() OVER (PARTITION BY s.customer_id, s.entry_id,
			CASE WHEN s.earned_given THEN s.earned_on END, s.last_valid_on ORDER BY s.points, s.row))) AS entry_id
		FROM %s s JOIN customer_ids i ON i.id = s.customer_id`, from)
	written, all, err := tx.counted(ctx, fmt.Sprintf(`WITH n AS MATERIALIZED (%s),
		f AS MATERIALIZED (SELECT DISTINCT ON (entry_id) * FROM n ORDER BY entry_id, row),
		fresh AS (INSERT INTO entry_ids (entry_id, no) SELECT entry_id, no FROM f ORDER BY entry_id ON CONFLICT DO NOTHING RETURNING entry_id),
		lots AS (INSERT INTO lots (no, lot_id, earned_on, active_from, last_valid_on, zone, points, remaining)
			SELECT no, entry_id, earned_on, active_from, last_valid_on, $2, points, points FROM f JOIN fresh USING (entry_id) ORDER BY no, entry_id),
		entries AS (INSERT INTO entries (no, entry_id, lot_id, points, reason, effective_at, booked_at)
			SELECT no, entry_id, entry_id, points, reason, active_from::timestamp AT TIME ZONE $2, $3 FROM f JOIN fresh USING (entry_id) ORDER BY no, entry_id),
		figures AS (INSERT INTO customer_figures AS c (no, lifetime_points) SELECT no, sum(points)::bigint FROM f JOIN fresh USING (entry_id)
			GROUP BY no ORDER BY no ON CONFLICT (no) DO UPDATE SET lifetime_points = c.lifetime_points + excluded.lifetime_points),
		noted AS (INSERT INTO changes (xid, no, kind) SELECT DISTINCT pg_current_xact_id(), no, $1::smallint FROM f JOIN fresh USING (entry_id))
		SELECT (SELECT count(*) FROM fresh), (SELECT count(*) FROM n)`, named), changedPoints, zone, wholeSecond(tx.Now))
	if err != nil {
		return MergeCounts{}, err
	}
	return m.settle(ctx, tx, written, all, fmt.Sprintf(`SELECT $1, n.row, 'entry_id', 'the entry ' || n.entry_id || ' exists already, with other points or of another customer'
		FROM (%s) n JOIN entry_ids e USING (entry_id) LEFT JOIN entries k ON k.no = n.no AND k.entry_id = n.entry_id
		WHERE e.no <> n.no OR k.points <> n.points`, named))
}

// AssignmentStage are the staged columns of assignments after key and row.
func AssignmentStage() []StageColumn {
	return []StageColumn{{"customer_id", "text"}, {"arm", "text"}, {"at", "timestamptz"}}
}

// mergeAssignments writes who was assigned to which arm; nobody changes arms.
func (m *Merge) mergeAssignments(ctx context.Context, tx *Tx, from string, campaign campaigns.ID) (MergeCounts, error) {
	written, all, err := tx.counted(ctx, fmt.Sprintf(`WITH f AS (SELECT DISTINCT ON (i.no) i.no, s.arm, s.at FROM %s s
			JOIN customer_ids i ON i.id = s.customer_id ORDER BY i.no, s.row),
		made AS (INSERT INTO arms (no, campaign_id, period, arm, version, assigned_at, due_at)
			SELECT f.no, c.id, '', f.arm, c.version, f.at, f.at FROM f, campaigns c WHERE c.id = $1 ORDER BY f.no ON CONFLICT DO NOTHING RETURNING no)
		SELECT (SELECT count(*) FROM made), (SELECT count(*) FROM %s s)`, from, from), campaign)
	if err != nil {
		return MergeCounts{}, err
	}
	return m.settle(ctx, tx, written, all, fmt.Sprintf(`SELECT $1, s.row, 'arm', 'the customer is in arm ' || a.arm || ' already'
		FROM %s s JOIN customer_ids i ON i.id = s.customer_id JOIN arms a ON a.no = i.no AND a.campaign_id = $2 AND a.period = '' WHERE a.arm <> s.arm`, from), campaign)
}

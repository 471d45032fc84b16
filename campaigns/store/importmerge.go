package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"beckon/campaigns"
)

// sliceRows and sliceBytes bound what one transaction of a merge takes in, so that it commits within a few seconds.
const (
	sliceRows  = 60_000
	sliceBytes = 48 << 20
)

// Merge brings the staged rows of an import into the tables, slice by slice; slices may be merged at the same time. Each
// commits by itself, and the same rows again change nothing, so that an import that failed half-way is simply repeated.
type Merge struct {
	store  *Store
	conn   *pgxpool.Conn
	id     campaigns.ID
	kind   string
	state  stageState
	slices []string // what each selects from
	merge  func(ctx context.Context, tx *Tx, from string) (MergeCounts, error)
	first  func(ctx context.Context, tx *Tx, from string) error
}

// MergeCounts are the file's rows that a slice wrote, found there already, and had to refuse.
type MergeCounts struct{ Written, Unchanged, Rejected int64 }

// OpenMerge makes ready to merge what was staged for an import and takes its lock.
func (s *Store) OpenMerge(ctx context.Context, i *campaigns.Import) (*Merge, error) {
	conn, err := s.lease(ctx, i.ID)
	if err != nil {
		return nil, err
	}
	m := &Merge{store: s, conn: conn, id: i.ID, kind: i.Kind}
	if err := s.View(ctx, func(tx *Tx) error { return m.read(ctx, tx, i) }); err != nil {
		releaseLease(conn, i.ID)
		return nil, err
	}
	m.slice()
	return m, nil
}

func (m *Merge) read(ctx context.Context, tx *Tx, i *campaigns.Import) error {
	var kept []byte
	if err := tx.tx.QueryRow(ctx, `SELECT stage FROM imports WHERE id = $1 AND phase = 'staged'`, m.id).Scan(&kept); err != nil {
		return fmt.Errorf("reading what was staged: %w", err)
	}
	if err := json.Unmarshal(kept, &m.state); err != nil {
		return fmt.Errorf("reading what was staged: %w", err)
	}
	w, err := tx.Workspace(ctx)
	if err != nil {
		return err
	}
	m.first = ensureStaged
	switch m.kind {
	case campaigns.ImportPurchases:
		m.merge = m.mergePurchases
	case campaigns.ImportCustomers:
		m.first, m.merge = nil, customerMerge(m.state.Columns).merge
	case campaigns.ImportEvents:
		m.merge = m.mergeEvents
	case campaigns.ImportPoints:
		m.merge = func(ctx context.Context, tx *Tx, from string) (MergeCounts, error) {
			return m.mergePoints(ctx, tx, from, w.Zone)
		}
	case campaigns.ImportSuppressions:
		m.first, m.merge = nil, m.mergeSuppressions
	case campaigns.ImportAssignments:
		m.merge = func(ctx context.Context, tx *Tx, from string) (MergeCounts, error) {
			return m.mergeAssignments(ctx, tx, from, *i.Options.CampaignID)
		}
	default:
		return fmt.Errorf("an import of kind %q cannot be merged", m.kind)
	}
	return nil
}

// slice cuts the parts into slices: a part is cut by more bits of the key when it is large, and takes the rows of the
// head that belong to it.
func (m *Merge) slice() {
	head := stageName(m.id, 0)
	spread := false
	for part := 1; part <= stageParts; part++ {
		spread = spread || m.state.Rows[part] > 0
	}
	if !spread {
		m.cut(m.state.Rows[0], m.state.Bytes[0], func(and string) string { return fmt.Sprintf(`SELECT * FROM %s WHERE %s`, head, and) })
		return
	}
	for part := 1; part <= stageParts; part++ {
		rows := m.state.Rows[part] + m.state.Rows[0]/stageParts
		size := m.state.Bytes[part] + m.state.Bytes[0]/stageParts
		m.cut(rows, size, func(and string) string {
			from := fmt.Sprintf(`SELECT * FROM %s WHERE key %% %d = %d AND %s`, head, stageParts, part-1, and)
			if m.state.Rows[part] > 0 {
				from = fmt.Sprintf(`SELECT * FROM %s WHERE %s UNION ALL `, stageName(m.id, part), and) + from
			}
			return from
		})
	}
}

func (m *Merge) cut(rows, size int64, from func(and string) string) {
	if rows == 0 {
		return
	}
	cuts := max((rows+sliceRows-1)/sliceRows, (size+sliceBytes-1)/sliceBytes)
	for c := range cuts {
		and := "true"
		if cuts > 1 {
			and = fmt.Sprintf("(key / %d) %% %d = %d", stageParts, cuts, c)
		}
		m.slices = append(m.slices, "("+from(and)+")")
	}
}

// Slices is how many there are.
func (m *Merge) Slices() int { return len(m.slices) }

// Prepare looks for what no slice can see by itself, and gives the number of the file's rows that it refused.
func (m *Merge) Prepare(ctx context.Context) (rejected int64, err error) {
	if m.kind != campaigns.ImportPurchases {
		return 0, nil
	}
	err = m.store.Update(ctx, func(tx *Tx) error {
		rejected, err = m.refuseOrders(ctx, tx)
		return err
	})
	return rejected, err
}

// Slice merges one slice. Customers that are unknown are made in a transaction of their own before it.
func (m *Merge) Slice(ctx context.Context, n int) (counts MergeCounts, err error) {
	from := m.slices[n]
	if m.first != nil {
		if err := m.store.Update(ctx, func(tx *Tx) error { return m.first(ctx, tx, from) }); err != nil {
			return counts, err
		}
	}
	err = m.store.Update(ctx, func(tx *Tx) error {
		counts, err = m.merge(ctx, tx, from)
		return err
	})
	return counts, tooLarge(err)
}

// Close drops the staging tables and gives the lock back.
func (m *Merge) Close(ctx context.Context) error {
	defer releaseLease(m.conn, m.id)
	return m.store.Update(ctx, func(tx *Tx) error { return tx.dropStage(ctx, m.id) })
}

// DropStage drops what an import staged that will not be merged.
func (s *Store) DropStage(ctx context.Context, id campaigns.ID) error {
	return s.Update(ctx, func(tx *Tx) error { return tx.dropStage(ctx, id) })
}

// ensureStaged makes the customers of a slice that are unknown, without a profile.
func ensureStaged(ctx context.Context, tx *Tx, from string) error {
	_, err := tx.exec(ctx, "creating customers", fmt.Sprintf(`WITH wanted AS MATERIALIZED (SELECT DISTINCT customer_id AS id FROM %s s WHERE customer_id IS NOT NULL),
		made AS (INSERT INTO customer_ids (id, no) SELECT w.id, nextval('customer_nos') FROM wanted w
			WHERE NOT EXISTS (SELECT FROM customer_ids i WHERE i.id = w.id) ORDER BY w.id ON CONFLICT DO NOTHING RETURNING id, no),
		stubs AS (INSERT INTO customers (no, id, changed_at) SELECT no, id, $1 FROM made ORDER BY no)
		INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $2::smallint FROM made`, from), wholeSecond(tx.Now), changedProfile)
	return err
}

// counted reads a merge's counts: the file's rows that it wrote, and all that it was given.
func (tx *Tx) counted(ctx context.Context, sql string, args ...any) (written, all int64, err error) {
	if err := tx.tx.QueryRow(ctx, sql, args...).Scan(&written, &all); err != nil {
		return 0, 0, fmt.Errorf("merging rows: %w", err)
	}
	return written, all, nil
}

// settle counts the rows that a merge did not write: other finds those that contradict what is there, and the rest was
// there already.
func (m *Merge) settle(ctx context.Context, tx *Tx, written, all int64, other string, args ...any) (MergeCounts, error) {
	counts := MergeCounts{Written: written}
	if written == all {
		return counts, nil
	}
	rejected, err := tx.exec(ctx, "refusing rows", `INSERT INTO import_rejects (import_id, row, field, message) `+other+` ON CONFLICT DO NOTHING`,
		append([]any{m.id}, args...)...)
	counts.Rejected, counts.Unchanged = rejected, all-written-rejected
	return counts, err
}

// all is the union of the staging tables, with the given columns.
func (m *Merge) all(columns string) string {
	var parts []string
	for part := 0; part <= stageParts; part++ {
		if m.state.Rows[part] > 0 {
			parts = append(parts, "SELECT "+columns+" FROM "+stageName(m.id, part))
		}
	}
	return "(" + strings.Join(parts, " UNION ALL ") + ")"
}

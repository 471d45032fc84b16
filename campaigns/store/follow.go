package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// A Position is what one snapshot saw of all transactions: those below Low and those below High that are not in Running,
// which is in order. The zero Position is none.
type Position struct {
	Low, High uint64
	Running   []uint64
}

// IsZero says whether it is no position at all.
func (p Position) IsZero() bool { return p.High == 0 }

// String is the position as PostgreSQL's pg_snapshot.
func (p Position) String() string {
	running := make([]string, len(p.Running))
	for i, xid := range p.Running {
		running[i] = strconv.FormatUint(xid, 10)
	}
	return fmt.Sprintf("%d:%d:%s", p.Low, p.High, strings.Join(running, ","))
}

func (p Position) xmin() string { return strconv.FormatUint(p.Low, 10) }

// Within is the position that saw what both saw, and nothing else.
func (p Position) Within(q Position) Position {
	both := Position{Low: min(p.Low, q.Low), High: min(p.High, q.High)}
	for _, xid := range slices.Concat(p.Running, q.Running) {
		if xid < both.High {
			both.Running = append(both.Running, xid)
		}
	}
	slices.Sort(both.Running)
	both.Running = slices.Compact(both.Running)
	return both
}

func parsePosition(text string) (Position, error) {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		return Position{}, fmt.Errorf("reading a snapshot: %q", text)
	}
	var p Position
	var errs [3]error
	p.Low, errs[0] = strconv.ParseUint(parts[0], 10, 64)
	p.High, errs[1] = strconv.ParseUint(parts[1], 10, 64)
	for _, xid := range strings.FieldsFunc(parts[2], func(r rune) bool { return r == ',' }) {
		n, err := strconv.ParseUint(xid, 10, 64)
		p.Running, errs[2] = append(p.Running, n), errors.Join(errs[2], err)
	}
	return p, errors.Join(errs[:]...)
}

// Standing is what a node that follows the changes looks at first: the position of the transaction's snapshot, whether the
// node is still registered (changes that it has not read are kept), and a mark that is the same as long as attributes and
// settings are.
type Standing struct {
	Position Position
	Follows  bool
	Settings string
}

// Standing reads a node's.
func (tx *Tx) Standing(ctx context.Context, node campaigns.ID) (Standing, error) {
	var snapshot string
	var s Standing
	err := tx.tx.QueryRow(ctx, `SELECT pg_current_snapshot()::text, EXISTS (SELECT FROM nodes WHERE id = $1 AND follows IS NOT NULL),
		concat((SELECT revision FROM workspace WHERE id = 1), ' ',
			(SELECT md5(string_agg(concat(name, ':', type, ':', column_name, ':', computed), ',' ORDER BY name)) FROM attributes))`, node).Scan(&snapshot, &s.Follows, &s.Settings)
	if err != nil {
		return s, fmt.Errorf("reading the snapshot: %w", err)
	}
	s.Position, err = parsePosition(snapshot)
	return s, err
}

// Names are the present names of offers and campaigns by their ids, as histories show them.
func (tx *Tx) Names(ctx context.Context) (map[string]string, error) {
	rows, err := tx.tx.Query(ctx, `SELECT o.id::text, coalesce(r.definition->>'name', '') FROM offers o JOIN offer_revisions r ON r.offer_id = o.id AND r.revision = o.revision
		UNION ALL SELECT c.id::text, coalesce(v.definition->>'name', '') FROM campaigns c JOIN campaign_versions v ON v.campaign_id = c.id AND v.version = c.version`)
	if err != nil {
		return nil, fmt.Errorf("reading names: %w", err)
	}
	names := map[string]string{}
	var id, name string
	if _, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error { names[id] = name; return nil }); err != nil {
		return nil, fmt.Errorf("reading names: %w", err)
	}
	return names, nil
}

// NamesMark changes when a name of an offer or campaign does, and when one comes: it is one row where Names is many.
func (tx *Tx) NamesMark(ctx context.Context) (string, error) {
	var mark string
	err := tx.tx.QueryRow(ctx, `SELECT (SELECT coalesce(sum(hashtextextended(id::text, revision)::numeric), 0) FROM offers) || ' '
		|| (SELECT coalesce(sum(hashtextextended(id::text, version)::numeric), 0) FROM campaigns)`).Scan(&mark)
	if err != nil {
		return "", fmt.Errorf("reading names: %w", err)
	}
	return mark, nil
}

// A Holder is the process whose open transaction keeps changes from being settled.
type Holder struct {
	PID         int32
	QueryStart  time.Time
	Application string
}

// Holder finds who runs the oldest open transaction of a position; the zero Holder when it has ended.
func (tx *Tx) Holder(ctx context.Context, p Position) (Holder, error) {
	var h Holder
	err := tx.tx.QueryRow(ctx, `SELECT pid, coalesce(query_start, backend_start), application_name FROM pg_stat_activity
		WHERE backend_xid::text::bigint = $1 OR backend_xmin::text::bigint = $1 ORDER BY backend_xid IS NULL, query_start LIMIT 1`,
		int64(p.Low&0xffffffff)).Scan(&h.PID, &h.QueryStart, &h.Application)
	if errors.Is(err, pgx.ErrNoRows) {
		return h, nil
	}
	if err != nil {
		return h, fmt.Errorf("looking for who holds the horizon: %w", err)
	}
	return h, nil
}

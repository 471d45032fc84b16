package store

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// CreateEvents keeps events in a transaction of its own, after making the months they fall in; created says of each
// whether it is new.
func (s *Store) CreateEvents(ctx context.Context, events []campaigns.Event) (created []bool, err error) {
	if err := s.EnsureEventMonths(ctx, events); err != nil {
		return nil, err
	}
	err = s.Update(ctx, func(tx *Tx) error {
		created, err = tx.CreateEvents(ctx, events)
		return err
	})
	return created, err
}

// EnsureEventMonths makes the partitions that events fall in. Who calls Tx.CreateEvents calls it first, outside the
// transaction.
func (s *Store) EnsureEventMonths(ctx context.Context, events []campaigns.Event) error {
	times := make([]time.Time, len(events))
	for i := range events {
		times[i] = events[i].At
	}
	return s.EnsureMonths(ctx, "events", times...)
}

// CreateEvents keeps events; an event_id that exists stays as it is. Customers that are unknown get a stub. The months
// must exist (EnsureEventMonths), and the events are expected to be checked.
func (tx *Tx) CreateEvents(ctx context.Context, events []campaigns.Event) (created []bool, err error) {
	created = make([]bool, len(events))
	var order []int
	var ids []string
	for i := range events {
		order, ids = append(order, i), append(ids, events[i].CustomerID)
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(events[a].EventID, events[b].EventID) })
	order = slices.CompactFunc(order, func(a, b int) bool { return events[a].EventID == events[b].EventID })
	customers, err := tx.EnsureCustomers(ctx, ids)
	if err != nil {
		return nil, err
	}
	eventIDs, nos := make([]string, len(order)), make([]int64, len(order))
	for i, at := range order {
		eventIDs[i], nos[i] = events[at].EventID, customers[events[at].CustomerID]
	}
	rows, err := tx.tx.Query(ctx, `INSERT INTO event_ids (event_id, no) SELECT event_id, no FROM unnest($1::text[], $2::bigint[]) e(event_id, no)
		ORDER BY event_id ON CONFLICT DO NOTHING RETURNING event_id`, eventIDs, nos)
	if err != nil {
		return nil, fmt.Errorf("claiming events: %w", err)
	}
	claimed, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("claiming events: %w", err)
	}
	fresh := make(map[string]bool, len(claimed))
	for _, id := range claimed {
		fresh[id] = true
	}
	return created, tx.writeEvents(ctx, events, order, nos, fresh, created)
}

func (tx *Tx) writeEvents(ctx context.Context, events []campaigns.Event, order []int, nos []int64, fresh map[string]bool, created []bool) error {
	var batch pgx.Batch
	var changed []int64
	told := map[string][]Signal{}
	for i, at := range order {
		e := &events[at]
		if !fresh[e.EventID] {
			continue
		}
		created[at] = true
		var props any
		if len(e.Props) > 0 {
			props = e.Props
		}
		batch.Queue(`INSERT INTO events (no, name, at, event_id, props) VALUES ($1, $2, $3, $4, $5)`, nos[i], e.Name, wholeSecond(e.At), e.EventID, props)
		changed = append(changed, nos[i])
		if !campaigns.IsBuiltIn(e.Name) {
			told[e.Name] = append(told[e.Name], Signal{No: nos[i], Key: e.EventID, At: wholeSecond(e.At)})
		}
	}
	if len(changed) == 0 {
		return nil
	}
	batch.Queue(`INSERT INTO changes (xid, no, kind) SELECT DISTINCT pg_current_xact_id(), no, $1::smallint FROM unnest($2::bigint[]) no`, changedEvents, changed)
	for _, name := range slices.Sorted(maps.Keys(told)) {
		tx.queueSignals(&batch, name, told[name])
	}
	return tx.sendBatch(ctx, "keeping events", &batch)
}

// Events lists a customer's, the latest first: those before the given time and event_id.
func (tx *Tx) Events(ctx context.Context, no int64, before time.Time, beforeID string, limit int) ([]campaigns.Event, error) {
	return many(ctx, tx, "events", `SELECT e.event_id, COALESCE(c.id, ''), e.name, e.at, e.props FROM events e LEFT JOIN customers c ON c.no = e.no
		WHERE e.no = $1 AND (e.at, e.event_id) < ($2, $3) ORDER BY e.at DESC, e.event_id DESC LIMIT $4`,
		func(row pgx.CollectableRow) (campaigns.Event, error) {
			var e campaigns.Event
			err := row.Scan(&e.EventID, &e.CustomerID, &e.Name, &e.At, &e.Props)
			return e, err
		}, no, before, beforeID, limit)
}

package audience

import (
	"context"
	"maps"
	"slices"
	"time"

	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// SpanSize is how many customer numbers are read at a time.
const SpanSize = 8192

// Needs are the stored columns and histories that a reader of records wants. Fields and Strict speak to those who hold
// columns in memory: the fields of each history (a property of an event as props.<name>), and the histories whose rows
// must be in exact (at, id) order; rows of one instant are in any order otherwise.
type Needs struct {
	Columns   []string
	Histories []string
	Fields    map[string][]string
	Strict    map[string]bool
}

// With adds what a rule or a value expression reads.
func (n Needs) With(columns, histories []string) Needs {
	n.Columns = union(n.Columns, columns)
	n.Histories = union(n.Histories, histories)
	return n
}

// and adds other needs.
func (n Needs) and(other Needs) Needs {
	n = n.With(other.Columns, other.Histories)
	fields, strict := maps.Clone(n.Fields), maps.Clone(n.Strict)
	if fields == nil {
		fields, strict = map[string][]string{}, map[string]bool{}
	}
	for history, names := range other.Fields {
		fields[history] = union(fields[history], names)
	}
	maps.Copy(strict, other.Strict)
	n.Fields, n.Strict = fields, strict
	return n
}

// Each gives the record of every customer of a span in order of no, as of an instant. The record is reused: what is to be
// kept must be copied. Byte columns (address hashes) come as []byte.
func Each(ctx context.Context, tx *store.Tx, span store.Span, needs Needs, at rules.Instant, each func(no int64, record rules.Record) error) error {
	lists := make(map[string]map[int64][]rules.Record, len(needs.Histories))
	for _, name := range needs.Histories {
		rows, err := histories(ctx, tx, span, name, at)
		if err != nil {
			return err
		}
		lists[name] = rows
	}
	record := make(rules.Record, len(needs.Columns)+len(needs.Histories))
	return tx.EachCustomer(ctx, span, needs.Columns, func(no int64, values []any) error {
		for i, name := range needs.Columns {
			record[name] = ruleValue(values[i])
		}
		for name, rows := range lists {
			record[name] = rows[no]
		}
		return each(no, record)
	})
}

// All gives the records of all customers in order of no; progress, unless it is nil, is called after every span with the
// number of customers looked at so far.
func All(ctx context.Context, tx *store.Tx, needs Needs, at rules.Instant,
	each func(no int64, record rules.Record) error, progress func(scanned int64) error) error {
	end, _, err := tx.CustomerSpan(ctx)
	if err != nil {
		return err
	}
	scanned := int64(0)
	for from := int64(0); from < end; from += SpanSize {
		err := Each(ctx, tx, store.Span{From: from, To: from + SpanSize}, needs, at, func(no int64, record rules.Record) error {
			scanned++
			return each(no, record)
		})
		if err != nil {
			return err
		}
		if progress == nil {
			continue
		}
		if err := progress(scanned); err != nil {
			return err
		}
	}
	return nil
}

// Lapse moves a record on to a later time: the state of a coupon is the one thing in it that the store works out from the
// evaluation's instant.
func Lapse(record rules.Record, now time.Time) {
	coupons, _ := record["coupons"].([]rules.Record)
	for _, coupon := range coupons {
		if expires, ends := coupon["expires_at"].(time.Time); ends && coupon["state"] == "open" && !expires.After(now) {
			coupon["state"] = "lapsed"
		}
	}
}

func histories(ctx context.Context, tx *store.Tx, span store.Span, name string, at rules.Instant) (map[int64][]rules.Record, error) {
	fields := store.HistoryFields(name)
	rows := map[int64][]rules.Record{}
	err := tx.EachRow(ctx, span, name, at.Now, func(no int64, values []any) error {
		row := make(rules.Record, len(fields))
		for i, field := range fields {
			row[field] = ruleValue(values[i])
		}
		rows[no] = append(rows[no], row)
		return nil
	})
	return rows, err
}

// ruleValue turns the store's days into the rules' dates.
func ruleValue(value any) any {
	if days, is := value.(int32); is {
		return rules.Date(days)
	}
	return value
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

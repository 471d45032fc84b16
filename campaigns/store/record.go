package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"beckon/campaigns"
)

// kind is how a column comes over the wire in binary and as which Go value it is given.
type kind uint8

const (
	asText  kind = iota // string
	asInt               // int64
	asFloat             // float64
	asBool              // bool
	asDate              // int32, days since 1970-01-01
	asTime              // time.Time in UTC
	asTexts             // []string
	asBytes             // []byte
	asJSON              // map[string]any
)

// kindOf is the kind of a type that campaigns.Source or an attribute names.
func kindOf(typeName string) kind {
	switch typeName {
	case "int", "money":
		return asInt
	case "number":
		return asFloat
	case "bool":
		return asBool
	case "date":
		return asDate
	case "time":
		return asTime
	case "text_list":
		return asTexts
	case campaigns.EventProperties:
		return asJSON
	}
	return asText
}

// column is where a name that rules know is read from.
type column struct {
	sql  string
	kind kind
}

// profileColumns are the columns of a customer besides registered attributes: those described, and the hashes of the
// addresses. c is customers, f figures.
func profileColumns() map[string]column {
	columns := map[string]column{"email_hash": {sql: "c.email_hash", kind: asBytes}, "phone_hash": {sql: "c.phone_hash", kind: asBytes}}
	elsewhere := map[string]string{
		"purchase_count": "coalesce(f.purchase_count, 0)::bigint", "total_spend": "coalesce(f.total_spend, 0)", "lifetime_points": "coalesce(f.lifetime_points, 0)",
		"first_purchase_at": "f.first_purchase_at", "last_purchase_at": "f.last_purchase_at",
		"has_email": "c.email_hash IS NOT NULL", "has_phone": "c.phone_hash IS NOT NULL",
	}
	for _, c := range campaigns.CustomerSource().Columns {
		sql, is := elsewhere[c.Name]
		if !is {
			sql = "c." + c.Name
		}
		columns[c.Name] = column{sql: sql, kind: kindOf(c.Type)}
	}
	return columns
}

// columnsOf are columns of customers with those that have the names: registered attributes are read only where a name is
// of no other.
func (tx *Tx) columnsOf(ctx context.Context, names []string) (map[string]column, error) {
	known := profileColumns()
	if slices.ContainsFunc(names, func(name string) bool { _, is := known[name]; return !is }) {
		return tx.knownColumns(ctx)
	}
	return known, nil
}

// knownColumns are all columns of customers, by name.
func (tx *Tx) knownColumns(ctx context.Context) (map[string]column, error) {
	known := profileColumns()
	attributes, err := tx.customerAttributes(ctx)
	for _, a := range attributes {
		known[a.Name] = column{sql: "c." + a.Column, kind: kindOf(a.Type)}
	}
	return known, err
}

// A Span is the customers that a read covers: From <= no < To, or exactly Nos when it is not nil.
type Span struct {
	From, To int64
	Nos      []int64
}

func (s Span) where(alias string) (string, []any) {
	if s.Nos != nil {
		return alias + ".no = ANY($1) AND $2::bigint IS NULL", []any{s.Nos, nil}
	}
	return alias + ".no >= $1 AND " + alias + ".no < $2", []any{s.From, s.To}
}

// EachCustomer gives the named columns of the customers of a span in order of no. values is reused: nil for missing, else
// string, int64 (also money), float64, bool, int32 (days since 1970-01-01), time.Time, []string or []byte.
func (tx *Tx) EachCustomer(ctx context.Context, span Span, names []string, each func(no int64, values []any) error) error {
	known, err := tx.columnsOf(ctx, names)
	if err != nil {
		return err
	}
	columns := make([]column, len(names))
	figures := ""
	for i, name := range names {
		c, ok := known[name]
		if !ok {
			return fmt.Errorf("reading customers: there is no column %q", name)
		}
		columns[i] = c
		if strings.Contains(c.sql, "f.") {
			figures = " LEFT JOIN customer_figures f ON f.no = c.no"
		}
	}
	where, args := span.where("c")
	return tx.each(ctx, "customers", columns, " FROM customers c"+figures+" WHERE "+where+" ORDER BY c.no", "c.no", args, each)
}

// EachRow gives the rows of a history of the customers of a span, in order of no and then (at, id), with values as in
// EachCustomer; properties of events come as map[string]any, numbers in them as json.Number. at is the evaluation's instant.
func (tx *Tx) EachRow(ctx context.Context, span Span, name string, at time.Time, each func(no int64, values []any) error) error {
	source, ok := campaigns.HistorySource(name)
	if !ok {
		return fmt.Errorf("reading histories: there is no history %q", name)
	}
	h := histories()[name]
	where, args := span.where("p")
	var columns []column
	for _, c := range source.Visible() {
		columns = append(columns, column{sql: h.sql(c.Name), kind: kindOf(c.Type)})
		if c.Derived {
			args = append(args, at.Truncate(time.Second))
		}
	}
	order := make([]string, len(h.order))
	for i, key := range h.order {
		order[i] = key.sql
		if key.text {
			order[i] += ` COLLATE "C"`
		}
	}
	return tx.each(ctx, name, columns, " FROM "+h.from+" WHERE "+where+" ORDER BY p.no, "+strings.Join(order, ", "), "p.no", args, each)
}

func (tx *Tx) each(ctx context.Context, what string, columns []column, rest, key string, args []any, each func(no int64, values []any) error) error {
	var sql strings.Builder
	sql.WriteString("SELECT " + key)
	for _, c := range columns {
		sql.WriteString(", " + c.sql)
	}
	sql.WriteString(rest)
	rows, err := tx.tx.Query(ctx, sql.String(), append([]any{pgx.QueryResultFormats{pgx.BinaryFormatCode}}, args...)...)
	if err != nil {
		return fmt.Errorf("reading %s: %w", what, err)
	}
	defer rows.Close()
	types := tx.tx.Conn().TypeMap()
	values := make([]any, len(columns))
	for rows.Next() {
		raw := rows.RawValues()
		for i, c := range columns {
			if values[i], err = decode(types, c.kind, raw[i+1]); err != nil {
				return fmt.Errorf("reading %s: %w", what, err)
			}
		}
		if err := each(int64(binary.BigEndian.Uint64(raw[0])), values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("reading %s: %w", what, err)
	}
	return nil
}

// decode reads PostgreSQL's binary format.
func decode(types *pgtype.Map, k kind, raw []byte) (any, error) {
	if raw == nil {
		return nil, nil
	}
	switch k {
	case asText:
		return string(raw), nil
	case asInt:
		return int64(binary.BigEndian.Uint64(raw)), nil
	case asFloat:
		return math.Float64frombits(binary.BigEndian.Uint64(raw)), nil
	case asBool:
		return raw[0] != 0, nil
	case asDate:
		days := int32(binary.BigEndian.Uint32(raw))
		if days == math.MaxInt32 || days == math.MinInt32 {
			return nil, nil // infinity
		}
		return days + daysTo2000, nil
	case asTime:
		micros := int64(binary.BigEndian.Uint64(raw))
		if micros == math.MaxInt64 || micros == math.MinInt64 {
			return nil, nil // infinity
		}
		return time.UnixMicro(micros + microsTo2000).UTC(), nil
	case asBytes:
		return slices.Clone(raw), nil
	case asJSON:
		var props map[string]any
		decoder := json.NewDecoder(bytes.NewReader(raw))
		decoder.UseNumber() // a number may be larger than any float64
		err := decoder.Decode(&props)
		return props, err
	}
	var texts []string
	err := types.Scan(pgtype.TextArrayOID, pgtype.BinaryFormatCode, raw, &texts)
	return texts, err
}

// microsTo2000 and daysTo2000 are the start of PostgreSQL's clock and calendar on the Unix clock and from 1970-01-01.
const (
	microsTo2000 = 946684800 * 1_000_000
	daysTo2000   = 10957
)

// CustomerSpan is the range of numbers in use: 1 <= no < the end given, and about how many customers there are.
func (tx *Tx) CustomerSpan(ctx context.Context) (end, customers int64, err error) {
	err = tx.tx.QueryRow(ctx, `SELECT coalesce(max(no), 0) + 1, count(*) FROM customers`).Scan(&end, &customers)
	if err != nil {
		return 0, 0, fmt.Errorf("counting customers: %w", err)
	}
	return end, customers, nil
}

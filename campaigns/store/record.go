package store

import (
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

// column is where a name that rules know is read from.
type column struct {
	sql  string
	kind kind
}

// profileColumns are the names of a customer that are stored, besides registered attributes. c is customers, f figures.
func profileColumns() map[string]column {
	columns := map[string]column{
		"birthday": {"c.birthday - DATE '1970-01-01'", asDate}, "tier_until": {"c.tier_until - DATE '1970-01-01'", asDate},
		"tier_shortfall": {"c.tier_shortfall", asFloat}, "registered_at": {"c.registered_at", asTime},
		"sms_consent": {"c.sms_consent", asBool}, "email_consent": {"c.email_consent", asBool}, "tags": {"c.tags", asTexts},
		"email_hash": {"c.email_hash", asBytes}, "phone_hash": {"c.phone_hash", asBytes},
		"has_email": {"c.email_hash IS NOT NULL", asBool}, "has_phone": {"c.phone_hash IS NOT NULL", asBool},
		"purchase_count": {"coalesce(f.purchase_count, 0)::bigint", asInt}, "total_spend": {"coalesce(f.total_spend, 0)", asInt},
		"lifetime_points":   {"coalesce(f.lifetime_points, 0)", asInt},
		"first_purchase_at": {"f.first_purchase_at", asTime}, "last_purchase_at": {"f.last_purchase_at", asTime},
	}
	for _, name := range []string{"id", "name", "gender", "city", "language", "timezone", "tier", "email", "phone"} {
		columns[name] = column{"c." + name, asText}
	}
	return columns
}

func attributeColumn(a campaigns.Attribute) column {
	kinds := map[string]kind{"int": asInt, "money": asInt, "number": asFloat, "bool": asBool, "date": asDate, "time": asTime, "text_list": asTexts, "text": asText}
	sql := "c." + a.Column
	if a.Type == "date" {
		sql += " - DATE '1970-01-01'"
	}
	return column{sql, kinds[a.Type]}
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
	known := profileColumns()
	attributes, err := tx.Attributes(ctx)
	if err != nil {
		return err
	}
	for _, a := range attributes {
		if !a.IsEventProperty() {
			known[a.Name] = attributeColumn(a)
		}
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

// history is how one of a customer's lists is read: its fields, where from, and the order in (at, id).
type history struct {
	names   []string
	columns []column
	from    string
	order   string
}

func histories() map[string]history {
	at := column{"p.at", asTime}
	return map[string]history{
		"purchases": {[]string{"at", "order_id", "store", "amount"}, []column{at, {"p.order_id", asText}, {"p.store", asText}, {"p.amount - p.refunded", asInt}},
			"purchases p", "p.at, p.order_id"},
		"items": {[]string{"at", "sku", "brand", "category", "qty", "amount"},
			[]column{at, {"l.sku", asText}, {"l.brand", asText}, {"l.category", asText}, {"l.qty::bigint", asInt}, {"l.amount", asInt}},
			"purchases p CROSS JOIN LATERAL unnest(coalesce(p.net_lines, p.lines)) WITH ORDINALITY AS l(sku, brand, category, qty, amount, line)", "p.at, p.order_id, l.line"},
		"lots": {[]string{"earned_on", "active_from", "last_valid_on", "points", "remaining"},
			[]column{{"p.earned_on - DATE '1970-01-01'", asDate}, {"p.active_from - DATE '1970-01-01'", asDate}, {"p.last_valid_on - DATE '1970-01-01'", asDate},
				{"p.points", asInt}, {"p.remaining", asInt}}, "lots p", "p.earned_on, p.lot_id"},
		"events": {[]string{"at", "name", "props"}, []column{at, {"p.name", asText}, {"p.props::text", asJSON}}, "events p", "p.at, p.event_id"},
		"messages": {[]string{"campaign", "channel", "sent_at", "ghost"},
			[]column{{"v.definition->>'name'", asText}, {"p.channel", asText}, {"p.finished_at", asTime}, {"p.ghost", asBool}},
			"messages p JOIN campaign_versions v ON v.campaign_id = p.campaign_id AND v.version = p.version AND p.status IN ('sent', 'delivered', 'bounced', 'unknown', 'ghost')",
			"p.finished_at, p.id"},
		"redemptions": {[]string{"at", "offer", "campaign", "discount"},
			[]column{at, {"r.definition->>'name'", asText}, {"v.definition->>'name'", asText}, {"p.discount", asInt}},
			`redemption_offers p JOIN offers o ON o.id = p.offer_id JOIN offer_revisions r ON r.offer_id = o.id AND r.revision = o.revision AND p.reversed_at IS NULL
			LEFT JOIN campaigns k ON k.id = p.campaign_id LEFT JOIN campaign_versions v ON v.campaign_id = k.id AND v.version = k.version`, "p.at, p.order_id"},
		"coupons": {[]string{"offer", "campaign", "issued_at", "expires_at", "used_at", "state"},
			[]column{{"r.definition->>'name'", asText}, {"v.definition->>'name'", asText}, {"p.issued_at", asTime}, {"p.expires_at", asTime}, {"p.used_at", asTime},
				{"CASE WHEN p.uses >= p.uses_max THEN 'used' WHEN p.expires_at <= $3 THEN 'lapsed' ELSE 'open' END", asText}},
			`coupons p JOIN offer_revisions r ON r.offer_id = p.offer_id AND r.revision = p.offer_revision
			LEFT JOIN campaigns k ON k.id = p.campaign_id LEFT JOIN campaign_versions v ON v.campaign_id = k.id AND v.version = k.version`, "p.issued_at, p.code"},
	}
}

// HistoryFields are the names of a history's fields, in the order in which EachRow gives them.
func HistoryFields(name string) []string { return histories()[name].names }

// EachRow gives the rows of a history of the customers of a span, in order of no and then (at, id), with values as in
// EachCustomer; properties of events come as map[string]any. at is the evaluation's instant.
func (tx *Tx) EachRow(ctx context.Context, span Span, name string, at time.Time, each func(no int64, values []any) error) error {
	h, ok := histories()[name]
	if !ok {
		return fmt.Errorf("reading histories: there is no history %q", name)
	}
	where, args := span.where("p")
	if slices.ContainsFunc(h.columns, func(c column) bool { return strings.Contains(c.sql, "$3") }) {
		args = append(args, at)
	}
	return tx.each(ctx, name, h.columns, " FROM "+h.from+" WHERE "+where+" ORDER BY p.no, "+h.order, "p.no", args, each)
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
		return int32(binary.BigEndian.Uint32(raw)), nil
	case asTime:
		micros := int64(binary.BigEndian.Uint64(raw))
		return time.UnixMicro(micros + microsTo2000).UTC(), nil
	case asBytes:
		return slices.Clone(raw), nil
	case asJSON:
		var props map[string]any
		err := json.Unmarshal(raw, &props)
		return props, err
	}
	var texts []string
	err := types.Scan(pgtype.TextArrayOID, pgtype.BinaryFormatCode, raw, &texts)
	return texts, err
}

// microsTo2000 is the start of PostgreSQL's clock on the Unix clock.
const microsTo2000 = 946684800 * 1_000_000

// CustomerSpan is the range of numbers in use: 1 <= no < the end given, and about how many customers there are.
func (tx *Tx) CustomerSpan(ctx context.Context) (end, customers int64, err error) {
	err = tx.tx.QueryRow(ctx, `SELECT coalesce(max(no), 0) + 1, count(*) FROM customers`).Scan(&end, &customers)
	if err != nil {
		return 0, 0, fmt.Errorf("counting customers: %w", err)
	}
	return end, customers, nil
}

package store

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"beckon/campaigns"
)

// PropertyPrefix begins the name of a field of events that is one property; it comes as the property's JSON.
const PropertyPrefix = "props."

// CopyCustomers streams, in PostgreSQL's binary COPY format, a customer's number (bigint) and the named columns as they are
// kept: int and money as bigint, number as double precision, date, timestamptz, boolean, text, text[]. The zero Span is
// everybody, in the table's own order; w is given pieces of any size, which it must not keep.
func (tx *Tx) CopyCustomers(ctx context.Context, names []string, span Span, w io.Writer) error {
	known, err := tx.knownColumns(ctx)
	if err != nil {
		return err
	}
	list, figures := "c.no", false
	for _, name := range names {
		c, ok := known[name]
		if !ok {
			return fmt.Errorf("copying customers: there is no column %q", name)
		}
		list += ", " + c.sql
		figures = figures || strings.Contains(c.sql, "f.")
	}
	from := "customers c"
	if figures {
		from += " LEFT JOIN customer_figures f ON f.no = c.no" + span.literal(" AND ", "f")
	}
	return tx.copyTo(ctx, "customers", list+" FROM "+from+span.literal(" WHERE ", "c"), w)
}

// CopyHistory streams the rows of a history as CopyCustomers does those of customers: the customer's number, the fields,
// and, when keys is set, the parts of (at, id) that HistoryKeys tells of. The rows are in no order.
func (tx *Tx) CopyHistory(ctx context.Context, name string, fields []string, keys bool, span Span, w io.Writer) error {
	source, ok := campaigns.HistorySource(name)
	if !ok {
		return fmt.Errorf("copying histories: there is no history %q", name)
	}
	h := histories()[name]
	list := "p.no"
	for _, field := range fields {
		property, is := strings.CutPrefix(field, PropertyPrefix)
		if is && name == "events" {
			list += ", (p.props->'" + strings.ReplaceAll(property, "'", "''") + "')::text"
			continue
		}
		if c, known := source.Column(field); !known || c.Derived {
			return fmt.Errorf("copying %s: there is no field %q", name, field)
		}
		list += ", " + h.sql(field)
	}
	for _, key := range h.order {
		if keys {
			list += ", " + key.sql
		}
	}
	return tx.copyTo(ctx, name, list+" FROM "+h.from+span.literal(" WHERE ", "p"), w)
}

// HistoryKeys says, for each part of a history's (at, id), whether it is text, which goes by code point; the others are
// whole numbers in big-endian order of 4 or 8 bytes.
func HistoryKeys(name string) []bool {
	var texts []bool
	for _, key := range histories()[name].order {
		texts = append(texts, key.text)
	}
	return texts
}

// NamesElsewhere says whether some fields of a history are names of offers and campaigns as they are now, which can change
// without a change of the customer.
func NamesElsewhere(history, field string) bool {
	return histories()[history].named && (field == "offer" || field == "campaign")
}

// literal is the condition of a span as text, because COPY takes no parameters; nothing for everybody.
func (s Span) literal(before, alias string) string {
	switch {
	case s.Nos != nil:
		var list strings.Builder
		for i, no := range s.Nos {
			if i > 0 {
				list.WriteByte(',')
			}
			list.WriteString(strconv.FormatInt(no, 10))
		}
		return before + alias + ".no = ANY ('{" + list.String() + "}'::bigint[])"
	case s.To > 0:
		return fmt.Sprintf("%s%s.no >= %d AND %s.no < %d", before, alias, s.From, alias, s.To)
	}
	return ""
}

func (tx *Tx) copyTo(ctx context.Context, what, query string, w io.Writer) error {
	if _, err := tx.tx.Conn().PgConn().CopyTo(ctx, w, "COPY (SELECT "+query+") TO STDOUT (FORMAT binary)"); err != nil {
		return fmt.Errorf("copying %s: %w", what, err)
	}
	return nil
}

// RowsAbout is about how many rows a history has, or customers for "customers": what PostgreSQL counted last, or guessed
// from the size where it never did.
func (tx *Tx) RowsAbout(ctx context.Context, name string) (int64, error) {
	table := name
	switch name {
	case "items":
		table = "purchases"
	case "redemptions":
		table = "redemption_offers"
	}
	var rows int64
	err := tx.tx.QueryRow(ctx, `SELECT coalesce(sum(CASE WHEN c.reltuples >= 0 THEN c.reltuples ELSE pg_relation_size(c.oid) / 100 END), 0)::bigint
		FROM pg_class c WHERE c.relkind = 'r' AND (c.oid = $1::regclass OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = $1::regclass))`, table).Scan(&rows)
	if err != nil {
		return 0, fmt.Errorf("estimating %s: %w", name, err)
	}
	return rows, nil
}

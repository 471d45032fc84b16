package store

import (
	"encoding/binary"
	"math"
	"time"
)

// StageRow is one row for COPY in PostgreSQL's binary format
// (https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"). It is reused from row to row.
//
// Why by hand: COPY in text would have to be escaped here and parsed there, and the driver's own binary COPY takes each
// value as an interface, which allocates; rows come by the million.
type StageRow struct{ bytes []byte }

// Reset begins a row.
func (r *StageRow) Reset() { r.bytes = r.bytes[:0] }

// Null adds a missing value.
func (r *StageRow) Null() { r.bytes = append(r.bytes, 0xff, 0xff, 0xff, 0xff) }

// Text adds a text, also as jsonb's input by Staged's cast.
func (r *StageRow) Text(text string) {
	r.bytes = append(appendInt32(r.bytes, int32(len(text))), text...)
}

// TextOrNull adds a text, and a missing value for an empty one.
func (r *StageRow) TextOrNull(text string) {
	if text == "" {
		r.Null()
		return
	}
	r.Text(text)
}

// Bytes adds a bytea, missing when nil.
func (r *StageRow) Bytes(value []byte) {
	if value == nil {
		r.Null()
		return
	}
	r.bytes = append(appendInt32(r.bytes, int32(len(value))), value...)
}

// Int4 adds an integer.
func (r *StageRow) Int4(value int32) { r.bytes = appendInt32(appendInt32(r.bytes, 4), value) }

// Int8 adds a bigint.
func (r *StageRow) Int8(value int64) {
	r.bytes = binary.BigEndian.AppendUint64(appendInt32(r.bytes, 8), uint64(value))
}

// Float8 adds a double precision.
func (r *StageRow) Float8(value float64) { r.Int8(int64(math.Float64bits(value))) }

// Bool adds a boolean.
func (r *StageRow) Bool(value bool) {
	b := byte(0)
	if value {
		b = 1
	}
	r.bytes = append(appendInt32(r.bytes, 1), b)
}

// postgresEpoch is where PostgreSQL counts its times and days from: 2000-01-01, in Unix seconds.
const postgresEpoch = 946_684_800

// Time adds a timestamptz in whole seconds.
func (r *StageRow) Time(at time.Time) { r.Int8((at.Unix() - postgresEpoch) * 1_000_000) }

// Date adds the calendar day of a midnight in UTC.
func (r *StageRow) Date(day time.Time) {
	r.Int4(int32((day.Unix() - postgresEpoch) / 86_400)) // both are multiples of a day
}

// Texts adds a text[], missing when empty.
func (r *StageRow) Texts(values []string) {
	if len(values) == 0 {
		r.Null()
		return
	}
	start := len(r.bytes)
	r.bytes = appendArrayHead(append(r.bytes, 0, 0, 0, 0), len(values), oidText)
	for _, value := range values {
		r.Text(value)
	}
	binary.BigEndian.PutUint32(r.bytes[start:], uint32(len(r.bytes)-start-4))
}

// Lines adds a purchase_line[].
func (r *StageRow) Lines(lines *StageLines) {
	r.bytes = appendInt32(r.bytes, int32(20+len(lines.bytes)))
	r.bytes = append(appendArrayHead(r.bytes, lines.Len, lines.oid), lines.bytes...)
}

// StageLines gathers the lines of one purchase. The zero value is made ready by Stage.Lines.
type StageLines struct {
	Len   int
	bytes []byte
	oid   uint32
}

// Reset begins the lines of another purchase.
func (l *StageLines) Reset() { l.Len, l.bytes = 0, l.bytes[:0] }

// Add adds one line; empty texts are missing values.
func (l *StageLines) Add(sku, brand, category string, qty int32, amount int64) {
	start := len(l.bytes)
	l.bytes = appendInt32(append(l.bytes, 0, 0, 0, 0), 5)
	for _, text := range [...]string{sku, brand, category} {
		l.bytes = appendInt32(l.bytes, oidText)
		if text == "" {
			l.bytes = append(l.bytes, 0xff, 0xff, 0xff, 0xff)
		} else {
			l.bytes = append(appendInt32(l.bytes, int32(len(text))), text...)
		}
	}
	l.bytes = appendInt32(appendInt32(appendInt32(l.bytes, oidInt4), 4), qty)
	l.bytes = binary.BigEndian.AppendUint64(appendInt32(appendInt32(l.bytes, oidInt8), 8), uint64(amount))
	binary.BigEndian.PutUint32(l.bytes[start:], uint32(len(l.bytes)-start-4))
	l.Len++
}

// Numbers of PostgreSQL's built-in types.
const (
	oidText = 25
	oidInt4 = 23
	oidInt8 = 20
)

func appendArrayHead(b []byte, n int, oid uint32) []byte {
	b = appendInt32(appendInt32(b, 1), 0) // one dimension, no missing elements
	b = binary.BigEndian.AppendUint32(b, oid)
	return appendInt32(appendInt32(b, int32(n)), 1)
}

func appendInt32(b []byte, value int32) []byte {
	return binary.BigEndian.AppendUint32(b, uint32(value))
}

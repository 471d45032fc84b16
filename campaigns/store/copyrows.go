package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"beckon/campaigns"
)

// copyRows gathers whole rows for one COPY in PostgreSQL's binary format; see StageRow for why by hand.
type copyRows struct {
	StageRow
	fields int
}

// newCopyRows has room for so many rows of a number of fields.
func newCopyRows(rows, fields int) *copyRows {
	c := &copyRows{fields: fields}
	c.bytes = append(make([]byte, 0, 32+rows*fields*24), "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...)
	return c
}

// begin begins a row: each field is added once after it.
func (c *copyRows) begin() { c.bytes = binary.BigEndian.AppendUint16(c.bytes, uint16(c.fields)) }

func (c *copyRows) id(id campaigns.ID) { c.bytes = append(appendInt32(c.bytes, 16), id[:]...) }

func (c *copyRows) idOrNull(id *campaigns.ID) {
	if id == nil {
		c.Null()
		return
	}
	c.id(*id)
}

func (c *copyRows) int2(value int16) {
	c.bytes = binary.BigEndian.AppendUint16(appendInt32(c.bytes, 2), uint16(value))
}

// micros adds a timestamptz to the microsecond, missing for the zero time.
func (c *copyRows) micros(at time.Time) {
	if at.IsZero() {
		c.Null()
		return
	}
	c.Int8(at.UnixMicro() - postgresEpoch*1_000_000)
}

// json adds a jsonb, missing when nil.
func (c *copyRows) json(text []byte) {
	if text == nil {
		c.Null()
		return
	}
	const version = 1 // of jsonb's binary format
	c.bytes = append(append(appendInt32(c.bytes, int32(len(text)+1)), version), text...)
}

// copyIn writes the rows; columns is a list as SQL has it.
func (tx *Tx) copyIn(ctx context.Context, doing, table, columns string, rows *copyRows) error {
	rows.bytes = binary.BigEndian.AppendUint16(rows.bytes, 0xffff)
	_, err := tx.tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(rows.bytes), "COPY "+table+" ("+columns+") FROM STDIN (FORMAT binary)")
	if err != nil {
		return fmt.Errorf("%s: %w", doing, err)
	}
	return nil
}

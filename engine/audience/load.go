package audience

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"time"

	"beckon/engine/rules"
)

// tuples reads PostgreSQL's binary COPY format as it comes, in pieces of any size, and gives row the number in a tuple's
// first field and the raw bytes of the others, nil for missing. Both are valid until row returns.
// Source: https://www.postgresql.org/docs/current/sql-copy.html, Binary Format.
type tuples struct {
	row    func(no int64, fields [][]byte) error
	begun  bool
	rest   []byte // the beginning of what has not come whole
	fields [][]byte
}

// Write takes the next piece.
func (t *tuples) Write(piece []byte) (int, error) {
	p := piece
	if len(t.rest) > 0 {
		t.rest = append(t.rest, piece...)
		p = t.rest
	}
	if !t.begun {
		const signature = "PGCOPY\n\xff\r\n\x00"
		if len(p) < len(signature)+8 {
			t.rest = append(t.rest[:0], p...)
			return len(piece), nil
		}
		if string(p[:len(signature)]) != signature {
			return 0, errors.New("this is no binary copy")
		}
		t.begun = true
		p = p[len(signature)+8:] // flags, and an extension whose length has always been 0
	}
	for {
		used, err := t.tuple(p)
		if err != nil {
			return 0, err
		}
		if used == 0 {
			break
		}
		p = p[used:]
	}
	t.rest = append(t.rest[:0], p...)
	return len(piece), nil
}

// tuple reads one and gives its length, 0 when it has not come whole or the end has come.
func (t *tuples) tuple(p []byte) (int, error) {
	if len(p) < 2 {
		return 0, nil
	}
	n := int(int16(binary.BigEndian.Uint16(p)))
	at := 2
	t.fields = t.fields[:0]
	for range n {
		if len(p) < at+4 {
			return 0, nil
		}
		size := int(int32(binary.BigEndian.Uint32(p[at:])))
		at += 4
		if size < 0 {
			t.fields = append(t.fields, nil)
			continue
		}
		if len(p) < at+size {
			return 0, nil
		}
		t.fields = append(t.fields, p[at:at+size:at+size])
		at += size
	}
	if n <= 0 {
		return 0, nil
	}
	return at, t.row(int64(binary.BigEndian.Uint64(t.fields[0])), t.fields[1:])
}

// A putter sets entry i of a column to a raw value that is not missing. index is the column's, for texts.
type putter func(c *column, i int, raw []byte, index *textIndex)

func putterOf(kind rules.Type) putter {
	switch kind {
	case rules.Bool:
		return func(c *column, i int, raw []byte, _ *textIndex) { c.setBool(i, raw[0] != 0) }
	case rules.Number:
		return func(c *column, i int, raw []byte, _ *textIndex) {
			c.setNumber(i, math.Float64frombits(binary.BigEndian.Uint64(raw)))
		}
	case rules.Text:
		return func(c *column, i int, raw []byte, index *textIndex) { c.setCode(i, index.code(raw)) }
	case rules.DateType:
		return putDate
	case rules.Time:
		return putTime
	}
	return func(c *column, i int, raw []byte, _ *textIndex) { c.setInt(i, int64(binary.BigEndian.Uint64(raw))) }
}

// The start of PostgreSQL's calendar and clock, counted in Unix's.
const (
	daysTo2000    = 10957
	secondsTo2000 = 946684800
	micros        = 1_000_000
)

func putDate(c *column, i int, raw []byte, _ *textIndex) {
	days := int32(binary.BigEndian.Uint32(raw))
	if days == math.MaxInt32 || days == math.MinInt32 { // infinity
		c.setMissing(i)
		return
	}
	c.setInt(i, int64(days)+daysTo2000)
}

// putTime drops fractions of a second, towards the past, and what is beyond the times that rules know: infinity too.
func putTime(c *column, i int, raw []byte, _ *textIndex) {
	at := int64(binary.BigEndian.Uint64(raw))
	second := at / micros
	if at%micros < 0 {
		second--
	}
	second += secondsTo2000
	if !rules.InRange(second) {
		c.setMissing(i)
		return
	}
	c.setInt(i, second)
}

// propertyPutter reads an event's property from its JSON, as a rule would.
func propertyPutter(kind rules.Type, digits int) putter {
	read := rules.PropReader(kind, digits)
	return func(c *column, i int, raw []byte, index *textIndex) {
		decoder := json.NewDecoder(strings.NewReader(string(raw)))
		decoder.UseNumber()
		var decoded any
		if decoder.Decode(&decoded) != nil {
			c.setMissing(i)
			return
		}
		c.setValue(i, read(decoded), index)
	}
}

// setValue sets an entry to a value as a rules.Record has it.
func (c *column) setValue(i int, value any, index *textIndex) {
	switch v := value.(type) {
	case bool:
		c.setBool(i, v)
	case int64:
		c.setInt(i, v)
	case float64:
		c.setNumber(i, v)
	case string:
		c.setCode(i, index.code([]byte(v)))
	case rules.Date:
		c.setInt(i, int64(v))
	case time.Time:
		c.setInt(i, v.Unix())
	default:
		c.setMissing(i)
	}
}

// eachText calls put with the elements of a raw text[]; missing elements are left out.
func eachText(raw []byte, put func(text []byte)) {
	if len(raw) < 12 {
		return
	}
	n, at := 1, 12 // the number of dimensions, a flag and the type of the elements come first
	for range binary.BigEndian.Uint32(raw) {
		n *= int(binary.BigEndian.Uint32(raw[at:]))
		at += 8
	}
	if at == 12 {
		return
	}
	for range n {
		size := int(int32(binary.BigEndian.Uint32(raw[at:])))
		at += 4
		if size >= 0 {
			put(raw[at : at+size])
			at += size
		}
	}
}

// appendKey appends a part of (at, id) in bytes that sort as the values do.
func appendKey(key, raw []byte, isText bool) []byte {
	switch {
	case raw == nil:
		return append(key, 0xff, 0xff)
	case isText:
		return append(append(key, raw...), 0)
	}
	return append(append(key, raw[0]^0x80), raw[1:]...)
}

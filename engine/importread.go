package engine

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strings"

	"beckon/campaigns"
)

// rowBytesMax is the most that one row of a file may have; a longer one is rejected.
const rowBytesMax = 1 << 20

// errRowTooLong says that a row does not fit.
var errRowTooLong = errors.New("is longer than 1 MB")

// importBody unpacks gzip, which it knows by its first bytes, and leaves out a byte order mark.
func importBody(body io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(body, 64<<10)
	head, _ := in.Peek(3)
	if len(head) >= 2 && head[0] == 0x1f && head[1] == 0x8b {
		unpacked, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("reading gzip: %w", err)
		}
		in = bufio.NewReaderSize(&ceiling{unpacked, importUnpackedMax}, 64<<10)
		head, _ = in.Peek(3)
	}
	if bytes.Equal(head, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3)
	}
	return in, nil
}

// importUnpackedMax is the most bytes that a packed file may unpack to: packed, thousands of times as much arrives in a
// small upload.
const importUnpackedMax = 100 << 30

// ceiling reads up to so many bytes and then fails, where a plain limit would end the file as if it were whole.
type ceiling struct {
	from io.Reader
	left int64
}

// Read reads from beneath.
func (c *ceiling) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, campaigns.Invalid("file", "unpacks to more than %d GB: split it", int64(importUnpackedMax>>30))
	}
	n, err := c.from.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// rowBuffer holds the part of a file that is being read: one row, and what was read ahead.
type rowBuffer struct {
	in         io.Reader
	bytes      []byte
	start, end int
	done       bool  // in has no more
	err        error // why, if not because it ended
}

func newRowBuffer(in io.Reader) *rowBuffer { return &rowBuffer{in: in, bytes: make([]byte, 256<<10)} }

// lineEnd is where the line ends that begins at an offset from the buffer's start: at its line break, or at the end of
// the file. It reads as much as that takes; errRowTooLong when that is more than a row may have.
func (b *rowBuffer) lineEnd(offset int) (int, error) {
	for seen := offset; ; {
		if i := bytes.IndexByte(b.bytes[b.start+seen:b.end], '\n'); i >= 0 {
			return seen + i, nil
		}
		seen = b.end - b.start
		if b.done {
			return seen, b.err
		}
		if seen > rowBytesMax {
			return 0, errRowTooLong
		}
		b.fill()
	}
}

func (b *rowBuffer) fill() {
	if b.start > 0 {
		copy(b.bytes, b.bytes[b.start:b.end])
		b.start, b.end = 0, b.end-b.start
	}
	if b.end == len(b.bytes) {
		b.bytes = append(b.bytes, make([]byte, len(b.bytes))...)
	}
	n, err := b.in.Read(b.bytes[b.end:])
	b.end += n
	if err != nil {
		b.done = true
		if !errors.Is(err, io.EOF) {
			b.err = err
		}
	}
}

// take gives the bytes up to a line's end and moves behind its line break.
func (b *rowBuffer) take(end int) []byte {
	line := b.bytes[b.start : b.start+end]
	b.start = min(b.start+end+1, b.end)
	return line
}

// skipLine moves behind the next line break, however far that is.
func (b *rowBuffer) skipLine() error {
	for {
		if i := bytes.IndexByte(b.bytes[b.start:b.end], '\n'); i >= 0 {
			b.start += i + 1
			return nil
		}
		b.start = b.end
		if b.done {
			return b.err
		}
		b.fill()
	}
}

// brokenRow is a row that cannot be read. Cells is what its first line may have meant.
type brokenRow struct {
	reason string
	cells  []string
}

func (e *brokenRow) Error() string { return e.reason }

// csvRows reads records of RFC 4180, with line breaks and doubled quotes in quoted cells.
//
// Why not encoding/csv: after a quote that is never closed it takes the rest of the file for one cell, so that one bad
// row costs all that follow and the memory for them. Here such a row is rejected and reading goes on with the next line.
type csvRows struct {
	in      *rowBuffer
	cells   []string
	scratch []byte
	ends    []int
	broken  int
}

// quotesMax is after how many broken quotes a file is no more searched for their ends beyond the line.
const quotesMax = 100

// next gives the cells of the next record, valid until the one after it; io.EOF at the end, *brokenRow for a record that
// cannot be read.
func (r *csvRows) next() ([]string, error) {
	for {
		end, err := r.in.lineEnd(0)
		if errors.Is(err, errRowTooLong) {
			broken := r.cannotRead(err.Error(), 1000)
			return nil, errors.Join(r.in.skipLine(), broken)
		}
		if err != nil {
			return nil, err
		}
		if end == 0 && r.in.start == r.in.end {
			return nil, io.EOF
		}
		if bytes.IndexByte(r.in.bytes[r.in.start:r.in.start+end], '"') >= 0 {
			return r.quoted(end)
		}
		line := bytes.TrimSuffix(r.in.take(end), []byte("\r"))
		if len(line) > 0 {
			return r.split(string(line)), nil
		}
	}
}

func (r *csvRows) split(line string) []string {
	r.cells = r.cells[:0]
	for {
		i := strings.IndexByte(line, ',')
		if i < 0 {
			r.cells = append(r.cells, line)
			return r.cells
		}
		r.cells = append(r.cells, line[:i])
		line = line[i+1:]
	}
}

// cannotRead is the error for the record at the buffer's start, whose first line has so many bytes.
func (r *csvRows) cannotRead(reason string, first int) *brokenRow {
	first = min(first, r.in.end-r.in.start, 4096)
	line := string(bytes.TrimSuffix(r.in.bytes[r.in.start:r.in.start+first], []byte("\r")))
	return &brokenRow{reason: reason, cells: r.split(line)}
}

// quoted reads a record that has a quote in its first line, which ends at first.
func (r *csvRows) quoted(first int) ([]string, error) {
	r.scratch, r.ends = r.scratch[:0], r.ends[:0]
	at, end := 0, first
	for {
		var reason string
		var more bool
		if b := r.in.bytes[r.in.start:]; at < end && b[at] == '"' {
			at, end, reason = r.quotedCell(at+1, end)
			b = r.in.bytes[r.in.start:]
			if reason == "" && at < end && b[at] == ',' {
				more = true
			} else if reason == "" && at < end && !(b[at] == '\r' && at == end-1) {
				reason = "has a quote inside a quoted cell: write it twice"
			}
			at++
		} else {
			cell := bytes.TrimSuffix(b[at:end], []byte("\r"))
			if i := bytes.IndexByte(cell, ','); i >= 0 {
				cell, more = cell[:i], true
			}
			if bytes.IndexByte(cell, '"') >= 0 {
				reason = "has a quote inside a cell that does not begin with one"
			}
			r.scratch = append(r.scratch, cell...)
			at += len(cell) + 1
		}
		if reason != "" {
			r.broken++
			broken := r.cannotRead(reason, first)
			r.in.take(first)
			return nil, broken
		}
		r.ends = append(r.ends, len(r.scratch))
		if !more {
			break
		}
	}
	r.in.take(end)
	text, from := string(r.scratch), 0
	r.cells = r.cells[:0]
	for _, to := range r.ends {
		r.cells = append(r.cells, text[from:to])
		from = to
	}
	return r.cells, nil
}

// quotedCell reads a cell from behind its first quote, over line breaks where it has them, and gives the place behind its
// last quote and the end of the line that it stands in.
func (r *csvRows) quotedCell(at, end int) (int, int, string) {
	for {
		b := r.in.bytes[r.in.start:]
		i := bytes.IndexByte(b[at:end], '"')
		if i >= 0 {
			r.scratch = append(r.scratch, b[at:at+i]...)
			at += i + 1
			if at >= end || b[at] != '"' {
				return at, end, ""
			}
			r.scratch = append(r.scratch, '"')
			at++
			continue
		}
		r.scratch = append(append(r.scratch, bytes.TrimSuffix(b[at:end], []byte("\r"))...), '\n')
		const open = "has a quote that is never closed"
		if r.broken > quotesMax || r.in.start+end >= r.in.end {
			return at, end, open
		}
		next, err := r.in.lineEnd(end + 1)
		if err != nil {
			return at, end, open // a failure to read comes again with the next record
		}
		at, end = end+1, next
	}
}

// lineRows reads lines, for NDJSON.
type lineRows struct {
	in     *rowBuffer
	number int64
}

// next gives the next line that is not blank, valid until the one after it.
func (r *lineRows) next() ([]byte, error) {
	for {
		end, err := r.in.lineEnd(0)
		r.number++
		if errors.Is(err, errRowTooLong) {
			return nil, errors.Join(r.in.skipLine(), &brokenRow{reason: err.Error()})
		}
		if err != nil {
			return nil, err
		}
		if end == 0 && r.in.start == r.in.end {
			return nil, io.EOF
		}
		if line := bytes.TrimSpace(r.in.take(end)); len(line) > 0 {
			return line, nil
		}
	}
}

package engine

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

func records(t interface{ Fatal(...any) }, in io.Reader) (rows [][]string, broken []string) {
	r := &csvRows{in: newRowBuffer(in)}
	for {
		cells, err := r.next()
		var b *brokenRow
		switch {
		case errors.Is(err, io.EOF):
			return rows, broken
		case errors.As(err, &b):
			broken = append(broken, b.reason)
		case err != nil:
			t.Fatal(err)
		default:
			rows = append(rows, append([]string(nil), cells...))
		}
	}
}

// TestRecordsAreThoseThatTheStandardLibraryReads writes random tables as CSV and reads them both ways, however the bytes
// arrive.
func TestRecordsAreThoseThatTheStandardLibraryReads(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cell := rapid.StringMatching(`[ab,"\n\r é]{0,6}`)
		table := rapid.SliceOfN(rapid.SliceOfN(cell, 2, 4), 0, 6).Draw(t, "table")
		var file bytes.Buffer
		w := csv.NewWriter(&file)
		w.UseCRLF = rapid.Bool().Draw(t, "crlf")
		if err := w.WriteAll(table); err != nil {
			t.Fatal(err)
		}
		standard := csv.NewReader(bytes.NewReader(file.Bytes()))
		standard.FieldsPerRecord = -1
		want, err := standard.ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		got, broken := records(t, iotest.HalfReader(&file))
		if len(broken) > 0 || (len(want)+len(got) > 0 && !reflect.DeepEqual(got, want)) {
			t.Fatalf("read %q (broken %q), want %q", got, broken, want)
		}
	})
}

// TestAnyBytesAreReadToTheirEnd feeds rubbish: every record comes, or is broken, and reading ends.
func TestAnyBytesAreReadToTheirEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a,"\n\r]{0,60}`).Draw(t, "text")
		rows, broken := records(t, strings.NewReader(text))
		if len(rows)+len(broken) > strings.Count(text, "\n")+1 {
			t.Fatalf("%d rows and %d broken ones of %q", len(rows), len(broken), text)
		}
	})
}

func TestAQuoteThatIsNeverClosedCostsItsRowOnly(t *testing.T) {
	var file strings.Builder
	file.WriteString("1,a\n2,\"never closed\n3,c\n")
	for range 40_000 {
		file.WriteString("4,some more rows of this file\n")
	}
	rows, broken := records(t, strings.NewReader(file.String()))
	if len(rows) != 40_002 || len(broken) != 1 || broken[0] != "has a quote that is never closed" || rows[1][1] != "c" {
		t.Errorf("%d rows, broken %q", len(rows), broken)
	}
}

func TestARowOverAMegabyteIsBrokenAndTheRestGoesOn(t *testing.T) {
	file := "1,a\n2," + strings.Repeat("x", 3<<20) + "\n3,\"" + strings.Repeat("y", 2<<20) + "\"\n4,d"
	rows, broken := records(t, strings.NewReader(file))
	if len(rows) != 2 || rows[1][0] != "4" || len(broken) != 2 {
		t.Errorf("%d rows, broken %q", len(rows), broken)
	}
	in := newRowBuffer(strings.NewReader(file))
	r := &csvRows{in: in}
	for {
		if _, err := r.next(); errors.Is(err, io.EOF) {
			break
		}
	}
	if len(in.bytes) > 4*rowBytesMax {
		t.Errorf("the buffer grew to %d bytes", len(in.bytes))
	}
}

func TestABodyThatBreaksOffIsAnErrorAndNotTheEnd(t *testing.T) {
	r := &csvRows{in: newRowBuffer(io.MultiReader(strings.NewReader("1,a\n2,"), iotest.ErrReader(io.ErrUnexpectedEOF)))}
	if _, err := r.next(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v", err)
	}
}

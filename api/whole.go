package api

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"slices"
)

// wholeSpan is how many items of a whole list are read at a time.
const wholeSpan = 1000

// An asked listing says what part of a list is meant.
type asked interface{ asked() *Listing }

// whole answers a list that is asked for as a table without a limit with all of it, a span after the other, so that its
// memory does not grow with the list; the filters are those of the page. Any other question it leaves to the list.
func whole[I, T any](s *Server, list func(context.Context, *I) (*listOf[T], error)) func(context.Context, *I) (*listOf[T], error) {
	return func(ctx context.Context, in *I) (*listOf[T], error) {
		l, is := any(in).(asked)
		if !is || !l.asked().isWhole() {
			return list(ctx, in)
		}
		l.asked().Limit = wholeSpan
		first, err := list(ctx, in)
		if err != nil || first.Next == "" {
			return first, err
		}
		return tableOf(ctx, s, first.Body.own, func(give func([]T) error) error {
			for out := first; ; {
				if err := give(out.Body.Items); err != nil || out.Next == "" {
					return err
				}
				l.asked().Cursor = out.Next
				if out, err = list(ctx, in); err != nil {
					return err
				}
			}
		}), nil
	}
}

// tableOf is an answer that is written as a table while each reads it. An answer that began cannot become an error any more:
// a list that breaks off says so in its last line.
func tableOf[T any](ctx context.Context, s *Server, own []string, each func(give func([]T) error) error) *listOf[T] {
	out := &listOf[T]{}
	out.Body.whole = func(w io.Writer) error {
		t := &tableWriter[T]{out: csv.NewWriter(w), columns: append(columnsOf(reflect.TypeFor[T](), ""), own...), open: own == nil && isOpen(reflect.TypeFor[T](), 0)}
		err := each(t.write)
		if t.out.Error() != nil {
			return nil // nobody reads any more
		}
		if err == nil {
			err = t.write(nil) // of an empty list the header
		}
		if err != nil {
			s.log.Error("a table broke off", "request_id", requestID(ctx), "err", err)
			_ = t.out.Write([]string{"the list breaks off here: ask again"}) // Flush's error is that of all writes
		}
		t.out.Flush()
		return nil
	}
	return out
}

// A tableWriter writes a list of which not all is known when its columns are: what the first items have besides those of the
// type become columns too, and what others have stands as JSON in the last one.
type tableWriter[T any] struct {
	out     *csv.Writer
	columns []string
	open    bool // items may have what neither the type nor the list's own columns name
	begun   bool
}

// otherColumn holds what has no column of its own.
const otherColumn = "other"

func (t *tableWriter[T]) write(items []T) error {
	rows, err := cellsOf(items)
	if err != nil {
		return err
	}
	if !t.begun {
		t.begin(rows)
	}
	cells := make([]string, len(t.columns))
	for _, row := range rows {
		for i, column := range t.columns {
			cells[i] = row[column]
			delete(row, column)
		}
		if len(row) > 0 && t.open {
			text, err := json.Marshal(row)
			if err != nil {
				return fmt.Errorf("writing CSV: %w", err)
			}
			cells[len(cells)-1] = string(text)
		}
		_ = t.out.Write(cells) // Flush's error is that of all writes
	}
	t.out.Flush()
	return t.out.Error()
}

func (t *tableWriter[T]) begin(rows []map[string]string) {
	t.begun = true
	t.columns = withFound(t.columns, rows)
	if t.open {
		t.columns = append(t.columns, otherColumn)
	}
	header := make([]string, len(t.columns))
	for i, column := range t.columns {
		header[i] = harmless(column)
	}
	_ = t.out.Write(header) // likewise
}

// withFound are columns with those that rows have besides.
func withFound(columns []string, rows []map[string]string) []string {
	for _, row := range rows {
		for _, column := range sortedKeys(row) {
			if !slices.Contains(columns, column) {
				columns = append(columns, column)
			}
		}
	}
	return columns
}

// cellsOf are items as cells under dotted names.
func cellsOf[T any](items []T) ([]map[string]string, error) {
	rows := make([]map[string]string, len(items))
	for i := range items {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		if err := encoder.Encode(items[i]); err != nil {
			return nil, fmt.Errorf("writing CSV: %w", err)
		}
		rows[i] = map[string]string{}
		if err := flatten(rows[i], "", bytes.TrimSpace(text.Bytes())); err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// isOpen says whether values of a type may have fields that it does not name: those of maps, or of any value at all.
func isOpen(t reflect.Type, depth int) bool {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case isText(t):
		return false
	case t.Kind() == reflect.Map, t.Kind() == reflect.Interface:
		return true
	case t.Kind() != reflect.Struct, depth > 8:
		return false
	}
	for _, f := range reflect.VisibleFields(t) {
		if f.IsExported() && f.Tag.Get("json") != "-" && isOpen(f.Type, depth+1) {
			return true
		}
	}
	return false
}

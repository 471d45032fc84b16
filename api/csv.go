package api

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"
)

// encodeCSV writes a table: a column for each field, those of inner objects under their dotted names. A problem stays
// JSON.
func encodeCSV(w io.Writer, v any) error {
	if whole, is := v.(interface {
		table() func(out io.Writer) error
	}); is && whole.table() != nil {
		return whole.table()(newReader(w, readerIdle))
	}
	t, is := v.(interface{ rows() any })
	if !is {
		return encode(w, v)
	}
	items := reflect.ValueOf(t.rows())
	columns := columnsOf(items.Type().Elem(), "")
	if wide, is := v.(interface{ ownColumns() []string }); is {
		columns = append(columns, wide.ownColumns()...)
	}
	all := make([]any, items.Len())
	for i := range all {
		all[i] = items.Index(i).Interface()
	}
	rows, err := cellsOf(all)
	if err != nil {
		return err
	}
	columns = withFound(columns, rows)
	out := csv.NewWriter(w)
	header := make([]string, len(columns))
	for i, column := range columns {
		header[i] = harmless(column)
	}
	if err := out.Write(header); err != nil {
		return fmt.Errorf("writing CSV: %w", err)
	}
	for _, row := range rows {
		cells := make([]string, len(columns))
		for i, column := range columns {
			cells[i] = row[column]
		}
		if err := out.Write(cells); err != nil {
			return fmt.Errorf("writing CSV: %w", err)
		}
	}
	out.Flush()
	return out.Error()
}

// columnsOf are the columns that a type always has, so that an empty table has its header.
func columnsOf(t reflect.Type, prefix string) (columns []string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if len(f.Index) > 1 && !promoted(t, f) || name == "" || name == "-" {
			continue
		}
		inner := f.Type
		for inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		switch {
		case inner.Kind() == reflect.Struct && !isText(inner):
			columns = append(columns, columnsOf(inner, prefix+name+".")...)
		case inner.Kind() != reflect.Map:
			columns = append(columns, prefix+name)
		}
	}
	return columns
}

// promoted says whether a field of an embedded struct shows as one of the type's own.
func promoted(t reflect.Type, f reflect.StructField) bool {
	for depth := 1; depth < len(f.Index); depth++ {
		if parent := t.FieldByIndex(f.Index[:depth]); !parent.Anonymous || parent.Tag.Get("json") != "" {
			return false
		}
	}
	return true
}

// isText says whether a struct writes itself as one value.
func isText(t reflect.Type) bool {
	marshaler := reflect.TypeFor[json.Marshaler]()
	return t.Implements(marshaler) || reflect.PointerTo(t).Implements(marshaler)
}

// flatten writes a JSON value into cells under dotted names; a customer's own attributes are columns by their names, as
// imports read them.
func flatten(cells map[string]string, name string, raw json.RawMessage) error {
	var object map[string]json.RawMessage
	var list []json.RawMessage
	switch {
	case raw[0] == '{':
		if err := json.Unmarshal(raw, &object); err != nil {
			return fmt.Errorf("writing CSV: %w", err)
		}
		for key, value := range object {
			if err := flatten(cells, strings.TrimPrefix(strings.TrimPrefix(name+"."+key, "."), "attributes."), value); err != nil {
				return err
			}
		}
	case raw[0] == '[':
		if err := json.Unmarshal(raw, &list); err != nil {
			return fmt.Errorf("writing CSV: %w", err)
		}
		cells[name] = joined(list, raw)
	default:
		cells[name] = cell(raw)
	}
	return nil
}

// joined is a list of plain values separated by |, as imports read it; any other list is left as JSON.
func joined(list []json.RawMessage, raw json.RawMessage) string {
	values := make([]string, len(list))
	for i, value := range list {
		if value[0] == '{' || value[0] == '[' {
			return string(raw)
		}
		values[i] = cell(value)
	}
	return strings.Join(values, "|")
}

// cell is a plain value as text.
func cell(raw json.RawMessage) string {
	var text string
	if raw[0] != '"' || json.Unmarshal(raw, &text) != nil {
		return strings.TrimPrefix(string(raw), "null")
	}
	return harmless(text)
}

// harmless puts an apostrophe before what a spreadsheet would take for a formula, also in the full-width forms that it
// reads in East Asia. Phone numbers and negative numbers stay as they are.
func harmless(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	if text != "" && (strings.ContainsRune("=@\t\r\n＝＋－＠", first) || strings.ContainsRune("+-", first) && strings.Trim(text[size:], "0123456789.") != "") {
		return "'" + text
	}
	return text
}

package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"

	"beckon/campaigns"
)

// formats are how bodies are read and written: JSON, and CSV for what is a table.
func formats() map[string]huma.Format {
	asJSON := huma.Format{Marshal: encode, Unmarshal: decode}
	return map[string]huma.Format{"application/json": asJSON, "json": asJSON,
		"text/csv": {Marshal: encodeCSV, Unmarshal: func([]byte, any) error { return huma.ErrUnknownContentType }}}
}

func encode(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// decode reads a body twice, as huma asks for it: into any, to be held against the schema, and into its type. Numbers in
// free-form values keep their digits. The error names the field.
func decode(data []byte, v any) error {
	if generic, is := v.(*any); is {
		return decodeGeneric(data, generic)
	}
	reader := json.NewDecoder(bytes.NewReader(data))
	reader.UseNumber()
	err := reader.Decode(v)
	if err == nil {
		return nil
	}
	if field, message := locate(data, reflect.TypeOf(v).Elem(), ""); message != "" {
		return marked(field, message)
	}
	return marked("body", wordsOf(err))
}

func decodeGeneric(data []byte, v *any) error {
	if !utf8.Valid(data) {
		return marked("body", "is not valid UTF-8")
	}
	err := json.Unmarshal(data, v)
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		line, column := placeOf(data, syntax.Offset)
		return marked("body", fmt.Sprintf("is not JSON: line %d, column %d: %v", line, column, syntax))
	case errors.As(err, &wrong):
		return marked("body", "holds a number that is too large")
	case err != nil:
		return marked("body", "is not JSON: "+err.Error())
	}
	return nil
}

// placeOf is the line and column, counted from 1, before which reading stopped.
func placeOf(data []byte, offset int64) (line, column int) {
	before := data[:min(max(offset-1, 0), int64(len(data)))]
	return bytes.Count(before, []byte("\n")) + 1, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
}

// A mark carries a field through huma, which keeps an error's text alone.
const mark = "\x00"

func marked(field, message string) error { return errors.New(mark + field + mark + message) }

func readMark(text string) (field, message string, ok bool) {
	parts := strings.SplitN(text, mark, 3)
	if len(parts) != 3 {
		return "", "", false
	}
	return parts[1], parts[2], true
}

// locate finds the innermost value that its type refuses, by reading the parts of a refused value one by one. Only a
// body that was refused comes here.
func locate(raw json.RawMessage, t reflect.Type, path string) (field, message string) {
	err := json.Unmarshal(raw, reflect.New(t).Interface())
	if err == nil {
		return "", ""
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if field, message = locateInside(raw, t, path); message != "" {
		return field, message
	}
	if path == "" {
		path = "body"
	}
	return path, wordsOf(err)
}

func locateInside(raw json.RawMessage, t reflect.Type, path string) (field, message string) {
	switch t.Kind() {
	case reflect.Struct:
		var parts map[string]json.RawMessage
		_ = json.Unmarshal(raw, &parts) // no object has no parts
		for _, f := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			part, given := parts[name]
			if !given || name == "" || name == "-" {
				continue
			}
			if field, message = locate(part, f.Type, strings.TrimPrefix(path+"."+name, ".")); message != "" {
				return field, message
			}
		}
	case reflect.Slice:
		var parts []json.RawMessage
		_ = json.Unmarshal(raw, &parts)
		for i, part := range parts {
			if field, message = locate(part, t.Elem(), fmt.Sprintf("%s[%d]", path, i)); message != "" {
				return field, message
			}
		}
	case reflect.Map:
		var parts map[string]json.RawMessage
		_ = json.Unmarshal(raw, &parts)
		for _, name := range sortedKeys(parts) {
			if field, message = locate(parts[name], t.Elem(), strings.TrimPrefix(path+"."+name, ".")); message != "" {
				return field, message
			}
		}
	}
	return "", ""
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func wordsOf(err error) string {
	var ours *campaigns.Error
	var wrong *json.UnmarshalTypeError
	_, inner, isMarked := readMark(err.Error())
	switch {
	case errors.As(err, &ours) && len(ours.Problems) > 0:
		return ours.Problems[0].Message
	case isMarked: // a value that reads itself with decode
		return inner
	case errors.As(err, &wrong) && strings.HasPrefix(wrong.Value, "number "):
		return strings.TrimPrefix(wrong.Value, "number ") + " is too large here, or should be a whole number"
	case errors.As(err, &wrong):
		return "should not be of type " + wrong.Value
	}
	return err.Error()
}

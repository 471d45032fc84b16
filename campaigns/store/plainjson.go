package store

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"beckon/campaigns"
)

// Plain JSON: objects of texts that need no escapes, which the variables of nearly all messages are, and the steps of their
// histories. It is read and written directly where messages are claimed and recorded; whatever is not plain goes through
// encoding/json, and tests hold the one against the other.

// varsColumn reads the variables of a message.
type varsColumn struct{ into *map[string]any }

// ScanBytes reads a column; the bytes need not stay.
func (c varsColumn) ScanBytes(raw []byte) error {
	if *c.into = nil; raw == nil {
		return nil
	}
	r := plainReader{text: string(raw)}
	if vars, ok := r.object(0); ok && r.ends() && utf8.ValidString(r.text) {
		*c.into = vars
		return nil
	}
	return json.Unmarshal(raw, c.into)
}

// historyColumn reads the history of a message.
type historyColumn struct{ into *[]campaigns.Change }

// ScanBytes reads a column; the bytes need not stay.
func (c historyColumn) ScanBytes(raw []byte) error {
	if *c.into = nil; raw == nil {
		return nil
	}
	r := plainReader{text: string(raw)}
	if history, ok := r.history(); ok && r.ends() && utf8.ValidString(r.text) {
		*c.into = history
		return nil
	}
	return json.Unmarshal(raw, c.into)
}

// plainDepth is how deep objects may stand in one another to be plain.
const plainDepth = 4

// A plainReader reads plain JSON. What it gives is meant to be used only where all of the text was plain.
type plainReader struct {
	text string
	at   int
}

// next passes over a mark and the space around it, and says whether it was there.
func (r *plainReader) next(mark byte) bool {
	r.space()
	if r.at >= len(r.text) || r.text[r.at] != mark {
		return false
	}
	r.at++
	r.space()
	return true
}

func (r *plainReader) space() {
	for r.at < len(r.text) && strings.IndexByte(" \t\r\n", r.text[r.at]) >= 0 {
		r.at++
	}
}

func (r *plainReader) ends() bool {
	r.space()
	return r.at == len(r.text)
}

// string reads a text without escapes.
func (r *plainReader) string() (text string, ok bool) {
	r.space()
	if r.at >= len(r.text) || r.text[r.at] != '"' {
		return "", false
	}
	from := r.at + 1
	for i := from; i < len(r.text); i++ {
		switch c := r.text[i]; {
		case c == '"':
			r.at = i + 1
			return r.text[from:i], true
		case c < ' ' || c == '\\':
			return "", false
		}
	}
	return "", false
}

// each reads the names of an object; value reads what follows each.
func (r *plainReader) each(value func(name string) bool) bool {
	if !r.next('{') {
		return false
	}
	if r.next('}') {
		return true
	}
	for {
		name, ok := r.string()
		if !ok || !r.next(':') || !value(name) {
			return false
		}
		if r.next('}') {
			return true
		}
		if !r.next(',') {
			return false
		}
	}
}

func (r *plainReader) object(depth int) (values map[string]any, ok bool) {
	values = map[string]any{}
	return values, depth < plainDepth && r.each(func(name string) bool {
		if text, is := r.string(); is {
			values[name] = text
			return true
		}
		nested, is := r.object(depth + 1)
		values[name] = nested
		return is
	})
}

func (r *plainReader) history() (steps []campaigns.Change, ok bool) {
	if !r.next('[') {
		return nil, false
	}
	steps = []campaigns.Change{}
	if r.next(']') {
		return steps, true
	}
	for {
		step, ok := r.step()
		if !ok {
			return nil, false
		}
		if steps = append(steps, step); r.next(']') {
			return steps, true
		}
		if !r.next(',') {
			return nil, false
		}
	}
}

func (r *plainReader) step() (step campaigns.Change, ok bool) {
	return step, r.each(func(name string) bool {
		text, is := r.string()
		switch name {
		case "at":
			return is && step.At.UnmarshalText([]byte(text)) == nil
		case "status":
			step.Status = campaigns.MessageStatus(text)
		case "detail":
			step.Detail = text
		default:
			return false
		}
		return is
	})
}

// appendSteps writes the lines of a history.
func appendSteps(to []byte, steps []campaigns.Change) []byte {
	to = append(to, '[')
	for i := range steps {
		step := &steps[i]
		if i > 0 {
			to = append(to, ',')
		}
		to = append(step.At.AppendFormat(append(to, `{"at":"`...), time.RFC3339Nano), `","status":`...)
		to = appendPlain(to, string(step.Status))
		if step.Detail != "" {
			to = appendPlain(append(to, `,"detail":`...), step.Detail)
		}
		to = append(to, '}')
	}
	return append(to, ']')
}

// appendPlain writes a text, and one that needs escapes by encoding/json.
func appendPlain(to []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			encoded, _ := json.Marshal(text) // a text always encodes
			return append(to, encoded...)
		}
	}
	return append(append(append(to, '"'), text...), '"')
}

package channel

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/osteele/liquid"

	"beckon/campaigns"
)

// A pattern is a text of a gateway's description, in Liquid, that values are set into.
//
// Why escaping cannot be forgotten: the engine marks whatever an expression prints, and nothing else, so that what comes out
// is known piece by piece as the description's own text or as a value. A value is then escaped for where it stands: for a
// string of JSON, or as a whole JSON string outside of one, for a form, a path, a query, or XML. Its author has nothing to
// do about that, and no filter undoes it. Texts that hold the marks themselves are refused.
type pattern struct {
	field  string // of the settings
	place  place
	liquid *liquid.Template
}

// place is what a pattern becomes, and so how values are escaped in it.
type place int

const (
	inText place = iota
	inJSON
	inForm
	inURL
	inXML
	inHeader
)

// The marks around a value, and before one that is JSON by itself. None is a character that a message may hold.
const (
	markBegin = "\x01"
	markEnd   = "\x02"
	markJSON  = "\x03"
)

// patternMax is the most bytes that a pattern may become.
const patternMax = 256 << 10

// marker is the replacer that the engine gives every printed value to.
type marker struct{}

// WriteString marks a value.
func (marker) WriteString(w io.Writer, value string) (int, error) {
	if strings.ContainsAny(value, markBegin+markEnd) {
		return 0, errors.New("a value holds control characters")
	}
	return io.WriteString(w, markBegin+value+markEnd)
}

// newFrameEngine knows Liquid with all that expressions print marked.
func newFrameEngine() *liquid.Engine {
	e := liquid.NewEngine()
	e.StrictVariables()
	e.SetAutoEscapeReplacer(marker{})
	for _, name := range []string{"safe", "escape", "url_encode", "url_decode"} { // each value is escaped already, and once is right
		e.RegisterFilter(name, func(value any) any { return value })
	}
	return e
}

// frameTags are those that a pattern may hold: none prints a value unmarked, or twice, or for long.
func frameTags() []string {
	return []string{"if", "elsif", "else", "endif", "unless", "endunless", "case", "when", "endcase", "assign", "comment", "endcomment"}
}

func newFrame(field, source string, at place) (*pattern, error) {
	if strings.ContainsAny(source, markBegin+markEnd+markJSON) {
		return nil, campaigns.Invalid("settings."+field, "it holds control characters")
	}
	for _, tag := range regexp.MustCompile(`\{%-?\s*([^\s%]*)`).FindAllStringSubmatch(source, -1) {
		if !slices.Contains(frameTags(), tag[1]) {
			return nil, campaigns.Invalid("settings."+field, "there is no tag %q here: use if, unless, case and assign", tag[1])
		}
	}
	compiled, err := newFrameEngine().ParseTemplateLocation([]byte(source), "", 1)
	if err != nil {
		return nil, campaigns.Invalid("settings."+field, "%v", err)
	}
	return &pattern{field: field, place: at, liquid: compiled}, nil
}

// render sets values into the pattern. What is wrong is said without the values: they may be secret.
func (f *pattern) render(values map[string]any) (text string, err error) {
	defer func() {
		if recover() != nil {
			text, err = "", fmt.Errorf("the gateway's %s cannot be made with these values", f.field)
		}
	}()
	out, failed := f.liquid.Render(values)
	if failed != nil {
		return "", fmt.Errorf("the gateway's %s cannot be made: %w", f.field, failed)
	}
	if len(out) > patternMax {
		return "", fmt.Errorf("the gateway's %s would take more than %d KB", f.field, patternMax>>10)
	}
	return f.place.join(f.field, string(out))
}

// join escapes the marked values of a text.
func (p place) join(field, marked string) (string, error) {
	var out strings.Builder
	state := stretch{place: p}
	for marked != "" {
		own, rest, found := strings.Cut(marked, markBegin)
		if strings.ContainsAny(own, markEnd+markJSON) {
			return "", fmt.Errorf("the gateway's %s cannot be made: a value holds control characters", field)
		}
		out.WriteString(own)
		state.pass(own)
		if !found {
			break
		}
		value, after, closed := strings.Cut(rest, markEnd)
		if !closed || strings.Contains(value, markBegin) {
			return "", fmt.Errorf("the gateway's %s cannot be made: a value holds control characters", field)
		}
		escaped, err := state.escape(value)
		if err != nil {
			return "", fmt.Errorf("the gateway's %s cannot be made: %w", field, err)
		}
		out.WriteString(escaped)
		marked = after
	}
	text := out.String()
	if p == inJSON && text != "" && !json.Valid([]byte(text)) {
		return "", fmt.Errorf("the gateway's %s is not JSON", field)
	}
	if p == inHeader && !oneLine(text) {
		return "", fmt.Errorf("the gateway's %s would hold a line break", field)
	}
	return text, nil
}

// stretch is where in a pattern's text the next value stands.
type stretch struct {
	place    place
	quoted   bool // in a string of JSON
	backward bool // right after a backslash in one
	query    bool // after the ? of an address
}

// pass reads on over the description's own text.
func (s *stretch) pass(own string) {
	if s.place == inURL && strings.Contains(own, "?") {
		s.query = true
	}
	if s.place != inJSON {
		return
	}
	for i := range len(own) {
		switch {
		case s.backward:
			s.backward = false
		case s.quoted && own[i] == '\\':
			s.backward = true
		case own[i] == '"':
			s.quoted = !s.quoted
		}
	}
}

func (s *stretch) escape(value string) (string, error) {
	value, raw := strings.CutPrefix(value, markJSON)
	value = strings.ReplaceAll(value, markJSON, "")
	if !utf8.ValidString(value) {
		return "", fmt.Errorf("a value is not valid UTF-8")
	}
	switch s.place {
	case inJSON:
		if s.backward {
			return "", fmt.Errorf("a value follows a backslash")
		}
		if raw && !s.quoted {
			return value, nil
		}
		return jsonText(value, s.quoted), nil
	case inForm:
		return url.QueryEscape(value), nil
	case inURL:
		if s.query {
			return url.QueryEscape(value), nil
		}
		if value == "." || value == ".." || value == "" {
			return strings.ReplaceAll(value, ".", "%2E"), nil
		}
		return url.PathEscape(value), nil
	case inXML:
		var out bytes.Buffer
		err := xml.EscapeText(&out, []byte(value))
		return out.String(), err
	}
	return value, nil
}

// jsonText is a value as a JSON string, without its quotes where they are there.
func jsonText(value string, quoted bool) string {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return `""`
	}
	text := strings.TrimSuffix(out.String(), "\n")
	if quoted {
		text = text[1 : len(text)-1]
	}
	return text
}

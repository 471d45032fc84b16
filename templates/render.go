package templates

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"unicode"
	"unicode/utf8"

	"beckon/campaigns"

	"github.com/k3a/html2text"
	"github.com/osteele/liquid"
	"github.com/osteele/liquid/expressions"
	"github.com/osteele/liquid/render"
)

// Render makes the parts for one customer. Vars nest by the dots of the variables' names: {"customer": {"name": "Ann"},
// "code": "X7"}. A value that is absent, nil or an empty text is lacking: the template's default stands for it, or a
// default filter in the expression; a condition may ask for it; printing it is a *MissingError. Any other failure is a
// campaigns.Error that names the part.
//
// An email without a text part gets one made from its html; a preheader becomes hidden text at the start of the html.
// In html all values are escaped. Subject and preheader come out as one line, whatever the values hold.
func (w *Words) Render(vars map[string]any) (Parts, error) {
	bound := &bound{words: w, vars: vars}
	out := make(Parts, len(w.names)+1)
	for _, name := range w.names { // in one order, so that the same failure comes first each time
		text, err := w.renderPart(name, bound)
		if err != nil {
			return nil, err
		}
		if oneLine(name) {
			text = single(text)
		}
		out[name] = text
	}
	if w.channel != "email" {
		return out, nil
	}
	html, ok := out["html"]
	if _, given := out["text"]; ok && !given {
		text, err := plain(w.field, html)
		if err != nil {
			return nil, err
		}
		out["text"] = text
	}
	if preheader, given := out["preheader"]; given && ok {
		out["html"] = withPreheader(html, preheader)
	}
	delete(out, "preheader")
	return out, nil
}

// renderPart makes one part: from its pieces where it has any and they will do, else whole.
func (w *Words) renderPart(name string, vars *bound) (string, error) {
	p := w.parts[name]
	if p.pieces != nil {
		if text, ok := p.put(vars); ok {
			return text, nil
		}
	}
	return p.render(fieldOf(w.field, name), vars.all())
}

// bind copies the words' variables out of vars, with defaults for what is lacking and nil for what has none, so that
// the engine meets every name it may ask for and no other.
func (w *Words) bind(vars map[string]any) map[string]any {
	from, made := &bound{words: w, vars: vars}, make(map[string]any, len(w.printed)+1)
	for _, variable := range w.printed {
		path, into := variable.path, made
		for _, name := range path[:len(path)-1] {
			nested, ok := into[name].(map[string]any)
			if !ok {
				nested = map[string]any{}
				into[name] = nested
			}
			into = nested
		}
		into[path[len(path)-1]] = from.value(variable)
	}
	return made
}

func (p part) render(field string, bound map[string]any) (string, error) {
	vars := maps.Clone(bound)
	for _, local := range p.locals {
		vars[local] = nil
	}
	vars[budgetName] = &budget{steps: stepsMax, asked: askedMax, work: workMax}
	w := &capped{}
	err := guarded(func() error {
		if err := p.liquid.FRender(w, vars); err != nil { // a nil of the engine's error type is not a nil error
			return err
		}
		return nil
	})
	if err != nil {
		return "", failure(field, err)
	}
	text := w.String()
	if !isClean(text) {
		return "", campaigns.Invalid(field, "a value is not valid UTF-8 or holds a NUL character")
	}
	return text, nil
}

// isClean says whether a text is one that can be sent and kept.
func isClean(text string) bool { return utf8.ValidString(text) && strings.IndexByte(text, 0) < 0 }

// guarded turns a panic of the engine into an error: a template must never stop a node.
func guarded(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = errors.New("the template cannot be rendered with these values")
		}
	}()
	return f()
}

// failure finds what the engine wrapped.
func failure(field string, err error) error {
	reason := err
	if filter := (expressions.FilterError{}); errors.As(err, &filter) {
		reason = filter.Err
		if missing := (*MissingError)(nil); errors.As(reason, &missing) {
			return missing
		}
	}
	for _, limit := range []error{errSteps, errAsked, errWork, errSize} {
		if errors.Is(reason, limit) {
			reason = limit
		}
	}
	problem := campaigns.Problem{Field: field, Message: message(reason)}
	if located := render.Error(nil); errors.As(err, &located) {
		problem.Line = located.LineNumber()
	}
	return campaigns.InvalidAll([]campaigns.Problem{problem})
}

func message(err error) string {
	if m := frame().FindStringSubmatch(err.Error()); m != nil {
		return m[1]
	}
	return err.Error()
}

// parse compiles what begins in a line with the engine; a panic of its parser is a syntax error like any other.
func parse(engine *liquid.Engine, source string, line int) (compiled *liquid.Template, wrong *fault) {
	defer func() {
		if r := recover(); r != nil {
			compiled, wrong = nil, &fault{line: 1, message: fmt.Sprint(r)}
		}
	}()
	compiled, err := engine.ParseTemplateLocation([]byte(source), "", line)
	if err != nil {
		return nil, &fault{line: err.LineNumber(), message: message(err)}
	}
	return compiled, nil
}

// single makes one line of a text: breaks and runs of space become a space, control characters go.
func single(text string) string {
	if isSingle(text) {
		return text
	}
	words := strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) })
	return strings.Join(words, " ")
}

// isSingle says of a plain ASCII text whether it is one line with single spaces between its words.
func isSingle(text string) bool {
	before := byte(' ')
	for i := range len(text) {
		c := text[i]
		if c < ' ' || c > '~' || c == ' ' && before == ' ' {
			return false
		}
		before = c
	}
	return before != ' ' || text == ""
}

// plain makes the text part of an email from its html.
func plain(field, html string) (text string, err error) {
	err = guarded(func() error {
		text = html2text.HTML2TextWithOptions(html, html2text.WithUnixLineBreaks(), html2text.WithLinksInnerText(), html2text.WithListSupport())
		return nil
	})
	if err != nil {
		return "", campaigns.Invalid(field+"text", "no text can be made from the html")
	}
	return strings.TrimSpace(text), nil
}

// withPreheader puts the hidden line that mail clients show beside the subject right after <body>, or first.
func withPreheader(html, preheader string) string {
	hidden := `<div style="display:none;max-height:0;overflow:hidden">` + preheader + `</div>`
	at := 0
	for i := range html {
		if len(html)-i >= 5 && html[i] == '<' && strings.EqualFold(html[i:i+5], "<body") {
			if end := strings.IndexByte(html[i:], '>'); end >= 0 {
				at = i + end + 1
			}
			break
		}
	}
	return html[:at] + hidden + html[at:]
}

package templates

import (
	"slices"
	"strconv"
	"strings"

	"github.com/osteele/liquid"
	"github.com/osteele/liquid/parser"
	"github.com/osteele/liquid/render"
)

// Pieces.
//
// Why a part is cut: nearly all of one is text and values that are printed as they are, and the engine finds each of these
// anew for every message, by reflection. They are put together here, and the engine is asked only for what stands between
// tags or has filters.
//
// Why the whole part stays beside its pieces: whatever is not the usual case (a value that is lacking or is no plain text, an
// error, too much of something) is rendered again by the engine alone, which says what is wrong and where. So the pieces are
// a shorter way to the same bytes, and tests hold them against the engine.

// A piece is a text as it stands, a variable printed as it is, or Liquid.
type piece struct {
	text    string           // of a text
	value   *printed         // nil for others
	engine  *liquid.Template // nil for others
	address bool             // the value begins an address
}

// printed is a variable that is printed without filters.
type printed struct {
	name string // dotted
	path []string
}

func newPrinted(name string) *printed { return &printed{name: name, path: strings.Split(name, ".")} }

// piecesMax is how many pieces of Liquid a part may have: a page of hundreds of conditions is rendered whole.
const piecesMax = 50

// A cut is where a piece begins in what a scan writes.
type cut struct {
	at, line int
	is       cutKind
	variable string
	address  bool
}

type cutKind byte

const (
	cutText cutKind = iota
	cutValue
	cutLiquid
)

// cutter notes the pieces of a part while it is scanned.
type cutter struct {
	cuts    []cut
	whole   bool   // it cannot be cut
	printed string // the variable that the token at hand prints without filters
	address bool   // it begins an address
}

// cut notes what was written for a token, from at on. Whatever stands within a block belongs to the block.
func (c *cutter) cut(token parser.Token, at, line int, outside bool) {
	is := cutLiquid
	switch {
	case token.Type == parser.TrimLeftTokenType || token.Type == parser.TrimRightTokenType, token.Name == "cycle":
		c.whole = true // they look beyond themselves
	case token.Type == parser.TagTokenType && (token.Name == "for" || token.Name == "tablerow"):
		c.whole = true // one that is too long would be gone through twice
	case outside && token.Type == parser.TextTokenType:
		is = cutText
	case outside && token.Type == parser.ObjTokenType && c.printed != "":
		is = cutValue
	}
	if last := len(c.cuts) - 1; is == cutLiquid && last >= 0 && c.cuts[last].is == cutLiquid {
		return
	}
	c.cuts = append(c.cuts, cut{at, line, is, c.printed, c.address})
}

// outside says whether nothing is open.
func (s *scan) outside() bool { return len(s.blocks) == 0 && s.verbatim == "" }

// pieces are the part cut up; none where it cannot be, since something in it looks beyond itself or goes round.
func (s *scan) pieces(engine *liquid.Engine) []piece {
	liquids := 0
	for _, c := range s.cuts {
		if c.is == cutLiquid {
			liquids++
		}
	}
	if s.whole || len(s.locals) > 0 || liquids > piecesMax {
		return nil
	}
	all := make([]piece, len(s.cuts))
	for i, c := range s.cuts {
		end := len(s.out)
		if i+1 < len(s.cuts) {
			end = s.cuts[i+1].at
		}
		switch source := strings.Join(s.out[c.at:end], ""); c.is {
		case cutText:
			all[i].text = source
		case cutValue:
			all[i].value, all[i].address = newPrinted(c.variable), c.address
		case cutLiquid:
			compiled, wrong := parse(engine, source, c.line)
			if wrong != nil {
				return nil
			}
			all[i].engine = compiled
		}
	}
	return all
}

// put writes a part from its pieces; ok is false where the engine has to render it whole.
func (p part) put(vars *bound) (text string, ok bool) {
	out := &capped{}
	out.Grow(p.size)
	vars.allow()
	for i := range p.pieces {
		one := &p.pieces[i]
		switch {
		case one.engine != nil:
			if guarded(func() error {
				if err := one.engine.FRender(out, vars.all()); err != nil {
					return err
				}
				return nil
			}) != nil {
				return "", false
			}
			continue
		case one.value == nil:
			text = one.text
		default:
			if text, ok = one.print(vars, p.html); !ok {
				return "", false
			}
		}
		if out.Len()+len(text) > outputMax {
			return "", false
		}
		out.WriteString(text)
	}
	return out.String(), isClean(out.String())
}

// print is a variable's value as the engine prints it; ok is false for one that is lacking or of another kind.
func (p *piece) print(vars *bound, html bool) (text string, ok bool) {
	value := vars.value(p.value)
	if lacking(value) {
		return "", false
	}
	if p.address {
		if _, err := address(value); err != nil {
			return "", false
		}
	}
	switch value := value.(type) {
	case string:
		if html {
			value = render.HtmlEscaper.Replace(value)
		}
		return value, true
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(value), true
	}
	return "", false
}

// bound are the values of words' variables for one rendering.
type bound struct {
	words *Words
	vars  map[string]any
	made  map[string]any // as the engine takes them; nil until it wants them
	spent *budget
}

// allow begins a part, which may spend a budget of its own.
func (b *bound) allow() {
	b.spent = &budget{steps: stepsMax, asked: askedMax, work: workMax}
	if b.made != nil {
		b.made[budgetName] = b.spent
	}
}

// all are the values as the engine takes them: every name that it may ask for and no other. The engine copies them.
func (b *bound) all() map[string]any {
	if b.made == nil {
		b.made = b.words.bind(b.vars)
		b.made[budgetName] = b.spent
	}
	return b.made
}

// value is a variable's value, or its default where the value is lacking.
func (b *bound) value(p *printed) any {
	var value any = b.vars
	for _, name := range p.path {
		nested, _ := value.(map[string]any)
		value = nested[name]
	}
	if lacking(value) {
		if text, ok := b.words.defaults[p.name]; ok {
			return text
		}
	}
	return value
}

// sizeOf is about how long a part of pieces becomes.
func sizeOf(pieces []piece) int {
	size := 0
	for i := range pieces {
		size += len(pieces[i].text) + 32
	}
	return slices.Min([]int{size + size/8, outputMax})
}

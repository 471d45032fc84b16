package templates

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"beckon/campaigns"

	"github.com/osteele/liquid/parser"
)

// names is what a template may call by name.
type names struct {
	known map[string]bool // dotted
	roots map[string]bool // their first words, which a template may not assign
}

func newNames(known []string) names {
	n := names{known: map[string]bool{}, roots: map[string]bool{}}
	for _, name := range known {
		root, _, _ := strings.Cut(name, ".")
		n.known[name], n.roots[root] = true, true
	}
	return n
}

// hint lists what stands beside an unknown name, or the roots when nothing does.
func (n names) hint(name string) string {
	root, _, _ := strings.Cut(name, ".")
	var near []string
	for known := range n.known {
		if strings.HasPrefix(known, root+".") {
			near = append(near, known)
		}
	}
	if len(near) == 0 {
		near = slices.Collect(maps.Keys(n.roots))
	}
	slices.Sort(near)
	if len(near) > 12 {
		near = append(near[:12], "…")
	}
	return "there are " + strings.Join(near, ", ")
}

// scan goes through one part's tokens: it names what is wrong, collects the variables and writes the part anew with the
// checks of rendering (see output).
type scan struct {
	field    string
	names    names
	used     map[string]bool
	locals   map[string]bool
	blocks   []block
	verbatim string // the tag that ends a raw or a comment, while in one
	line     int
	links    bool   // values that begin an address in html are looked at
	before   string // the text before a tag, other tags left out
	out      written
	problems []campaigns.Problem
	cutter
}

// block is an open {% if %}, {% for %} …; variable is the loop's.
type block struct {
	name, variable string
	at             int      // the piece that was left free for what the block costs: before a condition, first in a loop
	asks           []string // the variables that its conditions look at
	work           int      // values and conditions of one turn of the loop
}

// written is a part as it is written anew.
type written []string

// WriteString adds to it.
func (w *written) WriteString(text string) { *w = append(*w, text) }

func newScan(field string, names names, used map[string]bool) *scan {
	return &scan{field: field, names: names, used: used, locals: map[string]bool{}}
}

func (s *scan) compile(source string, l *locale) (part, []campaigns.Problem) {
	s.links = l.html && l.language != ""
	for _, token := range parser.Scan(source, parser.SourceLoc{LineNo: 1}, nil) {
		s.line, s.printed = token.SourceLoc.LineNo, ""
		at, line, outside := len(s.out), s.line, s.outside()
		s.token(token)
		s.cut(token, at, line, outside && s.outside())
		if token.Type == parser.TextTokenType {
			s.before = token.Source
		}
		if len(s.blocks) > depthMax {
			s.problem("", "blocks stand more than %d deep in one another", depthMax)
			break
		}
	}
	if len(s.problems) > 0 {
		return part{}, s.problems
	}
	// The engine judges the template as it was written, so that its messages quote the author's words.
	engine := newEngine(l)
	if _, err := parse(engine, source, 1); err != nil {
		s.line = err.line
		s.problem("", "%s", err.message)
		return part{}, s.problems
	}
	compiled, err := parse(engine, strings.Join(s.out, ""), 1)
	if err != nil {
		s.line = err.line
		s.problem("", "%s", err.message)
		return part{}, s.problems
	}
	pieces := s.pieces(engine)
	return part{liquid: compiled, locals: slices.Sorted(maps.Keys(s.locals)), pieces: pieces, size: sizeOf(pieces), html: l.html}, nil
}

func (s *scan) problem(hint, format string, args ...any) {
	s.problems = append(s.problems, campaigns.Problem{Field: s.field, Line: s.line, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (s *scan) token(token parser.Token) {
	switch {
	case s.verbatim != "":
		if token.Type == parser.TagTokenType && token.Name == s.verbatim {
			s.verbatim = ""
		}
		s.out.WriteString(token.Source)
	case token.Type == parser.TextTokenType:
		if i := strings.Index(token.Source, "{{"); i >= 0 {
			s.unclosed(token.Source, i, "}}")
		} else if i := strings.Index(token.Source, "{%"); i >= 0 {
			s.unclosed(token.Source, i, "%}")
		}
		s.out.WriteString(token.Source)
	case len(token.Source) > tagMax:
		s.problem("", "the tag that starts with %.20s… is longer than 4 KB", token.Source)
	case token.Type == parser.ObjTokenType:
		s.object(token)
	case token.Type == parser.TagTokenType:
		s.tag(token)
	}
}

func (s *scan) unclosed(text string, at int, end string) {
	s.line += strings.Count(text[:at], "\n")
	s.problem("write it in one line", "the tag that starts with %.20s has no closing %s", text[at:], end)
}

// write puts a tag out with its trim marks and as many lines as it had.
func (s *scan) write(token parser.Token, open, content, end string) {
	left, right := "", ""
	if strings.HasPrefix(token.Source[2:], "-") {
		left = "-"
	}
	if strings.HasSuffix(token.Source[:len(token.Source)-2], "-") {
		right = "-"
	}
	lines := strings.Repeat("\n", strings.Count(token.Source, "\n"))
	s.out.WriteString(open + left + " " + content + lines + " " + right + end)
}

func (s *scan) object(token parser.Token) {
	s.cost(1)
	if content, ok := s.filtered(token.Args); ok {
		if s.address = s.links && beginsAddress(s.before); s.address {
			content += " | beckon_address"
		}
		s.write(token, "{{", content, "}}")
	}
}

// filtered checks an expression with filters and writes it with the checks of rendering: beckon_required after a value
// that must be there, beckon_present before a filter for its arguments, beckon_bounded before the first filter and after each.
func (s *scan) filtered(source string) (string, bool) {
	head, filters, err := s.read(source)
	if err != nil {
		s.problem("", "%s", err)
		return "", false
	}
	guarded := slices.ContainsFunc(filters, func(f filter) bool { return f.name == "default" })
	content := head.text
	if name, known := s.use(head); known && !guarded {
		content += " | beckon_required: '" + name + "'"
		if len(filters) == 0 {
			s.printed = name
		}
	}
	if len(filters) > 0 { // a filter may work on much and leave little
		content += " | beckon_bounded: beckon_budget"
	}
	for _, f := range filters {
		if !allowedFilter(f.name) {
			s.problem(filterHint(f.name), "there is no filter %q", f.name)
		}
		after := ""
		for _, arg := range f.args {
			name, known := s.use(arg)
			switch {
			case known && f.name == "default":
				after = " | beckon_required: '" + name + "'"
			case known:
				content += " | beckon_present: " + arg.text + ", '" + name + "'"
			}
		}
		content += " | " + f.name
		if len(f.args) > 0 {
			content += ": " + f.text
		}
		content += after + " | beckon_bounded: beckon_budget"
	}
	return content, true
}

func (s *scan) read(source string) (operand, []filter, error) {
	lexemes, err := lex(source)
	if err != nil {
		return operand{}, nil, err
	}
	r := reader{rest: lexemes}
	return r.filtered()
}

// use records a variable that stands in an expression, and returns its name when it comes from outside.
func (s *scan) use(o operand) (name string, known bool) {
	for _, inner := range o.inner {
		s.use(inner)
	}
	if len(o.path) == 0 || s.local(o.path[0]) {
		return "", false
	}
	name = strings.Join(o.path, ".")
	if !s.names.known[name] || strings.Contains(name, "'") {
		s.problem(s.names.hint(name), "there is no variable %q", name)
		return "", false
	}
	if o.loose {
		s.problem("use a loop or the filters first and last", "%q cannot be followed by [ ]", name)
		return "", false
	}
	s.used[name] = true
	return name, true
}

func (s *scan) local(name string) bool {
	if s.locals[name] {
		return true
	}
	for _, b := range s.blocks {
		if b.name == "for" && (b.variable == name || name == "forloop") {
			return true
		}
	}
	return false
}

// reserved refuses a local name that would hide another's.
func (s *scan) reserved(name string) bool {
	if s.names.roots[name] || name == "forloop" || strings.HasPrefix(name, "beckon_") {
		s.problem("choose another name", "the name %q is taken", name)
		return true
	}
	return false
}

// cost counts work of the loop that is open.
func (s *scan) cost(work int) {
	for i := len(s.blocks) - 1; i >= 0; i-- {
		if s.blocks[i].name == "for" {
			s.blocks[i].work += work
			return
		}
	}
}

// fault is what the engine found wrong, without its frame of words.
type fault struct {
	line    int
	message string
}

// frame takes "Liquid error (line 3): message in {{ context }}" apart.
func frame() *regexp.Regexp {
	return regexp.MustCompile(`(?s)^Liquid error(?: \(line \d+\))?: (.*) in .*$`)
}

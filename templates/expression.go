package templates

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// lexeme is a word of a Liquid expression, cut as the engine cuts it.
type lexeme struct {
	kind byte   // one of the kinds below
	text string // as written; of a keyword without its colon, of a property without its dot
}

const (
	kindName     = 'n' // customer
	kindProperty = 'p' // .name
	kindKeyword  = 'k' // default:
	kindLiteral  = 'l' // "text" 12 1.5 true nil
	kindSymbol   = 's' // | , ( ) [ ] == .. and or contains in
)

// lex cuts an expression into lexemes. The error is a sentence for the template's author.
func lex(source string) ([]lexeme, error) {
	var out []lexeme
	for rest := strings.TrimLeft(source, " \t\r\n"); rest != ""; rest = strings.TrimLeft(rest, " \t\r\n") {
		l, size, err := lexOne(rest)
		if err != nil {
			return nil, err
		}
		out, rest = append(out, l), rest[size:]
	}
	return out, nil
}

func lexOne(s string) (lexeme, int, error) {
	switch c := s[0]; {
	case c == '"' || c == '\'':
		n := quoted(s)
		if n < 0 {
			return lexeme{}, 0, fmt.Errorf("the text that starts with %.20s has no closing quote", s)
		}
		return lexeme{kindLiteral, s[:n]}, n, nil
	case c >= '0' && c <= '9' || c == '-' && len(s) > 1 && s[1] >= '0' && s[1] <= '9':
		n := number(s)
		if n > 16 {
			return lexeme{}, 0, fmt.Errorf("the number %.20s… is too long", s)
		}
		return lexeme{kindLiteral, s[:n]}, n, nil
	case c == '.' && identifier(s[1:]) > 0:
		n := identifier(s[1:])
		return lexeme{kindProperty, s[1 : 1+n]}, 1 + n, nil
	}
	if n := identifier(s); n > 0 {
		return word(s, n)
	}
	for _, symbol := range []string{"==", "!=", ">=", "<=", "..", "|", ",", "(", ")", "[", "]", "<", ">", ":", "="} {
		if strings.HasPrefix(s, symbol) {
			return lexeme{kindSymbol, symbol}, len(symbol), nil
		}
	}
	r, _ := utf8.DecodeRuneInString(s)
	return lexeme{}, 0, fmt.Errorf("%q means nothing here", r)
}

func word(s string, n int) (lexeme, int, error) {
	switch text := s[:n]; {
	case n < len(s) && s[n] == ':':
		return lexeme{kindKeyword, text}, n + 1, nil
	case text == "true" || text == "false" || text == "nil":
		return lexeme{kindLiteral, text}, n, nil
	case text == "and" || text == "or" || text == "contains" || text == "in":
		return lexeme{kindSymbol, text}, n, nil
	default:
		return lexeme{kindName, text}, n, nil
	}
}

// quoted is the length of the string literal at the start of s, -1 when it does not end.
func quoted(s string) int {
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '\\' && s[0] == '"':
			i++
		case s[i] == s[0]:
			return i + 1
		}
	}
	return -1
}

func number(s string) int {
	n := 1
	for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] == '.' && n+1 < len(s) && s[n+1] >= '0' && s[n+1] <= '9') {
		n++
	}
	return n
}

// identifier is the length of the name at the start of s, 0 when there is none.
func identifier(s string) int {
	n := 0
	for i, r := range s {
		letter := r == '_' || unicode.IsLetter(r)
		if r == utf8.RuneError || !letter && (i == 0 || r != '-' && !unicode.IsDigit(r) && !unicode.IsMark(r)) {
			break
		}
		n = i + utf8.RuneLen(r)
	}
	return n
}

// operand is a literal or a variable. Inner holds the variables that stand in its brackets.
type operand struct {
	text  string
	path  []string // empty for a literal
	loose bool     // a part of the path is known only while rendering
	inner []operand
}

// filter is one step of an expression: | name: args.
type filter struct {
	name string
	text string // the arguments as written
	args []operand
}

// reader takes lexemes one by one.
type reader struct{ rest []lexeme }

func (r *reader) peek() lexeme {
	if len(r.rest) == 0 {
		return lexeme{}
	}
	return r.rest[0]
}

func (r *reader) next() lexeme {
	l := r.peek()
	if len(r.rest) > 0 {
		r.rest = r.rest[1:]
	}
	return l
}

func (r *reader) accept(symbol string) bool {
	if r.peek() == (lexeme{kindSymbol, symbol}) {
		r.next()
		return true
	}
	return false
}

func (r *reader) operand() (operand, error) {
	first := r.next()
	switch {
	case first == lexeme{kindSymbol, "("}:
		return operand{}, fmt.Errorf("brackets ( ) stand only in the range of a loop: for i in (1..3)")
	case first.kind != kindLiteral && first.kind != kindName:
		return operand{}, fmt.Errorf("a value is missing%s", before(first))
	}
	o := operand{text: first.text}
	if first.kind == kindName {
		o.path = []string{first.text}
	}
	for {
		switch {
		case r.peek().kind == kindProperty:
			name := r.next().text
			o.text += "." + name
			o.path = append(o.path, name)
		case r.accept("["):
			index, err := r.operand()
			if err != nil {
				return operand{}, err
			}
			if !r.accept("]") {
				return operand{}, fmt.Errorf("a closing ] is missing")
			}
			o.index(index)
		default:
			return o, nil
		}
	}
}

func (o *operand) index(by operand) {
	o.text += "[" + by.text + "]"
	if len(by.path) == 0 && by.text[0] != '"' && by.text[0] != '\'' || len(by.path) > 0 {
		o.loose = true
		o.inner = append(o.inner, by)
		return
	}
	o.path = append(o.path, by.text[1:len(by.text)-1])
}

func before(l lexeme) string {
	if l.text == "" {
		return " at the end"
	}
	return fmt.Sprintf(" before %q", l.text)
}

// filtered reads what {{ }} and assign hold: a value and its filters, to the end.
func (r *reader) filtered() (head operand, filters []filter, err error) {
	if head, err = r.operand(); err != nil {
		return head, nil, err
	}
	for r.accept("|") {
		f, err := r.filter()
		if err != nil {
			return head, nil, err
		}
		filters = append(filters, f)
	}
	if rest := r.peek(); rest.kind == kindSymbol {
		return head, nil, fmt.Errorf("%q stands only in conditions: {%% if … %%}", rest.text)
	} else if rest.text != "" {
		return head, nil, fmt.Errorf("%q follows the value, where | or the end was expected", rest.text)
	}
	return head, filters, nil
}

func (r *reader) filter() (filter, error) {
	name := r.next()
	f := filter{name: name.text}
	if name.kind == kindName {
		return f, nil
	}
	if name.kind != kindKeyword {
		return f, fmt.Errorf("the name of a filter is missing%s", before(name))
	}
	for {
		if r.peek().kind == kindKeyword {
			f.text += r.next().text + ": "
		}
		arg, err := r.operand()
		if err != nil {
			return f, err
		}
		f.text += arg.text
		f.args = append(f.args, arg)
		if !r.accept(",") {
			return f, nil
		}
		f.text += ", "
	}
}

package rules

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/parser/lexer"
)

// Limits on what a rule may be. They keep a hostile rule from costing more than a moment.
const (
	charactersMax = 10_000
	nodesMax      = 1_000
	closuresMax   = 3 // nested in each other
	bracketsMax   = 200
)

// parsed is a rule as text, tokens and expr's tree.
type parsed struct {
	source []rune
	tokens []lexer.Token
	tree   ast.Node
}

// parse turns text into expr's tree, within limits.
func parse(source string) (*parsed, *Error) {
	if p, bad := refuseText(source); bad {
		return nil, refuse([]rune(clip(source)), p)
	}
	out := &parsed{source: []rune(source)}
	tokens, err := lexer.Lex(file.NewSource(source))
	if err != nil {
		return nil, refuse(out.source, describe(out, err))
	}
	out.tokens = tokens
	if p, bad := tooDeep(tokens); bad {
		return nil, refuse(out.source, p)
	}
	out.tree, err = parseTree(source)
	if err != nil {
		return nil, refuse(out.source, describe(out, err))
	}
	return out, nil
}

// parseTree calls expr's parser. It recovers because the parser has panicked on broken input before.
func parseTree(source string) (tree ast.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("this is not an expression")
		}
	}()
	parsed, err := parser.Parse(source)
	if err != nil {
		return nil, err
	}
	if parsed.Node == nil {
		return nil, fmt.Errorf("this is not an expression")
	}
	return parsed.Node, nil
}

func refuse(source []rune, p problem) *Error {
	e := place(source, p)
	return &e
}

// clip keeps enough of an oversized text to point at.
func clip(source string) string {
	if len(source) > 4*charactersMax {
		return strings.ToValidUTF8(source[:4*charactersMax], "\uFFFD")
	}
	return source
}

// refuseText refuses what is no text of a rule at all.
func refuseText(source string) (problem, bool) {
	if count := utf8.RuneCountInString(source); count > charactersMax {
		return problem{
			message: fmt.Sprintf("the rule has %d characters; at most %d are allowed", count, charactersMax),
			hint:    "say it in fewer conditions: city in [\"a\", \"b\"] stands for a row of ==",
		}, true
	}
	if strings.TrimSpace(source) == "" {
		return problem{message: "the rule is empty", hint: `write a condition such as city == "Shanghai"`}, true
	}
	at := 0
	for i, r := range source {
		if r == 0 {
			return problem{from: at, to: at + 1, message: "the rule holds a NUL character", hint: "delete it"}, true
		}
		if r == utf8.RuneError && !strings.HasPrefix(source[i:], "\uFFFD") {
			return problem{from: at, to: at + 1, message: "the rule is not valid UTF-8", hint: "save the text as UTF-8"}, true
		}
		at++
	}
	return problem{}, false
}

func tooDeep(tokens []lexer.Token) (problem, bool) {
	depth := 0
	for _, t := range tokens {
		if t.Kind != lexer.Bracket {
			continue
		}
		if strings.Contains("([{", t.Value) {
			depth++
		} else {
			depth--
		}
		if depth > bracketsMax {
			return problem{from: t.From, to: t.To, message: fmt.Sprintf("brackets are nested more than %d deep", bracketsMax)}, true
		}
	}
	return problem{}, false
}

// describe says in a marketer's words what expr's lexer or parser found.
func describe(p *parsed, err error) problem {
	var at *file.Error
	if !errors.As(err, &at) {
		return problem{to: len(p.source), message: "this is not an expression"}
	}
	from, to := at.From, max(at.To, at.From+1)
	var piece string
	for _, t := range p.tokens {
		if t.From == from && t.Kind != lexer.EOF {
			to, piece = t.To, string(p.source[t.From:t.To])
		}
	}
	if piece == "" && from < len(p.source) && p.tokens == nil {
		piece = string(p.source[from:min(to, len(p.source))])
	}
	if strings.Contains(at.Message, "literal:") || strings.Contains(at.Message, "literal is too large") {
		from, to, piece = lastNumber(p, from) // the parser has already gone on to the next token
	}
	message, hint := translate(at.Message, shorten([]rune(piece)))
	if piece == "" && strings.HasPrefix(at.Message, "unexpected token EOF") {
		from, to = len(p.source), len(p.source)
	}
	return problem{from: from, to: to, message: message, hint: hint}
}

// lastNumber is the number before a place in the text.
func lastNumber(p *parsed, before int) (from, to int, piece string) {
	for _, t := range p.tokens {
		if t.Kind == lexer.Number && t.From <= before {
			from, to = t.From, t.To
		}
	}
	return from, to, string(p.source[from:to])
}

// translate rewords expr's message; piece is the token it is about, empty at the end of the text.
func translate(message, piece string) (string, string) {
	switch {
	case strings.HasPrefix(message, "unexpected token EOF"), strings.HasPrefix(message, "unexpected end"):
		return "the rule ends too early", "something is missing at the end: a value, or a closing bracket"
	case strings.Contains(message, "coalesce expressions"):
		return "`??` beside another operator needs parentheses", "write (score ?? 0) >= 10"
	case strings.HasPrefix(message, "literal not terminated"):
		return "a text is not closed", "end it with the same quote that it starts with, on the same line"
	case strings.HasPrefix(message, "wrap predicate"):
		return "a condition of several parts stands in { and }", "any(items, { let a = .amount; a > 100 })"
	case strings.HasPrefix(message, "expected at least"):
		return "an argument is missing", "a closure takes a list and a condition: any(items, .amount > 100)"
	case strings.Contains(message, "out of range"), strings.Contains(message, "is too large"):
		return fmt.Sprintf("the number `%s` is too large", piece), ""
	case strings.Contains(message, " literal:"), strings.HasPrefix(message, "bad number"):
		return fmt.Sprintf("`%s` is not a number", piece), "write numbers such as 100 or 199.90"
	case strings.HasPrefix(message, "unclosed comment"):
		return "a comment is not closed", "end it with */"
	case strings.Contains(message, "escape"):
		return "a text has a backslash that means nothing", `write \\ for a backslash`
	case strings.HasPrefix(message, "unexpected token"), strings.HasPrefix(message, "unrecognized character"):
		return fmt.Sprintf("`%s` is not expected here", piece), syntaxHint(piece)
	case strings.Contains(message, "maximum allowed nodes"):
		return fmt.Sprintf("the rule has more than %d parts", nodesMax), "say it in fewer conditions: city in [\"a\", \"b\"] stands for a row of =="
	}
	return shorten([]rune(message)), ""
}

// syntaxHint knows what people write who come from SQL, spreadsheets or word processors.
func syntaxHint(piece string) string {
	switch lower := strings.ToLower(piece); lower {
	case "=":
		return "write == to compare"
	case "&":
		return "write && or and"
	case "and", "or", "not", "in", "contains", "matches":
		if piece == lower {
			return "a value is missing beside it"
		}
		return "write " + lower + " in lower case"
	case ">", "<>":
		return "write != for \"is not\", >= for \"at least\""
	case "“", "”", "‘", "’", "«", "»", "「", "」":
		return `write straight quotes: "…"`
	case "，":
		return "write a plain comma: ,"
	case "（", "）":
		return "write plain parentheses: ( )"
	case ")", "]", "}":
		return "no bracket is open here"
	case ".":
		return "fields such as .amount stand inside a closure: any(items, .amount > 100), max(map(items, .amount))"
	case "is":
		return "write == nil for a missing value"
	case "like":
		return "write contains, startsWith, endsWith or matches"
	case "between":
		return "write x in 1..5, or x >= a && x <= b"
	}
	return ""
}

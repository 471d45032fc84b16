package rules

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
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
	if strings.HasPrefix(at.Message, "bad number") {
		from, piece = wholeNumber(p.source, to) // the lexer points at its last letter
	}
	if to < len(p.source) && (piece == "=" || piece == "<") && p.tokens != nil && strings.ContainsRune("<>", p.source[to]) {
		to, piece = to+1, piece+string(p.source[to])
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

// wholeNumber is what ends at a place in the text and stands there for a number.
func wholeNumber(source []rune, to int) (from int, piece string) {
	for from = min(to, len(source)); from > 0 && (unicode.IsLetter(source[from-1]) || unicode.IsDigit(source[from-1]) || source[from-1] == '.'); from-- {
	}
	return from, string(source[from:min(to, len(source))])
}

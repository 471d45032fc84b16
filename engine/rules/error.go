package rules

import (
	"fmt"
	"strings"
)

// Error is one thing that is wrong with a rule: where, which piece of it, why, and what to write instead.
// Line and Column count from 1, Column in characters.
type Error struct {
	Line, Column  int
	Piece         string // the offending text, as written
	Message, Hint string // Hint may be empty

	line  string // the whole line, for the snippet
	width int    // characters of the piece on that line
}

// Error is the message over the line with a caret under the piece, and the hint.
func (e Error) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "line %d, column %d: %s", e.Line, e.Column, e.Message)
	if e.line != "" {
		text, caret := e.window()
		fmt.Fprintf(&b, "\n  %s\n  %s%s", text, strings.Repeat(" ", caret), strings.Repeat("^", e.carets(text, caret)))
	}
	if e.Hint != "" {
		b.WriteString("\nhint: " + e.Hint)
	}
	return b.String()
}

// window is the part of the line around the piece, and the caret's place in it.
func (e Error) window() (string, int) {
	const before, after = 60, 60
	runes := []rune(strings.Map(blank, e.line))
	at := min(e.Column-1, len(runes))
	start, end := max(0, at-before), min(len(runes), at+after)
	return string(runes[start:end]), at - start
}

func (e Error) carets(text string, caret int) int {
	return max(1, min(e.width, len([]rune(text))-caret))
}

// blank makes tabs and other control characters one column wide.
func blank(r rune) rune {
	if r < ' ' {
		return ' '
	}
	return r
}

// Errors is everything that is wrong with a rule, in the order of the text, at most ten.
type Errors []Error

// Error joins the errors, one below the other.
func (e Errors) Error() string {
	parts := make([]string, len(e))
	for i, one := range e {
		parts[i] = one.Error()
	}
	return strings.Join(parts, "\n")
}

const errorsMax = 10

// problem is an Error whose place is still a stretch of runes.
type problem struct {
	from, to      int
	message, hint string
	inner         bool // of something that the rule uses: the message names it
}

// place turns a problem into an Error with line, column and piece.
func place(source []rune, p problem) Error {
	from := max(0, min(p.from, len(source)))
	to := max(from, min(p.to, len(source)))
	line, start := 1, 0
	for i, r := range source[:from] {
		if r == '\n' {
			line, start = line+1, i+1
		}
	}
	end := start
	for end < len(source) && source[end] != '\n' {
		end++
	}
	return Error{
		Line: line, Column: from - start + 1, Piece: shorten(source[from:to]), Message: p.message, Hint: p.hint,
		line: string(source[start:end]), width: min(to, end) - from,
	}
}

// shorten keeps a piece fit for a message.
func shorten(piece []rune) string {
	const most = 80
	if len(piece) > most {
		return string(piece[:most-1]) + "…"
	}
	return string(piece)
}

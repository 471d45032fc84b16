package rules

import (
	"fmt"
	"strings"
)

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
		return fmt.Sprintf("`%s` is not a number", piece), "write the number alone, such as 100 or 199.90"
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

// syntaxHint knows what people write who come from SQL, spreadsheets or word processors, or whose keyboard is a Chinese one.
func syntaxHint(piece string) string {
	switch lower := strings.ToLower(piece); lower {
	case "=", "＝":
		return "write == to compare"
	case "&":
		return "write && or and"
	case "contains", "matches":
		if piece == lower {
			return "it stands between two texts: name " + lower + " \"…\""
		}
		return "write " + lower + " in lower case"
	case "and", "or", "not", "in":
		if piece == lower {
			return "a value is missing beside it"
		}
		return "write " + lower + " in lower case"
	case "&&", "||":
		return "a condition is missing before it"
	case "startswith":
		return "write startsWith"
	case "endswith":
		return "write endsWith"
	case ">":
		return "write != for \"is not\", >= for \"at least\""
	case ",":
		return `numbers have no commas: 1000; lists stand in [ ]: ["a", "b"]; conditions are joined with && or ||`
	case ")", "]", "}":
		return "no bracket is open here"
	case ".":
		return "fields such as .amount stand inside a closure: any(items, .amount > 100), max(map(items, .amount))"
	case "#":
		return "comments begin with // ; # is an element inside a closure"
	case "is":
		return "write == nil for a missing value"
	case "like":
		return "write contains, startsWith, endsWith or matches"
	case "between":
		return "write x in 1..5, or x >= a && x <= b"
	case "day", "days", "hours", "minutes", "months", "years":
		return "numbers have no units: days_since(last_purchase_at) > 90, hours_since(last_purchase_at) > 2"
	}
	return signHint(piece)
}

// signHint knows the signs that look like others, or stand for several.
func signHint(piece string) string {
	switch piece {
	case "<>", "≠":
		return "write != for \"is not\""
	case "=>", "≥", "⩾":
		return "write >= for \"at least\""
	case "=<", "≤", "⩽":
		return "write <= for \"at most\""
	case "＞":
		return "write a plain >"
	case "＜":
		return "write a plain <"
	case "！":
		return "write a plain !"
	case "＆":
		return "write && or and"
	case "｜", "|":
		return "write || or or"
	case "“", "”", "‘", "’", "«", "»", "「", "」", "＂", "＇":
		return `write straight quotes: "…"`
	case "，", "、":
		return "write a plain comma: ,"
	case "；":
		return "join conditions with && or ||"
	case "：":
		return "write a plain colon: :"
	case "（", "）":
		return "write plain parentheses: ( )"
	case "【", "】", "［", "］":
		return "write plain brackets: [ ]"
	case "¥", "￥", "$", "€", "£":
		return "write the amount alone, such as 199.90"
	}
	return ""
}

// unknownHint says what a name that nobody knows was probably meant to be.
func unknownHint(name string, known []string) string {
	if hint := didYouMean(name, known); hint != "" {
		return hint
	}
	switch strings.ToLower(name) {
	case "null", "none", "missing":
		return "write nil for a missing value"
	}
	if plain := strings.Map(narrow, name); plain != name {
		return "write it in plain characters: " + shorten([]rune(plain))
	}
	return fmt.Sprintf("a text stands in quotes: %q; a value of the shop's own is registered as an attribute first", shorten([]rune(name)))
}

// narrow turns the full-width form of a character into the plain one.
func narrow(r rune) rune {
	const first, last = '！', '～'
	if r >= first && r <= last {
		return r - first + '!'
	}
	return r
}

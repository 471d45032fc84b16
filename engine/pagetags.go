package engine

import (
	"strings"

	"golang.org/x/net/html"
)

// A span is where a tag of a page stands.
type span struct {
	from, to int
	closing  bool // the end of the body, else the start of a link
}

// tagsOf appends the tags of a page that tracking looks at, as browsers find them (HTML, 13.2.5).
//
// Why not the tokenizer alone: it reads a page byte by byte and keeps what it reads, for every message again. This passes
// over what cannot be a tag, and leaves to the tokenizer the pages with what is rare in mails and has rules of its own:
// scripts, and comments that end as they should not.
func tagsOf(to []span, page string) []span {
	kept := len(to)
	for at := 0; at >= 0; {
		next := strings.IndexByte(page[at:], '<')
		if next < 0 || at+next+1 >= len(page) {
			break
		}
		from := at + next
		switch c := page[from+1]; {
		case isLetter(c):
			at = tagEnd(page, from+1)
			name := tagName(page[from+1:])
			if at < 0 {
				break
			}
			if len(name) == 1 && c|0x20 == 'a' {
				to = append(to, span{from, at, false})
			} else if isRaw(name) {
				if at = rawEnd(page, at, name); at == beyond {
					return tagsSlowly(to[:kept], page)
				}
			}
		case c == '/':
			if from+2 < len(page) && isLetter(page[from+2]) {
				if at = tagEnd(page, from+2); at >= 0 && strings.EqualFold(tagName(page[from+2:]), "body") {
					to = append(to, span{from, at, true})
				}
				break
			}
			at = after(page, from+2, ">")
		case strings.HasPrefix(page[from:], "<!--"):
			if at = commentEnd(page, from+4); at == beyond {
				return tagsSlowly(to[:kept], page)
			}
		case c == '!' || c == '?':
			at = after(page, from+2, ">")
		default:
			at = from + 1
		}
	}
	return to
}

// What is said instead of a place in a page.
const (
	nowhere = -1 // the page ends before
	beyond  = -2 // it has to be read by the tokenizer
)

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// after is the place behind the next mark.
func after(page string, at int, mark string) int {
	i := strings.Index(page[min(at, len(page)):], mark)
	if i < 0 {
		return nowhere
	}
	return at + i + len(mark)
}

// tagName is the name that a tag begins with.
func tagName(tag string) string {
	for i := range len(tag) {
		if isBlank(tag[i]) || tag[i] == '/' || tag[i] == '>' {
			return tag[:i]
		}
	}
	return tag
}

// tagEnd is the place behind a tag whose name begins at i: values in quotes may hold what else would end it.
func tagEnd(page string, i int) int {
	for i += len(tagName(page[i:])); ; {
		if i = notBlank(page, i); i >= len(page) {
			return nowhere
		}
		if page[i] == '>' {
			return i + 1
		}
		for from := i; i < len(page) && !isBlank(page[i]) && page[i] != '/' && page[i] != '>' && (page[i] != '=' || i == from); i++ {
		}
		if i = notBlank(page, i); i < len(page) && page[i] == '/' {
			i++
			continue
		}
		if i >= len(page) || page[i] != '=' {
			continue
		}
		if i = valueEnd(page, notBlank(page, i+1)); i < 0 {
			return nowhere
		}
	}
}

// valueEnd is the place behind an attribute's value.
func valueEnd(page string, i int) int {
	switch {
	case i >= len(page):
		return nowhere
	case page[i] == '"':
		return after(page, i+1, `"`)
	case page[i] == '\'':
		return after(page, i+1, "'")
	}
	for i < len(page) && !isBlank(page[i]) && page[i] != '>' {
		i++
	}
	return i
}

func notBlank(page string, i int) int {
	for i < len(page) && isBlank(page[i]) {
		i++
	}
	return i
}

// isRaw says whether what follows the start of an element is text up to its end.
func isRaw(name string) bool {
	if len(name) < len("xmp") {
		return false
	}
	for _, raw := range []string{"iframe", "noembed", "noframes", "noscript", "plaintext", "script", "style", "textarea", "title", "xmp"} {
		if len(raw) == len(name) && strings.EqualFold(raw, name) {
			return true
		}
	}
	return false
}

// rawEnd is where the end of an element begins that holds nothing but text.
func rawEnd(page string, at int, name string) int {
	switch {
	case strings.EqualFold(name, "plaintext"):
		return nowhere
	case strings.EqualFold(name, "script"):
		return beyond // it may hide its own end
	}
	for {
		if at = after(page, at, "</"); at < 0 || at+len(name) >= len(page) {
			return nowhere
		}
		if next := page[at+len(name)]; strings.EqualFold(page[at:at+len(name)], name) && (isBlank(next) || next == '/' || next == '>') {
			return at - len("</")
		}
	}
}

// commentEnd is the place behind a comment whose text begins at from.
func commentEnd(page string, from int) int {
	if strings.HasPrefix(page[from:], ">") || strings.HasPrefix(page[from:], "->") {
		return beyond
	}
	for at := from; ; {
		if at = after(page, at, "--"); at < 0 || at >= len(page) {
			return nowhere
		}
		switch page[at] {
		case '>':
			return at + 1
		case '!':
			return beyond
		case '-':
			at-- // of three dashes the last two may end it
		}
	}
}

// tagsSlowly is tagsOf by the tokenizer.
func tagsSlowly(to []span, page string) []span {
	reader, at := html.NewTokenizer(strings.NewReader(page)), 0
	for {
		kind := reader.Next()
		if kind == html.ErrorToken {
			return to
		}
		from := at
		at += len(reader.Raw())
		if kind != html.TextToken && isTag(page[from:at]) {
			to = append(to, span{from, at, kind == html.EndTagToken})
		}
	}
}

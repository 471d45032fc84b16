package templates

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/osteele/liquid/parser"
	"github.com/vanng822/go-premailer/premailer"
	"golang.org/x/net/html"
)

// The limits within which styles are written into elements: beyond them a document stays as it is.
const (
	cssElementsMax = 5_000
	cssRulesMax    = 2_000
	cssMatchesMax  = 2_000_000 // rules times elements
)

// inlineCSS writes the rules of a document's style elements into the style attributes of the elements that they are for:
// many mail clients read nothing else. Style elements stay, for what cannot stand in an attribute; those rules (of @media and
// of :hover and the like) are repeated as important, or the attributes would win over them. All else stays byte for byte as
// it was written, Liquid too. A document that cannot be read stays as it is.
//
// Why not the document that the library writes: it makes a proper HTML5 document of whatever it reads, which moves a loop
// out of the table that it stands in, rewrites quotes and entities, and drops what mail clients alone understand. It is
// asked what each element's style becomes, and told them apart by a mark.
//
// A style element that holds Liquid is not read: what it says is known only when a message is made.
func inlineCSS(source string) string {
	if !strings.Contains(strings.ToLower(source), "<style") {
		return source
	}
	out := source
	if guarded(func() error { out = inlined(source); return nil }) != nil {
		return source
	}
	return out
}

func inlined(source string) string {
	c := newCover(source)
	m := mark(c)
	if m.rules == 0 || m.rules > cssRulesMax || len(m.spots) > cssElementsMax || m.rules*len(m.spots) > cssMatchesMax {
		return source
	}
	reader, err := premailer.NewPremailerFromString(m.out.String(), premailer.NewOptions(premailer.WithCssToAttributes(false)))
	if err != nil {
		return source
	}
	document, err := reader.Transform()
	if err != nil {
		return source
	}
	styles, left := readStyles(document)
	if left = leftRules(left); left != "" {
		left = `<style type="text/css">` + left + `</style>`
	}
	var out strings.Builder
	at := 0
	for i, s := range m.spots {
		if s.start > m.stylesEnd && at <= m.stylesEnd {
			out.WriteString(c.text[at:m.stylesEnd] + left)
			at = m.stylesEnd
		}
		tag := c.text[s.start:s.end]
		if style, has := styles[fmt.Sprint(i)]; has {
			tag = c.restyled(tag, style)
		}
		out.WriteString(c.text[at:s.start] + tag)
		at = s.end
	}
	if at <= m.stylesEnd {
		out.WriteString(c.text[at:m.stylesEnd] + left)
		at = m.stylesEnd
	}
	out.WriteString(c.text[at:])
	return c.lift(out.String())
}

// A spot is a start tag, by the bytes that it takes.
type spot struct{ start, end int }

// A cover is a document with each of its Liquid tags replaced by a word that means nothing in HTML or CSS.
type cover struct {
	text  string
	word  string // what each of the words begins with
	tags  []string
	reads *regexp.Regexp
}

func newCover(source string) *cover {
	c := &cover{word: "lqd"}
	for strings.Contains(source, c.word) {
		c.word += "q"
	}
	var out strings.Builder
	for _, token := range parser.Scan(source, parser.SourceLoc{LineNo: 1}, nil) {
		if token.Type == parser.TextTokenType {
			out.WriteString(token.Source)
			continue
		}
		fmt.Fprintf(&out, "%s%dx", c.word, len(c.tags))
		c.tags = append(c.tags, token.Source)
	}
	c.text, c.reads = out.String(), regexp.MustCompile(c.word+`(\d+)x`)
	return c
}

// lift puts the Liquid back.
func (c *cover) lift(text string) string {
	return c.reads.ReplaceAllStringFunc(text, func(word string) string {
		i := 0
		if _, err := fmt.Sscanf(word, c.word+"%dx", &i); err != nil || i >= len(c.tags) {
			return word
		}
		return c.tags[i]
	})
}

// tagName is the name of the {% … %} that a word stands for; empty for {{ … }}.
func (c *cover) tagName(word string) (name string) {
	text := strings.TrimLeft(c.lift(word), "{-% \t\r\n")
	if !strings.HasPrefix(c.lift(word), "{%") {
		return ""
	}
	return text[:identifier(text)]
}

// restyled is a start tag with another style; the same where that would not be safe: a condition may stand around a whole
// attribute or around half a declaration, and Liquid in the style must come out as it went in.
func (c *cover) restyled(tag, style string) string {
	words := c.reads.FindAllString(styleOf(tag), -1)
	if !slices.Equal(words, c.reads.FindAllString(style, -1)) {
		return tag
	}
	quoted := regexp.MustCompile(`"[^"]*"|'[^']*'`)
	for _, word := range append(words, c.reads.FindAllString(quoted.ReplaceAllString(tag, ""), -1)...) {
		if c.tagName(word) != "" {
			return tag
		}
	}
	if after := withStyle(tag, style); slices.Equal(attributesOf(after), append(withoutStyle(attributesOf(tag)), "style="+style)) {
		return after
	}
	return tag
}

// attributesOf are a start tag's name and attributes as a browser reads them, the style last.
func attributesOf(tag string) (attributes []string) {
	z := html.NewTokenizer(strings.NewReader(tag))
	z.Next()
	token := z.Token()
	attributes = append(attributes, token.Data)
	style := ""
	for _, a := range token.Attr {
		if a.Key == "style" && style == "" {
			style = "style=" + a.Val
			continue
		}
		attributes = append(attributes, a.Key+"="+a.Val)
	}
	if style != "" {
		attributes = append(attributes, style)
	}
	return attributes
}

func withoutStyle(attributes []string) []string {
	return slices.DeleteFunc(attributes, func(a string) bool { return strings.HasPrefix(a, "style=") })
}

// markName is the attribute by which elements are found again.
const markName = "data-beckon-mark"

// A marker writes a covered document with a mark in each start tag. Liquid that stands between elements becomes a comment,
// which may stand anywhere, also between the rows of a table.
type marker struct {
	cover     *cover
	out       strings.Builder
	spots     []spot
	rules     int    // about how many there are to be written into elements
	stylesEnd int    // where the last style element that was read ends
	depth     int    // of open blocks of Liquid
	style     string // the start tag of the style element that is open, marked
}

func mark(c *cover) *marker {
	m := &marker{cover: c}
	z := html.NewTokenizer(strings.NewReader(c.text))
	at := 0
	for {
		kind := z.Next()
		if kind == html.ErrorToken {
			return m
		}
		raw := string(z.Raw())
		start := at
		at += len(raw)
		name, _ := z.TagName()
		switch {
		case kind == html.StartTagToken && string(name) == "style":
			m.spots, m.style = append(m.spots, spot{start, at}), raw
		case kind == html.StartTagToken || kind == html.SelfClosingTagToken:
			m.spots = append(m.spots, spot{start, at})
			m.out.WriteString(withAttribute(raw, fmt.Sprintf(` %s="%d"`, markName, len(m.spots)-1)))
		case m.style != "":
			m.inStyle(raw, at, kind == html.TextToken)
		case kind == html.TextToken:
			m.text(raw)
		default:
			m.out.WriteString(raw)
		}
	}
}

// inStyle writes what follows the start of a style element: its rules, or its end. One that a condition stands around, or
// Liquid in, is not read: whether and what it says is known only when a message is made.
func (m *marker) inStyle(raw string, at int, isText bool) {
	isRead := isText && m.depth == 0 && !m.cover.reads.MatchString(m.style+raw) && !strings.Contains(strings.ToLower(m.style), "media")
	if isRead {
		m.rules += strings.Count(raw, "{")
		m.stylesEnd = at + len("</style>")
		m.out.WriteString(m.style + raw)
	} else {
		m.out.WriteString(withAttribute(m.style, ` data-premailer="ignore" `+markName+`="style"`) + raw)
	}
	m.style = ""
}

// text writes what stands between elements.
func (m *marker) text(raw string) {
	for _, word := range m.cover.reads.FindAllString(raw, -1) {
		switch name := m.cover.tagName(word); {
		case slices.Contains([]string{"if", "unless", "case", "for", "capture", "comment", "raw"}, name):
			m.depth++
		case strings.HasPrefix(name, "end"):
			m.depth--
		}
	}
	m.out.WriteString(m.cover.reads.ReplaceAllString(raw, "<!--$0-->"))
}

// withAttribute adds an attribute to a start tag, right behind its name.
func withAttribute(tag, attribute string) string {
	end := strings.IndexAny(tag, " \t\r\n\f/>")
	return tag[:end] + attribute + tag[end:]
}

// readStyles reads what the library made of the marked elements, and the rules that it left.
func readStyles(document string) (styles map[string]string, left string) {
	styles = map[string]string{}
	z := html.NewTokenizer(strings.NewReader(document))
	inLeft := false
	for {
		switch z.Next() {
		case html.ErrorToken:
			return styles, left
		case html.StartTagToken, html.SelfClosingTagToken:
			token := z.Token()
			id, style, isMarked, isStyled := "", "", false, false
			for _, a := range token.Attr {
				switch a.Key {
				case markName:
					id, isMarked = a.Val, true
				case "style":
					style, isStyled = a.Val, true
				}
			}
			inLeft = token.Data == "style" && !isMarked
			if _, twice := styles[id]; isMarked && isStyled && !twice {
				styles[id] = style
			}
		case html.TextToken:
			if inLeft {
				left += string(z.Raw())
			}
		case html.EndTagToken:
			inLeft = false
		}
	}
}

// leftRules are the rules that could not be written into elements, in one line. Rules for everything (*) are not among them:
// as important ones they would win over all others.
func leftRules(left string) string {
	left = regexp.MustCompile(`[^{}]*\*[^{}]*\{[^{}]*\}`).ReplaceAllString(left, "")
	return strings.Join(strings.Fields(left), " ")
}

// An attribute's bytes within a start tag: its name begins at start, its value with its quotes ends at end.
type attribute struct{ start, end int }

// findStyle finds the style attribute of a start tag.
func findStyle(tag string) (a attribute, value string, ok bool) {
	m := regexp.MustCompile(`(?is)[\s"'/](style)\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)`).FindStringSubmatchIndex(tag)
	if m == nil {
		return a, "", false
	}
	return attribute{m[2], m[5]}, strings.Trim(tag[m[4]:m[5]], `"'`), true
}

func styleOf(tag string) string {
	_, value, _ := findStyle(tag)
	return value
}

// withStyle gives a start tag a style, in the place of the one that it has.
func withStyle(tag, style string) string {
	written := `style="` + strings.NewReplacer("&", "&amp;", `"`, "&#34;", "<", "&lt;", ">", "&gt;").Replace(style) + `"`
	if a, _, has := findStyle(tag); has {
		return tag[:a.start] + written + tag[a.end:]
	}
	end := strings.TrimRight(strings.TrimSuffix(tag, ">"), " \t\r\n\f")
	if strings.HasSuffix(end, "/") {
		end = strings.TrimRight(strings.TrimSuffix(end, "/"), " \t\r\n\f")
	}
	return end + " " + written + tag[len(end):]
}

// Package templates says the words: it parses a message's parts in Liquid, checks them when they are saved, and renders
// them for one customer. It does no I/O and reads no clock: the same template and values give the same bytes.
//
// Why a scan of our own before Liquid's: the engine lists no variables, lets an unclosed tag through as text, and finds
// an unknown filter only while rendering. The scan names each with its line when the template is saved, and writes the
// template anew with the checks that rendering needs.
//
// Why lacking is lazy: a value that a customer lacks is an error only where it would be printed. A condition may ask for
// it, and a branch that is not taken does not matter.
//
// Why budgets: a template is written by a person and rendered a million times. Loops, captures and filters can double
// what they hold with every step, and a condition in a loop looks at it again at every turn, so output, steps, what they
// look at and the work of filters are counted, and the end of a budget is an error that says so.
package templates

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"beckon/campaigns"

	"github.com/osteele/liquid"
)

// The limits of a template and of one rendering of it, in bytes unless named otherwise.
const (
	sourceMax = 256 << 10 // all parts of a template in one language together
	tagMax    = 4 << 10   // one {{ … }} or {% … %}
	depthMax  = 32        // blocks in blocks
	outputMax = 1 << 20   // one part
	stepsMax  = 10_000    // turns of all loops of one part together
	askedMax  = 500_000   // values and conditions in all turns of all loops of one part together
	workMax   = 16 << 20  // results of all filters and captures of one part, and what its conditions look at
)

// Source is a template as it is written. An email has the parts subject, preheader (optional), html and text, of the last
// two at least one; an sms has text alone. Each of Languages has all of that again.
type Source struct {
	Channel   string                       // "email", "sms", or with Own any other
	Parts     map[string]string            // Liquid by the part's name
	Languages map[string]map[string]string // further words by their language's tag (BCP 47), such as en or zh-TW
	Defaults  map[string]string            // by variable, such as customer.name: what stands for a value that the customer lacks
	Language  string                       // of Parts, for money, numbers and dates; empty: they are printed as they were before there were languages
	Currency  string                       // ISO 4217, of the amounts that are printed
	InlineCSS bool                         // write the rules of style elements into the elements that they are for
	Params    map[string]string            // Liquid by the name of a variable of a provider's registered template; rendered as parts params.NAME
	Own       bool                         // the channel is a kind of address of the shop's own, and who asks has seen to its parts
}

// Parts is what was rendered: subject, html and text of an email, text of an sms.
type Parts map[string]string

// Template is a parsed Source. It may be rendered by many goroutines at once.
type Template struct {
	first     *Words
	languages map[string]*Words // by normal tag
	variables []string
}

// Words are a template in one of its languages.
type Words struct {
	channel   string
	field     string // that holds the parts, with its dot
	names     []string
	parts     map[string]part
	variables []string
	printed   []*printed // variables, with their paths
	required  []string
	defaults  map[string]string
	origins   []string
}

// part is one compiled part; locals are the names that it assigns itself, size is about how long it becomes. Pieces are the
// same cut up, none where that cannot be.
type part struct {
	liquid *liquid.Template
	locals []string
	pieces []piece
	size   int
	html   bool
}

// Known is the list of variables that a template may use, given the names of the workspace's customer attributes.
func Known(customerAttributes []string) []string {
	known := []string{
		"campaign.name", "code", "links.unsubscribe", "offer.name", "offer.value",
		"points.balance", "points.expires_on", "points.expiring",
	}
	for _, attribute := range customerAttributes {
		known = append(known, "customer."+attribute)
	}
	slices.Sort(known)
	return slices.Compact(known)
}

// Parse checks and compiles a template whose variables are among known (see Known). All that is wrong comes back at once:
// a campaigns.Error whose problems name the field (parts.html, languages.en.subject, defaults.customer.name), the line and
// often a hint.
func Parse(src Source, known []string) (*Template, error) {
	names := newNames(known)
	first, problems := parseWords(&src, "parts.", src.Parts, src.Language, names)
	t := &Template{first: first, languages: map[string]*Words{}}
	problems = append(problems, checkLanguages(src.Languages)...)
	for _, tag := range slices.Sorted(maps.Keys(src.Languages)) {
		words, found := parseWords(&src, "languages."+tag+".", src.Languages[tag], tag, names)
		problems = append(problems, found...)
		t.languages[NormalTag(tag)] = words
	}
	problems = append(problems, checkDefaults(src.Defaults, names)...)
	if len(problems) > 0 {
		return nil, campaigns.InvalidAll(problems)
	}
	for _, words := range t.all() {
		t.variables = append(t.variables, words.variables...)
	}
	slices.Sort(t.variables)
	t.variables = slices.Compact(t.variables)
	return t, nil
}

// parseWords checks and compiles the parts of one language.
func parseWords(src *Source, field string, parts map[string]string, language string, names names) (*Words, []campaigns.Problem) {
	problems := checkParts(src, field, parts)
	if len(problems) > 0 {
		return nil, problems
	}
	all := src.words(parts)
	w := &Words{channel: src.Channel, field: field, names: slices.Sorted(maps.Keys(all)), parts: map[string]part{}, defaults: maps.Clone(src.Defaults)}
	used := map[string]bool{}
	for _, name := range w.names {
		s := newScan(fieldOf(field, name), names, used)
		l := &locale{html: name == "html" || name == "preheader", language: language, currency: src.Currency}
		p, found := s.compile(all[name], l)
		if name == "html" && src.InlineCSS && len(found) == 0 { // mistakes are named by the lines that were written
			p, found = newScan(fieldOf(field, name), names, used).compile(inlineCSS(parts[name]), l)
		}
		w.parts[name] = p
		problems = append(problems, found...)
	}
	w.variables = slices.Sorted(maps.Keys(used))
	for _, name := range w.variables {
		w.printed = append(w.printed, newPrinted(name))
	}
	w.origins = originsOf(slices.AppendSeq(slices.Collect(maps.Values(all)), maps.Values(w.defaults)))
	w.required = slices.DeleteFunc(slices.Clone(w.variables), func(name string) bool {
		_, has := w.defaults[name]
		return has
	})
	return w, problems
}

// Variables lists the variables that the template takes from outside, in any of its languages, sorted, by their dotted
// names.
func (t *Template) Variables() []string { return slices.Clone(t.variables) }

// Render makes the parts of the first language; see Words.Render.
func (t *Template) Render(vars map[string]any) (Parts, error) { return t.first.Render(vars) }

// Variables lists the variables that the words take from outside, sorted, by their dotted names.
func (w *Words) Variables() []string { return slices.Clone(w.variables) }

// Required lists those of Variables that have no default: who lacks one of them can only be written to where the words do
// not print it.
func (w *Words) Required() []string { return slices.Clone(w.required) }

// partsOf says which parts a channel's template has, and which of them it must have.
func partsOf(channel string) (allowed, required []string) {
	switch channel {
	case "email":
		return []string{"subject", "preheader", "html", "text"}, []string{"subject"}
	case "sms":
		return []string{"text"}, []string{"text"}
	}
	return nil, nil
}

func checkParts(src *Source, prefix string, parts map[string]string) (problems []campaigns.Problem) {
	allowed, required := src.allowedParts()
	if allowed == nil && !src.Own {
		return []campaigns.Problem{{Field: "channel", Message: "there is no such channel", Hint: `use "email" or "sms"`}}
	}
	add := func(field, message, hint string) {
		problems = append(problems, campaigns.Problem{Field: field, Message: message, Hint: hint})
	}
	total, all := 0, src.words(parts)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		field, text := fieldOf(prefix, name), all[name]
		total += len(text)
		switch {
		case !slices.Contains(allowed, name) && !strings.HasPrefix(name, ParamPrefix):
			add(field, "a template for "+src.Channel+" has no such part", "its parts are "+strings.Join(allowed, ", "))
		case strings.TrimSpace(text) == "":
			add(field, "the part is empty", "")
		case !utf8.ValidString(text):
			add(field, "the text is not valid UTF-8", "")
		case strings.ContainsRune(text, 0):
			add(field, "the text holds a NUL character", "")
		case oneLine(name) && strings.ContainsAny(text, "\r\n"):
			add(field, "the part is one line and holds a line break", "")
		}
	}
	if total > sourceMax {
		add(strings.TrimSuffix(prefix, "."), "the template is larger than 256 KB", "host images instead of embedding them")
	}
	for _, name := range required {
		if _, ok := parts[name]; !ok {
			add(prefix+name, "the part is missing", "")
		}
	}
	_, html := parts["html"]
	if _, text := parts["text"]; src.Channel == "email" && !html && !text {
		add(prefix+"html", "the part is missing", "an email has html, text or both")
	}
	return problems
}

// oneLine is said of the parts that become headers or stand in one line of a mail client.
func oneLine(name string) bool { return name == "subject" || name == "preheader" }

func checkDefaults(defaults map[string]string, names names) (problems []campaigns.Problem) {
	for _, variable := range slices.Sorted(maps.Keys(defaults)) {
		field := "defaults." + variable
		if !names.known[variable] {
			problems = append(problems, campaigns.Problem{Field: field, Message: "there is no such variable", Hint: names.hint(variable)})
		} else if value := defaults[variable]; !utf8.ValidString(value) || strings.ContainsRune(value, 0) {
			problems = append(problems, campaigns.Problem{Field: field, Message: "the text is not valid UTF-8 or holds a NUL character"})
		}
	}
	return problems
}

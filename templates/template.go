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
// what they hold with every step, so output, steps and the work of filters are counted, and the end of a budget is an
// error that says so.
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
	sourceMax = 256 << 10 // all parts of a template together
	tagMax    = 4 << 10   // one {{ … }} or {% … %}
	depthMax  = 32        // blocks in blocks
	outputMax = 1 << 20   // one part
	stepsMax  = 10_000    // turns of all loops of one part together
	workMax   = 16 << 20  // results of all filters and captures of one part together
)

// Source is a template as it is written. An email has the parts subject, preheader (optional), html and text, of the last
// two at least one; an sms has text alone.
type Source struct {
	Channel  string            // "email" or "sms"
	Parts    map[string]string // Liquid by the part's name
	Params   map[string]string // Liquid by the name of a variable of a provider's registered template; rendered as parts params.NAME
	Own      bool              // the channel is a kind of address of the shop's own, and who asks has seen to its parts
	Defaults map[string]string // by variable, such as customer.name: what stands for a value that the customer lacks
}

// Parts is what was rendered: subject, html and text of an email, text of an sms.
type Parts map[string]string

// Template is a parsed Source. It may be rendered by many goroutines at once.
type Template struct {
	channel   string
	parts     map[string]part
	variables []string
	defaults  map[string]string
}

// part is one compiled part; locals are the names that it assigns itself.
type part struct {
	liquid *liquid.Template
	locals []string
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
// a campaigns.Error whose problems name the field (parts.html, defaults.customer.name), the line and often a hint.
func Parse(src Source, known []string) (*Template, error) {
	problems := checkParts(src)
	if len(problems) > 0 {
		return nil, campaigns.InvalidAll(problems)
	}
	names := newNames(known)
	t := &Template{channel: src.Channel, parts: map[string]part{}, defaults: maps.Clone(src.Defaults)}
	used := map[string]bool{}
	all := src.words()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		s := newScan(fieldOf(name), names, used)
		p, found := s.compile(all[name], name == "html" || name == "preheader")
		t.parts[name] = p
		problems = append(problems, found...)
	}
	problems = append(problems, checkDefaults(src.Defaults, names)...)
	if len(problems) > 0 {
		return nil, campaigns.InvalidAll(problems)
	}
	t.variables = slices.Sorted(maps.Keys(used))
	return t, nil
}

// Variables lists the variables that the template takes from outside, sorted, by their dotted names.
func (t *Template) Variables() []string { return slices.Clone(t.variables) }

// Required lists those of Variables that have no default: who lacks one of them can only be written to where the template
// does not print it.
func (t *Template) Required() []string {
	return slices.DeleteFunc(t.Variables(), func(name string) bool {
		_, has := t.defaults[name]
		return has
	})
}

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

func checkParts(src Source) (problems []campaigns.Problem) {
	allowed, required := src.allowedParts()
	if allowed == nil && !src.Own {
		return []campaigns.Problem{{Field: "channel", Message: "there is no such channel", Hint: `use "email" or "sms"`}}
	}
	add := func(field, message, hint string) {
		problems = append(problems, campaigns.Problem{Field: field, Message: message, Hint: hint})
	}
	total, all := 0, src.words()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		field, text := fieldOf(name), all[name]
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
		add("parts", "the template is larger than 256 KB", "host images instead of embedding them")
	}
	for _, name := range required {
		if _, ok := src.Parts[name]; !ok {
			add("parts."+name, "the part is missing", "")
		}
	}
	_, html := src.Parts["html"]
	if _, text := src.Parts["text"]; src.Channel == "email" && !html && !text {
		add("parts.html", "the part is missing", "an email has html, text or both")
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

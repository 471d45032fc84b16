package templates

import (
	"embed"
	"fmt"
	"slices"
	"strings"
)

//go:embed ready
var readyFiles embed.FS

// ReadyWords are what a ready-made campaign says in one language. Subject, SMS and Body are Liquid; all of it may hold
// names in square brackets, such as [days], that whoever uses the words replaces.
type ReadyWords struct {
	Title string // what a list calls it
	Does  string // who gets it when, in a sentence
	Needs string // what the workspace must know for it

	Subject string   // of the e-mail
	Body    []string // paragraphs of the e-mail
	SMS     string
}

// ReadyShared are the words that all ready-made campaigns of a language have in common.
type ReadyShared struct {
	Offer    string // the paragraph that names an offer and its code
	OfferSMS string // the same, short
	Leave    string // the link for leaving the channel
	Sign     string // who writes
}

// ReadyLanguages are the languages that there are ready-made words in.
func ReadyLanguages() []string { return []string{"zh", "en"} }

// Ready reads the ready-made words of a language by name.
func Ready(language string) (map[string]ReadyWords, ReadyShared, error) {
	var shared ReadyShared
	if !slices.Contains(ReadyLanguages(), language) {
		return nil, shared, fmt.Errorf("there are no ready-made words in %q", language)
	}
	file, err := readyFiles.ReadFile("ready/" + language + ".txt")
	if err != nil {
		return nil, shared, fmt.Errorf("reading the ready-made words: %w", err)
	}
	all := map[string]ReadyWords{}
	for _, section := range strings.Split("\n"+string(file), "\n== ")[1:] {
		name, rest, _ := strings.Cut(section, "\n")
		var words ReadyWords
		fields := map[string]*string{"title": &words.Title, "does": &words.Does, "needs": &words.Needs, "subject": &words.Subject, "sms": &words.SMS}
		if name == "shared" {
			fields = map[string]*string{"offer": &shared.Offer, "offer_sms": &shared.OfferSMS, "leave": &shared.Leave, "sign": &shared.Sign}
		}
		if words.Body, err = readSection(rest, fields); err != nil {
			return nil, shared, fmt.Errorf("ready-made words in %s: %s: %w", language, name, err)
		}
		if name != "shared" {
			all[name] = words
		}
	}
	return all, shared, nil
}

// readSection fills fields from lines "field: text" and gives the paragraphs that follow them.
func readSection(text string, fields map[string]*string) (paragraphs []string, err error) {
	head, body, _ := strings.Cut(text, "\n\n")
	for _, line := range strings.Split(strings.TrimSpace(head), "\n") {
		field, value, _ := strings.Cut(line, ": ")
		if fields[field] == nil {
			return nil, fmt.Errorf("there is no field %q", field)
		}
		*fields[field] = value
		delete(fields, field)
	}
	for field := range fields {
		return nil, fmt.Errorf("the field %q is missing", field)
	}
	for _, paragraph := range strings.Split(body, "\n\n") {
		if paragraph = strings.TrimSpace(paragraph); paragraph != "" {
			paragraphs = append(paragraphs, paragraph)
		}
	}
	return paragraphs, nil
}

// Email writes the parts of an e-mail: subject, html and text. offered adds the paragraph about an offer.
func (w ReadyWords) Email(shared ReadyShared, offered bool) (Parts, error) {
	layout, err := readyFiles.ReadFile("ready/email.html")
	if err != nil {
		return nil, fmt.Errorf("reading the ready-made layout: %w", err)
	}
	paragraphs := slices.Clone(w.Body)
	if offered {
		paragraphs = append(paragraphs, shared.Offer)
	}
	paragraphs = append(paragraphs, shared.Sign)
	text := strings.Join(append(slices.Clone(paragraphs), shared.Leave+"\n{{ links.unsubscribe }}"), "\n\n")
	html := "<p>" + strings.Join(paragraphs, "</p>\n<p>") + "</p>\n" +
		`<p style="font-size:12px"><a style="color:#888888" href="{{ links.unsubscribe }}">` + shared.Leave + "</a></p>"
	return Parts{"subject": w.Subject, "html": strings.Replace(string(layout), "[body]", html, 1), "text": text}, nil
}

// Text writes the part of an SMS. offered adds the words about an offer.
func (w ReadyWords) Text(shared ReadyShared, offered bool) Parts {
	text := w.SMS
	if offered {
		if text[len(text)-1] < 0x80 { // a Latin sentence ends before a space, a Chinese one does not
			text += " "
		}
		text += shared.OfferSMS
	}
	return Parts{"text": text}
}

// EitherLanguage writes parts that say one thing to customers of a language and the other to everybody else.
func EitherLanguage(language string, theirs, others Parts) Parts {
	parts := Parts{}
	for name, text := range others {
		parts[name] = `{% if customer.language contains "` + language + `" %}` + theirs[name] + `{% else %}` + text + `{% endif %}`
	}
	return parts
}

package campaigns

import (
	"maps"
	"regexp"
	"slices"
	"time"
)

// A Template is the words of a message with variables. Each edit makes a new Revision; a message keeps the one it was
// queued with, so that its content can be made again.
type Template struct {
	ID        ID        `json:"id"`
	Revision  int       `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
	TemplateDefinition
}

// TemplateDefinition is what a marketer writes: subject, preheader, html and text for e-mail, text alone for SMS.
type TemplateDefinition struct {
	Name      string                       `json:"name" minLength:"1" maxLength:"200"`
	Channel   string                       `json:"channel" maxLength:"30" doc:"email, sms, or a kind of address of your own that a gateway sends to"`
	Parts     map[string]string            `json:"parts" doc:"the words for everybody whose language is not among languages"`
	Languages map[string]map[string]string `json:"languages,omitempty" doc:"the same parts in other languages, by tags such as en or zh-TW; a customer gets their own, else the one that theirs is a form of, else parts"`
	Variables map[string]VariablePolicy    `json:"variables,omitempty" doc:"what happens to a customer who lacks a variable; skip if left out"`
	Language  string                       `json:"language,omitempty" doc:"of parts, for money, numbers and dates; the workspace's first if left out"`
	Currency  string                       `json:"currency,omitempty" readOnly:"true" doc:"of the amounts that are printed: the workspace's when the template was saved"`
	InlineCSS *bool                        `json:"inline_css,omitempty" doc:"whether the rules of style elements are written into the elements that they are for, as mail clients want it; true if left out"`

	ProviderTemplate *ProviderTemplate `json:"provider_template,omitempty" doc:"for a gateway that takes registered templates alone; the parts are the registered text"`
}

// VariablePolicy says what a customer gets who lacks a variable: a default, or no message (gate template).
type VariablePolicy struct {
	Default *string `json:"default,omitempty"`
	Missing string  `json:"missing,omitempty" enum:"skip,refuse" doc:"skip: no message (gate template); refuse: the campaign is not launched while somebody of its audience lacks it"`
}

// Settle fills in what the definition leaves to the workspace. It is kept with each revision, so that what a message said
// can be said again whatever the workspace's settings have become.
func (d *TemplateDefinition) Settle(w *Workspace) {
	if d.Language == "" && len(w.Languages) > 0 {
		d.Language = w.Languages[0]
	}
	d.Currency = w.Currency
	if d.InlineCSS == nil {
		inline := true
		d.InlineCSS = &inline
	}
}

// Check says what is wrong with a definition besides its words, which whoever compiles it says.
func (d *TemplateDefinition) Check() error {
	var checks Checks
	checks.Require(d.Language == "" || isTag(d.Language), "language", "%q is not the tag of a language: write it like en, zh-CN or pt-BR", shorten(d.Language))
	for _, name := range slices.Sorted(maps.Keys(d.Variables)) {
		policy := d.Variables[name]
		checks.Require(policy.Default == nil || policy.Missing == "", "variables."+name, "takes default or missing, and not both")
	}
	return checks.Err()
}

func isTag(tag string) bool {
	return regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$`).MatchString(tag)
}

// Refusing are the variables that nobody of an audience may lack, sorted.
func (d *TemplateDefinition) Refusing() (names []string) {
	for name, policy := range d.Variables {
		if policy.Missing == "refuse" && policy.Default == nil {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// Defaults are the variables that have one.
func (d *TemplateDefinition) Defaults() map[string]string {
	defaults := map[string]string{}
	for name, policy := range d.Variables {
		if policy.Default != nil {
			defaults[name] = *policy.Default
		}
	}
	return defaults
}

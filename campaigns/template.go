package campaigns

import "time"

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
	Name             string            `json:"name" minLength:"1" maxLength:"200"`
	Channel          string            `json:"channel" maxLength:"30" doc:"email, sms, or a kind of address of your own that a gateway sends to"`
	Parts            map[string]string `json:"parts"`
	ProviderTemplate *ProviderTemplate `json:"provider_template,omitempty" doc:"for a gateway that takes registered templates alone; the parts are the registered text"`

	Variables map[string]VariablePolicy `json:"variables,omitempty" doc:"what happens to a customer who lacks a variable; skip if left out"`
}

// VariablePolicy says what a customer gets who lacks a variable: a default, or no message (gate template).
type VariablePolicy struct {
	Default *string `json:"default,omitempty"`
	Missing string  `json:"missing,omitempty" enum:"skip"`
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

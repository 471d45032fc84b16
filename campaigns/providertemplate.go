package campaigns

import (
	"regexp"
)

// A ProviderTemplate is the template that a gateway's provider registered under a code, for gateways that take no other
// words: the template's own parts are the registered text, for previews and segments.
type ProviderTemplate struct {
	ChannelID string            `json:"channel_id" minLength:"1" maxLength:"200" doc:"the gateway that knows the code"`
	Code      string            `json:"code" minLength:"1" maxLength:"200" doc:"the provider's name for the template"`
	Params    map[string]string `json:"params,omitempty" doc:"Liquid by the name of a variable of the registered template, with the variables that parts may use"`
}

// providerParamsMax is how many variables a registered template may have.
const providerParamsMax = 50

// Check says what is wrong with it, but for its Liquid.
func (p *ProviderTemplate) Check() error {
	var checks Checks
	checks.Require(isOneWord(p.Code), "code", "is missing or holds spaces")
	checks.Require(len(p.Params) <= providerParamsMax, "params", "there are up to %d", providerParamsMax)
	for name := range p.Params {
		checks.Require(regexp.MustCompile(`^[A-Za-z0-9_.-]{1,60}$`).MatchString(name), "params", "%q should be up to 60 letters, digits, dots, dashes and underscores", shorten(name))
	}
	return checks.Err()
}

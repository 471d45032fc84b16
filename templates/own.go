package templates

import (
	"maps"
	"slices"
	"strings"
)

// ParamPrefix begins the names of those parts that are values of a provider's registered template.
const ParamPrefix = "params."

// words are the parts of one of a source's languages, and the parameters of its registered template as parts of their own:
// they are checked, their variables are asked for, and they are rendered and kept with the message as all words are.
func (src *Source) words(parts map[string]string) map[string]string {
	if len(src.Params) == 0 {
		return parts
	}
	all := maps.Clone(parts)
	for name, value := range src.Params {
		all[ParamPrefix+name] = value
	}
	return all
}

// fieldOf is the field of a template that holds a part; within is what holds a language's parts, with its dot.
func fieldOf(within, part string) string {
	if strings.HasPrefix(part, ParamPrefix) {
		return "provider_template." + part
	}
	return within + part
}

// allowedParts says which parts a source may have, and which of them it must have. Those of a kind of address of the shop's
// own are known to whoever asks.
func (src *Source) allowedParts() (allowed, required []string) {
	if src.Own {
		return slices.Sorted(maps.Keys(src.Parts)), nil
	}
	return partsOf(src.Channel)
}

// Params takes the parameters of a registered template out of rendered parts.
func (p Parts) Params() (words Parts, params map[string]string) {
	words, params = Parts{}, map[string]string{}
	for name, text := range p {
		if param, is := strings.CutPrefix(name, ParamPrefix); is {
			params[param] = text
		} else {
			words[name] = text
		}
	}
	return words, params
}

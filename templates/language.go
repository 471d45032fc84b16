package templates

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"beckon/campaigns"
)

// languagesMax is how many languages a template may have besides its first.
const languagesMax = 40

// NormalTag is a language's tag in one spelling: lower case, with dashes.
func NormalTag(tag string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimSpace(tag), "_", "-"))
}

// IsTag says whether a text is the tag of a language, such as en, zh-CN or zh-Hant-TW (BCP 47, without its rarer forms).
func IsTag(tag string) bool {
	return regexp.MustCompile(`^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$`).MatchString(tag)
}

// Language is the language of the template that somebody is written to in: the one they prefer, else what that is a form of
// (zh for zh-CN), else "", which is the first.
func (t *Template) Language(preferred string) string {
	if len(t.languages) == 0 || preferred == "" {
		return ""
	}
	for tag := NormalTag(preferred); tag != ""; {
		if _, has := t.languages[tag]; has {
			return tag
		}
		end := strings.LastIndexByte(tag, '-')
		tag = tag[:max(end, 0)]
	}
	return ""
}

// In gives the words of a language as Language names it; those of the first for any other.
func (t *Template) In(language string) *Words {
	if words, has := t.languages[language]; has {
		return words
	}
	return t.first
}

// Languages lists the languages besides the first.
func (t *Template) Languages() []string { return slices.Sorted(maps.Keys(t.languages)) }

// all are the words of all languages, the first of them first.
func (t *Template) all() []*Words {
	all := []*Words{t.first}
	for _, tag := range t.Languages() {
		all = append(all, t.languages[tag])
	}
	return all
}

func checkLanguages(languages map[string]map[string]string) (problems []campaigns.Problem) {
	if len(languages) > languagesMax {
		problems = append(problems, campaigns.Problem{Field: "languages", Message: "there are more than 40 languages"})
	}
	seen := map[string]string{}
	for _, tag := range slices.Sorted(maps.Keys(languages)) {
		field, normal := "languages."+tag, NormalTag(tag)
		if !IsTag(tag) {
			problems = append(problems, campaigns.Problem{Field: field, Message: "this is not the tag of a language", Hint: "write it like en, zh-CN or pt-BR"})
		} else if other, twice := seen[normal]; twice {
			problems = append(problems, campaigns.Problem{Field: field, Message: "this language is there twice: as " + other + " too"})
		}
		seen[normal] = tag
	}
	return problems
}

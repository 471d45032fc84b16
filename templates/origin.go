package templates

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// Origins are the schemes and hosts of the addresses of the web that stand in the words themselves, such as https://shop.example:
// not those of which data makes a part. They are in lower case and sorted.
func (w *Words) Origins() []string { return slices.Clone(w.origins) }

// OriginsIn are those of texts that no variable stands in.
func OriginsIn(texts ...string) []string { return originsOf(texts) }

// originsOf finds them in texts. A host that a variable or tag touches is not known before the words are printed.
func originsOf(texts []string) []string {
	found := map[string]bool{}
	whole := regexp.MustCompile(`(?i)(https?)://([^\s/?#"'<>{}%\\]+)([/?#"'<>\s]|[^\x00-\x7f]|$)`)
	for _, text := range texts {
		for _, m := range whole.FindAllStringSubmatch(text, -1) {
			scheme, host := strings.ToLower(m[1])+"://", strings.ToLower(strings.TrimRight(m[2], ".,;:!?)]*"))
			ascii := strings.TrimRight(host[:len(host)-len(strings.TrimLeftFunc(host, func(r rune) bool { return r < 0x7f }))], ".,;:!?)]*") // an address in Chinese text ends there
			for _, h := range []string{host, ascii} {
				if h = h[strings.LastIndexByte(h, '@')+1:]; h != "" {
					found[scheme+h] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

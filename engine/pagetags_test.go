package engine

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTagsAreFoundWhereTheTokenizerFindsThem(t *testing.T) {
	pieces := []string{"<a ", "<A", "<a", "<abbr ", "<p ", "<", "</", "</a>", "</body", "</BODY>", "<body>", ">", "/", "href", "=", `"`, "'", "x", " ", "\n", "\x00", "\xff", "退", "K", "ſ",
		"<!--", "-->", "--!>", "--", "-", "!", "<!", "<?", "?>", "<!DOCTYPE html>", "<![CDATA[", "]]>", "<script>", "</script>", "<style>", "<STYLE a='>'>", "</style", "</Style>", "<ſtyle>", "</ſtyle>", "<title", "</title>",
		"<textarea>", "</textarea ", "<xmp>", "</xmp/", "<noscript>", "</noscript>", "<plaintext>", "<iframe>", "</iframe>", "</>", "</ >", "<1", `<a href="https://a.test/?x=1&amp;y">`, `<a title="a > b" href='https://a.test' rel=x>`}
	linked := 0
	rapid.Check(t, func(t *rapid.T) {
		page := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 0, 30).Draw(t, "page"), "") + `<a href="https://b.test">`
		if rapid.Bool().Draw(t, "a link first") {
			page = "<a>" + page
		}
		got, want := tagsOf(nil, page), tagsSlowly(nil, page)
		if !slices.Equal(got, want) {
			t.Fatalf("in %q there are %v, want %v", page, got, want)
		}
		linked += len(want)
	})
	if linked == 0 {
		t.Error("no page had any tag")
	}
}

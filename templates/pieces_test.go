package templates

import (
	"fmt"
	"maps"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// whole renders words by the engine alone: what the pieces are held against.
func whole(w *Words, vars map[string]any) (Parts, error) {
	slow := *w
	slow.parts = maps.Clone(w.parts)
	for name, p := range slow.parts {
		p.pieces = nil
		slow.parts[name] = p
	}
	return slow.Render(vars)
}

func TestAPartOfPiecesIsWhatTheEngineMakesOfTheWhole(t *testing.T) {
	tokens := []string{"Hi ", "<p class='x'>", "\n", "退订", "\"", `<a href="`, `">`, "{{ customer.name }}", "{{ customer.city }}", "{{code}}", "{{\n code }}", `{{ customer["name"] }}`,
		"{{ points.balance }}", "{{ links.unsubscribe }}", "{{ customer.tags }}", "{{ customer.born | date }}", "{{ customer.name | upcase }}", "{{ 'x' }}", "{{ 12 }}", "{{ customer.city | default: 'far' }}",
		"{% if customer.city %}in {{ customer.city }}{% else %}far{% endif %}", "{% if code == 'X7' %}\n{{ customer.name | upcase }}{% elsif customer.name %}x{% endif %}", "{{ code -}}", "{%- if code %} y {% endif -%}",
		"{% for i in customer.tags %}{{ i }},{% cycle 'a', 'b' %}{% endfor %}", "{% for i in (1..3) %}{{ i }}{{ customer.name }}{% if i == 2 %}{% break %}{% endif %}{% endfor %}", "{% assign x = code %}", "{{ x }}",
		"{% capture y %}{{ code }}{% endcapture %}", "{{ y }}", "{% comment %}{{ code }}{% endcomment %}", "{% raw %}{{ code }}{% endraw %}", "{% for i in (1..9000) %}{% endfor %}"}
	values := []any{nil, "", "Ann", "Ängström & <b>\"'", "https://a.test/?x=1&y", "javascript:x", "\xff", "\x00", "a\r\n b  c", 1200.0, 12.5, math.Copysign(0, -1), 1e21, true, false, int64(3), []any{"a", "<b>"}, map[string]any{"a": "b"}, strings.Repeat("x", 3000)}
	cut, failed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		src := Source{Channel: "email", Language: rapid.SampledFrom([]string{"", "en", "zh-CN"}).Draw(t, "language"), Parts: map[string]string{}, Defaults: map[string]string{}}
		for _, name := range []string{"subject", "html", "text", "preheader"} {
			text := strings.Join(rapid.SliceOfN(rapid.SampledFrom(tokens), 1, 8).Draw(t, name), "")
			if oneLine(name) {
				text = strings.ReplaceAll(text, "\n", " ")
			}
			src.Parts[name] = "-" + text
		}
		if rapid.Bool().Draw(t, "a default") {
			src.Defaults["customer.name"], src.Defaults["customer.city"] = "friend & more", "Paris"
		}
		parsed, err := Parse(src, known())
		if err != nil {
			return // such as an x that nothing assigned
		}
		value := func(name string) any { return rapid.SampledFrom(values).Draw(t, name) }
		vars := map[string]any{"customer": map[string]any{"name": value("name"), "city": value("city"), "tags": value("tags"), "born": value("born")}, "code": value("code"),
			"points": map[string]any{"balance": value("balance")}, "links": map[string]any{"unsubscribe": value("link")}}
		if rapid.IntRange(0, 9).Draw(t, "nobody") == 0 {
			delete(vars, "customer")
		}
		got, gotErr := parsed.Render(vars)
		want, wantErr := whole(parsed.first, vars)
		if fmt.Sprint(gotErr) != fmt.Sprint(wantErr) || fmt.Sprint(problems(gotErr)) != fmt.Sprint(problems(wantErr)) || !maps.Equal(got, want) {
			t.Fatalf("%q with %v became\n%q (%v), of the whole\n%q (%v)", src.Parts, vars, got, gotErr, want, wantErr)
		}
		if wantErr != nil {
			failed++
		} else if parsed.first.parts["html"].pieces != nil {
			cut++
		}
	})
	if cut == 0 || failed == 0 {
		t.Errorf("%d were put together from pieces, %d failed: too few to tell", cut, failed)
	}
}

func TestAPartOfTextAndValuesAsksTheEngineForNothing(t *testing.T) {
	words := parsed(t, textOnly("Hi {{ customer.name }}, {{ code }} for you: {% if customer.city %}in {{ customer.city }}{% endif %}.")).first
	engines, values := 0, 0
	for _, p := range words.parts["text"].pieces {
		if p.engine != nil {
			engines++
		}
		if p.value != nil {
			values++
		}
	}
	if engines != 1 || values != 2 {
		t.Errorf("%d pieces of Liquid and %d values in %+v", engines, values, words.parts["text"].pieces)
	}
	for _, source := range []string{"{{ code -}} x", "{% assign x = code %}{{ x }}", strings.Repeat("{% if code %}a{% endif %}b", piecesMax+1)} {
		if pieces := parsed(t, textOnly(source)).first.parts["text"].pieces; pieces != nil {
			t.Errorf("%.30q was cut into %d pieces", source, len(pieces))
		}
	}
}

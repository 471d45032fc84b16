package templates

import (
	"errors"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"

	"pgregory.net/rapid"
)

func known() []string { return Known([]string{"name", "city", "tags", "born"}) }

func parsed(t interface {
	Helper()
	Fatal(...any)
}, src Source) *Template {
	t.Helper()
	parsed, err := Parse(src, known())
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func textOnly(text string) Source {
	return Source{Channel: "sms", Parts: map[string]string{"text": text}}
}

func customer(values map[string]any) map[string]any {
	return map[string]any{"customer": values, "code": "X7", "points": map[string]any{"balance": int64(1200)}}
}

func problems(err error) []campaigns.Problem {
	var e *campaigns.Error
	if errors.As(err, &e) {
		return e.Problems
	}
	return nil
}

func TestAnSMSIsRenderedForACustomer(t *testing.T) {
	cases := map[string]struct{ source, want string }{
		"a value":              {"Hi {{ customer.name }}!", "Hi Ann!"},
		"a number":             {"{{ points.balance }} points", "1200 points"},
		"filters":              {"{{ customer.name | upcase | append: '!' }}", "ANN!"},
		"a filter of a value":  {"{{ 'Dear ' | append: customer.name }}", "Dear Ann"},
		"a default unused":     {"Hi {{ customer.name | default: 'friend' }}", "Hi Ann"},
		"a default used":       {"Hi {{ customer.city | default: 'friend' }}", "Hi friend"},
		"a default of another": {"Hi {{ customer.city | default: customer.name }}", "Hi Ann"},
		"a default behind":     {"Hi {{ customer.city | upcase | default: 'friend' }}", "Hi friend"},
		"a condition":          {"{% if customer.city %}in {{ customer.city }}{% else %}far{% endif %}", "far"},
		"a comparison":         {"{% if points.balance >= 1000 and customer.name == 'Ann' %}rich{% endif %}", "rich"},
		"a case":               {"{% case customer.name %}{% when 'Bob', 'Ann' %}known{% else %}new{% endcase %}", "known"},
		"a loop":               {"{% for tag in customer.tags %}{{ forloop.index }}{{ tag }} {% endfor %}", "1a 2b "},
		"a range":              {"{% for i in (1..3) reversed %}{{ i }}{% endfor %}", "321"},
		"a loop left early":    {"{% for i in (1..9) %}{% if i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}", "12"},
		"a cycle":              {"{% for i in (1..3) %}{% cycle 'a', 'b' %}{% endfor %}", "aba"},
		"an assignment":        {"{% assign n = customer.name | downcase %}{{ n }}{{ n | size }}", "ann3"},
		"a capture":            {"{% capture who %}<{{ customer.name }}>{% endcapture %}{{ who }}{{ who }}", "<Ann><Ann>"},
		"an unless":            {"{% unless customer.city %}far{% endunless %}", "far"},
		"an elsif":             {"{% if customer.city %}a{% elsif customer.tags contains 'b' %}b{% endif %}", "b"},
		"a tag looked for":     {"{% if customer.city contains 'b' %}a{% else %}none{% endif %}", "none"},
		"a list joined":        {"{{ customer.tags | join: ', ' }}", "a, b"},
		"a named argument":     {"{{ customer.city | default: 'x', allow_false: true }}", "x"},
		"a modified loop":      {"{% for i in (1..9) limit: 2 offset: 3 %}{{ i }}{% else %}none{% endfor %}", "45"},
		"a loop of nothing":    {"{% for c in customer.city %}{{ c }}{% else %}none{% endfor %}", "none"},
		"words with an equals": {"{% assign x = 'a=b' %}{{ x }}", "a=b"},
		"an unset local":       {"{% if customer.city %}{% assign x = 'y' %}{% endif %}[{{ x }}]", "[]"},
		"trimmed space":        {"a  {%- if true -%}  {{- code -}}  {%- endif -%}  b", "aX7b"},
		"trimmed conditions":   {"a  {%- if code -%}  b  {%- elsif customer.name -%} c {%- endif -%}  d {%- case code -%} {%- when 'X7' -%} e {% endcase -%} f", "abde f"},
		"a comment":            {"a{% comment %}{{ nonsense {% endcomment %}b", "ab"},
		"raw text":             {"{% raw %}{{ customer.nobody }}{% endraw %}", "{{ customer.nobody }}"},
		"an index":             {"{{ customer['name'] }}", "Ann"},
		"money":                {"{{ points.balance | money: '¥' }}", "¥12.00"},
		"a date":               {"{{ customer.born | date: '%e %B %Y' }}", "31 December 1990"},
		"a tag of two lines":   {"{%\nif true %}yes{% endif %}", "yes"},
	}
	vars := customer(map[string]any{"name": "Ann", "tags": []string{"a", "b"}, "born": "1990-12-31"})
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := parsed(t, textOnly(c.source)).Render(vars)
			if err != nil || got["text"] != c.want || len(got) != 1 {
				t.Errorf("%q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestVariablesAreThoseTakenFromOutside(t *testing.T) {
	got := parsed(t, Source{Channel: "email", Parts: map[string]string{
		"subject": "{{ customer.name | append: code }}",
		"html":    "{% assign x = offer.value | money %}{{ x }}{% for tag in customer.tags %}{{ tag }}{{ forloop.last }}{% endfor %}",
		"text":    "{% if points.balance > 3 %}{{ links.unsubscribe }}{% endif %}{% comment %}{{ campaign.name }}{% endcomment %}{{ customer.name }}",
	}}).Variables()
	want := "code customer.name customer.tags links.unsubscribe offer.value points.balance"
	if strings.Join(got, " ") != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestAnEmailHasSubjectHTMLAndText(t *testing.T) {
	got, err := parsed(t, Source{Channel: "email", Parts: map[string]string{
		"subject":   "For {{ customer.name }}",
		"preheader": "Only {{ customer.name }}",
		"html":      `<html><BODY class="x"><p>Hi <b>{{ customer.name }}</b></p><a href="{{ links.unsubscribe }}">Stop</a></body></html>`,
	}}).Render(map[string]any{"customer": map[string]any{"name": "A & <B>\r\nBcc: x"}, "links": map[string]any{"unsubscribe": "https://x.test/u?a=1&b=2"}})
	if err != nil {
		t.Fatal(err)
	}
	want := Parts{
		"subject": "For A & <B> Bcc: x",
		"html": `<html><BODY class="x"><div style="display:none;max-height:0;overflow:hidden">Only A &amp; &lt;B&gt; Bcc: x</div>` +
			"<p>Hi <b>A &amp; &lt;B&gt;\r\nBcc: x</b></p>" + `<a href="https://x.test/u?a=1&amp;b=2">Stop</a></body></html>`,
		"text": "Hi A & <B>\nBcc: x\n\nStop <https://x.test/u?a=1&b=2>",
	}
	for part := range want {
		if part != "text" && got[part] != want[part] {
			t.Errorf("%s is %q, want %q", part, got[part], want[part])
		}
	}
	for _, word := range []string{"Hi A & <B>", "Stop <https://x.test/u?a=1&b=2>"} {
		if !strings.Contains(got["text"], word) || strings.Contains(got["text"], "Only") {
			t.Errorf("the text is %q, want %q in it", got["text"], word)
		}
	}
	if len(got) != 3 {
		t.Errorf("the parts are %q", got)
	}
}

func TestEscapeEscapesOnce(t *testing.T) {
	src := Source{Channel: "email", Parts: map[string]string{"subject": "s", "html": "{{ customer.name | escape }}", "text": "{{ customer.name }}"}}
	got, err := parsed(t, src).Render(customer(map[string]any{"name": "<&>"}))
	if err != nil || got["html"] != "&lt;&amp;&gt;" || got["text"] != "<&>" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestALackingValueIsNamed(t *testing.T) {
	cases := map[string]struct{ source, variable string }{
		"printed":             {"Hi {{ customer.city }}", "customer.city"},
		"filtered":            {"Hi {{ customer.city | upcase }}", "customer.city"},
		"an argument":         {"{{ customer.name | append: customer.city }}", "customer.city"},
		"assigned":            {"{% assign c = customer.city %}{{ c }}", "customer.city"},
		"the default as well": {"{{ customer.city | default: offer.name }}", "offer.name"},
		"a whole group":       {"{{ links.unsubscribe }}", "links.unsubscribe"},
		"empty":               {"{{ customer.born }}", "customer.born"},
		"captured":            {"{% capture c %}{{ customer.city }}{% endcapture %}{{ c }}", "customer.city"},
		"in a loop":           {"{% for i in (1..2) %}{{ customer.city }}{% endfor %}", "customer.city"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := parsed(t, textOnly(c.source)).Render(customer(map[string]any{"name": "Ann", "city": nil, "born": ""}))
			var missing *MissingError
			if !errors.As(err, &missing) || missing.Variable != c.variable {
				t.Errorf("the error is %v, want %s missing", err, c.variable)
			}
		})
	}
}

func TestTheTemplatesDefaultStandsForALackingValue(t *testing.T) {
	src := textOnly("Hi {{ customer.name }}{% if customer.city %} of {{ customer.city | upcase }}{% endif %}")
	src.Defaults = map[string]string{"customer.name": "friend", "customer.city": "Rome"}
	got, err := parsed(t, src).Render(map[string]any{"customer": map[string]any{"name": ""}})
	if err != nil || got["text"] != "Hi friend of ROME" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestMistakesAreNamedWithFieldLineAndHint(t *testing.T) {
	text := func(s string) Source { return textOnly(s) }
	cases := map[string]struct {
		src         Source
		field, says string
		line        int
		hint        string
	}{
		"no channel":                      {Source{Parts: map[string]string{"text": "a"}}, "channel", "no such channel", 0, "email"},
		"no text":                         {Source{Channel: "sms"}, "parts.text", "missing", 0, ""},
		"an SMS with a subject":           {Source{Channel: "sms", Parts: map[string]string{"text": "a", "subject": "b"}}, "parts.subject", "no such part", 0, "text"},
		"an email of nothing":             {Source{Channel: "email", Parts: map[string]string{"subject": "b"}}, "parts.html", "missing", 0, "html, text"},
		"a blank part":                    {text(" \n"), "parts.text", "empty", 0, ""},
		"a subject of two lines":          {Source{Channel: "email", Parts: map[string]string{"subject": "a\nBcc: b", "text": "c"}}, "parts.subject", "line break", 0, ""},
		"bytes of no text":                {text("a\xff"), "parts.text", "UTF-8", 0, ""},
		"a NUL":                           {text("a\x00"), "parts.text", "NUL", 0, ""},
		"too much":                        {text(strings.Repeat("a", 256<<10+1)), "parts", "256 KB", 0, ""},
		"an unknown variable":             {text("a\n\n{{ customer.nmae }}"), "parts.text", `no variable "customer.nmae"`, 3, "customer.name"},
		"an unknown root":                 {text("{{ client.name }}"), "parts.text", `"client.name"`, 1, "customer"},
		"a variable unset yet":            {text("{{ x }}{% assign x = 1 %}"), "parts.text", `"x"`, 1, ""},
		"a variable of a loop that ended": {text("{% for x in customer.tags %}{% endfor %}{{ x }}"), "parts.text", `"x"`, 1, ""},
		"in a condition":                  {text("{% if customer.nmae %}a{% endif %}"), "parts.text", "customer.nmae", 1, "customer.name"},
		"in an argument":                  {text("{{ code | append: cde }}"), "parts.text", `"cde"`, 1, ""},
		"in brackets":                     {text("{{ customer[code] }}"), "parts.text", `"customer"`, 1, ""},
		"an unknown filter":               {text("{{ code | shout }}"), "parts.text", `no filter "shout"`, 1, "upcase"},
		"safe":                            {text("{{ code | safe }}"), "parts.text", "safe", 1, "escaped"},
		"an unknown tag":                  {text("\n{% foo %}"), "parts.text", `no tag "foo"`, 2, "assign"},
		"a file":                          {text("{% include '/etc/passwd' %}"), "parts.text", `no tag "include"`, 1, ""},
		"an unclosed value":               {text("a\nHi {{ customer.name"), "parts.text", "no closing }}", 2, "one line"},
		"an unclosed tag":                 {text("{% if code"), "parts.text", "no closing %}", 1, ""},
		"an unclosed block":               {text("a\n{% if code %}b"), "parts.text", `unterminated "if" block`, 2, ""},
		"an end too many":                 {text("a{% endif %}"), "parts.text", "endif ends no if", 1, ""},
		"an unclosed quote":               {text("{{ code | append: 'a }}"), "parts.text", "closing quote", 1, ""},
		"half a comparison":               {text("{% if code == %}a{% endif %}"), "parts.text", "value is missing at the end", 1, ""},
		"a filtered condition":            {text("{% if code | size > 2 %}a{% endif %}"), "parts.text", "no filters", 1, "assign"},
		"a printed comparison":            {text("{{ code == 'a' }}"), "parts.text", "only in conditions", 1, ""},
		"a hidden root":                   {text("{% assign customer = 'a' %}"), "parts.text", "taken", 1, "another name"},
		"a break out of nothing":          {text("{% break %}"), "parts.text", "outside of a loop", 1, ""},
		"a default for nothing":           {Source{Channel: "sms", Parts: map[string]string{"text": "a"}, Defaults: map[string]string{"customer.nmae": "b"}}, "defaults.customer.nmae", "no such variable", 0, "customer.name"},
		"an else with a condition":        {textOnly("{% if code %}a{% else if code %}b{% endif %}"), "parts.text", "else has no condition", 1, "elsif"},
		"blocks without end":              {text(strings.Repeat("{% if code %}", 10000)), "parts.text", "more than 32 deep", 1, ""},
		"a huge number":                   {text("{{ 99999999999999999999 }}"), "parts.text", "too long", 1, ""},
		"a huge tag":                      {text("{{ code" + strings.Repeat(" | upcase", 600) + " }}"), "parts.text", "longer than 4 KB", 1, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Parse(c.src, known())
			found := problems(err)
			if len(found) == 0 {
				t.Fatalf("the error is %v", err)
			}
			p := found[0]
			if p.Field != c.field || !strings.Contains(p.Message, c.says) || p.Line != c.line || !strings.Contains(p.Hint, c.hint) {
				t.Errorf("%+v, want %+v", p, c)
			}
		})
	}
}

func TestAllMistakesComeAtOnce(t *testing.T) {
	_, err := Parse(Source{Channel: "email", Parts: map[string]string{"subject": "{{ a }}", "html": "{{ b }}\n{{ c | d }}"}}, known())
	if found := problems(err); len(found) != 4 || campaigns.CodeOf(err) != campaigns.CodeInvalid {
		t.Errorf("%+v", found)
	}
}

func TestHostileTemplatesEndInAClearError(t *testing.T) {
	big := strings.Repeat("x", 1<<20)
	cases := map[string]struct {
		source, says string
		name         any
	}{
		"a loop without end":        {"{% for i in (1..1000000000) %}{% endfor %}", "turns", "Ann"},
		"loops in loops":            {"{% for i in (1..9000) %}{% for j in (1..9000) %}{% for k in (1..9000) %}{% endfor %}{% endfor %}{% endfor %}", "turns", "Ann"},
		"too much output":           {"{% for i in (1..9000) %}{{ customer.name }}{% endfor %}", "1 MB", strings.Repeat("x", 1000)},
		"a value of more than 1 MB": {"{{ customer.name }}", "1 MB", big + "x"},
		"a doubling assignment":     {"{% assign a = customer.name %}{% for i in (1..99) %}{% assign a = a | append: a %}{% endfor %}", "1 MB", "Ann"},
		"a doubling capture":        {"{% assign a = customer.name %}{% for i in (1..99) %}{% capture a %}{{ a }}{{ a }}{% endcapture %}{% endfor %}", "1 MB", "Ann"},
		"a capture of a loop":       {"{% capture a %}{% for i in (1..9000) %}{{ customer.name }}{% endfor %}{% endcapture %}", "1 MB", strings.Repeat("x", 1000)},
		"a replacement that blows":  {"{{ customer.name | replace: '', customer.name }}", "1 MB", strings.Repeat("x", 9000)},
		"a join that blows":         {"{{ customer.name | split: '' | join: customer.name }}", "1 MB", strings.Repeat("x", 9000)},
		"much work for nothing":     {"{% for i in (1..9000) %}{% assign a = customer.name | upcase %}{% endfor %}", "too much text", strings.Repeat("x", 1<<19)},
		"a list that doubles":       {"{% assign a = customer.name | split: '' %}{% for i in (1..99) %}{% assign a = a | concat: a %}{% endfor %}", "1 MB", "Ann"},
		"conditions in a loop":      {"{% for i in (1..9000) %}" + strings.Repeat("{% if i == customer.name %}a{% endif %}", 900) + "{% endfor %}", "500000 values", "Ann"},
		"values in a loop":          {"{% for i in (1..9000) %}" + strings.Repeat("{{ customer.city | default: '' }}", 900) + "{% endfor %}", "500000 values", "Ann"},
		"a search in much text":     {"{% assign b = customer.name %}{% for i in (1..9000) %}{% if b contains 'q' %}{% endif %}{% endfor %}", "too much text", big[:1<<19]},
		"many searches in a row":    {strings.Repeat("{% if customer.name contains 'q' %}{% endif %}", 4000), "too much text", big[:1<<19]},
		"a search in an elsif":      {"{% for i in (1..9000) %}{% if false %}{% elsif customer.name contains 'q' %}{% endif %}{% endfor %}", "too much text", big[:1<<19]},
		"bytes of no text":          {"{{ customer.name }}", "UTF-8", "a\xff"},
		"a NUL":                     {"{{ customer.name }}", "NUL", "a\x00"},
		"a division by zero":        {"{{ 5 | divided_by: 0 }}", "division by zero", "Ann"},
		"a slice that panics":       {"{{ customer.name | slice: 2, -5 }}", "cannot be rendered", "Ann"},
		"no date":                   {"{{ customer.name | date }}", "not a date", "Ann"},
		"an unknown date format":    {"{{ '2026-01-02' | date: '%Q' }}", "%Q", "Ann"},
		"no clock":                  {"{{ 'now' | date }}", "not a date", "Ann"},
		"half a minor unit":         {"{{ 1.5 | money }}", "minor units", "Ann"},
		"too many arguments":        {"{{ customer.name | upcase: 1, 2, 3 }}", "arguments", "Ann"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			started := time.Now()
			_, err := parsed(t, textOnly(c.source)).Render(customer(map[string]any{"name": c.name}))
			found := problems(err)
			if len(found) != 1 || found[0].Field != "parts.text" || !strings.Contains(found[0].Message, c.says) {
				t.Errorf("the error is %v, want %q in it", err, c.says)
			}
			if strings.Contains(found[0].Message, "beckon_") || strings.Contains(found[0].Message, "goroutine") {
				t.Errorf("the message shows what is inside: %s", found[0].Message)
			}
			if took := time.Since(started); took > time.Minute {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestEveryAllowedFilterIsThere(t *testing.T) {
	for _, filter := range filterNames() {
		_, err := parsed(t, textOnly("{{ customer.name | "+filter+" }}")).Render(customer(map[string]any{"name": "Ann"}))
		if err != nil && strings.Contains(err.Error(), "undefined filter") {
			t.Errorf("%s: %v", filter, err)
		}
	}
}

func TestNoSourceMakesParseOrRenderPanic(t *testing.T) {
	pieces := []string{"{{", "}}", "{%", "%}", "-", " ", "if", "for", "in", "endfor", "endif", "assign", "x", "=", "customer.name", "code", "|", "default", ":",
		"'a'", "\"", "(", "1..", "3", ")", "[", "]", "\n", "case", "when", "else", "capture", "endcapture", "comment", "raw", "é", ".", "split: ''", ","}
	rapid.Check(t, func(t *rapid.T) {
		source := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 40).Draw(t, "pieces"), rapid.SampledFrom([]string{"", " "}).Draw(t, "between"))
		compiled, err := Parse(textOnly(source), known())
		if err != nil {
			if len(problems(err)) == 0 {
				t.Fatalf("%q: %v", source, err)
			}
			return
		}
		if _, err := compiled.Render(customer(map[string]any{"name": "Ann"})); err != nil && len(problems(err)) == 0 {
			if missing := (*MissingError)(nil); !errors.As(err, &missing) {
				t.Fatalf("%q: %v", source, err)
			}
		}
	})
}

func TestNoValueBreaksOutOfHTMLOrOfTheSubject(t *testing.T) {
	compiled := parsed(t, Source{Channel: "email", Parts: map[string]string{"subject": "{{ customer.name }}", "html": `<p title="{{ customer.name }}">{{ customer.name | append: code }}</p>`}})
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOf(rapid.RuneFrom([]rune("a<>&\"'\r\n\t/ é{}%"))).Filter(func(s string) bool { return s != "" }).Draw(t, "name")
		got, err := compiled.Render(customer(map[string]any{"name": name}))
		if err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(got["subject"], "\r\n") || strings.Count(got["html"], "<") != 2 || strings.Count(got["html"], `"`) != 2 {
			t.Fatalf("%q", got)
		}
	})
}

func TestATemplateIsRenderedByManyAtOnce(t *testing.T) {
	compiled := parsed(t, textOnly("{% for i in (1..50) %}{% assign n = customer.name | upcase %}{{ n }}{% endfor %}"))
	done := make(chan error)
	for range 8 {
		go func() {
			_, err := compiled.Render(customer(map[string]any{"name": "Ann"}))
			Segments("€ " + strings.Repeat("x", 200))
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

package templates

import (
	"strings"
	"testing"
)

func TestAValueNeverMakesALinkRunSomething(t *testing.T) {
	for _, html := range []string{`<a href="{{ customer.name }}">x</a>`, `<a class=a HREF = '{{ customer.name | strip }}'>x</a>`, `<img src={{ customer.name }}>`, `<a href="{{- customer.name -}}">x</a>`,
		`<a href="{% if code == 'y' %}{{ code }}{% else %}{{ customer.name }}{% endif %}">x</a>`} {
		compiled := parsed(t, Source{Channel: "email", Language: "en", Parts: map[string]string{"subject": "s", "text": "t", "html": html}})
		for value, fine := range map[string]bool{
			"javascript:alert(1)": false, " JaVaScRiPt:alert(1)": false, "java\nscript:alert(1)": false, "\x01javascript:x": false, "data:text/html,x": false, "vbscript:x": false, "file:///etc/passwd": false,
			"https://x.test/?a=1:2": true, "http://x.test": true, "mailto:a@x.test": true, "tel:+86138": true, "x.test/a": true, "/a?b=c:d": true, "#": true,
		} {
			got, err := compiled.Render(customer(map[string]any{"name": value}))
			if (err == nil) != fine {
				t.Errorf("%s with %q: %q, %v", html, value, got["html"], err)
			}
			if found := problems(err); !fine && (len(found) != 1 || !strings.Contains(found[0].Message, "not an address")) {
				t.Errorf("%q: %v", value, err)
			}
		}
	}
	fine := parsed(t, Source{Channel: "email", Language: "en", Parts: map[string]string{"subject": "s", "text": "t", "html": `<p title="{{ customer.name }}">{{ customer.name }}</p><a href="https://x.test/?q={{ customer.name }}">x</a>`}})
	if _, err := fine.Render(customer(map[string]any{"name": "javascript:alert(1)"})); err != nil {
		t.Errorf("words are no link: %v", err)
	}
}

func TestTheTextOfAnEmailKeepsItsLinksAndLists(t *testing.T) {
	compiled := parsed(t, Source{Channel: "email", Language: "en", Parts: map[string]string{"subject": "s", "html": `<html><head><title>T</title><style>p{color:red}</style></head><body>
<h1>Hello {{ customer.name }}</h1><p>Two things:</p><ul><li>One &amp; only</li><li><a href="https://x.test/a?b=1&amp;c=2">Two</a></li></ul>
<script>alert(1)</script><p>5 &lt; 6<br>next line</p><!-- nothing --></body></html>`}})
	got, err := compiled.Render(customer(map[string]any{"name": "<b>Ann</b>"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"Hello <b>Ann</b>", "Two things:", "One & only", "Two <https://x.test/a?b=1&c=2>", "5 < 6\nnext line"} {
		if !strings.Contains(got["text"], line) {
			t.Errorf("%q is not in\n%s", line, got["text"])
		}
	}
	for _, gone := range []string{"color:red", "alert", "nothing", "<li>", "&lt;", "&amp;"} {
		if strings.Contains(got["text"], gone) {
			t.Errorf("%q is in\n%s", gone, got["text"])
		}
	}
}

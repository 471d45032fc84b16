package templates

import "testing"

func BenchmarkRender(b *testing.B) {
	compiled, err := Parse(Source{Channel: "email", Parts: map[string]string{
		"subject": "{{ customer.name | default: 'Dear member' }}, a gift",
		"html":    "<html><body><p>Hi {{ customer.name }}</p>{% if points.balance > 10 %}<p>{{ points.balance }} points</p>{% endif %}<a href=\"{{ links.unsubscribe }}\">x</a></body></html>",
	}}, known())
	if err != nil {
		b.Fatal(err)
	}
	vars := customer(map[string]any{"name": "Ann"})
	vars["links"] = map[string]any{"unsubscribe": "https://x.test/u/1"}
	for b.Loop() {
		if _, err := compiled.Render(vars); err != nil {
			b.Fatal(err)
		}
	}
}

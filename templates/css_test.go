package templates

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/osteele/liquid/parser"
)

func TestStylesAreWrittenIntoTheElementsThatTheyAreFor(t *testing.T) {
	for name, c := range map[string]struct{ source, want string }{
		"a class":          {`<style>.b{color:red}</style><p class="b">x</p>`, `<style>.b{color:red}</style><p class="b" style="color:red">x</p>`},
		"an own style":     {`<style>p{color:red;margin:0}</style><p style="color:blue">x</p>`, `<style>p{color:red;margin:0}</style><p style="margin:0;color:blue">x</p>`},
		"single quotes":    {`<style>p{margin:0}</style><p title='a "b"' style='color:blue'>x</p>`, `<style>p{margin:0}</style><p title='a "b"' style="margin:0;color:blue">x</p>`},
		"no styles":        {`<p>x & y</p>`, `<p>x & y</p>`},
		"an empty element": {`<style>img{border:0}</style><img src=a /><br>`, `<style>img{border:0}</style><img src=a style="border:0" /><br>`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := inlineCSS(c.source); got != c.want {
				t.Errorf("\n%s, want\n%s", got, c.want)
			}
		})
	}
}

// campaign is a document as designers of e-mails write them.
const campaign = `<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">
<html xmlns="http://www.w3.org/1999/xhtml" lang="{{ customer.city | default: 'en' }}">
<head><meta charset="utf-8"/>
<!--[if mso]><style>td{padding:9px}</style><xml><o:PixelsPerInch>96</o:PixelsPerInch></xml><![endif]-->
<style type="text/css">
  * { margin: 0 }
  td.name, .price { color: #333; font-family: "Segoe UI", Arial }
  a { color: blue } a:hover { color: red }
  @media (max-width: 600px) { td.name { width: 100% } }
</style>
{% if customer.name == 'x' %}<style>td{color:gold}</style>{% endif %}
<style>p { background: {{ code }} }</style>
</head>
<body>&nbsp;Tom &amp; Ann &copy; 5 < 6
<table>{% for tag in customer.tags %}<tr><td class='name' {% if tag == "a" %}bgcolor="#fff"{% endif %}>{{ tag }}</td>
<td class="price {{ tag }}" style="width:{{ points.balance }}px; color: {{ code | default: "red" }}">x</td></tr>{% endfor %}</table>
<p style="{% if code %}margin:1px{% endif %}">{{ customer.name | default: "<b>" }}</p>
<a href="https://x.test/?a=1&b={{ code }}" title="{{ customer.name | default: 'y' }}">go</a>
<!--[if !mso]><!--><a href=x>y</a><!--<![endif]--></body></html>
`

func liquidOf(source string) (tags []string) {
	for _, token := range parser.Scan(source, parser.SourceLoc{}, nil) {
		if token.Type != parser.TextTokenType {
			tags = append(tags, token.Source)
		}
	}
	return tags
}

func TestLiquidAndAllElseOfADocumentStayAsTheyWereWritten(t *testing.T) {
	got := inlineCSS(campaign)
	if a, b := liquidOf(campaign), liquidOf(got); strings.Join(a, "\n") != strings.Join(b, "\n") {
		t.Errorf("the Liquid became\n%s\nof\n%s", strings.Join(b, "\n"), strings.Join(a, "\n"))
	}
	for _, kept := range []string{
		campaign[:strings.Index(campaign, `{% if customer.name == 'x'`)-1],
		`{% if customer.name == 'x' %}<style>td{color:gold}</style>{% endif %}` + "\n" + `<style>p { background: {{ code }} }</style>`,
		"<body>&nbsp;Tom &amp; Ann &copy; 5 < 6\n<table>{% for tag in customer.tags %}<tr><td class='name' {% if tag == \"a\" %}bgcolor=\"#fff\"{% endif %}>{{ tag }}</td>",
		`<p style="{% if code %}margin:1px{% endif %}">`,
		`<a href="https://x.test/?a=1&b={{ code }}" title="{{ customer.name | default: 'y' }}" style="color:blue">go</a>`,
		`<!--[if !mso]><!--><a href=x style="color:blue">y</a><!--<![endif]--></body></html>`,
		`<td class="price {{ tag }}" style="`,
		`width:{{ points.balance }}px`,
		`a:hover { color: red !important }@media (max-width: 600px){ td.name { width: 100% !important } }</style>`,
	} {
		if !strings.Contains(got, kept) {
			t.Errorf("this is gone: %s\nin\n%s", kept, got)
		}
	}
	if strings.Contains(got, "gold\"") || strings.Contains(got, markName) || strings.Contains(got, "lqd") {
		t.Error(got)
	}
	compiled := parsed(t, Source{Channel: "email", InlineCSS: true, Parts: map[string]string{"subject": "s", "html": campaign}})
	parts, err := compiled.Render(customer(map[string]any{"tags": []any{"a", "b"}, "name": "Ann"}))
	if err != nil || strings.Count(parts["html"], "<tr><td class='name'") != 2 || !strings.Contains(parts["html"], "width:1200px;color:X7") {
		t.Errorf("%v %s", err, parts["html"])
	}
}

func TestInliningChangesNothingButStyles(t *testing.T) {
	pieces := []string{"<style>p{color:red}</style>", "<style>.a,td{margin:0} @media x{p{a:b}}</style>", "<p>", "</p>", "<p class=a>", "<td class='a' style='top:1px'>", "</td>", "<table>", "</table>",
		"<tr>", "{{ code }}", "{% if code %}", "{% endif %}", "{% for i in (1..2) %}", "{% endfor %}", " style=\"x:y\"", "<b", ">", "\"", "'", "&amp;", "&", "<!--", "-->", "<![CDATA[", "<a href='{{ code }}'>", "</style>",
		"<style", "*{x:y}", "{", "}", "<title>", "</title>", "<textarea>", "é", "\n", "<svg>", "<p style=\"{{ code }}:{{ code }}\">", "lqd1x", "<script>", "</script>", "<body class=a>", "<html>"}
	rapid.Check(t, func(t *rapid.T) {
		source := strings.Join(rapid.SliceOfN(rapid.SampledFrom(pieces), 1, 30).Draw(t, "pieces"), "")
		got := inlineCSS(source)
		if again := inlineCSS(source); again != got {
			t.Fatalf("%q became %q, and then %q", source, got, again)
		}
		if a, b := strings.Join(liquidOf(source), "|"), strings.Join(liquidOf(got), "|"); a != b {
			t.Fatalf("%q became %q", source, got)
		}
		if a, b := unstyled(source), unstyled(got); a != b {
			t.Fatalf("%q became %q:\n%s\n%s", source, got, a, b)
		}
	})
}

// unstyled is what a browser reads of a document, but for its styles.
func unstyled(document string) string {
	document = newCover(document).text
	z := html.NewTokenizer(strings.NewReader(document))
	var out strings.Builder
	left := false
	for z.Next() != html.ErrorToken {
		token := z.Token()
		switch {
		case token.Type == html.StartTagToken && token.Data == "style" && len(token.Attr) == 1 && token.Attr[0].Val == "text/css":
			left = true
			continue
		case left:
			left = token.Type != html.EndTagToken
			continue
		}
		if token.Type == html.StartTagToken || token.Type == html.SelfClosingTagToken {
			var kept []html.Attribute
			for _, a := range token.Attr {
				if a.Key != "style" {
					kept = append(kept, a)
				}
			}
			token.Attr = kept
		}
		out.WriteString(token.Type.String() + token.String() + "\n")
	}
	return out.String()
}

func TestAHugeOrHostileDocumentIsInlinedInTime(t *testing.T) {
	for name, source := range map[string]string{
		"many rules":       "<style>" + strings.Repeat("p p p p p > a.b{color:red}", 8000) + "</style>" + strings.Repeat("<p>", 2000),
		"many elements":    "<style>" + strings.Repeat("p .a{color:red}", 300) + "</style>" + strings.Repeat("<p><i class=a>x</i></p>", 2400),
		"deep":             "<style>p p p p p p p p p p i{color:red}</style>" + strings.Repeat("<p>", 400) + "<i>",
		"deep divs":        "<style>div div div div div div div div div div i{color:red}</style>" + strings.Repeat("<div>", 3000) + "<i>",
		"unclosed":         "<style>p{" + strings.Repeat("a:b;", 30000),
		"many conditions":  "<style>p{a:b}</style>" + strings.Repeat("{% if code %}<p>{% endif %}", 4000),
		"selectors of not": "<style>" + strings.Repeat("p:not(:not(:not(i))),", 900) + "a{b:c}</style>" + strings.Repeat("<p>", 2000),
	} {
		t.Run(name, func(t *testing.T) {
			started := time.Now()
			inlineCSS(source)
			if took := time.Since(started); took > time.Minute {
				t.Errorf("it took %v", took)
			}
		})
	}
}

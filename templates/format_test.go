package templates

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// inLanguage prints an expression in a language.
func inLanguage(t *testing.T, language, currency, expression string) string {
	t.Helper()
	src := textOnly("[{{ " + expression + " }}]")
	src.Language, src.Currency = language, currency
	got, err := parsed(t, src).Render(customer(map[string]any{"name": "1234.5", "born": "2026-11-22", "city": "2026-11-22T21:05:00+08:00"}))
	if err != nil {
		return err.Error()
	}
	return strings.Trim(got["text"], "[]")
}

func TestMoneyNumbersAndDaysAreWrittenAsTheLanguageDoes(t *testing.T) {
	for _, c := range []struct{ language, currency, expression, want string }{
		{"zh", "CNY", "'199.90' | money", "¥199.90"},
		{"zh-CN", "CNY", "customer.name | money", "¥1,234.50"},
		{"zh", "USD", "199.9 | money", "US$199.90"},
		{"zh-TW", "TWD", "'50' | money", "$50.00"},
		{"zh-TW", "CNY", "'50' | money", "CN¥50.00"},
		{"en", "CNY", "'199.90' | money", "CNY 199.90"},
		{"en", "USD", "'-1999.9' | money", "-$1,999.90"},
		{"en", "JPY", "1990 | money", "JPY 1,990"},
		{"ja", "JPY", "1990 | money", "￥1,990"},
		{"de", "EUR", "'1234567.891' | money", "1.234.567,89 €"},
		{"fr", "CNY", "1234 | money", "1 234,00 CNY"},
		{"sv", "SEK", "1234 | money", "SEK 1,234.00"},
		{"en", "KWD", "'1.5' | money", "KWD 1.500"},
		{"en", "USD", "'0.005' | money", "$0.01"},
		{"en", "USD", "customer.name | times: 2 | money", "$2,469.00"},
		{"zh", "CNY", "'12.5' | money: '￥'", "￥12.50"},
		{"en", "CNY", "'12.5' | money: ''", "12.50"},
		{"zh", "CNY", "customer.born | date", "2026年11月22日"},
		{"zh", "CNY", "customer.born | date: 'full'", "2026年11月22日星期日"},
		{"zh", "CNY", "customer.born | date: 'short'", "2026/11/22"},
		{"zh", "CNY", "customer.born | date: 'day_month'", "11月22日"},
		{"zh", "CNY", "customer.born | date: '%Y-%m-%d'", "2026-11-22"},
		{"zh", "CNY", "customer.city | time", "21:05"},
		{"en", "CNY", "customer.born | date", "22 November 2026"},
		{"en", "CNY", "customer.born | date: 'full'", "Sunday 22 November 2026"},
		{"en", "CNY", "customer.born | date: '%a %e %b'", "Sun 22 Nov"},
		{"en-US", "USD", "customer.born | date", "November 22, 2026"},
		{"en-US", "USD", "customer.city | time", "9:05 PM"},
		{"de", "EUR", "customer.born | date: 'full'", "Sonntag, 22. November 2026"},
		{"fr", "EUR", "customer.born | date", "22 novembre 2026"},
		{"es", "EUR", "customer.born | date", "22 de noviembre de 2026"},
		{"ja", "JPY", "customer.born | date: 'full'", "2026年11月22日日曜日"},
		{"ko", "KRW", "customer.born | date", "2026년 11월 22일"},
		{"sv", "SEK", "customer.born | date", "2026-11-22"},
		{"en", "CNY", "1234567.25 | number", "1,234,567.25"},
		{"de", "EUR", "1234567.25 | number: 1", "1.234.567,3"},
		{"en", "CNY", "points.balance | number", "1,200"},
		{"", "", "1250 | money: '¥'", "¥12.50"},
		{"", "", "customer.born | date", "2026-11-22"},
	} {
		if got := inLanguage(t, c.language, c.currency, c.expression); got != c.want {
			t.Errorf("%s in %q (%s) is %q, want %q", c.expression, c.language, c.currency, got, c.want)
		}
	}
}

func TestWhatIsNoNumberOrDayIsNamed(t *testing.T) {
	for expression, says := range map[string]string{
		"'1e99' | money":                            "not a number",
		"'12 yuan' | money":                         "not a number",
		"'abc' | number":                            "not a number",
		"'1.2.3' | number":                          "not a number",
		"1 | number: 99":                            "at most 20 decimals",
		"'tomorrow' | date":                         "not a date",
		"'2026-11-22' | date: 'huge'":               "long, full, short, day_month",
		"'2026-11-22' | date: '%Q'":                 "%Q",
		"customer.tags | money":                     "not a number",
		"'" + strings.Repeat("9", 60) + "' | money": "not a number",
	} {
		src := textOnly("{{ " + expression + " }}")
		src.Language, src.Currency = "en", "USD"
		_, err := parsed(t, src).Render(customer(map[string]any{"tags": []string{"a"}}))
		if found := problems(err); len(found) != 1 || !strings.Contains(found[0].Message, says) {
			t.Errorf("%s: %v, want %q", expression, err, says)
		}
	}
}

func TestAnAmountSaysTheSameBeforeAndAfterItWasKept(t *testing.T) {
	src := textOnly("{{ customer.name | money }} {{ customer.name | number }}")
	src.Language, src.Currency = "zh", "CNY"
	compiled := parsed(t, src)
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(-1<<53, 1<<53).Draw(t, "number")
		fresh, err := compiled.Render(customer(map[string]any{"name": n}))
		if err != nil {
			t.Fatal(err)
		}
		kept, err := compiled.Render(customer(map[string]any{"name": float64(n)})) // as JSON gives numbers back
		if err != nil || kept["text"] != fresh["text"] {
			t.Fatalf("%q, then %q (%v)", fresh["text"], kept["text"], err)
		}
	})
}

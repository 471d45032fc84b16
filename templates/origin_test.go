package templates

import (
	"strings"
	"testing"
)

func TestOnlyHostsThatStandInTheWordsAreTheTemplatesOwn(t *testing.T) {
	for text, want := range map[string]string{
		`<a href="https://Shop.test/x?a={{ customer.name }}">`:    "https://shop.test",
		`<a href='http://a.test:8080'>b</a> https://b.test.`:      "http://a.test:8080 https://b.test",
		"看https://a.test退订":                                       "https://a.test https://a.test退订",
		"https://a.test{{ customer.city }}/":                      "",
		"https://a.{{ customer.city }}":                           "",
		"https://{{ customer.city }}/x https://a.test.{% if x %}": "",
		"{{ customer.site | default: 'https://own.test/x' }}":     "https://own.test",
		"https://user@own.test/":                                  "https://own.test",
		"ftp://a.test //b.test nothing":                           "",
	} {
		if got := strings.Join(OriginsIn(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

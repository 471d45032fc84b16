package campaigns_test

import (
	"testing"

	"pgregory.net/rapid"

	"beckon/campaigns"
)

func TestAWordIsTheWholeTextWithoutCaseWidthAndPunctuation(t *testing.T) {
	for text, want := range map[string]campaigns.Word{
		"STOP": "stop", " stop. ": "stop", "Stop!": "stop", "ＳＴＯＰ": "stop", "ｔｄ": "stop", "TD": "stop", "T": "stop", "R": "stop", "n": "stop", "退订": "stop",
		"【退订】": "stop", "“退订”。": "stop", "拒收": "stop", "取消\n": "stop", "stop  all": "stop", "unsubscribe": "stop", "\"Quit\"": "stop",
		"START": "start", "恢复": "start", "yes": "start", "订阅": "start", "help?": "help", "帮助": "help",
		"": "", "stop it": "", "don't stop": "", "不退订": "", "TDX": "", "我要退订": "", "!": "",
	} {
		if got, language := campaigns.WordOf(text); got != want || (got == "") != (language == "") {
			t.Errorf("%q is %q in %q, want %q", text, got, language, want)
		}
	}
	if _, language := campaigns.WordOf("td"); language != "zh" {
		t.Errorf("TD is answered in %q", language)
	}
}

func TestNoTextIsAWordBecauseItContainsOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before, after := rapid.StringMatching(`[a-z退]{1,5} `).Draw(t, "before"), rapid.StringMatching(` [a-z订]{1,5}`).Draw(t, "after")
		word := rapid.SampledFrom([]string{"quit", "td", "退订", "help", "start"}).Draw(t, "word")
		if got, _ := campaigns.WordOf(before + word + after); got != "" {
			t.Fatalf("%q is taken for %q", before+word+after, got)
		}
	})
}

package templates

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestSegmentsAreCountedAsTheyAreSent(t *testing.T) {
	cases := map[string]struct {
		text string
		want SMS
	}{
		"nothing":                        {"", SMS{"gsm7", 0, 0}},
		"a short text":                   {"Hi Ann", SMS{"gsm7", 6, 1}},
		"160 characters":                 {strings.Repeat("a", 160), SMS{"gsm7", 160, 1}},
		"161 characters":                 {strings.Repeat("a", 161), SMS{"gsm7", 161, 2}},
		"306 characters":                 {strings.Repeat("a", 306), SMS{"gsm7", 306, 2}},
		"307 characters":                 {strings.Repeat("a", 307), SMS{"gsm7", 307, 3}},
		"the extension table":            {"10 € [x]", SMS{"gsm7", 11, 1}},
		"80 euros":                       {strings.Repeat("€", 80), SMS{"gsm7", 160, 1}},
		"81 euros":                       {strings.Repeat("€", 81), SMS{"gsm7", 162, 2}},
		"an escape kept whole":           {strings.Repeat("€", 153), SMS{"gsm7", 306, 3}},
		"Greek capitals of the alphabet": {"ΔΦΓΛΩΠΨΣΘΞ", SMS{"gsm7", 10, 1}},
		"a letter outside":               {"naïve", SMS{"ucs2", 5, 1}},
		"70 characters of Chinese":       {strings.Repeat("中", 70), SMS{"ucs2", 70, 1}},
		"71 characters of Chinese":       {strings.Repeat("中", 71), SMS{"ucs2", 71, 2}},
		"134 characters of Chinese":      {strings.Repeat("中", 134), SMS{"ucs2", 134, 2}},
		"135 characters of Chinese":      {strings.Repeat("中", 135), SMS{"ucs2", 135, 3}},
		"35 emoji":                       {strings.Repeat("😀", 35), SMS{"ucs2", 70, 1}},
		"36 emoji":                       {strings.Repeat("😀", 36), SMS{"ucs2", 72, 2}},
		"a pair kept whole":              {strings.Repeat("😀", 67), SMS{"ucs2", 134, 3}},
		"bytes of no text":               {"a\xff", SMS{"ucs2", 2, 1}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := Segments(c.text); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

func TestSegmentsAreEnoughAndNotTooMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab€é中😀")), 1, 400, -1).Draw(t, "text")
		got := Segments(text)
		one, several, lost := 160, 153, 1
		if got.Encoding == "ucs2" {
			one, several = 70, 67
		}
		if got.Characters <= one {
			if got.Segments != 1 {
				t.Fatalf("%+v", got)
			}
			return
		}
		if got.Segments*several < got.Characters || (got.Segments-1)*(several-lost) >= got.Characters {
			t.Fatalf("%+v", got)
		}
	})
}

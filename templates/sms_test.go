package templates

import (
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/warthog618/sms"
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

func TestSegmentsTogetherAreTheTextAndEachEndsWithAWholeCharacter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab€[|Δ中😀")), 1, 500, -1).Draw(t, "text")
		encoding, segments := Split(text)
		read := ""
		for i, s := range segments {
			most, last := 140, len(s)-1
			if len(segments) > 1 {
				most -= 6
			}
			if encoding == GSM7 {
				if len(s) > most*8/7 || s[last] == 0x1b {
					t.Fatalf("segment %d of %d septets ends with %x", i, len(s), s[last])
				}
				read += ReadGSM7(s)
				continue
			}
			if len(s) > most || len(s)%2 != 0 || s[last-1]&0xFC == 0xD8 {
				t.Fatalf("segment %d of %d octets ends with %x", i, len(s), s[last-1:])
			}
			units := make([]uint16, len(s)/2)
			for j := range units {
				units[j] = uint16(s[2*j])<<8 | uint16(s[2*j+1])
			}
			read += string(utf16.Decode(units))
		}
		if read != text {
			t.Fatalf("%q is read as %q", text, read)
		}
		pdus, err := sms.Encode([]byte(text)) // by itself
		if err != nil || len(pdus) != len(segments) {
			t.Fatalf("%d segments, not %d: %v", len(segments), len(pdus), err)
		}
	})
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

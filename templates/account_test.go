package templates_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"beckon/templates"
)

// gsmBasic and gsmExtended are the characters of 3GPP TS 23.038, 6.2.1 and 6.2.1.1.
const (
	gsmBasic = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿" +
		"abcdefghijklmnopqrstuvwxyzäöñüà"
	gsmExtended = "\f^{}\\[~]|€"
)

// counted counts a text's segments straight from the standard: units of one or two that are never divided.
func counted(text string) templates.SMS {
	how, single, joined := templates.SMS{Encoding: templates.GSM7}, 160, 153
	for _, r := range text {
		if !strings.ContainsRune(gsmBasic+gsmExtended, r) {
			how.Encoding, single, joined = templates.UCS2, 70, 67
		}
	}
	used := joined
	for _, r := range text {
		units := 1
		if how.Encoding == templates.GSM7 && strings.ContainsRune(gsmExtended, r) || how.Encoding == templates.UCS2 && r > 0xFFFF {
			units = 2
		}
		if how.Characters += units; used+units > joined {
			how.Segments, used = how.Segments+1, 0
		}
		used += units
	}
	if how.Segments > 1 && how.Characters <= single {
		how.Segments = 1
	}
	return how
}

func TestSegmentsAreThoseOfTheStandard(t *testing.T) {
	rng := rand.New(rand.NewPCG(38, 40))
	alphabets := [][]rune{[]rune(gsmBasic), []rune(gsmBasic + gsmExtended), []rune(gsmExtended), []rune("您好，退订回复R【】"), []rune("好😀a"), []rune("😀")}
	around := []int{1, 35, 67, 70, 76, 134, 153, 160, 201, 268, 306, 459, 765}
	for range 20_000 {
		n := max(0, around[rng.IntN(len(around))]+rng.IntN(7)-3)
		alphabet, other := alphabets[rng.IntN(len(alphabets))], alphabets[rng.IntN(2)]
		var text strings.Builder
		for range n {
			from := alphabet
			if rng.IntN(3) == 0 {
				from = other
			}
			text.WriteRune(from[rng.IntN(len(from))])
		}
		if got, want := templates.Segments(text.String()), counted(text.String()); got != want {
			t.Fatalf("%q is %+v, not %+v", text.String(), got, want)
		}
	}
}

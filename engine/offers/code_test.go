package offers

import (
	"regexp"
	"strings"
	"testing"

	"beckon/campaigns"

	"pgregory.net/rapid"
)

func ciphered(t interface {
	Helper()
	Fatal(...any)
}, key string) *Cipher {
	t.Helper()
	c, err := NewCipher([]byte(key))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

const key = "sixteen bytes or more"

func TestTheAlphabetHasNoLookAlikes(t *testing.T) {
	if len(alphabet) != 31 || strings.ContainsAny(alphabet, "IOSZL") {
		t.Errorf("%q", alphabet)
	}
	serials := int64(1)
	for range digits {
		serials *= int64(len(alphabet))
	}
	if serials != Serials {
		t.Errorf("%d codes, not %d", serials, Serials)
	}
}

func TestACodeIsShownInGroups(t *testing.T) {
	shape := regexp.MustCompile(`^([` + alphabet + `]{4}-){3}[` + alphabet + `]$`)
	c := ciphered(t, key)
	for _, serial := range []int64{0, 1, 2, Serials - 1} {
		if code := c.Code(serial); !shape.MatchString(code) {
			t.Errorf("%d: %q", serial, code)
		}
	}
	for _, serial := range []int64{-1, Serials} {
		if code := c.Code(serial); code != "" {
			t.Errorf("%d: %q", serial, code)
		}
	}
}

// Codes are printed and kept for years: these must never change.
func TestCodesStayWhatTheyAre(t *testing.T) {
	c := ciphered(t, "0123456789abcdef")
	for serial, want := range map[int64]string{0: "JYFJ-1T2H-MBM2-Q", 1: "XHJJ-PQ6X-HFFE-J", 1_000_000_000: "3FRW-9CVJ-WYQK-X"} {
		if got := c.Code(serial); got != want {
			t.Errorf("%d: %q, want %q", serial, got, want)
		}
	}
}

func TestACodeLeadsBackToItsSerialAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := ciphered(t, rapid.StringN(16, 40, 80).Draw(t, "key"))
		serial := rapid.OneOf(rapid.Int64Range(0, 100), rapid.Int64Range(0, Serials-1)).Draw(t, "serial")
		if back, ok := c.Serial(c.Code(serial)); !ok || back != serial {
			t.Fatalf("%d leads to %d, %v", serial, back, ok)
		}
	})
}

func TestEveryCodeIsTheCodeOfASerial(t *testing.T) {
	c := ciphered(t, key)
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.SliceOfN(rapid.SampledFrom([]byte(alphabet)), digits, digits).Draw(t, "code")
		code = append(code, alphabet[check(code)])
		serial, ok := c.Serial(string(code))
		if !ok || serial < 0 || serial >= Serials || c.Code(serial) != Group(string(code)) {
			t.Fatalf("%s leads to %d, %v", code, serial, ok)
		}
	})
}

func TestNeighbouringSerialsAndOtherKeysShareNoCodes(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range []*Cipher{ciphered(t, key), ciphered(t, key+".")} {
		for serial := range int64(20_000) {
			seen[c.Code(serial)] = true
		}
	}
	if len(seen) != 40_000 {
		t.Errorf("%d different codes", len(seen))
	}
}

func TestEverySingleSubstitutionIsDetected(t *testing.T) {
	c := ciphered(t, key)
	for serial := range int64(200) {
		code, err := Fold(c.Code(serial))
		if err != nil {
			t.Fatal(err)
		}
		for i := range code {
			for _, other := range alphabet {
				wrong := code[:i] + string(other) + code[i+1:]
				if _, err := Fold(wrong); wrong != code && err == nil {
					t.Fatalf("%s was accepted for %s", wrong, code)
				}
			}
		}
	}
}

func TestEverySwapOfTwoIsDetected(t *testing.T) {
	c := ciphered(t, key)
	for serial := range int64(2000) {
		code, err := Fold(c.Code(serial))
		if err != nil {
			t.Fatal(err)
		}
		for i := range code {
			for j := range i {
				swapped := []byte(code)
				swapped[i], swapped[j] = swapped[j], swapped[i]
				if _, err := Fold(string(swapped)); string(swapped) != code && err == nil {
					t.Fatalf("%s was accepted for %s", swapped, code)
				}
			}
		}
	}
}

func TestAMistypedCodeIsNoSerial(t *testing.T) {
	c := ciphered(t, key)
	code := c.Code(7)
	for _, wrong := range []string{"", code[:len(code)-1], code + "0", "hello", strings.Repeat("0", 1000)} {
		if serial, ok := c.Serial(wrong); ok {
			t.Errorf("%q leads to %d", wrong, serial)
		}
		if _, err := Fold(wrong); campaigns.CodeOf(err) != campaigns.CodeInvalid {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestACodeIsReadInEverySpelling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := ciphered(t, key)
		code, err := Fold(c.Code(rapid.Int64Range(0, Serials-1).Draw(t, "serial")))
		if err != nil {
			t.Fatal(err)
		}
		var typed strings.Builder
		for _, r := range code {
			spellings := map[rune][]string{'0': {"0", "O", "o", "０"}, '1': {"1", "I", "l", "L"}, '5': {"5", "S", "s"}, '2': {"2", "Z", "z"}}[r]
			if spellings == nil {
				spellings = []string{string(r), strings.ToLower(string(r)), string(r - '!' + '！')}
			}
			typed.WriteString(rapid.SampledFrom(spellings).Draw(t, "spelling"))
			typed.WriteString(rapid.SampledFrom([]string{"", "", "-", " ", "–", "\u3000"}).Draw(t, "between"))
		}
		if got, err := Fold(typed.String()); err != nil || got != code {
			t.Fatalf("%q is read as %q, %v, want %q", typed.String(), got, err, code)
		}
	})
}

func TestAShortKeyIsRefused(t *testing.T) {
	if _, err := NewCipher([]byte("fifteen bytes..")); err == nil {
		t.Error("15 bytes were accepted")
	}
}

func BenchmarkCode(b *testing.B) {
	c := ciphered(b, key)
	for serial := int64(0); b.Loop(); serial++ {
		c.Code(serial)
	}
}

package templates

import (
	"sync"
	"unicode/utf16"

	"github.com/warthog618/sms"
	"github.com/warthog618/sms/encoding/gsm7"
	"github.com/warthog618/sms/encoding/gsm7/charset"
)

// SMS says how a text travels.
type SMS struct {
	Encoding   string // "gsm7" (GSM 03.38 with its extension table) or "ucs2"
	Characters int    // septets in gsm7, where € [ ] { } \ ^ ~ | count two; UTF-16 units in ucs2, where an emoji counts two
	Segments   int    // messages paid for: up to 160 or 70 characters in one, 153 or 67 in each of several; 0 for no text
}

// tables makes the library's encoding tables once: it would make them on first use, without a lock.
var tables = sync.OnceFunc(func() {
	charset.DefaultEncoder()
	charset.DefaultExtEncoder()
})

// Segments counts a text as it will be sent: in the GSM alphabet when every character is in it, else in UCS-2. A pair
// (escape and character, or two surrogates) is never divided between segments. Invalid UTF-8 counts as U+FFFD.
func Segments(text string) SMS {
	if text == "" {
		return SMS{Encoding: "gsm7"}
	}
	tables()
	runes := []rune(text)
	valid := []byte(string(runes))
	// Encode fails only for templates of a data coding of their own, and none is given.
	pdus, err := sms.Encode(valid)
	if septets, refused := gsm7.Encode(valid); err == nil && refused == nil {
		return SMS{Encoding: "gsm7", Characters: len(septets), Segments: len(pdus)}
	}
	return SMS{Encoding: "ucs2", Characters: len(utf16.Encode(runes)), Segments: len(pdus)}
}

package templates

import (
	"sync"

	"github.com/warthog618/sms"
	"github.com/warthog618/sms/encoding/gsm7"
	"github.com/warthog618/sms/encoding/gsm7/charset"
	"github.com/warthog618/sms/encoding/tpdu"
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
	charset.DefaultDecoder()
})

// ReadGSM7 reads septets, one in each octet, as somebody sent them; what is in no table becomes a space.
func ReadGSM7(septets []byte) string {
	tables()
	text, err := gsm7.Decode(septets)
	if err != nil {
		return "" // only a strict decoder fails
	}
	return string(text)
}

// Segments counts a text as it will be sent: in the GSM alphabet when every character is in it, else in UCS-2. A pair
// (escape and character, or two surrogates) is never divided between segments. Invalid UTF-8 counts as U+FFFD.
func Segments(text string) SMS {
	if text == "" {
		return SMS{Encoding: GSM7}
	}
	encoding, segments := Split(text)
	octets := 0
	for _, s := range segments {
		octets += len(s)
	}
	if encoding == GSM7 {
		return SMS{Encoding: encoding, Characters: octets, Segments: len(segments)}
	}
	return SMS{Encoding: encoding, Characters: octets / 2, Segments: len(segments)}
}

// The encodings of text messages.
const (
	GSM7 = "gsm7" // 3GPP TS 23.038's default alphabet and its extension table
	UCS2 = "ucs2" // UTF-16 as phones take it, surrogates for what lies beyond 16 bits
)

// Split encodes a text and divides it as it will be sent: septets, one in each octet, or UTF-16 with the high octet first.
// Where there are several segments each leaves room for the six octets that join them (3GPP TS 23.040, 9.2.3.24.1).
func Split(text string) (encoding string, segments [][]byte) {
	tables()
	valid := []byte(string([]rune(text)))
	encoding = GSM7
	pdus, err := sms.Encode(valid)
	if err != nil {
		return encoding, nil // only templates of a data coding of their own fail, and none is given
	}
	for i := range pdus {
		if alphabet, _ := pdus[i].Alphabet(); alphabet == tpdu.AlphaUCS2 {
			encoding = UCS2
		}
		segments = append(segments, pdus[i].UD)
	}
	return encoding, segments
}

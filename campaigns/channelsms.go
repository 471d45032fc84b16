package campaigns

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

// SMSSettings are those of channels that carry text messages.
type SMSSettings struct {
	SignOff string `json:"sign_off,omitempty" doc:"stands before each text message, such as 【Brand】"`
	OptOut  string `json:"opt_out,omitempty" doc:"stands after each marketing text message, such as 拒收请回复R or Reply STOP"`
}

// SMPPSettings are those of channels of kind smpp.
type SMPPSettings struct {
	SystemType string `json:"system_type,omitempty" doc:"smpp: what the provider asks for, at most 12 characters"`
	Window     int    `json:"window,omitempty" doc:"smpp: submits of one session that wait for their answers at once, 50 if left out"`
	Long       string `json:"long,omitempty" enum:"udh,payload" doc:"smpp: how long messages travel; udh if left out"`
	SourceTON  int    `json:"source_ton,omitempty" doc:"smpp: of from; left out with source_npi, 5 for a name, 1 for an international number, 0 for others"`
	SourceNPI  int    `json:"source_npi,omitempty" doc:"smpp: see source_ton"`
	ReceiptIDs string `json:"receipt_ids,omitempty" enum:"same,hex,decimal" doc:"smpp: how receipts name a message: as the answer did, or in hex where the answer was decimal, or the other way round; same if left out"`
}

// The ways in which long text messages travel, and in which receipts name messages.
const (
	LongUDH     = "udh"     // divided by us, joined by the phone
	LongPayload = "payload" // whole, divided by the provider

	ReceiptIDsSame    = "same"
	ReceiptIDsHex     = "hex"     // answers are decimal
	ReceiptIDsDecimal = "decimal" // answers are hexadecimal
)

const (
	windowDefault  = 50
	windowMax      = 1000
	smsWordsMax    = 100 // characters of a sign-off or an opt-out line
	systemTypeMax  = 12  // SMPP 3.4, 5.2.3
	sourceNameMax  = 11  // 3GPP TS 23.040: an alphanumeric address has at most so many characters
	sourceDigitMax = 20
	tonMax         = 6 // SMPP 3.4, 5.2.5
	npiMax         = 18
)

// Submits is how many messages may wait for their answers at once.
func (s *SMPPSettings) Submits() int {
	if s.Window == 0 {
		return windowDefault
	}
	return s.Window
}

func (s *SMSSettings) check() error {
	var checks Checks
	for name, words := range map[string]string{"sign_off": s.SignOff, "opt_out": s.OptOut} {
		checks.Require(isOneLine(words), name, "it holds control characters")
		checks.Require(utf8.RuneCountInString(words) <= smsWordsMax, name, "it has more than %d characters", smsWordsMax)
	}
	return checks.Err()
}

func (s *SMPPSettings) check() error {
	var checks Checks
	checks.Require(isOneLine(s.SystemType) && len(s.SystemType) <= systemTypeMax, "system_type", "it has at most %d characters", systemTypeMax)
	checks.Require(s.Window >= 0 && s.Window <= windowMax, "window", "a window lies between 1 and %d", windowMax)
	checks.Require(slices.Contains([]string{"", LongUDH, LongPayload}, s.Long), "long", "use udh or payload")
	checks.Require(s.SourceTON >= 0 && s.SourceTON <= tonMax, "source_ton", "a type of number lies between 0 and %d", tonMax)
	checks.Require(s.SourceNPI >= 0 && s.SourceNPI <= npiMax, "source_npi", "a numbering plan lies between 0 and %d", npiMax)
	checks.Require(slices.Contains([]string{"", ReceiptIDsSame, ReceiptIDsHex, ReceiptIDsDecimal}, s.ReceiptIDs), "receipt_ids", "use same, hex or decimal")
	return checks.Err()
}

// Source is what a sender's number or name is to SMPP: its type of number, its numbering plan and itself without a plus.
// What the settings leave out follows from it: a name is 5/0, a number with + 1/1, other digits 0/1.
func (s *ChannelSettings) Source() (ton, npi byte, address string) {
	digits, international := strings.CutPrefix(s.From, "+")
	switch {
	case s.SourceTON != 0 || s.SourceNPI != 0:
		return byte(s.SourceTON), byte(s.SourceNPI), digits
	case s.From == "":
		return 0, 0, ""
	case !isDigits(digits):
		return 5, 0, s.From
	case international:
		return 1, 1, digits
	}
	return 0, 1, digits
}

// checkSource says what is wrong with the sender of text messages; none leaves it to the provider.
func (s *ChannelSettings) checkSource() error {
	digits := strings.TrimPrefix(s.From, "+")
	switch {
	case s.From == "":
		return nil
	case digits == "":
		return Invalid("from", "a number consists of digits, with or without +")
	case isDigits(digits):
		if len(digits) > sourceDigitMax {
			return Invalid("from", "a number has at most %d digits", sourceDigitMax)
		}
	case len(s.From) > sourceNameMax || strings.ContainsFunc(s.From, func(r rune) bool { return r < ' ' || r > '~' }):
		return Invalid("from", "a name has at most %d letters and digits without accents; a number consists of digits, with or without +", sourceNameMax)
	}
	return nil
}

// CheckTextNumber says why a number cannot take text messages: it is not in E.164, or it is a landline. Numbers of countries
// whose plan does not tell landlines from mobiles pass.
func CheckTextNumber(number string) error {
	if plain(number) {
		return nil
	}
	if len(number) < 8 || len(number) > 16 || number[0] != '+' || !isDigits(number[1:]) {
		return fmt.Errorf("%q is not a phone number with + and its country code", shorten(number))
	}
	parsed, err := phonenumbers.Parse(number, "")
	if err != nil {
		return fmt.Errorf("%q is not a phone number: %w", shorten(number), err)
	}
	if phonenumbers.GetNumberType(parsed) == phonenumbers.FIXED_LINE {
		return fmt.Errorf("%s is a landline, which takes no text messages", number)
	}
	return nil
}

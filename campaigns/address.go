package campaigns

import (
	"crypto/hmac"
	"crypto/sha256"
	"net/mail"
	"strings"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

// The channels a person can be reached on. A channel here is the kind of address; a Channel is a configured provider.
const (
	Email = "email"
	SMS   = "sms"
)

// NormalEmail is the form in which an address is kept and compared: no display name, lower case, at most 254 bytes.
func NormalEmail(text string) (string, error) {
	text = strings.TrimSpace(text)
	if len(text) > 254 || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\r\n\t <>\",;") {
		return "", Invalid("email", "%q is not an e-mail address", shorten(text))
	}
	parsed, err := mail.ParseAddress(text)
	if err != nil || parsed.Address != text {
		return "", Invalid("email", "%q is not an e-mail address", shorten(text))
	}
	_, domain, _ := strings.Cut(text, "@")
	if strings.HasPrefix(domain, ".") || strings.HasSuffix(domain, ".") || strings.Contains(domain, "..") {
		return "", Invalid("email", "%q is not an e-mail address: look at what follows the @", shorten(text))
	}
	return strings.ToLower(text), nil
}

// NormalPhone is a number in E.164. A number without + is read as one of the country (ISO 3166, "CN").
func NormalPhone(text, country string) (string, error) {
	text = strings.TrimSpace(text)
	if len(text) > 40 || strings.ContainsRune(text, 0) {
		return "", Invalid("phone", "%q is not a phone number", shorten(text))
	}
	if plain(text) {
		return text, nil
	}
	number, err := phonenumbers.Parse(text, country)
	if err != nil || !phonenumbers.IsValidNumber(number) {
		return "", Invalid("phone", "%q is not a phone number in %s: write it with + and the country code", shorten(text), country)
	}
	return phonenumbers.Format(number, phonenumbers.E164), nil
}

// plain recognises Chinese mobile numbers that are already in E.164: parsing costs 22 µs, and imports bring millions.
func plain(text string) bool {
	return len(text) == 14 && text[:4] == "+861" && text[4] >= '3' && isDigits(text[1:])
}

// AddressHash is what stands for an address in look-ups and on the suppression list: 16 bytes of an HMAC-SHA256 under the
// workspace's key, so that the address of an erased person cannot be found by guessing without the key.
func AddressHash(key []byte, channel, address string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(channel))
	mac.Write([]byte{0})
	mac.Write([]byte(address))
	return mac.Sum(nil)[:16]
}

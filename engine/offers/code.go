package offers

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"beckon/campaigns"
)

// alphabet has 31 characters. I, L, O, S and Z are not among them, because they look like 1, 1, 0, 5 and 2, and are read
// as these. 31 is a prime, which the check character needs.
const alphabet = "0123456789ABCDEFGHJKMNPQRTUVWXY"

const (
	digits   = 12 // before the check character
	group    = 4
	rounds   = 10
	halfBits = 30
	half     = 1<<halfBits - 1
	inputMax = 64 // characters of a code as it is typed
)

// Serials is the number of codes under one key: 31^12. Serials run from 0 to one below it.
const Serials int64 = 787_662_783_788_549_761

// Cipher turns serials into codes and back under one key. It may be used by many goroutines at once.
type Cipher struct{ block cipher.Block }

// NewCipher makes the cipher of a key of at least 16 random bytes. Other bytes are another permutation: a batch keeps its
// key for ever.
func NewCipher(key []byte) (*Cipher, error) {
	if len(key) < 16 {
		return nil, errors.New("the key of a batch of codes has at least 16 bytes")
	}
	derived := hmac.New(sha256.New, key)
	_, _ = derived.Write([]byte("beckon offer codes 1")) // a hash never fails
	block, err := aes.NewCipher(derived.Sum(nil))
	if err != nil {
		return nil, fmt.Errorf("making the cipher of a batch of codes: %w", err)
	}
	return &Cipher{block: block}, nil
}

// Code is the code of a serial as it is shown: XXXX-XXXX-XXXX-X. Empty when there is no such serial.
func (c *Cipher) Code(serial int64) string {
	if serial < 0 || serial >= Serials {
		return ""
	}
	// Walking on until the number is small enough keeps the permutation one of the serials (Black and Rogaway 2002);
	// it takes 1.5 steps on average.
	number := c.forward(uint64(serial))
	for number >= uint64(Serials) {
		number = c.forward(number)
	}
	var code [digits + 1]byte
	for i := digits - 1; i >= 0; i-- {
		code[i] = alphabet[number%uint64(len(alphabet))]
		number /= uint64(len(alphabet))
	}
	code[digits] = alphabet[check(code[:digits])]
	return Group(string(code[:]))
}

// Serial is the serial of a code in any spelling that Fold accepts. False is no code of the alphabet; every folded code is
// the code of some serial, so whether it was issued only its batch's range can tell.
func (c *Cipher) Serial(code string) (int64, bool) {
	folded, err := Fold(code)
	if err != nil {
		return 0, false
	}
	number := uint64(0)
	for i := range digits {
		number = number*uint64(len(alphabet)) + uint64(strings.IndexByte(alphabet, folded[i]))
	}
	number = c.backward(number)
	for number >= uint64(Serials) {
		number = c.backward(number)
	}
	return int64(number), true
}

// forward is a Feistel network over 60 bits with AES as its round function; backward undoes it.
func (c *Cipher) forward(number uint64) uint64 {
	left, right := number>>halfBits, number&half
	for round := range uint64(rounds) {
		left, right = right, left^c.mix(round, right)
	}
	return left<<halfBits | right
}

func (c *Cipher) backward(number uint64) uint64 {
	left, right := number>>halfBits, number&half
	for round := uint64(rounds); round > 0; round-- {
		left, right = right^c.mix(round-1, left), left
	}
	return left<<halfBits | right
}

func (c *Cipher) mix(round, value uint64) uint64 {
	var block [aes.BlockSize]byte
	binary.BigEndian.PutUint64(block[:8], round)
	binary.BigEndian.PutUint64(block[8:], value)
	c.block.Encrypt(block[:], block[:])
	return binary.BigEndian.Uint64(block[:8]) & half
}

// check is the check character of twelve digits. With the check as the thirteenth, the digits weighted by 1 to 13 add up to
// a multiple of 31. All weights differ and none is a multiple of the prime 31, so one wrong digit always changes the sum,
// and so does every swap of two.
func check(code []byte) int {
	sum := weigh(code)
	for candidate := range len(alphabet) {
		if (sum+(digits+1)*candidate)%len(alphabet) == 0 {
			return candidate
		}
	}
	return 0 // not reached: 13 has an inverse modulo 31
}

func weigh(code []byte) int {
	sum := 0
	for i, c := range code {
		sum += (i + 1) * strings.IndexByte(alphabet, c)
	}
	return sum
}

// Fold brings a unique code as somebody typed it into its one form of 13 characters: upper case and of plain width, O, I, L,
// S and Z read as 0, 1, 1, 5 and 2, spaces and dashes dropped. The check character must be right. The error is a
// campaigns.Error for the field "code".
func Fold(input string) (string, error) {
	folded := make([]byte, 0, digits+1)
	for i, r := range input {
		if i >= inputMax {
			return "", campaigns.Invalid("code", "the code is longer than a code can be")
		}
		if unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == '−' {
			continue
		}
		c, ok := foldRune(r)
		if !ok {
			return "", campaigns.Invalid("code", "the character %q is in no code", r)
		}
		folded = append(folded, c)
	}
	if len(folded) != digits+1 {
		return "", campaigns.Invalid("code", "a code has %d characters, not %d", digits+1, len(folded))
	}
	if weigh(folded)%len(alphabet) != 0 {
		return "", campaigns.Invalid("code", "the code is mistyped: its check character does not fit")
	}
	return string(folded), nil
}

func foldRune(r rune) (byte, bool) {
	if r >= '！' && r <= '～' {
		r -= '！' - '!'
	}
	if r >= 'a' && r <= 'z' {
		r -= 'a' - 'A'
	}
	switch r {
	case 'O':
		r = '0'
	case 'I', 'L':
		r = '1'
	case 'S':
		r = '5'
	case 'Z':
		r = '2'
	}
	if r > unicode.MaxASCII || strings.IndexByte(alphabet, byte(r)) < 0 {
		return 0, false
	}
	return byte(r), true
}

// Group shows a folded code in groups of four: XXXX-XXXX-XXXX-X.
func Group(folded string) string {
	var out strings.Builder
	for i := range len(folded) {
		if i > 0 && i%group == 0 {
			out.WriteByte('-')
		}
		out.WriteByte(folded[i])
	}
	return out.String()
}

package channel

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"
)

// A signature is the field that signs an e-mail (RFC 6376, relaxed/relaxed), as the library's signer writes it, to the byte;
// one belongs to one session.
//
// Why not the library's own: it goes over a content five times, a byte at a time, and makes each line anew, which costs more
// than Ed25519 does. It signs where it sends by itself, and tests hold this against it.
type signature struct {
	signer *mail.DKIMSigner
	tags   string // that stand before the time
	room   []byte // of what is hashed
}

// signedFields are the fields that are signed, in their order.
func signedFields() []string {
	return []string{"From", "To", "Subject", "Date", "Message-ID", "List-Unsubscribe", "List-Unsubscribe-Post"}
}

// newSignature is nil where nothing is signed.
func newSignature(signer *mail.DKIMSigner) *signature {
	if signer == nil {
		return nil
	}
	algorithm := "rsa-sha256"
	if _, is := signer.Signer.(ed25519.PrivateKey); is {
		algorithm = "ed25519-sha256"
	}
	return &signature{signer: signer, tags: "v=1; c=relaxed/relaxed; d=" + signer.Domain + "; s=" + signer.Selector + "; a=" + algorithm + "; t="}
}

// field is the field that signs a content, with its line's end.
func (s *signature) field(content []byte) (string, error) {
	header, body := content, []byte(nil)
	if i := bytes.Index(content, []byte("\r\n\r\n")); i >= 0 {
		header, body = content[:i+2], content[i+4:]
	}
	s.room = appendRelaxed(s.room[:0], body)
	hash := sha256.Sum256(s.room)
	value := s.tags + strconv.FormatInt(s.signer.NowFunc().Unix(), 10) + "; h=" + strings.Join(signedFields(), ":") + "; bh=" + base64.StdEncoding.EncodeToString(hash[:]) + "; b="
	s.room = s.room[:0]
	for _, name := range signedFields() {
		s.room = appendField(s.room, header, name)
	}
	s.room = append(append(s.room, "dkim-signature:"...), value...)
	hash = sha256.Sum256(s.room)
	signed, err := s.sign(hash[:])
	if err != nil {
		return "", fmt.Errorf("signing with the key for DKIM: %w", err)
	}
	return folded(value, base64.StdEncoding.EncodeToString(signed)), nil
}

func (s *signature) sign(hash []byte) ([]byte, error) {
	if key, is := s.signer.Signer.(ed25519.PrivateKey); is {
		return ed25519.Sign(key, hash), nil // of the hash itself (RFC 8463)
	}
	return s.signer.Signer.Sign(rand.Reader, hash, crypto.SHA256)
}

// appendRelaxed appends a body as it is hashed (RFC 6376, 3.4.4): runs of blanks are one, none stand at a line's end, no
// empty lines at the end of all.
func appendRelaxed(to, body []byte) []byte {
	begin, full := len(to), len(to)
	for len(body) > 0 {
		line, rest, _ := bytes.Cut(body, []byte{'\n'})
		line = bytes.TrimSuffix(line, []byte{'\r'})
		if i := bytes.IndexByte(line, '\r'); i >= 0 { // a bare one ends a line too
			line, rest = line[:i], body[i+1:]
		}
		body = rest
		from := len(to)
		to = bytes.TrimRight(appendCollapsed(to, line), " ")
		if len(to) < from {
			to = to[:from]
		}
		to = append(to, '\r', '\n')
		if len(to) > from+2 {
			full = len(to)
		}
	}
	return to[:max(begin, full)]
}

// appendCollapsed appends a text with one space for each run of blanks.
func appendCollapsed(to, text []byte) []byte {
	if bytes.IndexByte(text, '\t') < 0 && !bytes.Contains(text, []byte("  ")) {
		return append(to, text...)
	}
	before := false
	for _, c := range text {
		is := c == ' ' || c == '\t'
		if is && !before {
			to = append(to, ' ')
		} else if !is {
			to = append(to, c)
		}
		before = is
	}
	return to
}

// appendField appends the last field of a name as it is hashed, with its line's end; nothing where there is none.
func appendField(to, header []byte, name string) []byte {
	var found []byte
	for rest := header; len(rest) > 0; {
		end := fieldEnd(rest)
		if i := bytes.IndexByte(rest[:end], ':'); i >= 0 && strings.EqualFold(string(bytes.TrimSpace(rest[:i])), name) {
			found = rest[i+1 : end]
		}
		rest = rest[end:]
	}
	if found == nil {
		return to
	}
	value := make([]byte, 0, len(found))
	for _, c := range found {
		if c != '\r' && c != '\n' {
			value = append(value, c)
		}
	}
	to = append(append(to, strings.ToLower(name)...), ':')
	return append(append(to, bytes.TrimSpace(appendCollapsed(nil, value))...), '\r', '\n')
}

// fieldEnd is where a field that begins a header ends: before a line that begins with no blank.
func fieldEnd(header []byte) int {
	for at := 0; ; {
		i := bytes.Index(header[at:], []byte("\r\n"))
		if i < 0 {
			return len(header)
		}
		if at += i + 2; at >= len(header) || header[at] != ' ' && header[at] != '\t' {
			return at
		}
	}
}

// foldedMax is how long a line of the field becomes.
const foldedMax = 76

// folded is the field in lines: a new one begins before a tag that does not fit, else where a line is full.
func folded(value, signed string) string {
	out, length := []byte("DKIM-Signature: "), len("DKIM-Signature: ")
	begin := func() { out, length = append(out, "\r\n "...), 1 }
	write := func(text string) {
		for len(text) > 0 {
			if length >= foldedMax {
				begin()
			}
			fits := min(len(text), foldedMax-length)
			out, length = append(out, text[:fits]...), length+fits
			if text = text[fits:]; text != "" {
				begin()
			}
		}
	}
	for i, tag := range strings.SplitAfter(value, "; ") {
		if i > 0 && length > 1 && length+len(tag) > foldedMax {
			begin()
		}
		write(tag)
	}
	write(signed)
	return string(append(out, '\r', '\n'))
}

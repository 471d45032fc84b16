package engine

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"strings"

	"beckon/campaigns"
)

// links makes what customers can click. A token names the customer by number and is signed, so that nobody can make one
// for somebody else; it says nothing about them.
type links struct {
	key  []byte
	base string
	mac  hash.Hash // of one goroutine that signs many; nil for one of its own each time

	inert bool // of tests: they lead nowhere
}

const signatureSize = 12

func (e *Engine) links(ctx context.Context, w *campaigns.Workspace) (links, error) {
	key, err := e.store.Secret(ctx, "links")
	base := w.PublicURL
	if base == "" {
		base = e.baseURL
	}
	return links{key: key, base: strings.TrimRight(base, "/")}, err
}

// ofOne are the same links for one goroutine that signs many: making the hash ready is half of signing.
func (l links) ofOne() links {
	l.mac = hmac.New(sha256.New, l.key)
	return l
}

// unsubscribe is the address of a customer's page for leaving a channel.
func (l links) unsubscribe(no int64, channel string) string {
	if l.inert {
		return l.base + "/u/test"
	}
	return l.base + "/u/" + l.token(no, channel)
}

func (l links) token(no int64, channel string) string {
	payload := binary.AppendUvarint([]byte{kindByte(channel)}, uint64(no))
	return base64.RawURLEncoding.EncodeToString(append(payload, l.sign(payload)...))
}

func (l links) sign(payload []byte) []byte {
	mac := l.mac
	if mac == nil {
		mac = hmac.New(sha256.New, l.key)
	}
	mac.Reset()
	mac.Write([]byte("unsubscribe\x00"))
	mac.Write(payload)
	return mac.Sum(nil)[:signatureSize]
}

// read gives the customer and channel of a token; ok is false for one that was not made here.
func (l links) read(token string) (no int64, channel string, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(raw) < signatureSize+2 {
		return 0, "", false
	}
	payload, signature := raw[:len(raw)-signatureSize], raw[len(raw)-signatureSize:]
	n, size := binary.Uvarint(payload[1:])
	if !hmac.Equal(signature, l.sign(payload)) || size <= 0 {
		return 0, "", false
	}
	if payload[0] == kindByte(campaigns.SMS) {
		return int64(n), campaigns.SMS, true
	}
	return int64(n), campaigns.Email, true
}

func kindByte(channel string) byte {
	if channel == campaigns.SMS {
		return 's'
	}
	return 'e'
}

package engine

import (
	"bytes"
	"context"
	"crypto/hmac"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"beckon/campaigns"
)

// links makes what customers can click. A token names the customer by number, and the message where it stands in one, and is
// signed, so that nobody can make one for somebody else; it says nothing about them. What it is for is signed with it, so
// that none serves for anything else.
type links struct {
	key    []byte
	base   string
	own    *stamp  // of one goroutine that signs many
	stamps *stamps // of many goroutines; without either a stamp is made each time

	hosts linkHosts // whose links are made countable

	inert bool // of tests: they lead nowhere
}

// What tokens are for.
const (
	forLeaving  = "unsubscribe"
	forOpening  = "open"
	forClicking = "click"
)

const (
	signatureSize = 12
	tokenMax      = 4096 // bytes of a token: what is longer is none of ours
)

func (e *Engine) links(ctx context.Context, w *campaigns.Workspace) (links, error) {
	key, err := e.linkKey(ctx)
	base := w.PublicURL
	if base == "" {
		base = e.baseURL
	}
	return links{key: key, base: strings.TrimRight(base, "/"), stamps: e.stampsOf(key)}, err
}

// stampsOf are the engine's stamps of the key for links.
func (e *Engine) stampsOf(key []byte) *stamps {
	if known := e.stamps.Load(); known != nil && bytes.Equal(known.key, key) {
		return known
	}
	made := newStamps(key)
	e.stamps.Store(made)
	return made
}

func (e *Engine) linkKey(ctx context.Context) ([]byte, error) { return e.store.Secret(ctx, "links") }

// ofOne are the same links for one goroutine that signs many.
func (l links) ofOne() links {
	l.own = newStamp(l.key)
	return l
}

// unsubscribeFrom is the address of a customer's page for leaving a channel, in a message; the zero message is none.
func (l links) unsubscribeFrom(message campaigns.ID, no int64, channel string) string {
	if l.inert {
		return l.base + "/u/test"
	}
	payload := binary.AppendUvarint(appendKind(nil, channel), uint64(no))
	if message != (campaigns.ID{}) {
		payload = append(payload, message[:]...)
	}
	return l.base + "/u/" + l.token(forLeaving, payload)
}

// A leaving is what a link for leaving names; the zero message is none.
type leaving struct {
	no      int64
	channel string
	message campaigns.ID
}

// readLeaving reads a token; ok is false for one that was not made here. Tokens of messages that were sent before they named
// the message are read as well.
func (l links) readLeaving(token string) (of leaving, ok bool) {
	payload, ok := l.open(forLeaving, token)
	if !ok {
		return of, false
	}
	if of.channel, payload, ok = readKind(payload); !ok {
		return of, false
	}
	of.no, of.message, payload, ok = readMessage(payload)
	return of, ok && len(payload) == 0
}

// opened is the address of a picture that says that a message was opened.
func (l links) opened(no int64, message campaigns.ID) string {
	return l.base + "/o/" + l.token(forOpening, append(binary.AppendUvarint(nil, uint64(no)), message[:]...))
}

// clicked is the address that leads to another by way of counting it.
func (l links) clicked(no int64, message campaigns.ID, url string) string {
	return l.base + "/t/" + string(l.appendClick(nil, no, message, url))
}

// appendClick writes the token of such an address.
func (l links) appendClick(to []byte, no int64, message campaigns.ID, url string) []byte {
	var room [512]byte
	payload := append(binary.AppendUvarint(room[:0], uint64(no)), message[:]...)
	return l.appendToken(to, forClicking, append(payload, url...))
}

// token is a signed payload in the letters of addresses.
func (l links) token(use string, payload []byte) string {
	return string(l.appendToken(nil, use, payload))
}

// open is the payload of a token that was made here for a use.
func (l links) open(use, token string) ([]byte, bool) {
	if len(token) > tokenMax {
		return nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(raw) <= signatureSize {
		return nil, false
	}
	payload, signature := raw[:len(raw)-signatureSize], raw[len(raw)-signatureSize:]
	return payload, hmac.Equal(signature, l.sign(use, payload, signatureSize))
}

// readMessage reads a customer's number and, where there is one, a message.
func readMessage(payload []byte) (no int64, message campaigns.ID, rest []byte, ok bool) {
	n, size := binary.Uvarint(payload)
	if size <= 0 {
		return 0, message, nil, false
	}
	payload = payload[size:]
	if len(payload) >= len(message) {
		copy(message[:], payload)
		payload = payload[len(message):]
	}
	return int64(n), message, payload, true
}

// appendKind writes a kind of address: a letter, or for one of a gateway's own its length and name.
func appendKind(payload []byte, channel string) []byte {
	switch channel {
	case campaigns.Email:
		return append(payload, 'e')
	case campaigns.SMS:
		return append(payload, 's')
	}
	return append(append(payload, 'o', byte(len(channel))), channel...)
}

func readKind(payload []byte) (channel string, rest []byte, ok bool) {
	switch {
	case len(payload) == 0:
	case payload[0] == 'e':
		return campaigns.Email, payload[1:], true
	case payload[0] == 's':
		return campaigns.SMS, payload[1:], true
	case payload[0] == 'o' && len(payload) >= 2 && len(payload) >= 2+int(payload[1]):
		return string(payload[2 : 2+payload[1]]), payload[2+payload[1]:], true
	}
	return "", nil, false
}

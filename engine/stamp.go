package engine

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"sync"
)

// A stamp signs for one goroutine at a time. Making the hash ready is half of signing, and so it is kept.
type stamp struct {
	mac  hash.Hash
	text []byte // what is signed: what for, a zero byte, the payload; the signature follows
}

func newStamp(key []byte) *stamp { return &stamp{mac: hmac.New(sha256.New, key)} }

// sign gives a payload and its signature behind it; both are valid until the stamp is used again.
func (s *stamp) sign(use string, payload []byte, size int) (signed []byte) {
	s.text = append(append(append(s.text[:0], use...), 0), payload...)
	s.mac.Reset()
	s.mac.Write(s.text)
	s.text = s.mac.Sum(s.text)
	return s.text[len(use)+1 : len(use)+1+len(payload)+size]
}

// stamps are the stamps of one key.
type stamps struct {
	key  []byte
	idle sync.Pool
}

func newStamps(key []byte) *stamps {
	return &stamps{key: key, idle: sync.Pool{New: func() any { return newStamp(key) }}}
}

// sign is a payload's signature of so many bytes.
func (l links) sign(use string, payload []byte, size int) []byte {
	s := l.stamp()
	defer l.done(s)
	return append([]byte{}, s.sign(use, payload, size)[len(payload):]...)
}

// appendToken appends a signed payload in the letters of addresses.
func (l links) appendToken(to []byte, use string, payload []byte) []byte {
	s := l.stamp()
	defer l.done(s)
	return base64.RawURLEncoding.AppendEncode(to, s.sign(use, payload, signatureSize))
}

// stamp is one to sign with: its own, one of many, or a new one.
func (l links) stamp() *stamp {
	switch {
	case l.own != nil:
		return l.own
	case l.stamps != nil:
		return l.stamps.idle.Get().(*stamp)
	}
	return newStamp(l.key)
}

func (l links) done(s *stamp) {
	if l.own == nil && l.stamps != nil {
		l.stamps.idle.Put(s)
	}
}

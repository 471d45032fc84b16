package campaigns

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"regexp"
	"strings"
)

const (
	rsaBitsMin = 1024 // RFC 8301: less must not be signed with
	rsaBitsMax = 4096 // RFC 8301: verifiers need not know more
	// A tag of a signature stands on one line of 76: folded within, the name of a domain does not verify.
	dkimNameMax = 70
)

// DKIM is the key that signs a channel's e-mail, nil when it has none. PKCS#8 and PKCS#1 are read; the error says what is
// wrong with the text.
func (s *EmailSettings) DKIM() (crypto.Signer, error) {
	text := Text(s.DKIMKey)
	if text == "" {
		return nil, nil
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, fmt.Errorf("is not PEM: it should begin with -----BEGIN PRIVATE KEY-----")
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if block.Type == "RSA PRIVATE KEY" {
		parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	if err != nil {
		return nil, fmt.Errorf("is no private key that can be read (PKCS#8 or PKCS#1, not encrypted)")
	}
	switch key := parsed.(type) {
	case ed25519.PrivateKey:
		return key, nil
	case *rsa.PrivateKey:
		if bits := key.N.BitLen(); bits < rsaBitsMin || bits > rsaBitsMax {
			return nil, fmt.Errorf("has %d bits: use 2048, at least %d and at most %d", bits, rsaBitsMin, rsaBitsMax)
		}
		return key, nil
	}
	return nil, fmt.Errorf("is neither an RSA nor an Ed25519 key")
}

func (s *EmailSettings) checkDKIM(checks *Checks) {
	if s.DKIMDomain == "" && s.DKIMSelector == "" && Text(s.DKIMKey) == "" {
		return
	}
	names := regexp.MustCompile(`^[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9])?(\.[a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9])?)*$`)
	checks.Require(names.MatchString(s.DKIMDomain) && strings.Contains(s.DKIMDomain, ".") && len(s.DKIMDomain) <= dkimNameMax, "dkim_domain",
		"is missing or no domain of up to %d letters, such as mail.example.com", dkimNameMax)
	checks.Require(names.MatchString(s.DKIMSelector) && len(s.DKIMSelector) <= dkimNameMax, "dkim_selector",
		"is missing or no name of up to %d letters, such as 2026a", dkimNameMax)
	key, err := s.DKIM()
	checks.Require(err == nil, "dkim_key", "%v", fmt.Sprint(err))
	checks.Require(err != nil || key != nil, "dkim_key", "is missing: write an RSA or Ed25519 private key as PEM")
}

// dkimRecord is what the DNS has to say for signatures to verify (RFC 6376, 3.6.1; RFC 8463), empty without a key.
func (s *EmailSettings) dkimRecord() string {
	key, err := s.DKIM()
	if err != nil || key == nil {
		return ""
	}
	kind, public := "rsa", []byte(nil)
	if short, is := key.Public().(ed25519.PublicKey); is {
		kind, public = "ed25519", short
	} else if public, err = x509.MarshalPKIXPublicKey(key.Public()); err != nil {
		return ""
	}
	return fmt.Sprintf("%s._domainkey.%s TXT v=DKIM1; k=%s; p=%s", s.DKIMSelector, s.DKIMDomain, kind, base64.StdEncoding.EncodeToString(public))
}

package campaigns

import (
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

// A Key lets a program use the API. Its secret is shown once, when it is made, and kept only as a SHA-256: the secret is
// random and long, so that a slow hash would protect nothing.
type Key struct {
	ID         ID         `json:"id"`
	Name       string     `json:"name"`
	Hint       string     `json:"hint" doc:"the secret's first characters"`
	Scopes     []string   `json:"scopes"`
	CreatedAt  time.Time  `json:"created_at"`
	ExpiresAt  *time.Time `json:"expires_at,omitempty"`
	LastUsedAt *time.Time `json:"last_used_at,omitempty"`
	Hash       []byte     `json:"-"`
}

// The scopes a key may carry. Admin may do everything.
const (
	ScopeAdmin    = "admin"
	ScopeMarketer = "marketer"
	ScopeApprover = "approver"
	ScopePOS      = "pos"
	ScopeIngest   = "ingest"
	ScopeRead     = "read"
)

// Scopes are all of them.
func Scopes() []string {
	return []string{ScopeAdmin, ScopeMarketer, ScopeApprover, ScopePOS, ScopeIngest, ScopeRead}
}

// NewKey makes a key and the secret that opens it.
func NewKey(name string, scopes []string, now time.Time) (Key, string) {
	secret := "bk_" + base64.RawURLEncoding.EncodeToString(Secret(32))
	return KeyOf(name, secret, scopes, now), secret
}

// KeyOf is the key that a given secret opens.
func KeyOf(name, secret string, scopes []string, now time.Time) Key {
	hint := secret
	if len(hint) > 7 {
		hint = hint[:7]
	}
	if len(secret) < 16 {
		hint = "…"
	}
	return Key{ID: NewID(now), Name: name, Hint: hint, Scopes: scopes, CreatedAt: now, Hash: KeyHash(secret)}
}

// KeyHash is what is kept of a secret.
func KeyHash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

// Check says what is wrong with a key that is asked for.
func (k *Key) Check() error {
	if strings.TrimSpace(k.Name) == "" {
		return Invalid("name", "is missing: say what the key is for")
	}
	if err := CheckText("name", k.Name); err != nil {
		return err
	}
	if len(k.Scopes) == 0 {
		return Invalid("scopes", "is empty: name at least one of %s", strings.Join(Scopes(), ", "))
	}
	for _, scope := range k.Scopes {
		if !slices.Contains(Scopes(), scope) {
			return Invalid("scopes", "%q is not a scope: use %s", shorten(scope), strings.Join(Scopes(), ", "))
		}
	}
	return nil
}

// May says whether the key opens any of the scopes at now.
func (k *Key) May(now time.Time, scopes ...string) bool {
	if k.ExpiresAt != nil && !now.Before(*k.ExpiresAt) {
		return false
	}
	return slices.Contains(k.Scopes, ScopeAdmin) || slices.ContainsFunc(scopes, func(s string) bool { return slices.Contains(k.Scopes, s) })
}

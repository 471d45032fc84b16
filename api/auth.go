package api

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// keyTrusted is how long a key that was looked up is believed without asking again: a key that is deleted on another
// node ends after this time at the latest.
const keyTrusted = 5 * time.Second

// keysMax bounds the cache of keys; it is emptied when it is full.
const keysMax = 10_000

// keyCache remembers keys by their hash.
type keyCache struct {
	mu   sync.Mutex
	keys map[string]seenKey
}

type seenKey struct {
	key campaigns.Key
	at  time.Time
}

// forget empties the cache: a key was deleted here.
func (c *keyCache) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys = nil
}

func (c *keyCache) find(hash string, now time.Time) (campaigns.Key, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	seen, ok := c.keys[hash]
	return seen.key, ok && now.Sub(seen.at) < keyTrusted
}

func (c *keyCache) keep(hash string, key campaigns.Key, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys == nil || len(c.keys) >= keysMax {
		c.keys = map[string]seenKey{}
	}
	c.keys[hash] = seenKey{key, now}
}

// authenticate lets a request pass whose key carries one of the scopes.
func (s *Server) authenticate(scopes []string) func(ctx huma.Context, next func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		key, err := s.keyOf(ctx.Context(), ctx.Header("Authorization"))
		if err == nil && !key.May(s.store.Now(), scopes...) {
			err = campaigns.Forbidden("the key %q lacks a scope for this: it needs %s", key.Name, strings.Join(scopes, " or "))
		}
		if err != nil {
			s.refuse(ctx, err)
			return
		}
		if c, ok := ctx.Context().Value(callKey{}).(*call); ok {
			c.key = key
		}
		next(ctx)
	}
}

// keyOf is the key that an Authorization header opens.
func (s *Server) keyOf(ctx context.Context, header string) (campaigns.Key, error) {
	secret := secretOf(header)
	if secret == "" || len(secret) > 500 {
		return campaigns.Key{}, unauthorized("send a key: Authorization: Bearer <key>", "")
	}
	hash, now := campaigns.KeyHash(secret), s.store.Now()
	key, known := s.keys.find(string(hash), now)
	if !known {
		var err error
		if key, err = s.lookUp(ctx, hash); err != nil {
			return key, err
		}
		s.keys.keep(string(hash), key, now)
	}
	if key.ExpiresAt != nil && !now.Before(*key.ExpiresAt) {
		return key, unauthorized("the key expired at "+key.ExpiresAt.Format(time.RFC3339), "invalid_token")
	}
	return key, nil
}

// secretOf is the secret of an Authorization header, empty when there is none.
func secretOf(header string) string {
	scheme, secret, _ := strings.Cut(strings.TrimSpace(header), " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(secret)
}

func (s *Server) lookUp(ctx context.Context, hash []byte) (campaigns.Key, error) {
	var key campaigns.Key
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		key, err = tx.KeyByHash(ctx, hash)
		return err
	})
	if campaigns.CodeOf(err) == campaigns.CodeNotFound {
		return key, unauthorized("this key is not known: it may have been deleted", "invalid_token")
	}
	if err != nil {
		return key, err
	}
	return key, s.store.Update(ctx, func(tx *store.Tx) error { return tx.TouchKey(ctx, key.ID) })
}

func unauthorized(detail, code string) *problem {
	p := newProblem(http.StatusUnauthorized, "unauthorized", detail)
	challenge := `Bearer realm="beckon"`
	if code != "" {
		challenge += `, error="` + code + `"`
	}
	p.header.Set("WWW-Authenticate", challenge)
	return p
}

// call is what is known about a request beside its content.
type call struct {
	id  string
	key campaigns.Key
}

type callKey struct{}

// actor is who a change is written down to.
func actor(ctx context.Context) string {
	if c, ok := ctx.Value(callKey{}).(*call); ok && c.key.Name != "" {
		return c.key.Name
	}
	return "nobody"
}

// person is the actor with the id of the key that was used: two keys may have one name.
func person(ctx context.Context) campaigns.Actor {
	by := campaigns.Actor{Name: actor(ctx)}
	if c, ok := ctx.Value(callKey{}).(*call); ok && c.key.ID != (campaigns.ID{}) {
		by.ID = c.key.ID.String()
	}
	return by
}

// requestID is the request's name in answers and in the log.
func requestID(ctx context.Context) string {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c.id
	}
	return ""
}

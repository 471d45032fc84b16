package api

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// answerMax is the largest answer that is kept for repeats.
const answerMax = 1 << 20

// claimStale is after how long a claim is believed to be left by a node that died: longer than any request may take.
const claimStale = 2 * time.Minute

// onceOnly gives a repeated request with an Idempotency-Key the answer of the first. Answers that say "not now" are not
// kept, so that the request can be tried again.
func (s *Server) onceOnly(ctx huma.Context, next func(huma.Context)) {
	key := ctx.Header("Idempotency-Key")
	if key == "" {
		next(ctx)
		return
	}
	if len(key) > 255 {
		s.refuse(ctx, campaigns.Invalid("Idempotency-Key", "is longer than 255 characters"))
		return
	}
	r := newRepeat(ctx, key)
	claim, claimed, err := s.store.ClaimAnswer(ctx.Context(), r.scope, r.hash(), claimStale)
	switch {
	case err != nil:
		s.refuse(ctx, err)
	case claimed:
		s.answerOnce(ctx, r, claim, next)
	case claim.Status == 0:
		s.refuse(ctx, newProblem(http.StatusConflict, "conflict", "a request with this Idempotency-Key is being worked on: ask again in a moment").
			retryAfter(time.Second))
	default:
		s.answerAgain(ctx, r, claim)
	}
}

// answerOnce works on the request and keeps its answer. The claim is given up when there is none worth keeping, also
// after a panic.
func (s *Server) answerOnce(ctx huma.Context, r *repeat, claim store.Answer, next func(huma.Context)) {
	c := echoOf(ctx)
	record := &recording{ResponseWriter: c.Response().Writer}
	c.Response().Writer = record
	lasting := context.WithoutCancel(ctx.Context()) // the work is done, whether the client is still there or not
	kept := false
	defer func() {
		c.Response().Writer = record.ResponseWriter
		if kept {
			return
		}
		if err := s.store.ReleaseAnswer(lasting, r.scope, claim); err != nil {
			s.log.Error("giving up an idempotency key", "request_id", requestID(lasting), "err", err)
		}
	}()
	next(ctx)
	if !record.lasting() {
		return
	}
	claim.RequestHash, claim.Status, claim.Headers = r.hash(), record.status, record.kept()
	var err error
	if claim.Body, err = r.seal(record.body.Bytes()); err == nil {
		err = s.store.FinishAnswer(lasting, r.scope, claim)
	}
	if kept = err == nil; !kept {
		s.log.Error("keeping an answer", "request_id", requestID(lasting), "err", err)
	}
}

// answerAgain repeats a kept answer, if the request is the one that it answered.
func (s *Server) answerAgain(ctx huma.Context, r *repeat, kept store.Answer) {
	if _, err := io.Copy(io.Discard, echoOf(ctx).Request().Body); err != nil {
		s.refuse(ctx, malformed("the body broke off"))
		return
	}
	if !bytes.Equal(kept.RequestHash, r.hash()) {
		s.refuse(ctx, campaigns.Invalid("Idempotency-Key", "was used with another request: take a new key for a new request"))
		return
	}
	body, err := r.open(kept.Body)
	if err != nil {
		s.refuse(ctx, err)
		return
	}
	w := echoOf(ctx).Response()
	for name, value := range kept.Headers {
		w.Header().Set(name, value)
	}
	w.Header().Set("Idempotency-Replayed", "true")
	w.WriteHeader(kept.Status)
	_, _ = w.Write(body) // a client that went away
}

// repeat is a request with an Idempotency-Key. Its scope names it among all requests; its hash tells it from another
// one under the same key, and grows while a streamed body is read.
type repeat struct {
	scope []byte
	body  hash.Hash
	seed  [32]byte
}

func newRepeat(ctx huma.Context, key string) *repeat {
	c := echoOf(ctx)
	told, _ := ctx.Context().Value(callKey{}).(*call)
	r := &repeat{body: sha256.New(), seed: sha256.Sum256([]byte("answer\x00" + secretOf(ctx.Header("Authorization")) + "\x00" + key))}
	scope := sha256.Sum256([]byte(told.key.ID.String() + "\x00" + ctx.Method() + "\x00" + c.Request().URL.Path + "\x00" + key))
	r.scope = scope[:]
	fmt.Fprintf(r.body, "%s\x00", c.Request().URL.RawQuery)
	if body, whole := c.Get(bodyKey).([]byte); whole {
		r.body.Write(body)
	} else {
		c.Request().Body = tee{io.TeeReader(c.Request().Body, r.body), c.Request().Body}
	}
	return r
}

// tee is a body that is hashed as it is read.
type tee struct {
	io.Reader
	io.Closer
}

func (r *repeat) hash() []byte { return r.body.Sum(nil) }

func (r *repeat) cipher() (cipher.AEAD, error) {
	block, err := aes.NewCipher(r.seed[:])
	if err != nil {
		return nil, fmt.Errorf("sealing an answer: %w", err)
	}
	return cipher.NewGCM(block)
}

func (r *repeat) seal(body []byte) ([]byte, error) {
	aead, err := r.cipher()
	if err != nil {
		return nil, err
	}
	nonce := campaigns.Secret(aead.NonceSize())
	return aead.Seal(nonce, nonce, body, r.scope), nil
}

func (r *repeat) open(sealed []byte) ([]byte, error) {
	aead, err := r.cipher()
	if err != nil || len(sealed) < aead.NonceSize() {
		return nil, fmt.Errorf("a kept answer cannot be read: %w", err)
	}
	body, err := aead.Open(nil, sealed[:aead.NonceSize()], sealed[aead.NonceSize():], r.scope)
	if err != nil {
		return nil, fmt.Errorf("a kept answer cannot be read: %w", err)
	}
	return body, nil
}

// recording keeps a copy of an answer as it is written, up to answerMax.
type recording struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
	large  bool
}

// WriteHeader notes the status.
func (r *recording) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// Write notes the body.
func (r *recording) Write(p []byte) (int, error) {
	if r.large = r.large || r.body.Len()+len(p) > answerMax; !r.large {
		r.body.Write(p)
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recording) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// lasting says whether the answer would be the same the next time.
func (r *recording) lasting() bool {
	return !r.large && r.status >= 200 && r.status < 500 && r.status != http.StatusTooManyRequests && r.status != http.StatusRequestTimeout
}

func (r *recording) kept() map[string]string {
	kept := map[string]string{}
	for _, name := range []string{"Content-Type", echo.HeaderLocation, "ETag", "Retry-After"} {
		if value := r.Header().Get(name); value != "" {
			kept[name] = value
		}
	}
	return kept
}

package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// AnswerKept is how long a repeated request gets the answer of the first.
const AnswerKept = 24 * time.Hour

// An Answer is what a request was answered, kept under its key. Status 0 is a claim: the request is being worked on.
type Answer struct {
	CreatedAt   time.Time
	RequestHash []byte
	Status      int
	Headers     map[string]string
	Body        []byte
}

// ClaimAnswer makes the caller the one who works on a request. Whoever holds the key already is given instead: an answer
// to repeat, or a claim that is being worked on. A claim older than stale was left by a node that died and is taken over.
// Requests with one key are serialised by a lock that ends with this short transaction.
func (s *Store) ClaimAnswer(ctx context.Context, key, requestHash []byte, stale time.Duration) (claim Answer, claimed bool, err error) {
	if err := s.EnsureMonths(ctx, "idempotency", s.Now()); err != nil {
		return Answer{}, false, err
	}
	err = s.Update(ctx, func(tx *Tx) error {
		claim, claimed, err = tx.claimAnswer(ctx, key, requestHash, stale)
		return err
	})
	return claim, claimed, err
}

func (tx *Tx) claimAnswer(ctx context.Context, key, requestHash []byte, stale time.Duration) (Answer, bool, error) {
	if _, err := tx.exec(ctx, "waiting for a key", `SELECT pg_advisory_xact_lock($1)`, int64(binary.BigEndian.Uint64(key))); err != nil {
		return Answer{}, false, err
	}
	var held Answer
	var status *int
	err := tx.tx.QueryRow(ctx, `SELECT created_at, request_hash, status, headers, body FROM idempotency
		WHERE key = $1 AND created_at > $2 ORDER BY created_at DESC LIMIT 1`, key, tx.Now.Add(-AnswerKept)).
		Scan(&held.CreatedAt, &held.RequestHash, &status, &held.Headers, &held.Body)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return Answer{}, false, fmt.Errorf("reading a kept answer: %w", err)
	case status != nil:
		held.Status = *status
		return held, false, nil
	case tx.Now.Sub(held.CreatedAt) < stale:
		return held, false, nil
	}
	claim := Answer{CreatedAt: tx.Now.Truncate(time.Microsecond), RequestHash: requestHash}
	_, err = tx.exec(ctx, "claiming a key", `INSERT INTO idempotency (key, created_at, request_hash) VALUES ($1, $2, $3)
		ON CONFLICT (key, created_at) DO UPDATE SET request_hash = EXCLUDED.request_hash`, key, claim.CreatedAt, requestHash)
	return claim, err == nil, err
}

// FinishAnswer keeps what a claimed request was answered.
func (s *Store) FinishAnswer(ctx context.Context, key []byte, a Answer) error {
	return s.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "keeping an answer", `UPDATE idempotency SET request_hash = $3, status = $4, headers = $5, body = $6
			WHERE key = $1 AND created_at = $2`, key, a.CreatedAt, a.RequestHash, a.Status, a.Headers, a.Body)
		return err
	})
}

// ReleaseAnswer gives a claim up, so that the request can be tried again.
func (s *Store) ReleaseAnswer(ctx context.Context, key []byte, a Answer) error {
	return s.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "giving up a key", `DELETE FROM idempotency WHERE key = $1 AND created_at = $2 AND status IS NULL`, key, a.CreatedAt)
		return err
	})
}

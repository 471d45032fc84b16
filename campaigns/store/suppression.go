package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// Suppress keeps an address from being sent to. A second time changes nothing: the first reason stays.
func (tx *Tx) Suppress(ctx context.Context, s *campaigns.Suppression) error {
	if err := tx.normal(ctx, s.Channel, &s.Address); err != nil {
		return err
	}
	if err := campaigns.CheckText("reason", s.Reason); err != nil {
		return err
	}
	hash, err := tx.addressHash(ctx, s.Channel, s.Address)
	if err != nil {
		return err
	}
	s.Hash = hash
	if s.At.IsZero() || s.At.After(tx.Now) {
		s.At = wholeSecond(tx.Now)
	}
	made, err := tx.exec(ctx, "suppressing an address", `INSERT INTO suppressions (hash, channel, address, reason, at) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT DO NOTHING`, hash, s.Channel, s.Address, s.Reason, s.At)
	if err != nil || made == 0 {
		return err
	}
	return tx.noteAddress(ctx, s.Channel, hash)
}

// Unsuppress lets an address be sent to again.
func (tx *Tx) Unsuppress(ctx context.Context, channel, address string) error {
	if err := tx.normal(ctx, channel, &address); err != nil {
		return err
	}
	hash, err := tx.addressHash(ctx, channel, address)
	if err != nil {
		return err
	}
	gone, err := tx.exec(ctx, "ending a suppression", `DELETE FROM suppressions WHERE hash = $1 AND channel = $2`, hash, channel)
	if err != nil {
		return err
	}
	if gone == 0 {
		return campaigns.NotFound("suppression", address)
	}
	return tx.noteAddress(ctx, channel, hash)
}

// UnsuppressFor lets an address be sent to again where it is on the list for one reason; it says whether it was.
func (tx *Tx) UnsuppressFor(ctx context.Context, channel, address, reason string) (bool, error) {
	hash, err := tx.addressHash(ctx, channel, address)
	if err != nil {
		return false, err
	}
	gone, err := tx.exec(ctx, "ending a suppression", `DELETE FROM suppressions WHERE hash = $1 AND channel = $2 AND reason = $3`, hash, channel, reason)
	if err != nil || gone == 0 {
		return false, err
	}
	return true, tx.noteAddress(ctx, channel, hash)
}

// SuppressionsOf are the entries of one address, on a channel or (empty) on all where it can be an address.
func (tx *Tx) SuppressionsOf(ctx context.Context, channel, address string) (found []campaigns.Suppression, err error) {
	kinds := []string{channel}
	if channel == "" {
		own, err := tx.ownKinds(ctx)
		if err != nil {
			return nil, err
		}
		kinds = append([]string{campaigns.Email, campaigns.SMS}, own...)
	}
	for _, kind := range kinds {
		normal := address
		if err := tx.normal(ctx, kind, &normal); campaigns.CodeOf(err) == campaigns.CodeInvalid {
			continue // not an address of this kind
		} else if err != nil {
			return nil, err
		}
		hash, err := tx.addressHash(ctx, kind, normal)
		if err != nil {
			return nil, err
		}
		some, err := many(ctx, tx, "suppressions", suppressionColumns+` WHERE hash = $1 AND channel = $2`, scanSuppression, hash, kind)
		if err != nil {
			return nil, err
		}
		found = append(found, some...)
	}
	return found, nil
}

const suppressionColumns = `SELECT hash, channel, COALESCE(address, ''), reason, at FROM suppressions`

func scanSuppression(row pgx.CollectableRow) (campaigns.Suppression, error) {
	var s campaigns.Suppression
	err := row.Scan(&s.Hash, &s.Channel, &s.Address, &s.Reason, &s.At)
	return s, err
}

// Suppressions pages through the list of a channel (empty: all), in the order of the hashes: those after the given one.
func (tx *Tx) Suppressions(ctx context.Context, channel string, after []byte, limit int) ([]campaigns.Suppression, error) {
	return many(ctx, tx, "suppressions", suppressionColumns+` WHERE ($1 = '' OR channel = $1) AND hash > $2 ORDER BY hash LIMIT $3`, scanSuppression,
		channel, append([]byte{}, after...), limit)
}

// normal checks the channel and brings the address into the form in which it is compared; what is wrong with it is told of
// the field address, as which it was given.
func (tx *Tx) normal(ctx context.Context, channel string, address *string) error {
	var normal string
	var err error
	switch channel {
	case campaigns.Email:
		normal, err = campaigns.NormalEmail(*address)
	case campaigns.SMS:
		w, failed := tx.Workspace(ctx)
		if failed != nil {
			return failed
		}
		normal, err = campaigns.NormalPhone(*address, w.Country)
	default:
		return tx.normalOwn(ctx, channel, address)
	}
	var wrong *campaigns.Error
	if errors.As(err, &wrong) && len(wrong.Problems) > 0 {
		return campaigns.Invalid("address", "%s", wrong.Problems[0].Message)
	}
	*address = normal
	return err
}

func (tx *Tx) noteAddress(ctx context.Context, channel string, hash []byte) error {
	_, err := tx.exec(ctx, "noting changes", `INSERT INTO changes (xid, no, kind) SELECT pg_current_xact_id(), no, $3::smallint FROM addresses
		WHERE hash = $1 AND channel = $2`, hash, channel, changedProfile)
	return err
}

// addressHash is Store.AddressHash inside a transaction: the first one ever makes the key here, because asking for a
// second connection while holding one can wait for ever.
func (tx *Tx) addressHash(ctx context.Context, channel, address string) ([]byte, error) {
	if address == "" {
		return nil, nil
	}
	if key, known := tx.store.secret.values.Load("addresses"); known {
		return campaigns.AddressHash(key.([]byte), channel, address), nil
	}
	made, err := tx.exec(ctx, "making a secret", `INSERT INTO secrets (name, value) VALUES ('addresses', $1) ON CONFLICT DO NOTHING`, campaigns.Secret(32))
	if err != nil {
		return nil, err
	}
	var key []byte
	if err := tx.tx.QueryRow(ctx, `SELECT value FROM secrets WHERE name = 'addresses'`).Scan(&key); err != nil {
		return nil, fmt.Errorf("reading the key of addresses: %w", err)
	}
	if made == 0 { // committed by somebody: ours may still be rolled back
		tx.store.secret.values.Store("addresses", key)
	}
	return campaigns.AddressHash(key, channel, address), nil
}

package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"

	"beckon/campaigns"
)

// secretCache keeps secrets that never change once they exist.
type secretCache struct{ values sync.Map }

// Secret is 32 random bytes under a name, the same on every node, made when it is first asked for. The names in use:
// addresses (AddressHash), codes (unique codes), holdout (salts of the global holdout) and links (tokens in links).
func (s *Store) Secret(ctx context.Context, name string) ([]byte, error) {
	if kept, ok := s.secret.values.Load(name); ok {
		return kept.([]byte), nil
	}
	var value []byte
	err := s.Update(ctx, func(tx *Tx) error {
		_, err := tx.exec(ctx, "making a secret", `INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, campaigns.Secret(32))
		if err != nil {
			return err
		}
		return tx.tx.QueryRow(ctx, `SELECT value FROM secrets WHERE name = $1`, name).Scan(&value)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the secret %s: %w", name, err)
	}
	s.secret.values.Store(name, value)
	return value, nil
}

// Secret is the store's; it is made outside the transaction.
func (tx *Tx) Secret(ctx context.Context, name string) ([]byte, error) {
	return tx.store.Secret(ctx, name)
}

// AddressHash is campaigns.AddressHash under this workspace's key; nil for an empty address.
func (s *Store) AddressHash(ctx context.Context, channel, address string) ([]byte, error) {
	if address == "" {
		return nil, nil
	}
	key, err := s.Secret(ctx, "addresses")
	if err != nil {
		return nil, err
	}
	return campaigns.AddressHash(key, channel, address), nil
}

// listedMark is the channel, which no address has, under which a hash of an address is marked as ours.
const listedMark = "listed"

// markBytes are enough for a list of other hashes not to be taken for ours.
const markBytes = 4

// ListedHash is how a hash of AddressHash is written for others to bring in again: its hexadecimal digits, and eight that only
// this service's key gives. MD5 has as many digits as the hash alone.
func (s *Store) ListedHash(ctx context.Context, hash []byte) (string, error) {
	mark, err := s.AddressHash(ctx, listedMark, hex.EncodeToString(hash))
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(append(slices.Clone(hash), mark[:markBytes]...)), nil
}

// ReadListedHash is the hash that ListedHash wrote, nil for any other text.
func (s *Store) ReadListedHash(ctx context.Context, text string) ([]byte, error) {
	octets, err := hex.DecodeString(text)
	if err != nil || len(octets) <= markBytes {
		return nil, nil
	}
	hash := octets[:len(octets)-markBytes]
	ours, err := s.ListedHash(ctx, hash)
	if err != nil || ours != strings.ToLower(text) {
		return nil, err
	}
	return hash, nil
}

package store

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"beckon/campaigns"
)

// KeySize is the length of the key that seals the secrets of channels, in bytes.
const KeySize = 32

// A seal encrypts the secrets of channels with AES-256-GCM under a key that is not in the database, so that a dump of it or
// a look into it betrays none. The channel's id is authenticated with them: a row cannot be copied to another channel.
type seal struct {
	aead  cipher.AEAD // nil without a key
	check []byte      // what the database keeps to recognise the key
}

func newSeal(key []byte) seal {
	block, err := aes.NewCipher(key)
	if err != nil || len(key) != KeySize {
		return seal{}
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return seal{}
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("beckon: the key of channels"))
	return seal{aead, mac.Sum(nil)}
}

// noKey says what to do where secrets cannot be sealed or read.
func noKey() error {
	return campaigns.Unavailable(nil, "this node has no key for the secrets of channels: set BECKON_SECRET_KEY, or start it with the data folder that holds secret.key")
}

// close takes the secrets out of settings and gives them sealed, nil when there are none.
func (s seal) close(id string, settings *campaigns.ChannelSettings) ([]byte, error) {
	secrets := map[string]string{}
	for name, secret := range settings.Secrets() {
		if text := campaigns.Text(*secret); text != "" {
			secrets[name] = text
		}
		*secret = nil
	}
	if len(secrets) == 0 {
		return nil, nil
	}
	if s.aead == nil {
		return nil, noKey()
	}
	text, err := json.Marshal(secrets)
	if err != nil {
		return nil, fmt.Errorf("sealing secrets: %w", err)
	}
	nonce := campaigns.Secret(s.aead.NonceSize())
	return s.aead.Seal(nonce, nonce, text, []byte(id)), nil
}

// open puts sealed secrets back into settings.
func (s seal) open(id string, sealed []byte, settings *campaigns.ChannelSettings) error {
	if len(sealed) == 0 {
		return nil
	}
	if s.aead == nil {
		return noKey()
	}
	size := s.aead.NonceSize()
	if len(sealed) < size {
		return errors.New("the sealed secrets of a channel are too short")
	}
	text, err := s.aead.Open(nil, sealed[:size], sealed[size:], []byte(id))
	if err != nil {
		return campaigns.Unavailable(err, "the secrets of the channel %s were sealed with another key: set BECKON_SECRET_KEY to that one, or write the channel's secrets anew", id)
	}
	var secrets map[string]string
	if err := json.Unmarshal(text, &secrets); err != nil {
		return fmt.Errorf("reading sealed secrets: %w", err)
	}
	for name, secret := range settings.Secrets() {
		if value, has := secrets[name]; has {
			*secret = &value
		}
	}
	return nil
}

// keepKey remembers which key the database's secrets are sealed with, and refuses another while there are any; what an earlier release kept in
// plain text is sealed.
func (tx *Tx) keepKey(ctx context.Context) error {
	seal := tx.store.seal
	if seal.aead == nil {
		return nil
	}
	var kept []byte
	err := tx.tx.QueryRow(ctx, `INSERT INTO secrets AS s (name, value) VALUES ('channels', $1)
		ON CONFLICT (name) DO UPDATE SET value = CASE WHEN EXISTS (SELECT 1 FROM channels WHERE sealed IS NOT NULL) THEN s.value ELSE excluded.value END
		RETURNING value`, seal.check).Scan(&kept)
	if err != nil {
		return fmt.Errorf("looking at the key of channels: %w", err)
	}
	if !hmac.Equal(kept, seal.check) {
		return campaigns.Unavailable(nil, "the secrets of this database's channels are sealed with another key: set BECKON_SECRET_KEY to that one, or copy secret.key from the data folder of the first node")
	}
	plain, err := many(ctx, tx, "channels", channelColumns+` WHERE sealed IS NULL FOR UPDATE`, tx.scanChannel)
	if err != nil {
		return err
	}
	for _, c := range plain {
		if err := tx.sealChannel(ctx, &c); err != nil {
			return err
		}
	}
	return nil
}

// sealChannel writes the secrets that a channel carries in plain text.
func (tx *Tx) sealChannel(ctx context.Context, c *campaigns.Channel) error {
	settings := c.Settings
	sealed, err := tx.store.seal.close(c.ID, &settings)
	if err != nil || sealed == nil {
		return err
	}
	_, err = tx.exec(ctx, "sealing a channel's secrets", `UPDATE channels SET settings = $2, sealed = $3 WHERE id = $1`, c.ID, settings, sealed)
	return err
}

func (tx *Tx) scanChannel(row pgx.CollectableRow) (campaigns.Channel, error) {
	var c campaigns.Channel
	var sealed []byte
	if err := row.Scan(&c.ID, &c.Name, &c.Kind, &c.Settings, &c.Revision, &c.CreatedAt, &c.ChangedAt, &sealed); err != nil {
		return c, err
	}
	return c, tx.store.seal.open(c.ID, sealed, &c.Settings)
}

package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/local"
)

// database says which PostgreSQL a subcommand uses: the one of DATABASE_URL, else a private one in the data folder.
type database struct {
	Data        string `help:"Folder of the private PostgreSQL, used without DATABASE_URL; ${default} if left out." default:"beckon-data" env:"BECKON_DATA" type:"path" placeholder:"DIR"`
	DatabaseURL string `help:"PostgreSQL 15 or later to use instead of a private one." env:"DATABASE_URL" placeholder:"URL"`
	Currency    string `help:"Currency of a fresh workspace." default:"CNY" env:"BECKON_CURRENCY"`
	Zone        string `help:"Time zone of a fresh workspace." default:"Asia/Shanghai" env:"BECKON_ZONE"`
	Country     string `help:"Country of a fresh workspace, for phone numbers without +." default:"CN" env:"BECKON_COUNTRY"`
	SecretKey   string `help:"64 hex digits that seal the secrets of channels, the same on all nodes; made and kept in the data folder if left out." env:"BECKON_SECRET_KEY" placeholder:"HEX"`
	PublicURL   string `help:"Where customers reach this service: links in messages begin with it." env:"BECKON_PUBLIC_URL" placeholder:"URL"`
}

// An opened is a database that is ready; close ends what was started for it.
type opened struct {
	store  *store.Store
	server *local.Server // nil with DATABASE_URL
}

// open connects, starting the private PostgreSQL where there is none, and brings the schema up to date.
func (d *database) open(ctx context.Context, o *output, clock func() time.Time) (*opened, error) {
	fresh := campaigns.FreshWorkspace()
	fresh.Currency, fresh.Zone, fresh.Country = d.Currency, d.Zone, d.Country
	if err := fresh.Check(); err != nil {
		return nil, fmt.Errorf("the settings of a fresh workspace: %w", err)
	}
	key, err := d.key(o)
	if err != nil {
		return nil, err
	}
	opening := &opened{}
	url := d.DatabaseURL
	if url == "" {
		if err := local.Install(o.say); err != nil {
			return nil, err
		}
		server, err := local.Start(ctx, d.Data, local.Options{Say: o.say})
		if err != nil {
			return nil, err
		}
		opening.server, url = server, server.URL("postgres")
	}
	if opening.store, err = store.Open(ctx, url, clock, store.Options{Connections: 24, Key: key}); err == nil {
		err = opening.store.Prepare(ctx, fresh)
	}
	if err == nil && d.PublicURL != "" {
		err = setPublicURL(ctx, opening.store, d.PublicURL)
	}
	if err != nil {
		opening.close(o)
		return nil, err
	}
	return opening, nil
}

// keyFile is where a node keeps the key that seals the secrets of channels.
const keyFile = "secret.key"

// key is the setting, else what the data folder keeps, made at the first start and readable by its owner alone.
func (d *database) key(o *output) ([]byte, error) {
	if d.SecretKey != "" {
		return readKey("BECKON_SECRET_KEY", d.SecretKey)
	}
	path := filepath.Join(d.Data, keyFile)
	text, err := os.ReadFile(path)
	if err == nil {
		return readKey(path, string(text))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading the key of channels: %w", err)
	}
	if err := os.MkdirAll(d.Data, 0o755); err != nil {
		return nil, fmt.Errorf("making the data folder: %w", err)
	}
	key := campaigns.Secret(store.KeySize)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) { // another program made it at this moment
		if text, err = os.ReadFile(path); err == nil {
			return readKey(path, string(text))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("keeping the key of channels: %w", err)
	}
	if _, err = file.WriteString(hex.EncodeToString(key) + "\n"); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("keeping the key of channels: %w", err)
	}
	o.say("made %s, which seals the secrets of channels: keep a copy of it beside your backups", path)
	return key, nil
}

func readKey(from, text string) ([]byte, error) {
	key, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(key) != store.KeySize {
		return nil, fmt.Errorf("%s should hold 64 hex digits, as from: openssl rand -hex 32", from)
	}
	return key, nil
}

func setPublicURL(ctx context.Context, s *store.Store, url string) error {
	return s.Update(ctx, func(tx *store.Tx) error {
		w, err := tx.LockWorkspace(ctx)
		if err != nil || w.PublicURL == url {
			return err
		}
		w.PublicURL = url
		if err := w.Check(); err != nil {
			return err
		}
		return tx.SaveWorkspace(ctx, w)
	})
}

// close ends what open began. Connections that are still in use after a second belong to work that was cut off.
func (o *opened) close(out *output) {
	if o.store != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		within(ctx, o.store.Close)
	}
	if o.server != nil {
		if err := o.server.Stop(); err != nil {
			out.say("stopping PostgreSQL: %v", err)
		}
	}
}

package main

import (
	"context"
	"fmt"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

type keysCommand struct {
	database
	Name   string   `help:"What the key is for." default:"made on the command line"`
	Scopes []string `help:"What it may do: admin, marketer, approver, pos, ingest, read; several with commas." default:"admin" enum:"admin,marketer,approver,pos,ingest,read"`
}

// Run makes a key and prints it once: the way back in for somebody who lost theirs.
func (c *keysCommand) Run(ctx context.Context, o *output) error {
	opening, err := c.open(ctx, o, time.Now)
	if err != nil {
		return err
	}
	defer opening.close(o)
	key, secret := campaigns.NewKey(c.Name, c.Scopes, opening.store.Now())
	if err := key.Check(); err != nil {
		return err
	}
	if err := opening.store.Update(ctx, func(tx *store.Tx) error { return tx.CreateKey(ctx, &key) }); err != nil {
		return err
	}
	fmt.Fprintln(o.out, secret)
	return nil
}

// firstKey keeps the key of BECKON_ADMIN_KEY; without one, and without any other key, it makes one and gives it.
func firstKey(ctx context.Context, s *store.Store, given string) (made string, err error) {
	if given != "" && len(given) < 16 {
		return "", fmt.Errorf("BECKON_ADMIN_KEY should have at least 16 characters: it opens everything")
	}
	err = s.Update(ctx, func(tx *store.Tx) error {
		made = ""
		if given != "" {
			if _, err := tx.KeyByHash(ctx, campaigns.KeyHash(given)); campaigns.CodeOf(err) != campaigns.CodeNotFound {
				return err
			}
			key := campaigns.KeyOf("BECKON_ADMIN_KEY", given, []string{campaigns.ScopeAdmin}, tx.Now)
			return tx.CreateKey(ctx, &key)
		}
		any, err := tx.AnyKey(ctx)
		if err != nil || any {
			return err
		}
		key, secret := campaigns.NewKey("first key", []string{campaigns.ScopeAdmin}, tx.Now)
		made = secret
		return tx.CreateKey(ctx, &key)
	})
	return made, err
}

package api

import (
	"context"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// newKey is a key as it is answered once, with its secret.
type newKey struct {
	campaigns.Key
	Secret string `json:"secret" doc:"shown this once and kept only as a hash"`
}

type keyRequest struct {
	Body struct {
		Name      string     `json:"name" doc:"what the key is for; changes are written down under it"`
		Scopes    []string   `json:"scopes" nullable:"false" enum:"admin,marketer,approver,pos,ingest,read"`
		ExpiresAt *time.Time `json:"expires_at,omitempty"`
	}
}

// byID is a request for one thing that has an id of ours.
type byID struct {
	ID string `path:"id"`
}

func (s *Server) listKeys(ctx context.Context, in *struct{ Listing }) (*listOf[campaigns.Key], error) {
	var keys []campaigns.Key
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		keys, err = tx.Keys(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return slice(in.Listing, keys, func(k campaigns.Key) string { return k.ID.String() })
}

func (s *Server) createKey(ctx context.Context, in *keyRequest) (*some[newKey], error) {
	key, secret := campaigns.NewKey(in.Body.Name, in.Body.Scopes, s.store.Now())
	key.ExpiresAt = in.Body.ExpiresAt
	if err := checkKey(&key); err != nil {
		return nil, err
	}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.CreateKey(ctx, &key); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "create", "key", key.ID.String(), nil, key)
	})
	return &some[newKey]{newKey{key, secret}}, err
}

func checkKey(key *campaigns.Key) error {
	if err := key.Check(); err != nil {
		return err
	}
	if key.ExpiresAt != nil && !key.ExpiresAt.After(key.CreatedAt) {
		return campaigns.Invalid("expires_at", "lies in the past")
	}
	return nil
}

func (s *Server) deleteKey(ctx context.Context, in *byID) (*nothing, error) {
	id, err := campaigns.ParseID("key", in.ID)
	if err != nil {
		return nil, err
	}
	defer s.keys.forget()
	return nil, s.store.Update(ctx, func(tx *store.Tx) error {
		if err := tx.DeleteKey(ctx, id); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "delete", "key", id.String(), nil, nil)
	})
}

func (s *Server) audit(ctx context.Context, in *struct{ Listing }) (*listOf[store.AuditEntry], error) {
	before, err := in.beforeID()
	if err != nil {
		return nil, err
	}
	var entries []store.AuditEntry
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		entries, err = tx.AuditLog(ctx, before, in.more())
		return err
	})
	return pageOf(in.Listing, entries, func(e store.AuditEntry) string { return e.ID.String() }), err
}

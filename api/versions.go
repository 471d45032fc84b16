package api

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// wholeVersionBody is one version with what it says and the hashes of all that it uses.
type wholeVersionBody struct {
	campaigns.Version
	Definition campaigns.Definition `json:"definition"`
	Hashes     map[string]string    `json:"hashes,omitempty" doc:"SHA-256 of each part that was frozen: definition, rule, holdout, zone, template <id>, offer <id>, channel <id>"`
}

func (s *Server) listVersions(ctx context.Context, in *struct {
	ID string `path:"id"`
	Listing
}) (*listOf[campaigns.Version], error) {
	id, err := campaigns.ParseID("campaign", in.ID)
	if err != nil {
		return nil, err
	}
	var all []campaigns.Version
	err = s.store.View(ctx, func(tx *store.Tx) error {
		if _, err := tx.Campaign(ctx, id); err != nil {
			return err
		}
		all, err = tx.CampaignVersions(ctx, id)
		return err
	})
	if err != nil {
		return nil, err
	}
	return slice(in.Listing, all, func(v campaigns.Version) string { return etag(v.Version) })
}

func (s *Server) version(ctx context.Context, in *struct {
	ID      string `path:"id"`
	Version int    `path:"version" minimum:"1" maximum:"1000000000"`
}) (*some[wholeVersionBody], error) {
	id, err := campaigns.ParseID("campaign", in.ID)
	if err != nil {
		return nil, err
	}
	out := &some[wholeVersionBody]{}
	return out, s.store.View(ctx, func(tx *store.Tx) error {
		v, err := tx.Version(ctx, id, in.Version)
		out.Body = wholeVersionBody{v, v.Definition, v.Frozen.Hashes}
		return err
	})
}

func (s *Server) submit(ctx context.Context, in *campaignMove) (*one[campaigns.Campaign], error) {
	id, err := campaigns.ParseID("campaign", in.ID)
	if err != nil {
		return nil, err
	}
	c, err := s.engine.SubmitCampaign(ctx, person(ctx), id, int(in.version()))
	return campaignOf(c), err
}

// approve is bound to what the reviewer saw: by If-Match, or by the version and its hash in the body.
func (s *Server) approve(ctx context.Context, in *struct {
	ID string `path:"id"`
	Match
	Body *struct {
		Version int    `json:"version,omitempty" minimum:"1" doc:"the version that was read: another one is not approved (412)"`
		Hash    string `json:"hash,omitempty" doc:"likewise, of all that it uses"`
	}
}) (*one[campaigns.Campaign], error) {
	id, err := campaigns.ParseID("campaign", in.ID)
	if err != nil {
		return nil, err
	}
	version, hash := int(in.version()), ""
	if in.Body != nil {
		if hash = in.Body.Hash; in.Body.Version != 0 && version != 0 && version != in.Body.Version {
			return nil, campaigns.Stale("campaign")
		}
		version = max(version, in.Body.Version)
	}
	c, err := s.engine.ApproveCampaign(ctx, person(ctx), id, version, hash)
	return campaignOf(c), err
}

func (s *Server) reject(ctx context.Context, in *struct {
	ID string `path:"id"`
	Match
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"2000" doc:"what should be changed"`
	}
}) (*one[campaigns.Campaign], error) {
	id, err := campaigns.ParseID("campaign", in.ID)
	if err != nil {
		return nil, err
	}
	c, err := s.engine.RejectCampaign(ctx, person(ctx), id, int(in.version()), in.Body.Reason)
	return campaignOf(c), err
}

package api

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// campaignEdit is a campaign as a marketer writes it; what an answer has besides may be repeated.
type campaignEdit struct {
	campaigns.Definition
	Seen
	Status any `json:"status,omitempty" readOnly:"true"`
}

func (s *Server) listCampaigns(ctx context.Context, in *struct{ Listing }) (*listOf[campaigns.Campaign], error) {
	before, err := in.beforeID()
	if err != nil {
		return nil, err
	}
	var found []campaigns.Campaign
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Campaigns(ctx, before, in.more())
		return err
	})
	return pageOf(in.Listing, found, func(c campaigns.Campaign) string { return c.ID.String() }), err
}

func (s *Server) campaign(ctx context.Context, in *byID) (*one[campaigns.Campaign], error) {
	id, err := campaigns.ParseID("campaign", in.ID)
	if err != nil {
		return nil, err
	}
	var c campaigns.Campaign
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		c, err = tx.Campaign(ctx, id)
		return err
	})
	return campaignOf(c), err
}

func campaignOf(c campaigns.Campaign) *one[campaigns.Campaign] {
	return &one[campaigns.Campaign]{etag(c.Version), c}
}

func (s *Server) createCampaign(ctx context.Context, in *struct{ Body campaignEdit }) (*one[campaigns.Campaign], error) {
	c, err := s.engine.CreateCampaign(ctx, actor(ctx), in.Body.Definition)
	return campaignOf(c), err
}

func (s *Server) putCampaign(ctx context.Context, in *struct {
	ID string `path:"id"`
	Match
	Body campaignEdit
}) (*one[campaigns.Campaign], error) {
	id, err := campaigns.ParseID("campaign", in.ID)
	if err != nil {
		return nil, err
	}
	c, err := s.engine.EditCampaign(ctx, actor(ctx), id, int(in.version()), in.Body.Definition)
	return campaignOf(c), err
}

type campaignMove struct {
	ID string `path:"id"`
	Match
}

// move launches, pauses, resumes, cancels or archives.
func (s *Server) move(move campaigns.Move) func(context.Context, *campaignMove) (*one[campaigns.Campaign], error) {
	return func(ctx context.Context, in *campaignMove) (*one[campaigns.Campaign], error) {
		id, err := campaigns.ParseID("campaign", in.ID)
		if err != nil {
			return nil, err
		}
		c, err := s.engine.MoveCampaign(ctx, actor(ctx), id, int(in.version()), move)
		return campaignOf(c), err
	}
}

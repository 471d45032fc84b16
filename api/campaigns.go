package api

import (
	"context"
	"encoding/json"

	"github.com/danielgtaylor/huma/v2"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// campaignEdit is a campaign as a marketer writes it; what an answer has besides may be repeated.
type campaignEdit struct {
	campaigns.Definition
	Seen
	Holdout     *holdoutShare `json:"holdout,omitempty" doc:"share from 0 to 0.5 that is held out; marketing campaigns name it"`
	Status      any           `json:"status,omitempty" readOnly:"true"`
	LiveVersion any           `json:"live_version,omitempty" readOnly:"true"`
	Review      any           `json:"review,omitempty" readOnly:"true"`
}

// definition is what was written, by whom.
func (e *campaignEdit) definition(ctx context.Context) campaigns.Definition {
	d := e.Definition
	if e.Holdout != nil {
		share := float64(*e.Holdout)
		d.Holdout = &share
	}
	d.Author = person(ctx).ID
	return d
}

// holdoutShare is a number; the word auto gets an answer of its own.
type holdoutShare float64

// UnmarshalJSON refuses what is no number.
func (h *holdoutShare) UnmarshalJSON(data []byte) error {
	var share float64
	if err := json.Unmarshal(data, &share); err != nil {
		return campaigns.Invalid("holdout", "name a share such as 0.1; “auto” is not available yet")
	}
	*h = holdoutShare(share)
	return nil
}

// Schema is a number. A text is let through to be refused in words of its own.
func (holdoutShare) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{AnyOf: []*huma.Schema{{Type: huma.TypeNumber}, {Type: huma.TypeString, Description: "the word auto is not available yet"}}}
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
	c, err := s.engine.CreateCampaign(ctx, actor(ctx), in.Body.definition(ctx))
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
	c, err := s.engine.EditCampaign(ctx, actor(ctx), id, int(in.version()), in.Body.definition(ctx))
	return campaignOf(c), err
}

func (s *Server) deleteCampaign(ctx context.Context, in *campaignMove) (*nothing, error) {
	id, err := campaigns.ParseID("campaign", in.ID)
	if err != nil {
		return nil, err
	}
	return nil, s.engine.DeleteCampaign(ctx, actor(ctx), id, int(in.version()))
}

func (s *Server) copyCampaign(ctx context.Context, in *struct {
	ID   string `path:"id"`
	Body *struct {
		Name string `json:"name,omitempty" maxLength:"200" doc:"of the copy; the campaign's with (copy) if left out"`
	}
}) (*one[campaigns.Campaign], error) {
	id, err := campaigns.ParseID("campaign", in.ID)
	if err != nil {
		return nil, err
	}
	name := ""
	if in.Body != nil {
		name = in.Body.Name
	}
	c, err := s.engine.CopyCampaign(ctx, person(ctx), id, name)
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

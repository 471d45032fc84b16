package api

import (
	"context"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

func (s *Server) listCampaignRuns(ctx context.Context, in *struct {
	ID string `path:"id"`
	Listing
}) (*listOf[campaigns.Run], error) {
	id, err := campaigns.ParseID("campaign", in.ID)
	if err != nil {
		return nil, err
	}
	before, err := in.beforeTime()
	if err != nil {
		return nil, err
	}
	var found []campaigns.Run
	err = s.store.View(ctx, func(tx *store.Tx) error {
		if _, err := tx.Campaign(ctx, id); err != nil {
			return err
		}
		found, err = tx.Runs(ctx, id, before, in.more())
		return err
	})
	return pageOf(in.Listing, found, func(r campaigns.Run) string { return r.Occurrence.Format(time.RFC3339Nano) }), err
}

// latestRuns has no cursor: runs of different campaigns share their times, so that nothing would say where to go on.
func (s *Server) latestRuns(ctx context.Context, in *struct {
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Format string `query:"format" enum:"json,csv"`
}) (*listOf[campaigns.Run], error) {
	var found []campaigns.Run
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Runs(ctx, campaigns.ID{}, time.Time{}, in.Limit)
		return err
	})
	return pageOf(Listing{Limit: in.Limit}, found, nil), err
}

func (s *Server) run(ctx context.Context, in *byID) (*some[campaigns.Run], error) {
	id, err := campaigns.ParseID("run", in.ID)
	if err != nil {
		return nil, err
	}
	out := &some[campaigns.Run]{}
	return out, s.store.View(ctx, func(tx *store.Tx) (err error) {
		out.Body, err = tx.Run(ctx, id)
		return err
	})
}

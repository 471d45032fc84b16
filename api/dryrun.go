package api

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
)

// dryRunBody is a dry run; as CSV it has a row for each figure.
type dryRunBody struct{ engine.DryRun }

func (b dryRunBody) rows() any { return b.Table() }

func (s *Server) dryRun(ctx context.Context, in *struct {
	ID      string `path:"id"`
	Version int    `query:"version" minimum:"1" doc:"the version to try; the newest, draft or not, if left out"`
	Format  string `query:"format" enum:"json,csv"`
}) (*some[dryRunBody], error) {
	id, err := campaigns.ParseID("campaign", in.ID)
	if err != nil {
		return nil, err
	}
	found, err := s.engine.DryRunCampaign(ctx, id, in.Version)
	if err != nil {
		return nil, err
	}
	return &some[dryRunBody]{Body: dryRunBody{*found}}, nil
}

func (s *Server) listGlobalHoldouts(ctx context.Context, in *struct{ Listing }) (*listOf[campaigns.GlobalHoldout], error) {
	before, err := in.after()
	if err != nil {
		return nil, err
	}
	var found []campaigns.GlobalHoldout
	err = s.store.View(ctx, func(tx *store.Tx) error {
		found, err = tx.GlobalHoldouts(ctx, before, in.more())
		return err
	})
	return pageOf(in.Listing, found, func(g campaigns.GlobalHoldout) string { return g.Quarter }), err
}

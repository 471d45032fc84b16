package api

import (
	"context"
	"strings"
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

// latestRuns is in the order of the runs' times; those of different campaigns that share one are told apart by their ids.
func (s *Server) latestRuns(ctx context.Context, in *struct{ Listing }) (*listOf[campaigns.Run], error) {
	position, err := in.after()
	if err != nil {
		return nil, err
	}
	var before time.Time
	var id campaigns.ID
	if position != "" {
		at, name, _ := strings.Cut(position, " ")
		if before, err = time.Parse(time.RFC3339Nano, at); err != nil {
			return nil, badCursor()
		}
		if id, err = campaigns.ParseID("position", name); err != nil {
			return nil, badCursor()
		}
	}
	var found []campaigns.Run
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.LatestRuns(ctx, before, id, in.more())
		return err
	})
	return pageOf(in.Listing, found, func(r campaigns.Run) string { return r.Occurrence.Format(time.RFC3339Nano) + " " + r.ID.String() }), err
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

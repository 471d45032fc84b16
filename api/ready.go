package api

import (
	"context"

	"beckon/engine"
)

// readyListing asks for ready-made campaigns in a language.
type readyListing struct {
	Language string `query:"language" enum:"zh,en" default:"zh"`
	Format   string `query:"format" enum:"json,csv" doc:"csv is a table, as with Accept: text/csv"`
}

func (s *Server) listReadyMade(ctx context.Context, in *readyListing) (*listOf[engine.ReadyMade], error) {
	all, err := s.engine.ReadyMade(ctx, in.Language)
	return &listOf[engine.ReadyMade]{Body: page[engine.ReadyMade]{Items: all}}, err
}

// makeReadyMade makes a draft and its words; the marketer edits and launches it like any other.
func (s *Server) makeReadyMade(ctx context.Context, in *struct {
	Name string `path:"name" doc:"as the list names it, such as points_expiring_30"`
	Body engine.ReadyChoice
}) (*some[engine.ReadyMadeCampaign], error) {
	made, err := s.engine.MakeReady(ctx, actor(ctx), in.Name, in.Body)
	return &some[engine.ReadyMadeCampaign]{made}, err
}

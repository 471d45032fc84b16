package api

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// segmentEdit is a segment as a marketer writes it.
type segmentEdit struct {
	campaigns.SegmentDefinition
	Seen
}

// BySegment is how a segment is found.
type BySegment struct {
	ID string `path:"id" doc:"its id or its name"`
}

func (s *Server) listSegments(ctx context.Context, in *struct{ Listing }) (*listOf[campaigns.Segment], error) {
	before, err := in.beforeID()
	if err != nil {
		return nil, err
	}
	var found []campaigns.Segment
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Segments(ctx, before, in.more())
		return err
	})
	return pageOf(in.Listing, found, func(s campaigns.Segment) string { return s.ID.String() }), err
}

func (s *Server) segment(ctx context.Context, in *BySegment) (*one[campaigns.Segment], error) {
	var found campaigns.Segment
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Segment(ctx, in.ID)
		return err
	})
	return segmentOf(found), err
}

func segmentOf(s campaigns.Segment) *one[campaigns.Segment] {
	return &one[campaigns.Segment]{etag(s.Revision), s}
}

func (s *Server) createSegment(ctx context.Context, in *struct{ Body segmentEdit }) (*one[campaigns.Segment], error) {
	made, err := s.engine.CreateSegment(ctx, actor(ctx), in.Body.SegmentDefinition)
	return segmentOf(made), err
}

// editedSegment is a segment after an edit.
type editedSegment struct {
	campaigns.Segment
	Used
}

func (s *Server) putSegment(ctx context.Context, in *struct {
	BySegment
	Match
	Body segmentEdit
}) (*one[editedSegment], error) {
	changed, uses, err := s.engine.SpreadSegment(ctx, person(ctx), in.ID, in.version(), in.Body.SegmentDefinition)
	return &one[editedSegment]{etag(changed.Revision), editedSegment{changed, usedBy(uses)}}, err
}

func (s *Server) deleteSegment(ctx context.Context, in *struct {
	BySegment
	Match
}) (*nothing, error) {
	return nil, s.engine.DeleteSegment(ctx, actor(ctx), in.ID, in.version())
}

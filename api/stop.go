package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// workspaceState are the settings, and whether all sending is stopped.
type workspaceState struct {
	campaigns.Workspace
	Stopped *campaigns.Stop `json:"stopped" readOnly:"true" doc:"since when nothing is sent, by whom and why; null while sending goes on"`
}

// sendingState is the answer of the stop switch.
type sendingState struct {
	Stopped *campaigns.Stop `json:"stopped" doc:"null while sending goes on"`
}

// TransformSchema lets the switch and the quiet hours be null.
func (workspaceState) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	workspaceBody{}.TransformSchema(r, s)
	s.Properties["stopped"] = nullable[campaigns.Stop](r)
	return s
}

// TransformSchema lets the switch be null.
func (sendingState) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	s.Properties["stopped"] = nullable[campaigns.Stop](r)
	return s
}

func workspaceOf(ctx context.Context, tx *store.Tx, w *campaigns.Workspace) (workspaceState, error) {
	stop, err := tx.Stopped(ctx)
	return workspaceState{*w, stop}, err
}

func (s *Server) stopSending(ctx context.Context, in *struct {
	Body *struct {
		Reason string `json:"reason,omitempty" maxLength:"1000"`
	}
}) (*some[sendingState], error) {
	reason := ""
	if in.Body != nil {
		reason = in.Body.Reason
	}
	stop, err := s.engine.StopSending(ctx, actor(ctx), reason)
	return &some[sendingState]{Body: sendingState{stop}}, err
}

func (s *Server) resumeSending(ctx context.Context, _ *nothing) (*some[sendingState], error) {
	return &some[sendingState]{}, s.engine.ResumeSending(ctx, actor(ctx))
}

func (s *Server) runNow(ctx context.Context, in *byID) (*some[campaigns.Run], error) {
	id, err := campaigns.ParseID("campaign", in.ID)
	if err != nil {
		return nil, err
	}
	run, err := s.engine.RunNow(ctx, actor(ctx), id)
	return &some[campaigns.Run]{Body: run}, err
}

// moveRun resumes or stops a run.
func (s *Server) moveRun(move func(ctx context.Context, actor string, id campaigns.ID) (campaigns.Run, error)) func(context.Context, *byID) (*some[campaigns.Run], error) {
	return func(ctx context.Context, in *byID) (*some[campaigns.Run], error) {
		id, err := campaigns.ParseID("run", in.ID)
		if err != nil {
			return nil, err
		}
		run, err := move(ctx, actor(ctx), id)
		return &some[campaigns.Run]{Body: run}, err
	}
}

func (s *Server) resend(ctx context.Context, in *struct {
	ID   string `path:"id"`
	Body *campaigns.Remainder
}) (*some[campaigns.Run], error) {
	id, err := campaigns.ParseID("run", in.ID)
	if err != nil {
		return nil, err
	}
	var remainder campaigns.Remainder
	if in.Body != nil {
		remainder = *in.Body
	}
	run, err := s.engine.Resend(ctx, actor(ctx), id, remainder)
	return &some[campaigns.Run]{Body: run}, err
}

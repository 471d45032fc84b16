package api

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

type nothing struct{}

// workspaceEdit are the settings that may be changed; those that are left out stay.
type workspaceEdit struct {
	Match
	Body struct {
		Name      *string   `json:"name,omitempty"`
		Currency  *string   `json:"currency,omitempty" doc:"ISO 4217; fixed once there are purchases or offers"`
		Zone      *string   `json:"zone,omitempty" doc:"IANA time zone of days, cron lines and reports"`
		Country   *string   `json:"country,omitempty" doc:"ISO 3166, read for phone numbers without +"`
		Languages *[]string `json:"languages,omitempty"`
		PublicURL *string   `json:"public_url,omitempty" doc:"where customers reach this service: links in messages begin with it"`
	}
}

func (s *Server) workspace(ctx context.Context, _ *nothing) (*one[workspaceState], error) {
	var state workspaceState
	err := s.store.View(ctx, func(tx *store.Tx) error {
		w, err := tx.Workspace(ctx)
		if err == nil {
			state, err = workspaceOf(ctx, tx, w)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &one[workspaceState]{etag(state.Revision), state}, nil
}

func (s *Server) editWorkspace(ctx context.Context, in *workspaceEdit) (*one[workspaceState], error) {
	var w *campaigns.Workspace
	var state workspaceState
	err := s.store.Update(ctx, func(tx *store.Tx) (err error) {
		if w, err = tx.LockWorkspace(ctx); err != nil {
			return err
		}
		if err := in.check("workspace", w.Revision); err != nil {
			return err
		}
		before := *w
		in.apply(w)
		if err := w.Check(); err != nil {
			return err
		}
		if err := tx.SaveWorkspace(ctx, w); err != nil {
			return err
		}
		if state, err = workspaceOf(ctx, tx, w); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "edit", "workspace", "1", before, w)
	})
	if err != nil {
		return nil, err
	}
	return &one[workspaceState]{etag(w.Revision), state}, nil
}

func (in *workspaceEdit) apply(w *campaigns.Workspace) {
	for _, f := range []struct{ from, to *string }{{in.Body.Name, &w.Name}, {in.Body.Currency, &w.Currency}, {in.Body.Zone, &w.Zone},
		{in.Body.Country, &w.Country}, {in.Body.PublicURL, &w.PublicURL}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if in.Body.Languages != nil {
		w.Languages = *in.Body.Languages
	}
}

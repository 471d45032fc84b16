package api

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
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

		Caps          *[]campaigns.Cap               `json:"caps,omitempty" doc:"of marketing messages to one customer; [] for none"`
		QuietHours    optional[campaigns.QuietHours] `json:"quiet_hours,omitempty" doc:"null for none"`
		GlobalHoldout *float64                       `json:"global_holdout,omitempty" doc:"share of customers who get no marketing for a quarter, 0 to 0.2"`
		Excluded      *string                        `json:"excluded,omitempty" maxLength:"10000" doc:"a rule: those who match get nothing but transactional messages; empty for nobody"`
		Approvals     *bool                          `json:"approvals,omitempty" doc:"whether a campaign is launched only after somebody other than its author approved it"`
		Late          *campaigns.Late                `json:"late,omitempty"`
		Guards        *campaigns.Guards              `json:"guards,omitempty" doc:"those that are left out stay"`
		Blackouts     *[]campaigns.Blackout          `json:"blackouts,omitempty"`
		Unknown       *string                        `json:"unknown,omitempty" enum:"leave,resend" doc:"what becomes of a message of which nobody knows whether its provider took it: it is left as unknown, or sent once more"`

		Topics        *[]campaigns.Topic `json:"topics,omitempty" maxItems:"50" doc:"what people may want or leave by itself"`
		ShortDomain   *string            `json:"short_domain,omitempty" doc:"a host of yours that leads to this service, for short links in text messages; empty for public_url and /s/"`
		LinkHosts     *[]string          `json:"link_hosts,omitempty" doc:"hosts whose links are counted also where a customer's data says them, at most 20"`
		ShortLinkDays *int               `json:"short_link_days,omitempty" doc:"for how long short links work, 1 to 3660"`
	}
}

// workspaceBody is the schema of the settings.
type workspaceBody campaigns.Workspace

// TransformSchema lets the quiet hours be null.
func (workspaceBody) TransformSchema(r huma.Registry, s *huma.Schema) *huma.Schema {
	s.Properties["quiet_hours"] = nullable[campaigns.QuietHours](r)
	s.Properties["quiet_hours"].Description = "null for none"
	return s
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
		if err := engine.CheckExcluded(ctx, tx, w.Excluded); err != nil {
			return err
		}
		if err := engine.CheckCapKinds(ctx, tx, w.Caps); err != nil {
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
	b := &in.Body
	replace(b.Name, &w.Name)
	replace(b.Currency, &w.Currency)
	replace(b.Zone, &w.Zone)
	replace(b.Country, &w.Country)
	replace(b.Languages, &w.Languages)
	replace(b.PublicURL, &w.PublicURL)
	replace(b.Caps, &w.Caps)
	b.QuietHours.put(&w.QuietHours, true)
	replace(b.GlobalHoldout, &w.GlobalHoldout)
	replace(b.Excluded, &w.Excluded)
	replace(b.Approvals, &w.Approvals)
	replace(b.Late, &w.Late)
	if b.Guards != nil {
		w.Guards = b.Guards.Or(w.Guards)
	}
	replace(b.Blackouts, &w.Blackouts)
	replace(b.Unknown, &w.Unknown)
	replace(b.Topics, &w.Topics)
	replace(b.ShortDomain, &w.ShortDomain)
	replace(b.ShortLinkDays, &w.ShortLinkDays)
	replace(b.LinkHosts, &w.LinkHosts)
}

// replace puts what is given in the place of a setting.
func replace[T any](given, setting *T) {
	if given != nil {
		*setting = *given
	}
}

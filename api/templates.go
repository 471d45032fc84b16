package api

import (
	"context"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine"
	"beckon/templates"
)

// templateEdit is a template as a marketer writes it.
type templateEdit struct {
	campaigns.TemplateDefinition
	Seen
}

// previewBody is what a customer would get, and for SMS how it travels.
type previewBody struct {
	Parts map[string]string `json:"parts"`
	SMS   *smsBody          `json:"sms,omitempty"`
}

type smsBody struct {
	Encoding   string `json:"encoding" enum:"gsm7,ucs2"`
	Characters int    `json:"characters" doc:"septets in gsm7, UTF-16 units in ucs2"`
	Segments   int    `json:"segments" doc:"messages paid for"`
}

func (s *Server) listTemplates(ctx context.Context, in *struct{ Listing }) (*listOf[campaigns.Template], error) {
	before, err := in.beforeID()
	if err != nil {
		return nil, err
	}
	var found []campaigns.Template
	err = s.store.View(ctx, func(tx *store.Tx) (err error) {
		found, err = tx.Templates(ctx, before, in.more())
		return err
	})
	return pageOf(in.Listing, found, func(t campaigns.Template) string { return t.ID.String() }), err
}

func (s *Server) template(ctx context.Context, in *byID) (*one[campaigns.Template], error) {
	id, err := campaigns.ParseID("template", in.ID)
	if err != nil {
		return nil, err
	}
	out := &one[campaigns.Template]{}
	return out, s.store.View(ctx, func(tx *store.Tx) (err error) {
		out.Body, err = tx.Template(ctx, id)
		out.ETag = etag(out.Body.Revision)
		return err
	})
}

func (s *Server) createTemplate(ctx context.Context, in *struct{ Body templateEdit }) (*one[campaigns.Template], error) {
	t := campaigns.Template{TemplateDefinition: in.Body.TemplateDefinition}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		if err := checkTemplate(ctx, tx, &t.TemplateDefinition); err != nil {
			return err
		}
		if err := tx.CreateTemplate(ctx, &t); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "create", "template", t.ID.String(), nil, t.TemplateDefinition)
	})
	return &one[campaigns.Template]{etag(t.Revision), t}, err
}

func checkTemplate(ctx context.Context, tx *store.Tx, d *campaigns.TemplateDefinition) error {
	if err := tx.HoldDefinitions(ctx); err != nil {
		return err
	}
	var checks campaigns.Checks
	checks.Add(campaigns.CheckText("name", d.Name))
	_, err := engine.ParseTemplate(ctx, tx, d)
	if campaigns.CodeOf(err) == "" && err != nil {
		return err
	}
	checks.Add(err)
	return checks.Err()
}

// editedTemplate is a template after an edit.
type editedTemplate struct {
	campaigns.Template
	Used
}

func (s *Server) putTemplate(ctx context.Context, in *struct {
	ID string `path:"id"`
	Match
	Body templateEdit
}) (*one[editedTemplate], error) {
	id, err := campaigns.ParseID("template", in.ID)
	if err != nil {
		return nil, err
	}
	var t campaigns.Template
	var uses []engine.CampaignUse
	err = s.store.Update(ctx, func(tx *store.Tx) (err error) {
		if t, err = tx.LockTemplate(ctx, id); err != nil {
			return err
		}
		if err := in.check("template", int64(t.Revision)); err != nil {
			return err
		}
		before := t.TemplateDefinition
		t.TemplateDefinition = in.Body.TemplateDefinition
		if err := checkTemplate(ctx, tx, &t.TemplateDefinition); err != nil {
			return err
		}
		if err := tx.SaveTemplate(ctx, &t); err != nil {
			return err
		}
		if uses, err = s.engine.Spread(ctx, tx, person(ctx), engine.Edited{Template: id}); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "edit", "template", id.String(), before, t.TemplateDefinition)
	})
	return &one[editedTemplate]{etag(t.Revision), editedTemplate{t, usedBy(uses)}}, err
}

func (s *Server) deleteTemplate(ctx context.Context, in *struct {
	ID string `path:"id"`
	Match
}) (*nothing, error) {
	id, err := campaigns.ParseID("template", in.ID)
	if err != nil {
		return nil, err
	}
	return nil, s.store.Update(ctx, func(tx *store.Tx) error {
		t, err := tx.LockTemplate(ctx, id)
		if err != nil {
			return err
		}
		if err := in.check("template", int64(t.Revision)); err != nil {
			return err
		}
		if err := tx.DeleteTemplate(ctx, id); err != nil {
			return err
		}
		return tx.Audit(ctx, actor(ctx), "delete", "template", id.String(), t.TemplateDefinition, nil)
	})
}

func (s *Server) previewTemplate(ctx context.Context, in *struct {
	ID   string `path:"id"`
	Body struct {
		CustomerID string `json:"customer_id" minLength:"1"`
	}
}) (*some[previewBody], error) {
	id, err := campaigns.ParseID("template", in.ID)
	if err != nil {
		return nil, err
	}
	parts, err := s.engine.Preview(ctx, id, in.Body.CustomerID)
	if err != nil {
		return nil, err
	}
	out := &some[previewBody]{previewBody{Parts: parts}}
	out.Body.segment()
	return out, nil
}

// segment counts the segments of an SMS: text alone.
func (b *previewBody) segment() {
	words, _ := templates.Parts(b.Parts).Params()
	if text, has := words["text"]; has && len(words) == 1 {
		counted := templates.Segments(text)
		b.SMS = &smsBody{counted.Encoding, counted.Characters, counted.Segments}
	}
}

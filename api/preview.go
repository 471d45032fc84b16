package api

import (
	"context"
	"encoding/csv"
	"io"

	"beckon/campaigns"
	"beckon/engine"
)

// previewBody is what a customer would get, and for SMS how it travels.
type previewBody struct {
	Parts    map[string]string `json:"parts"`
	Language string            `json:"language" doc:"of the words, as the template names it; empty for parts"`
	SMS      *smsBody          `json:"sms,omitempty"`
}

type smsBody struct {
	Encoding   string `json:"encoding" enum:"gsm7,ucs2"`
	Characters int    `json:"characters" doc:"septets in gsm7, UTF-16 units in ucs2"`
	Segments   int    `json:"segments" doc:"messages paid for"`
}

// PreviewAsk says for whom, and through what.
type PreviewAsk struct {
	CustomerID string  `json:"customer_id" minLength:"1"`
	Language   *string `json:"language,omitempty" doc:"instead of the customer's"`
	ChannelID  string  `json:"channel_id,omitempty" doc:"what the message would leave through, which may add to its words"`
}

func (s *Server) previewTemplate(ctx context.Context, in *struct {
	ID   string `path:"id"`
	Body PreviewAsk
}) (*some[previewBody], error) {
	id, err := campaigns.ParseID("template", in.ID)
	if err != nil {
		return nil, err
	}
	return s.preview(ctx, engine.Trial{Template: id}, in.Body)
}

// previewUnsaved is for a template while it is being written.
func (s *Server) previewUnsaved(ctx context.Context, in *struct {
	Body struct {
		PreviewAsk
		Template campaigns.TemplateDefinition `json:"template"`
	}
}) (*some[previewBody], error) {
	return s.preview(ctx, engine.Trial{Definition: &in.Body.Template}, in.Body.PreviewAsk)
}

func (s *Server) preview(ctx context.Context, t engine.Trial, ask PreviewAsk) (*some[previewBody], error) {
	t.Language, t.ChannelID = ask.Language, ask.ChannelID
	found, err := s.engine.Preview(ctx, t, ask.CustomerID)
	if err != nil {
		return nil, err
	}
	out := &some[previewBody]{previewBody{Parts: found.Parts, Language: found.Language}}
	if found.SMS != nil {
		out.Body.SMS = &smsBody{found.SMS.Encoding, found.SMS.Characters, found.SMS.Segments}
	}
	return out, nil
}

// checkAsk says for whom a template is checked.
type checkAsk struct {
	ID     string `path:"id"`
	Format string `query:"format" enum:"json,csv" doc:"csv lists everybody who would get no message"`
	Body   struct {
		Rule      string  `json:"rule" minLength:"1" maxLength:"10000"`
		ChannelID string  `json:"channel_id,omitempty" doc:"what the messages would leave through: its costs are counted"`
		Language  *string `json:"language,omitempty" doc:"instead of each customer's"`
	}
}

// checkBody is a check; as CSV it lists who fails.
type checkBody struct {
	engine.Check
	whole func(out io.Writer) error
}

func (b checkBody) table() func(out io.Writer) error { return b.whole }

func (s *Server) checkWholeTemplate(ctx context.Context, in *checkAsk) (*some[checkBody], error) {
	id, err := campaigns.ParseID("template", in.ID)
	if err != nil {
		return nil, err
	}
	found, err := s.engine.CheckTemplate(ctx, engine.Trial{Template: id, ChannelID: in.Body.ChannelID, Language: in.Body.Language}, in.Body.Rule)
	if err != nil {
		return nil, err
	}
	return &some[checkBody]{Body: checkBody{*found, func(w io.Writer) error { return s.writeFailures(ctx, found, w) }}}, nil
}

// writeFailures writes everybody whom a check found a fault with. A list that breaks off says so in its last line.
func (s *Server) writeFailures(ctx context.Context, found *engine.Check, w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write([]string{"customer_id", "variable", "message"}) // Flush's error is that of all writes
	err := s.engine.EachFailure(ctx, found, func(some []engine.CheckFailure) error {
		for _, f := range some {
			_ = out.Write([]string{harmless(f.CustomerID), f.Variable, harmless(f.Message)})
		}
		out.Flush()
		return out.Error()
	})
	if err != nil && out.Error() == nil {
		s.log.Error("a check's table broke off", "request_id", requestID(ctx), "err", err)
		_ = out.Write([]string{"the list breaks off here: ask again", "", ""})
	}
	out.Flush()
	return nil
}

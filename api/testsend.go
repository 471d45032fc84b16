package api

import (
	"context"

	"beckon/campaigns"
	"beckon/engine"
)

// testsBody is what became of test messages.
type testsBody struct {
	Items []testBody `json:"items" nullable:"false"`
}

type testBody struct {
	engine.TestSent
	SMS *smsBody `json:"sms,omitempty"`
}

// TestAsk says to whom test messages go.
type TestAsk struct {
	To         []string `json:"to" minItems:"1" maxItems:"10" nullable:"false" doc:"e-mail addresses and phone numbers; nobody else gets anything"`
	CustomerID string   `json:"customer_id,omitempty" doc:"whose message it is; the first who matches the rule if left out"`
}

func (a TestAsk) of(variant string) engine.TestAsk {
	return engine.TestAsk{To: a.To, CustomerID: a.CustomerID, Variant: variant}
}

func (s *Server) testCampaign(ctx context.Context, in *struct {
	ID   string `path:"id"`
	Body struct {
		TestAsk
		Variant string `json:"variant,omitempty" doc:"each if left out"`
	}
}) (*some[testsBody], error) {
	id, err := campaigns.ParseID("campaign", in.ID)
	if err != nil {
		return nil, err
	}
	return testsOf(s.engine.TestCampaign(ctx, actor(ctx), id, in.Body.of(in.Body.Variant)))
}

func (s *Server) testTemplate(ctx context.Context, in *struct {
	ID   string `path:"id"`
	Body struct {
		TestAsk
		ChannelID string  `json:"channel_id" minLength:"1"`
		Language  *string `json:"language,omitempty" doc:"instead of the customer's"`
	}
}) (*some[testsBody], error) {
	id, err := campaigns.ParseID("template", in.ID)
	if err != nil {
		return nil, err
	}
	trial := engine.Trial{Template: id, ChannelID: in.Body.ChannelID, Language: in.Body.Language}
	return testsOf(s.engine.TestTemplate(ctx, actor(ctx), trial, in.Body.of("")))
}

func testsOf(sent []engine.TestSent, err error) (*some[testsBody], error) {
	if err != nil {
		return nil, err
	}
	out := &some[testsBody]{testsBody{Items: []testBody{}}}
	for _, t := range sent {
		item := testBody{TestSent: t}
		if t.SMS != nil {
			item.SMS = &smsBody{t.SMS.Encoding, t.SMS.Characters, t.SMS.Segments}
		}
		out.Body.Items = append(out.Body.Items, item)
	}
	return out, nil
}

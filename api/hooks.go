package api

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"beckon/engine"
)

// hookRequest is what a provider posted, of whatever type.
type hookRequest struct {
	Channel string `path:"channel"`
	hook    engine.Hook
}

// Resolve keeps what was posted and what proves who did.
func (in *hookRequest) Resolve(ctx huma.Context) []error {
	at := ctx.URL()
	if at.Host = ctx.Host(); at.Scheme == "" {
		at.Scheme = "http"
	}
	header := http.Header{}
	ctx.EachHeader(func(name, value string) { header.Add(name, value) })
	query, err := url.ParseQuery(at.RawQuery)
	body, _ := echoOf(ctx).Get(bodyKey).([]byte)
	in.hook = engine.Hook{Method: ctx.Method(), URL: at.String(), Query: query, Header: header, Body: body}
	if err != nil {
		return []error{malformed("the parameters of the address are not escaped as they should be")}
	}
	return nil
}

// hookAnswer is what the provider wants to hear.
type hookAnswer struct {
	ContentType string `header:"Content-Type"`
	Body        []byte
}

// hooked says of a route that providers choose its parameters and the type of its body, and what they want to hear.
func hooked(op *huma.Operation) {
	op.SkipValidateParams = true
	op.Metadata["hook"] = true
	anything := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	op.RequestBody = &huma.RequestBody{Description: "JSON, a form or a message, up to 1 MB, as the channel's provider posts it",
		Content: map[string]*huma.MediaType{"*/*": anything}}
}

// hook takes what a provider posts about a channel. It answers 200 only when that is durable.
func (s *Server) hook(what string) func(ctx context.Context, in *hookRequest) (*hookAnswer, error) {
	return func(ctx context.Context, in *hookRequest) (*hookAnswer, error) {
		if err := s.engine.Hook(ctx, in.Channel, what, in.hook); err != nil {
			return nil, err
		}
		text, err := s.engine.HookAnswer(ctx, in.Channel, what)
		return &hookAnswer{typeOfAnswer(text), []byte(text)}, err
	}
}

// typeOfAnswer reads an answer's type from how it begins. Twilio would send a plain text on to who wrote.
func typeOfAnswer(text string) string {
	switch {
	case strings.HasPrefix(text, "<"):
		return "text/xml; charset=utf-8"
	case strings.HasPrefix(text, "{"), strings.HasPrefix(text, "["):
		return "application/json"
	}
	return "text/plain; charset=utf-8"
}

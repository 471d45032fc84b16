package api

import (
	"context"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humaecho"
	"github.com/labstack/echo/v4"

	"beckon/campaigns"
)

// document is what the OpenAPI document says besides the routes. huma's own pages are off: they load from elsewhere.
func document(e *echo.Echo, version string, s *Server) huma.API {
	config := huma.DefaultConfig("Beckon", version)
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil
	config.Info.Description = "Campaigns for the customers of a shop: who gets what, when, and what it caused."
	config.Components.Schemas = registry()
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"key": {Type: "http", Scheme: "bearer", Description: "a key from POST /v1/keys; its scopes say what it opens"}}
	config.Formats = formats()
	config.Transformers = []huma.Transformer{s.plain}
	config.RejectUnknownQueryParameters = true
	return humaecho.New(e, config)
}

// a detail changes how a route is registered.
type detail func(*huma.Operation)

// created answers 201.
func created(op *huma.Operation) { op.DefaultStatus = http.StatusCreated }

// accepted answers 202: the work goes on.
func accepted(op *huma.Operation) { op.DefaultStatus = http.StatusAccepted }

// table is also given as CSV.
func table(op *huma.Operation) { op.Metadata["table"] = true }

// known answers 201, and 200 when it was there already.
func known(op *huma.Operation) {
	op.DefaultStatus = http.StatusCreated
	op.Metadata["known"] = true
}

// file is given as CSV alone.
func file(op *huma.Operation) { op.Metadata["file"] = true }

// slow may take longer than other requests: it looks at every customer.
func slow(op *huma.Operation) { op.Metadata["slow"] = true }

// streams reads its body by itself, up to its own limit.
func streams(op *huma.Operation) { op.Metadata["streams"] = true }

// open needs no key.
func open(op *huma.Operation) { op.Metadata["open"] = true }

// route registers a line of api.go: "METHOD /path", what it does, the scopes of which one opens it, and who does it.
func route[I, O any](s *Server, line, summary string, scopes []string, handle func(context.Context, *I) (*O, error), details ...detail) {
	method, path, _ := strings.Cut(line, " ")
	op := huma.Operation{Method: method, Path: path, Summary: summary, OperationID: operationID(method, path), Tags: []string{tag(path)},
		Metadata: map[string]any{}, MaxBodyBytes: bodyMax + 1, BodyReadTimeout: -1,
		Responses: map[string]*huma.Response{"default": s.problemResponse()}}
	for _, d := range details {
		d(&op)
	}
	s.guard(&op, append([]string{campaigns.ScopeAdmin}, scopes...))
	huma.Register(s.huma, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, s.problemOf(ctx, err).carried()
		}
		return out, nil
	})
	documentAnswers(&op)
}

// guard puts before an operation what every one of its kind has.
func (s *Server) guard(op *huma.Operation, scopes []string) {
	if op.Metadata["open"] == nil {
		op.Security = []map[string][]string{{"key": scopes}}
		op.Description = "Scopes: " + strings.Join(scopes, ", ") + "."
		op.Middlewares = append(op.Middlewares, s.authenticate(scopes))
	}
	if op.Metadata["open"] != nil && op.Metadata["hook"] == nil {
		op.Middlewares = append(op.Middlewares, ignoreQuery)
	}
	op.Middlewares = append(op.Middlewares, s.limitBody, s.chooseFormat)
	if op.Method == http.MethodPost && op.Metadata["open"] == nil {
		op.Parameters = append(op.Parameters, &huma.Param{Name: "Idempotency-Key", In: "header", Schema: &huma.Schema{Type: huma.TypeString},
			Description: "the same key with the same request is answered as the first time, for 24 hours"})
		op.Middlewares = append(op.Middlewares, s.onceOnly)
	}
}

// documentAnswers completes what huma wrote about answers: CSV beside JSON, 200 beside 201.
func documentAnswers(op *huma.Operation) {
	if page := op.Responses["200"]; page != nil && op.Metadata["open"] != nil {
		page.Content = map[string]*huma.MediaType{"text/html": {Schema: &huma.Schema{Type: huma.TypeString}}, "image/gif": {Schema: &huma.Schema{Type: huma.TypeString}}}
	}
	if op.Metadata["hook"] != nil {
		text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
		op.Responses["200"].Content = map[string]*huma.MediaType{"text/plain": text, "text/xml": text, "application/json": {Schema: &huma.Schema{}}}
	}
	if op.Metadata["file"] != nil {
		op.Responses["200"].Content = map[string]*huma.MediaType{"text/csv": {Schema: &huma.Schema{Type: huma.TypeString}}}
	}
	for _, status := range []string{"200", "201"} {
		answer := op.Responses[status]
		if answer == nil {
			continue
		}
		if op.Metadata["table"] != nil {
			answer.Content["text/csv"] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
		}
		if op.Metadata["known"] != nil {
			again := *answer
			again.Description = "It was there already"
			op.Responses["200"] = &again
		}
	}
}

func (s *Server) problemResponse() *huma.Response {
	schema := s.huma.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[problem](), true, "Problem")
	return &huma.Response{Description: "What went wrong", Content: map[string]*huma.MediaType{problemType: {Schema: schema}}}
}

// operationID is get-campaigns-id-runs for GET /v1/campaigns/{id}/runs.
func operationID(method, path string) string {
	words := strings.FieldsFunc(strings.TrimPrefix(path, "/v1"), func(r rune) bool { return strings.ContainsRune("/{}._", r) })
	return strings.ToLower(method) + "-" + strings.Join(words, "-")
}

// tag is the noun of a path.
func tag(path string) string {
	parts := strings.Split(strings.TrimPrefix(path, "/v1/"), "/")
	if !strings.HasPrefix(path, "/v1/") {
		return "links"
	}
	return parts[0]
}

func echoOf(ctx huma.Context) echo.Context { return humaecho.Unwrap(ctx) }

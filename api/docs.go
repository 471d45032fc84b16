package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"
)

// pagePolicy lets a page load our stylesheet and post to us, and nothing else.
const pagePolicy = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func (s *Server) openAPI(c echo.Context) error {
	text, err := json.Marshal(s.huma.OpenAPI())
	if err != nil {
		return fmt.Errorf("writing the OpenAPI document: %w", err)
	}
	return c.Blob(http.StatusOK, "application/json", text)
}

func (s *Server) style(c echo.Context) error {
	text, err := pageFiles.ReadFile("pages/style.css")
	if err != nil {
		return fmt.Errorf("reading the stylesheet: %w", err)
	}
	return c.Blob(http.StatusOK, "text/css; charset=utf-8", text)
}

// docs is the OpenAPI document as a page of ours: nothing is loaded from elsewhere and nothing runs in the browser.
func (s *Server) docs(c echo.Context) error {
	page, err := render("docs.html", s.guide())
	if err != nil {
		return err
	}
	c.Response().Header().Set("Content-Security-Policy", page.Security)
	return c.Blob(http.StatusOK, page.ContentType, page.Body)
}

// docsPage is what the page shows.
type docsPage struct {
	Description string
	Groups      []*docsGroup
	Problems    []docsProblem
}

type docsGroup struct {
	Name   string
	Routes []docsRoute
}

type docsRoute struct {
	ID, Method, Path, Summary, Scopes string
	Params                            []*huma.Param
	Request, Answer                   string
}

type docsProblem struct {
	Kind   string
	Status int
	Text   string
}

func (s *Server) guide() docsPage {
	document := s.huma.OpenAPI()
	page := docsPage{Description: document.Info.Description, Problems: docsProblems()}
	groups := map[string]*docsGroup{}
	for _, path := range sortedKeys(document.Paths) {
		item := document.Paths[path]
		for _, op := range []*huma.Operation{item.Get, item.Post, item.Put, item.Patch, item.Delete} {
			if op == nil {
				continue
			}
			group := groups[op.Tags[0]]
			if group == nil {
				group = &docsGroup{Name: op.Tags[0]}
				groups[group.Name] = group
			}
			group.Routes = append(group.Routes, s.docsRoute(op))
		}
	}
	for _, name := range sortedKeys(groups) {
		page.Groups = append(page.Groups, groups[name])
	}
	return page
}

func (s *Server) docsRoute(op *huma.Operation) docsRoute {
	r := docsRoute{ID: op.OperationID, Method: op.Method, Path: op.Path, Summary: op.Summary, Params: op.Parameters}
	if len(op.Security) > 0 {
		r.Scopes = strings.Join(op.Security[0]["key"], ", ")
	}
	if op.RequestBody != nil && op.RequestBody.Content["application/json"] != nil {
		r.Request = s.shape(op.RequestBody.Content["application/json"].Schema, "", 0)
	}
	for _, status := range []string{"200", "201", "202"} {
		if answer := op.Responses[status]; answer != nil && answer.Content["application/json"] != nil {
			r.Answer = s.shape(answer.Content["application/json"].Schema, "", 0)
			break
		}
	}
	return r
}

// shapeDepth is how far into a body the page goes.
const shapeDepth = 5

// shape writes a schema as a reader thinks of it: JSON with types for values.
func (s *Server) shape(schema *huma.Schema, indent string, depth int) string {
	if schema.Ref != "" {
		schema = s.huma.OpenAPI().Components.Schemas.SchemaFromRef(schema.Ref)
	}
	alternatives := slices.Concat(schema.OneOf, schema.AnyOf)
	switch {
	case depth > shapeDepth:
		return "…"
	case len(alternatives) > 0:
		words := make([]string, len(alternatives))
		for i, a := range alternatives {
			words[i] = s.shape(a, indent, depth)
		}
		return strings.Join(words, " or ")
	case schema.Type == huma.TypeArray:
		return "[" + s.shape(schema.Items, indent, depth+1) + ", …]"
	case len(schema.Properties) > 0:
		return s.shapeOfObject(schema, indent, depth)
	case schema.Type == huma.TypeObject:
		return "{…}"
	case len(schema.Enum) > 0:
		words := make([]string, len(schema.Enum))
		for i, value := range schema.Enum {
			words[i] = fmt.Sprintf("%q", value)
		}
		return strings.Join(words, " | ")
	case schema.Format != "":
		return schema.Format
	case schema.Type == "":
		return "any"
	}
	return schema.Type
}

func (s *Server) shapeOfObject(schema *huma.Schema, indent string, depth int) string {
	var out strings.Builder
	out.WriteString("{\n")
	for _, name := range sortedKeys(schema.Properties) {
		property := schema.Properties[name]
		fmt.Fprintf(&out, "%s  %q: %s", indent, name, s.shape(property, indent+"  ", depth+1))
		if slices.Contains(schema.Required, name) {
			out.WriteString("  (required)")
		}
		if property.Description != "" {
			out.WriteString("  — " + property.Description)
		}
		out.WriteString("\n")
	}
	return out.String() + indent + "}"
}

func docsProblems() []docsProblem {
	return []docsProblem{
		{"malformed", http.StatusBadRequest, "The request cannot be read: broken JSON, a broken path, a body that broke off, a content type that is not read here (415)."},
		{"unauthorized", http.StatusUnauthorized, "There is no key, or it is not known or has expired."},
		{"forbidden", http.StatusForbidden, "The key lacks a scope, which is named."},
		{"not_found", http.StatusNotFound, "There is no such thing."},
		{"method", http.StatusMethodNotAllowed, "The address does not know the method."},
		{"conflict", http.StatusConflict, "The state of things forbids it now. A redemption names the limit that it reached."},
		{"stale", http.StatusPreconditionFailed, "Somebody changed it since it was read: read it again."},
		{"too_large", http.StatusRequestEntityTooLarge, "The body is over the limit."},
		{"invalid", http.StatusUnprocessableEntity, "The content is wrong: errors names the fields."},
		{"unavailable", http.StatusServiceUnavailable, "Not at the moment: try again after Retry-After seconds."},
		{"internal", http.StatusInternalServerError, "Something went wrong here. The service's log has more under request_id."},
	}
}

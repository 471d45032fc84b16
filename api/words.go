package api

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"beckon/campaigns"
)

// plain turns what huma found wrong with a request into a problem in our words, before it is written.
func (s *Server) plain(ctx huma.Context, _ string, body any) (any, error) {
	found, is := body.(*huma.ErrorModel)
	if !is {
		return body, nil
	}
	p := problemOfModel(found)
	p.RequestID = requestID(ctx.Context())
	ctx.SetHeader("Content-Type", p.ContentType(""))
	return p, nil
}

func problemOfModel(found *huma.ErrorModel) *problem {
	p := newProblem(found.Status, "invalid", found.Detail)
	for _, e := range found.Errors {
		if e == nil || len(p.Errors) == errorsMax {
			continue
		}
		p.Errors = append(p.Errors, problemOfDetail(e))
	}
	switch found.Status {
	case http.StatusBadRequest:
		p.Type = "/docs#malformed"
	case http.StatusUnsupportedMediaType:
		p.Type = "/docs#malformed"
		p.Errors = []campaigns.Problem{{Field: "Content-Type", Message: "should be application/json"}}
	}
	if len(p.Errors) > 0 {
		p.Detail = p.Errors[0].Field + ": " + p.Errors[0].Message
	}
	if more := len(found.Errors) - 1; more > 0 {
		p.Detail += fmt.Sprintf(" (and %d more)", more)
	}
	return p
}

func problemOfDetail(e *huma.ErrorDetail) campaigns.Problem {
	if field, message, ok := readMark(e.Message); ok {
		return campaigns.Problem{Field: field, Message: message}
	}
	field := e.Location
	for _, place := range []string{"body", "query", "path", "header"} {
		field = strings.TrimPrefix(field, place+".")
	}
	if name, ok := strings.CutPrefix(e.Message, "expected required property "); ok {
		name = strings.TrimSuffix(name, " to be present")
		if field == "body" {
			return campaigns.Problem{Field: name, Message: "is missing"}
		}
		return campaigns.Problem{Field: field + "." + name, Message: "is missing"}
	}
	message, hint := inWords(e.Message)
	return campaigns.Problem{Field: field, Message: message, Hint: hint}
}

// inWords says a validator's message as a person would.
func inWords(message string) (words, hint string) {
	switch message {
	case "unexpected property":
		return "is not a field here", "/docs lists the fields"
	case "unknown query parameter":
		return "is not a parameter here", "/docs lists the parameters"
	}
	for _, m := range [][2]string{
		{"expected string to be RFC 3339 date-time", "should be a time that exists, such as 2026-11-21T10:00:00+08:00"},
		{"expected string to be RFC 3339 date", "should be a date that exists, such as 2026-11-21"},
		{"expected string to be RFC 4122 uuid", "should be an id such as 019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11"},
		{"expected value to match at least one schema", `should be a decimal such as "199.90"`},
		{"expected string to match pattern " + durationPattern, "should be a number with d, h, m or s, like 90d or 36h"},
		{"expected string to be ", "should be %s"},
		{"expected string", "should be text"},
		{"expected integer", "should be a whole number"},
		{"invalid integer", "should be a whole number"},
		{"expected boolean", "should be true or false"},
		{"invalid boolean", "should be true or false"},
		{"expected object", "should be an object"},
		{"expected array length >= ", "should have at least %s"},
		{"expected array length <= ", "should have at most %s"},
		{"expected array", "should be a list"},
		{"expected length >= 1", "is empty"},
		{"expected length >= ", "should have at least %s characters"},
		{"expected length <= ", "should have at most %s characters"},
		{"expected number >= ", "should be at least %s"},
		{"expected number > ", "should be above %s"},
		{"expected number <= ", "should be at most %s"},
		{"expected number < ", "should be below %s"},
		{"expected number", "should be a number"},
		{"invalid float", "should be a number"},
		{"expected value to be one of ", "should be one of %s"},
	} {
		if rest, ok := strings.CutPrefix(message, m[0]); ok {
			if strings.Contains(m[1], "%s") {
				return fmt.Sprintf(m[1], strings.ReplaceAll(rest, `"`, "")), ""
			}
			return m[1], ""
		}
	}
	return message, ""
}

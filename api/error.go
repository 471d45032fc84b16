package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"beckon/campaigns"
)

// problem is every error answer: RFC 9457, with the fields that are wrong and, for a redemption, the limit reached.
type problem struct {
	Type      string              `json:"type" example:"/docs#invalid" doc:"what kind of problem it is; never changes for one kind"`
	Title     string              `json:"title" example:"Unprocessable Entity"`
	Status    int                 `json:"status" example:"422"`
	Detail    string              `json:"detail" doc:"what went wrong this time, for a person to read"`
	Errors    []campaigns.Problem `json:"errors,omitempty" doc:"the fields that are wrong"`
	Limit     string              `json:"limit,omitempty" doc:"the limit that a redemption reached" enum:"total,per_customer,per_code,per_day,budget"`
	RequestID string              `json:"request_id,omitempty" doc:"as in the X-Request-Id header and in the service's log"`

	header http.Header
}

// errorsMax is how many wrong fields one answer names.
const errorsMax = 100

// Error is the detail.
func (p *problem) Error() string { return p.Detail }

// GetStatus is the HTTP status.
func (p *problem) GetStatus() int { return p.Status }

// ContentType is that of RFC 9457, whatever the client would have liked.
func (p *problem) ContentType(string) string { return "application/problem+json" }

// GetHeaders are those that belong to the problem, such as Retry-After.
func (p *problem) GetHeaders() http.Header { return p.header }

// newProblem is a problem of a status; kind is its name in the documentation.
func newProblem(status int, kind, detail string) *problem {
	return &problem{Type: "/docs#" + kind, Title: http.StatusText(status), Status: status, Detail: detail, header: http.Header{}}
}

func (p *problem) with(field, message string) *problem {
	p.Errors = append(p.Errors, campaigns.Problem{Field: field, Message: message})
	return p
}

func (p *problem) retryAfter(wait time.Duration) *problem {
	p.header.Set("Retry-After", strconv.Itoa(int(wait.Seconds())))
	return p
}

func malformed(detail string) *problem {
	return newProblem(http.StatusBadRequest, "malformed", detail)
}

func unavailable(detail string) *problem {
	return newProblem(http.StatusServiceUnavailable, "unavailable", detail).retryAfter(2 * time.Second)
}

func tooLarge(limit int64) *problem {
	message := fmt.Sprintf("is larger than %d bytes", limit)
	return newProblem(http.StatusRequestEntityTooLarge, "too_large", "the body "+message).with("body", message)
}

// problemOf turns any error into the problem that a client is told. It is the one place that knows statuses.
func (s *Server) problemOf(ctx context.Context, err error) *problem {
	p := s.classify(ctx, err)
	p.RequestID = requestID(ctx)
	if p.Status == http.StatusInternalServerError {
		s.log.ErrorContext(ctx, "request failed", "request_id", p.RequestID, "err", err)
	}
	return p
}

func (s *Server) classify(ctx context.Context, err error) *problem {
	var ready *problem
	var ours *campaigns.Error
	var routing *echo.HTTPError
	switch {
	case errors.As(err, &ready):
		return ready
	case errors.As(err, &ours):
		return problemOfCode(ours)
	case errors.As(err, &routing):
		return problemOfRouting(routing)
	case ctx.Err() != nil || errors.Is(err, context.DeadlineExceeded):
		return unavailable("it took too long and was given up: nothing was changed; try again, or ask for less at once")
	}
	if p := problemOfState(err); p != nil {
		return p
	}
	if isConnection(err) || s.store.Ready(ctx) != nil {
		return unavailable("the database cannot be reached at the moment")
	}
	return newProblem(http.StatusInternalServerError, "internal", "something went wrong here; the service's log says what, under this request_id")
}

func problemOfCode(e *campaigns.Error) *problem {
	statuses := map[campaigns.Code]int{campaigns.CodeInvalid: http.StatusUnprocessableEntity, campaigns.CodeConflict: http.StatusConflict,
		campaigns.CodeNotFound: http.StatusNotFound, campaigns.CodeForbidden: http.StatusForbidden, campaigns.CodeStale: http.StatusPreconditionFailed}
	p := newProblem(statuses[e.Code], string(e.Code), e.Error())
	p.Errors, p.Limit = e.Problems, e.Limit
	if len(p.Errors) > errorsMax {
		p.Errors = p.Errors[:errorsMax]
	}
	return p
}

func problemOfRouting(e *echo.HTTPError) *problem {
	switch e.Code {
	case http.StatusNotFound:
		return newProblem(e.Code, "not_found", "there is nothing at this address: /docs lists what there is")
	case http.StatusMethodNotAllowed:
		return newProblem(e.Code, "method", "this address does not know the method: the Allow header lists those it knows")
	case http.StatusRequestEntityTooLarge:
		return tooLarge(bodyMax)
	}
	return newProblem(e.Code, "malformed", fmt.Sprint(e.Message))
}

// problemOfState reads the SQLSTATE of an error that PostgreSQL gave. What the checks here let through and PostgreSQL
// cannot keep is the client's to mend (classes 22 and 54); a server that stops, is full or broke the transaction to end
// a deadlock answers in a moment.
func problemOfState(err error) *problem {
	var refused interface{ SQLState() string }
	if !errors.As(err, &refused) || len(refused.SQLState()) != 5 {
		return nil
	}
	switch state := refused.SQLState(); state[:2] {
	case "22", "54":
		return newProblem(http.StatusUnprocessableEntity, "invalid", "a value is too large, too deep or of a form that cannot be kept").
			with("body", "holds a value that is too large, too deep or of a form that cannot be kept")
	case "08", "53", "57", "40", "55":
		return unavailable("the database is busy or restarting")
	}
	return nil
}

// isConnection recognises a connection that broke or could not be made.
func isConnection(err error) bool {
	var network net.Error
	return errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// writeProblem answers where no handler does: in middleware and for addresses that do not exist.
func writeProblem(w http.ResponseWriter, p *problem) {
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a client that went away
}

// refuse answers from a middleware of an operation.
func (s *Server) refuse(ctx huma.Context, err error) {
	writeProblem(echoOf(ctx).Response(), s.problemOf(ctx.Context(), err))
}

// routingError answers for echo: addresses and methods that do not exist, and what a middleware recovered from.
func (s *Server) routingError(err error, c echo.Context) {
	if c.Response().Committed {
		s.log.Error("request failed after its answer began", "route", c.Path(), "err", err)
		return
	}
	writeProblem(c.Response(), s.problemOf(c.Request().Context(), err))
}

package api

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"beckon/campaigns"
)

// The limits of a request. What an import streams has a limit of its own.
const (
	bodyMax        = 1 << 20
	requestTimeout = time.Minute
	slowTimeout    = 10 * time.Minute // of what looks at every customer
	bodyTimeout    = 30 * time.Second
)

// bodyKey is under what a request's whole body is kept in echo's context.
const bodyKey = "body"

// limitBody reads the whole body, up to the limit and in a bounded time, unless the operation streams it.
func (s *Server) limitBody(ctx huma.Context, next func(huma.Context)) {
	if ctx.Operation().Metadata["streams"] != nil {
		c := echoOf(ctx)
		c.Request().Body = newPatient(c.Request().Body, c.Response().Writer)
		next(ctx)
		return
	}
	timeout := requestTimeout
	if ctx.Operation().Metadata["slow"] != nil {
		timeout = slowTimeout
	}
	bounded, cancel := context.WithTimeout(ctx.Context(), timeout)
	defer cancel()
	c := echoOf(ctx)
	body, err := readBody(bounded, c)
	if err != nil {
		s.refuse(ctx, err)
		return
	}
	c.Set(bodyKey, body)
	c.Request().Body = io.NopCloser(bytes.NewReader(body))
	next(huma.WithContext(ctx, bounded))
}

func readBody(ctx context.Context, c echo.Context) ([]byte, error) {
	r := c.Request()
	if r.ContentLength > bodyMax {
		return nil, tooLarge(bodyMax)
	}
	slow, cancel := context.WithTimeout(ctx, bodyTimeout)
	defer cancel()
	connection := http.NewResponseController(c.Response())
	if deadline, bounded := slow.Deadline(); bounded && r.ContentLength != 0 {
		_ = connection.SetReadDeadline(deadline) // a recorder in a test has none
		defer connection.SetReadDeadline(time.Time{})
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, bodyMax+1))
	if err != nil {
		return nil, malformed("the body broke off: " + brokenOff(err))
	}
	if len(body) > bodyMax {
		return nil, tooLarge(bodyMax)
	}
	return body, nil
}

func brokenOff(err error) string {
	if strings.Contains(err.Error(), "timeout") {
		return "it was not here within 30 s"
	}
	return "not all of it came"
}

// chooseFormat settles what an answer looks like: CSV only for tables, by ?format= or by Accept, and else JSON.
func (s *Server) chooseFormat(ctx huma.Context, next func(huma.Context)) {
	accept := "application/json"
	if ctx.Operation().Metadata["table"] != nil {
		switch format := ctx.Query("format"); {
		case format == "csv", format == "" && strings.Contains(ctx.Header("Accept"), "text/csv"):
			accept = "text/csv"
		}
	}
	echoOf(ctx).Request().Header.Set("Accept", accept)
	next(ctx)
}

// around is what every request passes, known address or not: an id, a name for the log, bounds and headers.
func (s *Server) around(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		started := s.store.Now()
		told := &call{id: s.idOf(c.Request())}
		c.SetRequest(c.Request().WithContext(context.WithValue(c.Request().Context(), callKey{}, told)))
		secure(c.Response().Header())
		c.Response().Header().Set("X-Request-Id", told.id)
		err := unescape(c)
		if err == nil {
			err = next(c)
		}
		if err != nil {
			c.Error(err)
		}
		s.note(c, told, started)
		return nil
	}
}

// idOf is the caller's request id when it is a sane one, else a new one.
func (s *Server) idOf(r *http.Request) string {
	id := r.Header.Get("X-Request-Id")
	sane := func(r rune) bool {
		return r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if id == "" || len(id) > 64 || strings.ContainsFunc(id, func(r rune) bool { return !sane(r) }) {
		return campaigns.NewID(s.store.Now()).String()
	}
	return id
}

// unescape makes parameters of a path what the client meant: the router leaves them as they came when the path holds an
// escaped slash.
func unescape(c echo.Context) error {
	if c.Request().URL.RawPath == "" {
		return nil
	}
	values := c.ParamValues()
	for i, value := range values {
		plain, err := url.PathUnescape(value)
		if err != nil {
			return malformed("the path is not escaped as it should be")
		}
		values[i] = plain
	}
	c.SetParamValues(values...)
	return nil
}

// secure sets the headers that keep a browser from doing anything with an answer but show it.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Strict-Transport-Security", "max-age=31536000")
}

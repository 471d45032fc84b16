package api

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/labstack/echo/v4"

	"beckon/engine"
)

// picture is a GIF of one transparent point.
const picture = "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"

// followed leads to where a link leads, or is a page that says that it does not work.
type followed struct {
	Status      int
	Location    string `header:"Location"`
	ContentType string `header:"Content-Type"`
	Security    string `header:"Content-Security-Policy"`
	Body        []byte
}

// shownPicture may be loaded by any page, for that is where mail programs show messages.
type shownPicture struct {
	Status      int
	ContentType string `header:"Content-Type"`
	Security    string `header:"Content-Security-Policy"`
	Resource    string `header:"Cross-Origin-Resource-Policy"`
	Body        []byte
}

type byCode struct {
	Code string `path:"code" maxLength:"20"`
	htmlRequest
}

// opened counts that somebody opened a message and gives a picture that nobody sees.
func (s *Server) opened(ctx context.Context, in *byToken) (*shownPicture, error) {
	if err := s.engine.Track(ctx, in.Token, engine.AgentOf(in.agent, in.purpose)); err != nil {
		page, failed := s.brokenPage(ctx, in.language, err)
		if failed != nil {
			return nil, failed
		}
		return &shownPicture{Status: page.Status, ContentType: page.ContentType, Security: page.Security, Body: page.Body}, nil
	}
	gif, err := base64.StdEncoding.DecodeString(picture)
	if err != nil {
		return nil, fmt.Errorf("reading the picture: %w", err)
	}
	return &shownPicture{Status: http.StatusOK, ContentType: "image/gif", Resource: "cross-origin", Body: gif}, nil
}

// clicked counts a click and leads on.
func (s *Server) clicked(ctx context.Context, in *byToken) (*followed, error) {
	url, err := s.engine.Click(ctx, in.Token, engine.AgentOf(in.agent, in.purpose))
	return s.lead(ctx, in.language, url, err)
}

// asked says where a link leads to who asks with HEAD, as scanners do: nothing is counted.
func (s *Server) asked(ctx context.Context, in *byToken) (*followed, error) {
	url, err := s.engine.Click(ctx, in.Token, "")
	return s.lead(ctx, in.language, url, err)
}

func (s *Server) clickedShort(ctx context.Context, in *byCode) (*followed, error) {
	url, err := s.engine.FollowShort(ctx, in.Code, engine.AgentOf(in.agent, in.purpose))
	return s.lead(ctx, in.language, url, err)
}

func (s *Server) askedShort(ctx context.Context, in *byCode) (*followed, error) {
	url, err := s.engine.FollowShort(ctx, in.Code, "")
	return s.lead(ctx, in.language, url, err)
}

func (s *Server) lead(ctx context.Context, language, url string, failed error) (*followed, error) {
	if failed == nil {
		return &followed{Status: http.StatusFound, Location: asciiOnly(url), ContentType: "text/html; charset=utf-8", Security: pagePolicy}, nil
	}
	page, err := s.brokenPage(ctx, language, failed)
	if err != nil {
		return nil, err
	}
	return &followed{Status: page.Status, ContentType: page.ContentType, Security: page.Security, Body: page.Body}, nil
}

// asciiOnly escapes what may not stand in a header.
func asciiOnly(url string) string {
	var out strings.Builder
	for i := range len(url) {
		if c := url[i]; c > ' ' && c < 0x7f {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

// leads answers 302.
func leads(op *huma.Operation) { op.DefaultStatus = http.StatusFound }

// ignoreQuery lets a link work that somebody put parameters behind, as mail programs and chats do.
func ignoreQuery(ctx huma.Context, next func(huma.Context)) {
	echoOf(ctx).Request().URL.RawQuery = ""
	next(ctx)
}

// shortHost reads /XXXXXXXXXX on the workspace's own host for short links as /s/XXXXXXXXXX.
func (s *Server) shortHost(next echo.HandlerFunc) echo.HandlerFunc {
	code := regexp.MustCompile(`^/[0-9A-Za-z]{10}$`)
	return func(c echo.Context) error {
		r := c.Request()
		if (r.Method == http.MethodGet || r.Method == http.MethodHead) && code.MatchString(r.URL.Path) {
			is, err := s.engine.IsShortHost(r.Context(), r.Host)
			if err != nil {
				return err
			}
			if is {
				r.URL.Path, r.URL.RawPath = "/s"+r.URL.Path, ""
			}
		}
		return next(c)
	}
}

package api

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"beckon/campaigns"
)

//go:embed pages
var pageFiles embed.FS

type byToken struct {
	Token string `path:"token"`
	html  htmlRequest
}

// htmlRequest is what a page needs to know of the request.
type htmlRequest struct{ language string }

// Resolve reads the reader's language.
func (in *byToken) Resolve(ctx huma.Context) []error {
	in.html.language = "en"
	if strings.HasPrefix(strings.ToLower(ctx.Header("Accept-Language")), "zh") {
		in.html.language = "zh"
	}
	return nil
}

// htmlPage is an answer for people.
type htmlPage struct {
	Status      int
	ContentType string `header:"Content-Type"`
	Security    string `header:"Content-Security-Policy"`
	Body        []byte
}

// unsubscribePage shows a button. Link scanners read pages, so that reading changes nothing.
func (s *Server) unsubscribePage(ctx context.Context, in *byToken) (*htmlPage, error) {
	channel, err := s.engine.UnsubscribeInfo(ctx, in.Token)
	return s.leavingPage(ctx, in, wordsOfLeaving(in.html.language, channel), true, err)
}

// unsubscribe acts, for the button and for the one-click POST that mail programs send (RFC 8058).
func (s *Server) unsubscribe(ctx context.Context, in *byToken) (*htmlPage, error) {
	channel, err := s.engine.Unsubscribe(ctx, in.Token)
	return s.leavingPage(ctx, in, wordsOfLeaving(in.html.language, channel), false, err)
}

// leavingPage is a page for a person also when the link does not work.
func (s *Server) leavingPage(ctx context.Context, in *byToken, words leaving, ask bool, failed error) (*htmlPage, error) {
	status := http.StatusOK
	if failed != nil {
		status, ask, words.Done = s.problemOf(ctx, failed).Status, false, words.Broken
	}
	page, err := render("unsubscribe.html", map[string]any{"Words": words, "Ask": ask, "Language": in.html.language})
	if err != nil {
		return nil, err
	}
	page.Status = status
	return page, nil
}

// leaving are the words of the page for leaving a channel.
type leaving struct{ Title, Question, Button, Done, Broken string }

func wordsOfLeaving(language, channel string) leaving {
	if language == "zh" {
		what := map[string]string{campaigns.SMS: "短信", campaigns.Email: "邮件"}[channel]
		if what == "" {
			what = "消息"
		}
		return leaving{"退订", "您确定不再接收我们的营销" + what + "吗？", "退订", "已退订。您将不再收到我们的营销" + what + "。",
			"此链接无法使用。请重新打开邮件或短信中的链接，或稍后再试。"}
	}
	what := map[string]string{campaigns.SMS: "text messages", campaigns.Email: "e-mails"}[channel]
	if what == "" {
		what = "messages"
	}
	return leaving{"Unsubscribe", "Do you want to stop receiving our marketing " + what + "?", "Unsubscribe",
		"You are unsubscribed and will get no more of our marketing " + what + ".",
		"This link does not work. Open it once more from the message, or try again later."}
}

// render makes a page that may load nothing and run nothing.
func render(name string, values any) (*htmlPage, error) {
	page, err := template.ParseFS(pageFiles, "pages/"+name)
	if err != nil {
		return nil, fmt.Errorf("reading a page: %w", err)
	}
	var out bytes.Buffer
	if err := page.Execute(&out, values); err != nil {
		return nil, fmt.Errorf("making a page: %w", err)
	}
	return &htmlPage{http.StatusOK, "text/html; charset=utf-8", pagePolicy, out.Bytes()}, nil
}

package api

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"beckon/campaigns"
	"beckon/engine"
)

//go:embed pages
var pageFiles embed.FS

type byToken struct {
	Token string `path:"token"`
	htmlRequest
}

// htmlRequest is what a page needs to know of the request.
type htmlRequest struct {
	language string
	agent    string // the program's name
	purpose  string // for which it says that it asks, such as prefetch
	form     url.Values
}

// Resolve reads the reader's language, and what they sent.
func (in *htmlRequest) Resolve(ctx huma.Context) []error {
	in.language, in.agent = "en", ctx.Header("User-Agent")
	if strings.HasPrefix(strings.ToLower(ctx.Header("Accept-Language")), "zh") {
		in.language = "zh"
	}
	in.purpose = strings.Join([]string{ctx.Header("Purpose"), ctx.Header("Sec-Purpose"), ctx.Header("X-Purpose"), ctx.Header("X-Moz")}, " ")
	if body, is := echoOf(ctx).Get(bodyKey).([]byte); is {
		in.form, _ = url.ParseQuery(string(body)) // what is no form chooses nothing
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

// unsubscribePage shows a button and, beside it, what there is to choose from. Link scanners read pages, so that reading
// changes nothing.
func (s *Server) unsubscribePage(ctx context.Context, in *byToken) (*htmlPage, error) {
	p, err := s.engine.Preferences(ctx, in.Token)
	words := wordsOfLeaving(in.language, p.Channel)
	said := ""
	if p.Left {
		said = words.Done
	}
	return s.leavingPage(ctx, in, p, words, said, err)
}

// unsubscribe acts, for the buttons and for the one-click POST that mail programs send (RFC 8058), which leaves the channel
// as a whole.
func (s *Server) unsubscribe(ctx context.Context, in *byToken) (*htmlPage, error) {
	if in.form.Has("save") {
		p, err := s.engine.Choose(ctx, in.Token, in.agent, engine.Choice{Wanted: in.form.Has("channel"), Topics: in.form["topic"]})
		words := wordsOfLeaving(in.language, p.Channel)
		said := words.Saved
		if p.Left { // topics alone bring nobody back
			said = words.Done
		}
		return s.leavingPage(ctx, in, p, words, said, err)
	}
	p, err := s.engine.Unsubscribe(ctx, in.Token, in.agent)
	words := wordsOfLeaving(in.language, p.Channel)
	return s.leavingPage(ctx, in, p, words, words.Done, err)
}

// shownTopic is a topic in the reader's language.
type shownTopic struct {
	Name, Title string
	Wanted      bool
}

// leavingPage is a page for a person also when the link does not work.
func (s *Server) leavingPage(ctx context.Context, in *byToken, p engine.Preferences, words leaving, said string, failed error) (*htmlPage, error) {
	if failed != nil {
		return s.brokenPage(ctx, in.language, failed)
	}
	topics := make([]shownTopic, len(p.Topics))
	for i, t := range p.Topics {
		topics[i] = shownTopic{t.Name, t.TitleIn(in.language), t.Wanted}
	}
	return render("unsubscribe.html", map[string]any{"Words": words, "Said": said, "Ask": said == "" && !p.Left, "Choose": true, "Preferences": p, "Topics": topics,
		"Language": in.language})
}

// brokenPage says that a link does not work.
func (s *Server) brokenPage(ctx context.Context, language string, failed error) (*htmlPage, error) {
	words := wordsOfLeaving(language, "")
	page, err := render("unsubscribe.html", map[string]any{"Words": map[string]string{"Title": words.Link}, "Said": words.Broken, "Language": language})
	if err == nil {
		page.Status = s.problemOf(ctx, failed).Status
	}
	return page, err
}

// leaving are the words of the page for leaving a channel.
type leaving struct{ Title, Question, Button, Done, Choice, All, Save, Saved, Link, Broken string }

func wordsOfLeaving(language, channel string) leaving {
	if language == "zh" {
		what := map[string]string{campaigns.SMS: "短信", campaigns.Email: "邮件"}[channel]
		if what == "" {
			what = "消息"
		}
		return leaving{"退订", "您确定不再接收我们的营销" + what + "吗？", "退订", "已退订。您将不再收到我们的营销" + what + "。",
			"选择您想接收的内容", "接收我们的营销" + what, "保存", "您的选择已保存。", "链接", "此链接无法使用。请重新打开邮件或短信中的链接，或稍后再试。"}
	}
	what := map[string]string{campaigns.SMS: "text messages", campaigns.Email: "e\u2011mails"}[channel]
	if what == "" {
		what = "messages"
	}
	return leaving{"Unsubscribe", "Do you want to stop receiving our marketing " + what + "?", "Unsubscribe",
		"You are unsubscribed and will get no more of our marketing " + what + ".", "Choose what you want to receive", "Our marketing " + what, "Save",
		"Your choice is saved.", "Link", "This link does not work. Open it once more from the message, or try again later."}
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

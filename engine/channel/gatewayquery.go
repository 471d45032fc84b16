package channel

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"beckon/campaigns"
)

// compileQuery reads the frames of questions, and tries them with values that stand for a message's. Those that name the
// message as the service does can be asked only where that name is known.
func (g *gateway) compileQuery() error {
	q := g.settings.Query
	if q == nil {
		return nil
	}
	var checks campaigns.Checks
	read := func(field, source string, at place) *pattern {
		g.named = g.named || strings.Contains(source, "message.provider_id")
		f, err := newFrame("query."+field, source, at)
		checks.Add(err)
		return f
	}
	address, headers := q.URL, q.Headers
	if strings.HasPrefix(address, "/") { // of the same service
		address = regexp.MustCompile(`^https?://[^/?#]*`).FindString(g.settings.URL) + address
	}
	if headers == nil {
		headers = g.settings.Headers
	}
	g.query = gatewayFrames{url: read("url", address, inURL), body: read("body", q.Body, bodyPlace(q.ContentType)), headers: map[string]*pattern{},
		method: q.Method, contentType: q.ContentType}
	for name, value := range headers {
		g.query.headers[name] = read("headers."+name, value, inHeader)
	}
	if err := checks.Err(); err != nil {
		return err
	}
	values, err := g.questionValues(Question{ID: "00000000-0000-7000-8000-000000000000", To: "+8613800138000", ProviderIDs: []string{"p"}})
	if err != nil {
		return err
	}
	for _, f := range g.query.all() {
		_, err := f.render(values)
		checks.Require(err == nil, "settings."+f.field, "%v", err)
	}
	return checks.Err()
}

// questionValues are what the frames of a question may name: those of a message without its words, what the service calls it,
// when it was handed over, and the day of that in the settings' zone.
func (g *gateway) questionValues(q Question) (map[string]any, error) {
	values, err := g.values(Message{ID: q.ID, To: q.To})
	if err != nil {
		return nil, err
	}
	zone, err := time.LoadLocation(g.settings.Query.Zone)
	if err != nil {
		return nil, fmt.Errorf("the zone of questions: %w", err)
	}
	message, _ := values["message"].(map[string]any)
	maps.Copy(message, map[string]any{"provider_id": firstOf(append(q.ProviderIDs, "")...), "sent_at": q.SentAt.UTC().Format(time.RFC3339), "sent_on": q.SentAt.In(zone).Format("20060102")})
	return values, nil
}

// Ask asks the service as its settings describe it. What it answers with another status than 2xx, or cannot be read, says
// nothing of the message; that it has too much to do or is away is an error.
func (g *gateway) Ask(ctx context.Context, q Question) ([]campaigns.Receipt, error) {
	if g.settings.Query == nil || (g.named && len(q.ProviderIDs) == 0) {
		return nil, nil
	}
	values, err := g.questionValues(q)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, g.timeout())
	defer cancel()
	request, err := g.fill(ctx, &g.query, values)
	if err != nil {
		return nil, err
	}
	answer, err := g.client.Do(request)
	if err != nil {
		return nil, fmt.Errorf("%s", g.redact(lost(err, true).Detail))
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, bodyMax+1))
	switch status := answer.StatusCode; {
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusRequestTimeout:
		return nil, fmt.Errorf("the service answers no question now: %d", status)
	case status < 200 || status > 299:
		return nil, nil
	}
	r, knows := g.told(q, parseFields(text, err == nil && len(text) <= bodyMax))
	if !knows {
		return nil, nil
	}
	if r.At.IsZero() {
		r.At = g.clock()
	}
	r.Detail = shorten(g.redact(r.Detail))
	return []campaigns.Receipt{r}, nil
}

// told reads what an answer says of a message: the item of a list that names it, or the whole. A status that is in none of
// the lists says nothing: a service that never heard of a message says so in words of its own.
func (g *gateway) told(q Question, answer document) (r campaigns.Receipt, knows bool) {
	how := g.settings.Query
	found := answer.value
	if how.List != "" {
		found = Field(found, how.List)
	}
	items, many := found.([]any)
	if !many {
		items = []any{found}
	}
	for _, item := range items {
		d := document{item}
		own, theirs := d.text(how.OwnID), d.text(how.ID)
		if how.OwnID != "" && own != q.ID || how.ID != "" && !slices.Contains(q.ProviderIDs, theirs) {
			continue
		}
		status, code := d.text(how.Status), d.text(how.Code)
		switch {
		case status == "":
			continue
		case slices.Contains(how.Delivered, status):
			r.Status = campaigns.MessageDelivered
		case slices.Contains(how.Bounced, status):
			r.Status = campaigns.MessageBounced
		case slices.Contains(how.Failed, status):
			r.Status = campaigns.MessageFailed
		case !slices.Contains(how.Accepted, status):
			continue
		}
		r.Hard = (r.Status == campaigns.MessageBounced || r.Status == campaigns.MessageFailed) && slices.Contains(how.Hard, code)
		r.Detail = strings.Join(strings.Fields("the provider was asked: "+status+" "+code+" "+d.text(how.Detail)), " ")
		r.At = TimeOf(d.text(how.At), how.Zone)
		return r, true
	}
	return r, false
}

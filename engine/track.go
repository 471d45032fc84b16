package engine

import (
	"context"
	"maps"
	"strings"

	"golang.org/x/net/html"

	"beckon/campaigns"
	"beckon/templates"
)

// What a message's variables keep of how its links were made, so that its content is the same whatever the settings are
// later: the address that tracked links begin with, and that of short ones.
const (
	linksGroup = "links"
	trackName  = "track"
	shortName  = "short"
)

// trackedURLMax is the longest address that is counted; longer ones stay as they are.
const trackedURLMax = 2000

// tracked is what a message says with its links made countable: the links and a picture in an e-mail's HTML, short links in
// a text message, which are left in the message's Links. A message of a campaign that does not track stays as it is.
func (e *Engine) tracked(ctx context.Context, m *campaigns.Message, parts templates.Parts) (templates.Parts, error) {
	group, _ := m.Vars[linksGroup].(map[string]any)
	base, _ := group[trackName].(string)
	short, _ := group[shortName].(string)
	if base == "" && short == "" {
		return parts, nil
	}
	key, err := e.linkKey(ctx)
	if err != nil {
		return nil, err
	}
	made := maps.Clone(parts)
	l := links{key: key, base: base, hosts: keptHosts(m), stamps: e.stampsOf(key)}
	if text := parts["text"]; short != "" {
		made["text"], m.Links = l.shorten(text, short, m)
	} else if parts["html"] != "" {
		made["html"] = l.track(parts["html"], m.No, m.ID)
	}
	return made, nil
}

// track makes the links of a page countable and adds the picture. Nothing else of the page changes, to the byte. Addresses
// that are no http, the page for leaving, and links with the attribute data-notrack or notrack among their rel stay as they are.
func (l links) track(page string, no int64, message campaigns.ID) string {
	base, kept := html.EscapeString(l.base), 0 // of the page, as far as it is written
	out := make([]byte, 0, len(page)+len(page)/2+2*len(base)+256)
	var room [16]span
	tags := tagsOf(room[:0], page)
	end := len(page) // of the body, where the picture goes
	for _, tag := range tags {
		if tag.closing {
			end = tag.from
		}
	}
	picture := func() {
		out = append(append(out, page[kept:end]...), `<img src="`...)
		kept = end
		out = append(append(out, html.EscapeString(l.opened(no, message))...), `" width="1" height="1" alt="">`...)
	}
	for _, tag := range tags {
		if tag.closing {
			if tag.from == end {
				picture()
			}
			continue
		}
		if value, from, to := l.target(page[tag.from:tag.to]); value != "" {
			out = append(append(append(append(out, page[kept:tag.from+from]...), '"'), base...), "/t/"...)
			out = append(l.appendClick(out, no, message, value), '"')
			kept = tag.from + to
		}
	}
	if end == len(page) {
		picture()
	}
	return string(append(out, page[kept:]...))
}

// isTag says whether a piece of a page is the tag of a link, or the end of the body.
func isTag(piece string) bool {
	for _, name := range []string{"<a", "</body"} {
		if len(piece) > len(name) && strings.EqualFold(piece[:len(name)], name) {
			next := piece[len(name)]
			return isBlank(next) || next == '/' || next == '>'
		}
	}
	return false
}

// target is where a link leads that is to be counted, and where its value stands in the tag with its quotes; empty for one
// that stays as it is.
func (l links) target(tag string) (url string, begin, end int) {
	has := false
	for name, a := range attributes(tag) {
		switch name {
		case "data-notrack":
			return "", 0, 0
		case "rel":
			if strings.Contains(strings.ToLower(a.value), "notrack") {
				return "", 0, 0
			}
		case "href":
			if !has { // of two the first counts, as in browsers
				url, begin, end, has = strings.TrimSpace(html.UnescapeString(a.value)), a.begin, a.end, true
			}
		}
	}
	if !isWeb(url) || len(url) > trackedURLMax || strings.HasPrefix(url, l.base+"/u/") || !l.hosts.allow(url) {
		return "", 0, 0
	}
	return url, begin, end
}

// isWeb says whether an address is one of http or https with a host, and safe to send somebody to.
func isWeb(url string) bool {
	lower := strings.ToLower(url[:min(len(url), len("https://"))])
	host, is := strings.CutPrefix(lower, "http://")
	if !is {
		host, is = url[min(len(url), len("https://")):], lower == "https://"
	}
	return is && host != "" && !strings.ContainsAny(host[:1], "/?#:@\\") && !strings.ContainsFunc(url, func(r rune) bool { return r <= ' ' || r == 0x7f })
}

// Track says what somebody did with a message: opened it, where the token is of the picture.
func (e *Engine) Track(ctx context.Context, token, agent string) error {
	l, err := e.previewLinks(ctx)
	if err != nil {
		return err
	}
	payload, ok := l.open(forOpening, token)
	no, message, rest, read := readMessage(payload)
	if !ok || !read || len(rest) > 0 {
		return campaigns.NotFound("link", "…")
	}
	return e.keepTrack(ctx, &campaigns.Track{No: no, MessageID: message, Kind: campaigns.Opened, Agent: agent})
}

// Click is where a link leads, and keeps that somebody followed it; agent is empty for who only asks where it leads.
func (e *Engine) Click(ctx context.Context, token, agent string) (string, error) {
	l, err := e.previewLinks(ctx)
	if err != nil {
		return "", err
	}
	payload, ok := l.open(forClicking, token)
	no, message, url, read := readMessage(payload)
	if !ok || !read || !isWeb(string(url)) {
		return "", campaigns.NotFound("link", "…")
	}
	e.keepClick(ctx, &campaigns.Track{No: no, MessageID: message, Kind: campaigns.Clicked, Agent: agent, URL: string(url)})
	return string(url), nil
}

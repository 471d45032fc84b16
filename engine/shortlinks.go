package engine

import (
	"context"
	"encoding/binary"
	"strings"

	"beckon/campaigns"
	"beckon/campaigns/store"
)

// Short links.
//
// Why their codes are worked out and not drawn: the content of a message is made when it is sent and again whenever it is
// read, and must be the same to the byte. A code is the HMAC of the message and of the link's place in it, so that it is
// known before anything is written and can be guessed by nobody without the key.
//
// Why the rows are written in the transaction that claims the message: the link must lead somewhere before the provider has
// the text, and a commit for each message would be what limits a channel that sends thousands a second.

const (
	codeSize   = 10 // letters of a short link's code, of 62: 60 bits
	codeDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	forShort   = "short"
)

// shortPrefix is what short links of a workspace begin with; empty for one that names no address where people reach it.
func shortPrefix(w *campaigns.Workspace, base string) string {
	switch {
	case w.ShortDomain != "":
		return "https://" + w.ShortDomain + "/"
	case w.PublicURL == "":
		return ""
	}
	return base + "/s/"
}

// shorten puts short links in the place of the addresses in a text.
func (l links) shorten(text, prefix string, m *campaigns.Message) (string, []campaigns.Link) {
	var made []campaigns.Link
	short := replaceURLs(text, prefix, l.hosts, func(url string) string {
		made = append(made, campaigns.Link{Code: l.code(m.ID, len(made)), No: m.No, MessageID: m.ID, URL: url})
		return made[len(made)-1].Code
	})
	return short, made
}

// shortForm is a text as long as it will be with short links, before they are known: for counting segments.
func shortForm(text, prefix string, hosts linkHosts) string {
	if prefix == "" {
		return text
	}
	return replaceURLs(text, prefix, hosts, func(string) string { return codeDigits[:codeSize] })
}

// code is the code of a message's n-th short link.
func (l links) code(message campaigns.ID, n int) string {
	signed := l.sign(forShort, binary.AppendUvarint(append([]byte{}, message[:]...), uint64(n)), signatureSize)
	number, code := binary.BigEndian.Uint64(signed), make([]byte, codeSize)
	for i := range code {
		code[i] = codeDigits[number%uint64(len(codeDigits))]
		number /= uint64(len(codeDigits))
	}
	return string(code)
}

// isCode says whether a text has the form of a short link's code.
func isCode(text string) bool {
	return len(text) == codeSize && strings.Trim(text, codeDigits) == ""
}

// replaceURLs puts a prefix and a code in the place of each address of a text that begins with http:// or https:// and whose
// host is among those given. An
// address ends before a blank, a quote, an angle bracket or any letter outside ASCII: in Chinese nothing else stands between
// an address and what follows it. Punctuation at its end belongs to the sentence.
func replaceURLs(text, prefix string, hosts linkHosts, code func(url string) string) string {
	var out strings.Builder
	rest := text
	for {
		i := indexURL(rest)
		if i < 0 {
			break
		}
		end := i
		for end < len(rest) && rest[end] > ' ' && rest[end] < 0x7f && !strings.ContainsRune(`"'<>`, rune(rest[end])) {
			end++
		}
		url := strings.TrimRight(rest[i:end], ".,;:!?)]}*")
		out.WriteString(rest[:i])
		switch {
		case !isWeb(url) || len(url) > trackedURLMax:
			url = rest[i : i+len("http")] // only so much is passed over: another may begin soon
			out.WriteString(url)
		case !hosts.allow(url):
			out.WriteString(url)
		default:
			out.WriteString(prefix + code(url))
		}
		rest = rest[i+len(url):]
	}
	if out.Len() == 0 {
		return text
	}
	out.WriteString(rest)
	return out.String()
}

// indexURL is where the next address may begin, -1 for nowhere.
func indexURL(text string) int {
	for i := strings.Index(text, "://"); i >= 0; {
		for _, scheme := range []string{"https", "http"} {
			if from := i - len(scheme); from >= 0 && strings.EqualFold(text[from:i], scheme) {
				return from
			}
		}
		next := strings.Index(text[i+1:], "://")
		if next < 0 {
			return -1
		}
		i += 1 + next
	}
	return -1
}

// keepLinks keeps the short links of claimed messages before they are sent, in the transaction that claims them. Which
// messages cannot be sent, because a code of theirs leads elsewhere, goes to verdicts.
func (w *worker) keepLinks(ctx context.Context, tx *store.Tx, batch marked) error {
	var made []campaigns.Link
	ends := tx.Now.AddDate(0, 0, w.workspace.ShortLinksFor())
	for i := range batch.messages {
		m := &batch.messages[i]
		group, _ := m.Vars[linksGroup].(map[string]any)
		if _, decided := batch.verdicts[m.ID]; decided || group[shortName] == nil {
			continue
		}
		if w.engine.words.cached(m.TemplateID, m.TemplateRevision) == nil { // so that no second connection is asked for while one is held
			if _, _, err := w.engine.words.template(ctx, tx, m.TemplateID, m.TemplateRevision); err != nil {
				continue // whoever sends it finds the same, and says so of this message
			}
		}
		if _, err := w.engine.content(ctx, m); err != nil {
			continue // likewise
		}
		for _, link := range m.Links {
			if !strings.HasPrefix(link.URL, w.links.base+"/u/") {
				link.ExpiresAt = &ends
			}
			made = append(made, link)
		}
	}
	if len(made) == 0 {
		return nil
	}
	taken, err := tx.KeepLinks(ctx, made)
	for _, link := range made {
		if taken[link.Code] {
			batch.verdicts[link.MessageID] = verdict{cancel: "a short link of its text leads elsewhere already: send it again"}
		}
	}
	return err
}

// FollowShort is where a short link leads, and keeps that somebody followed it; agent is empty for who only asks where it
// leads.
func (e *Engine) FollowShort(ctx context.Context, code, agent string) (string, error) {
	if !isCode(code) {
		return "", campaigns.NotFound("link", "…")
	}
	var link campaigns.Link
	var w *campaigns.Workspace
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		if link, err = tx.Link(ctx, code); err == nil {
			w, err = tx.Workspace(ctx)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	l, err := e.links(ctx, w)
	if err == nil && !strings.HasPrefix(link.URL, l.base+"/u/") {
		e.keepClick(ctx, &campaigns.Track{No: link.No, MessageID: link.MessageID, Kind: campaigns.Clicked, Agent: agent, URL: link.URL})
	}
	return link.URL, err
}

// IsShortHost says whether a host is the workspace's own for short links.
func (e *Engine) IsShortHost(ctx context.Context, host string) (is bool, err error) {
	err = e.store.View(ctx, func(tx *store.Tx) error {
		w, err := tx.Workspace(ctx)
		is = err == nil && w.ShortDomain != "" && strings.EqualFold(w.ShortDomain, host)
		return err
	})
	return is, err
}

// keepTrack keeps what somebody did.
func (e *Engine) keepTrack(ctx context.Context, t *campaigns.Track) error {
	return e.store.Update(ctx, func(tx *store.Tx) error { return tx.AddTrack(ctx, t) })
}

// keepClick keeps a click where somebody followed the link. That it cannot be kept is no reason to leave them standing.
func (e *Engine) keepClick(ctx context.Context, t *campaigns.Track) {
	if t.Agent == "" {
		return
	}
	if err := e.keepTrack(ctx, t); err != nil {
		e.log.Error("a click could not be counted", "err", err)
	}
}

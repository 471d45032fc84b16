package channel

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"beckon/campaigns"
)

// retryMax is the longest that a service may have us wait by Retry-After.
const retryMax = campaigns.RetryAfterMax

// lost says what is known of a message whose request ended without an answer. The address is left out of what is told: it
// may hold secrets.
func lost(err error, whole bool) Outcome {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	if whole {
		return Outcome{Status: Unknown, Detail: "no answer: " + err.Error()}
	}
	return Outcome{Status: Temporary, Unavailable: true, Detail: "the request could not be sent: " + err.Error()}
}

// read says what an answer means; whole is false where it broke off or is longer than is read.
//
// Why an acceptance that cannot be read is unknown: the status says that the service took the message, and what it should
// say besides, its id or a code, is not there. It may have been another service's page. Sending it again may send it twice,
// and without the id no receipt would find it. Where the settings ask for nothing but the status, the status is enough.
func (g *gateway) read(answer *http.Response, text []byte, whole bool) Outcome {
	how := answering{g.settings.Answer}
	document := parseFields(text, whole)
	code := document.text(how.Error)
	told := fmt.Sprintf("%d %s", answer.StatusCode, firstOf(strings.TrimSpace(code+" "+document.text(how.Detail)), string(text[:min(len(text), detailMax)])))
	o := Outcome{Detail: strings.TrimSpace(told), RetryAfter: g.retryAfter(answer.Header.Get("Retry-After"))}
	refused := false
	if how.accepts(answer.StatusCode) {
		met, known := how.meets(document)
		o.ProviderID = document.text(how.ID)
		switch {
		case met && (how.ID == "" || o.ProviderID != ""):
			o.Status, o.RetryAfter = Sent, 0
			if n, err := strconv.Atoi(document.text(how.Segments)); err == nil && n > 0 && n <= segmentsMax { // of any other number nobody counted
				o.Segments = n
			}
			return o
		case met || !known:
			return Outcome{Status: Unknown, Detail: "it was taken, but the answer cannot be read: " + o.Detail}
		}
		o.ProviderID, refused = "", true
	}
	return how.refuse(o, answer.StatusCode, code, refused)
}

// answering is how the settings say that an answer is read.
type answering struct{ *campaigns.GatewayAnswer }

// accepts says whether a status is one of acceptance.
func (r answering) accepts(status int) bool {
	text := strconv.Itoa(status)
	for _, pattern := range strings.Split(firstOf(r.OKStatus, "2xx"), ",") {
		if pattern == text || strings.HasSuffix(pattern, "xx") && pattern[0] == text[0] {
			return true
		}
	}
	return false
}

// meets says whether what besides the status must be true of an acceptance is; known is false where the answer does not say.
func (r answering) meets(f document) (met, known bool) {
	if r.OKWhen == nil {
		return true, true
	}
	value := f.text(r.OKWhen.Path)
	return value == r.OKWhen.Equals, value != ""
}

// refuse says what a refusal means: by its code where the settings know that, else by its status; refused is true where the
// answer's words refuse what its status does not.
//
// Why 504 is unknown: it is a proxy's word that the service behind it was given the message and did not answer in time.
// Every other status of a server's own trouble says that it did not do its work.
func (r answering) refuse(o Outcome, status int, code string, refused bool) Outcome {
	codes := []string{code, strconv.Itoa(status)}
	among := func(list []string) bool {
		return slices.ContainsFunc(codes, func(c string) bool { return c != "" && slices.Contains(list, c) })
	}
	switch {
	case among(r.Hard):
		o.Status, o.Hard = Permanent, true
	case among(r.Permanent):
		o.Status = Permanent
	case among(r.Down):
		o.Status, o.Unavailable = Temporary, true
	case among(r.Throttled):
		o.Status, o.Throttled = Temporary, true
	case among(r.Temporary):
		o.Status = Temporary
	case refused:
		o.Status = Permanent
	default:
		return byStatus(o, status)
	}
	return o
}

func byStatus(o Outcome, status int) Outcome {
	o.Status = Temporary
	switch {
	case status == http.StatusGatewayTimeout:
		o.Status = Unknown
	case status == http.StatusTooManyRequests:
		o.Throttled = true
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired,
		status == http.StatusBadGateway, status == http.StatusServiceUnavailable:
		o.Unavailable = true
	case status >= 300 && status < 400:
		o.Unavailable = true
		o.Detail += " (it leads elsewhere, and redirects are not followed: write the address it leads to into url)"
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooEarly:
	case status >= 400:
		o.Status = Permanent
	default: // a status that the settings do not count among those of acceptance, though HTTP does
		o.Status = Unknown
	}
	return o
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3); 0 when there is none.
func (g *gateway) retryAfter(text string) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return min(time.Duration(min(seconds, 1<<20))*time.Second, retryMax)
	}
	if at, err := http.ParseTime(text); err == nil && at.After(g.clock()) {
		return min(at.Sub(g.clock()), retryMax)
	}
	return 0
}

// document is a JSON answer; nil when it is none.
type document struct{ value any }

func parseFields(text []byte, whole bool) document {
	var f document
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if !whole || decoder.Decode(&f.value) != nil {
		return document{}
	}
	return f
}

// text is what stands at a path as text; empty when nothing does.
func (f document) text(path string) string {
	if path == "" {
		return ""
	}
	return TextOf(Field(f.value, path))
}

// Field is what stands at a path of decoded JSON, such as data.0.id; nil when nothing does.
func Field(value any, path string) any {
	for _, name := range strings.Split(path, ".") {
		switch inner := value.(type) {
		case map[string]any:
			value = inner[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i < 0 || i >= len(inner) {
				return nil
			}
			value = inner[i]
		default:
			return nil
		}
	}
	return value
}

// TextOf is a text, number or truth value of decoded JSON as text; empty for anything else.
func TextOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	}
	return ""
}

func firstOf(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// redact takes the channel's secrets out of what is told, however a service or an error came to repeat them.
func (g *gateway) redact(text string) string {
	login := base64.StdEncoding.EncodeToString([]byte(g.settings.Username + ":" + campaigns.Text(g.settings.Password)))
	secrets := []string{login}
	for _, secret := range g.settings.Secrets() {
		secrets = append(secrets, campaigns.Text(*secret))
	}
	for _, plain := range secrets {
		if plain == "" {
			continue
		}
		for _, form := range []string{plain, url.QueryEscape(plain), url.PathEscape(plain), jsonText(plain, true)} {
			text = strings.ReplaceAll(text, form, "•••")
		}
	}
	return text
}

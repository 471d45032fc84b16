package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"beckon/campaigns"
)

const (
	gatewayTimeout = 30 * time.Second // for one message from the first byte to the end of the answer
	dialTimeout    = 10 * time.Second
	gatewayWindow  = 16       // requests at once where the settings name none
	bodyMax        = 64 << 10 // of an answer is read
	addressMax     = 512
)

// gateway sends through an HTTP service that its settings describe.
//
// Why the transport may repeat nothing: net/http repeats a request by itself when a kept connection ends without an answer
// and the request is a GET or names an idempotency key, though the service may have taken the message. A request here has a
// body that cannot be had twice, which forbids it; one that never left this machine is repeated by Send itself.
//
// Why redirects are not followed and the host is never a variable: the address is an administrator's, and neither a
// customer's data nor the service may lead a request with our credentials elsewhere. Addresses within the shop's own network
// are allowed, for many gateways are there; link-local ones, such as that of a cloud's metadata, are not.
type gateway struct {
	settings campaigns.ChannelSettings // completed by their preset
	clock    func() time.Time
	hooks    string
	client   *http.Client
	frames   gatewayFrames
	query    gatewayFrames // of questions, where the settings describe them
	needs    bool          // a registered template
	named    bool          // a question names the message as the service does
}

// gatewayFrames are the parts of a request that hold values.
type gatewayFrames struct {
	url, body   *pattern
	headers     map[string]*pattern
	method      string
	contentType string
}

func openGateway(s campaigns.ChannelSettings, o Options) (Sender, error) {
	s.GatewaySettings = s.GatewaySettings.Complete()
	g := &gateway{settings: s, clock: o.Clock, hooks: o.Hooks}
	if err := g.compile(); err != nil {
		return nil, err
	}
	g.client = &http.Client{Transport: g.transport(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return g, nil
}

// transport speaks HTTP/1.1, where a request has its connection for itself: how many there are is the window.
func (g *gateway) transport() *http.Transport {
	return &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second, Control: notLinkLocal}).DialContext,
		TLSHandshakeTimeout: dialTimeout, MaxIdleConns: g.Window(), MaxIdleConnsPerHost: g.Window(), MaxConnsPerHost: g.Window(),
		IdleConnTimeout: 50 * time.Second, MaxResponseHeaderBytes: bodyMax, DisableCompression: true}
}

// notLinkLocal keeps requests from the addresses at which clouds tell a machine its credentials, whatever name led there.
func notLinkLocal(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil || at.Addr().Unmap().IsLinkLocalUnicast() {
		return fmt.Errorf("%s is a link-local address, where no gateway is", address)
	}
	return nil
}

// compile reads the frames, and tries them with values that stand for a message's.
func (g *gateway) compile() error {
	var checks campaigns.Checks
	s := &g.settings
	read := func(field, source string, at place) *pattern {
		g.needs = g.needs || strings.Contains(source, "template.")
		f, err := newFrame(field, source, at)
		checks.Add(err)
		return f
	}
	g.frames = gatewayFrames{url: read("url", s.URL, inURL), body: read("body", s.Body, bodyPlace(s.ContentType)), headers: map[string]*pattern{},
		method: s.Method, contentType: s.ContentType}
	for name, value := range s.Headers {
		g.frames.headers[name] = read("headers."+name, value, inHeader)
	}
	if err := checks.Err(); err != nil {
		return err
	}
	sample := Message{ID: "00000000-0000-7000-8000-000000000000", To: "+8613800138000", Parts: map[string]string{"subject": "s", "text": "t", "html": "h"},
		Template: &Registered{Code: "c", Params: map[string]string{"p": "v"}}}
	for _, part := range s.Parts {
		sample.Parts[part] = "p"
	}
	values, err := g.values(sample)
	if err != nil {
		return err
	}
	for _, f := range g.frames.all() {
		_, err := f.render(values)
		checks.Require(err == nil, "settings."+f.field, "%v", err)
	}
	checks.Add(g.compileQuery())
	return checks.Err()
}

func (f *gatewayFrames) all() []*pattern {
	all := []*pattern{f.url, f.body}
	for _, header := range f.headers {
		all = append(all, header)
	}
	return all
}

func bodyPlace(contentType string) place {
	kind := strings.ToLower(contentType)
	switch {
	case strings.Contains(kind, "json"):
		return inJSON
	case strings.HasPrefix(kind, "application/x-www-form-urlencoded"):
		return inForm
	case strings.Contains(kind, "xml"), strings.Contains(kind, "html"):
		return inXML
	}
	return inText
}

// values are what frames may name.
func (g *gateway) values(m Message) (map[string]any, error) {
	s := &g.settings
	parts, flat := map[string]any{}, map[string]string{}
	for _, name := range []string{"subject", "text", "html"} {
		flat[name] = m.Parts[name]
	}
	for name, part := range m.Parts {
		parts[name], flat[name] = part, part
	}
	for _, part := range s.Parts {
		if _, has := parts[part]; !has {
			parts[part] = ""
		}
	}
	message := map[string]any{"id": m.ID, "to": m.To, "from": s.From, "parts": parts, "subject": flat["subject"], "text": flat["text"], "html": flat["html"]}
	template := map[string]any{"code": "", "params": markJSON + "{}"}
	if m.Template != nil {
		params, err := json.Marshal(m.Template.Params)
		if err != nil {
			return nil, fmt.Errorf("the parameters of the registered template: %w", err)
		}
		template = map[string]any{"code": m.Template.Code, "params": markJSON + string(params)}
		flat["template.code"] = m.Template.Code
		for name, value := range m.Template.Params {
			flat["template.params."+name] = value
		}
	}
	flat["to"] = m.To
	for name, text := range flat {
		if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\r\n\t", r) }) {
			return nil, fmt.Errorf("%s is not valid UTF-8 or holds control characters", name)
		}
	}
	secret := campaigns.Text(s.AccessSecret)
	if secret == "" {
		secret = campaigns.Text(s.Password)
	}
	return map[string]any{"message": message, "template": template, "username": s.Username, "password": campaigns.Text(s.Password),
		"access_key": s.AccessKey, "access_secret": campaigns.Text(s.AccessSecret), "secret": secret, "hooks": g.hooks}, nil
}

// Window is how many requests may be on their way at once.
func (g *gateway) Window() int {
	if g.settings.Window > 0 {
		return g.settings.Window
	}
	return gatewayWindow
}

// Close lets the kept connections go.
func (g *gateway) Close() error {
	g.client.CloseIdleConnections()
	return nil
}

// Send hands the message over. The context bounds the dialling; a request that was written is not interrupted, because its
// outcome would be unknown, and ends by its own timeout.
func (g *gateway) Send(ctx context.Context, m Message) Outcome {
	o := g.send(ctx, m)
	o.Detail = shorten(g.redact(o.Detail))
	o.ProviderID = shorten(o.ProviderID)
	return o
}

func (g *gateway) send(ctx context.Context, m Message) Outcome {
	if err := g.checkMessage(m); err != nil {
		return Outcome{Status: Permanent, Detail: err.Error()}
	}
	var o Outcome
	for range 2 { // a kept connection may have ended while nothing was sent over it: that is no reason to wait
		if err := ctx.Err(); err != nil {
			return Outcome{Status: Temporary, Detail: "stopped before sending: " + err.Error()}
		}
		var stale bool
		if o, stale = g.attempt(ctx, m); !stale {
			break
		}
	}
	return o
}

func (g *gateway) checkMessage(m Message) error {
	switch kind := g.settings.Carries(); {
	case m.To == "" || len(m.To) > addressMax || !oneLine(m.To):
		return fmt.Errorf("the address is empty, too long or holds control characters")
	case kind == campaigns.Email:
		if err := campaigns.CheckBareAddress(m.To); err != nil {
			return err
		}
	case kind == campaigns.SMS:
		if err := campaigns.CheckTextNumber(m.To); err != nil {
			return err
		}
	}
	if g.needs && m.Template == nil {
		return fmt.Errorf("this gateway takes registered templates alone: give the template a provider_template for it")
	}
	return nil
}

// attempt sends once. Stale says that a kept connection turned out dead before anything was written to it.
func (g *gateway) attempt(ctx context.Context, m Message) (o Outcome, stale bool) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.timeout())
	defer cancel()
	var begun, whole, reused atomic.Bool
	defer context.AfterFunc(ctx, func() {
		if !begun.Load() {
			cancel()
		}
	})()
	bounded = httptrace.WithClientTrace(bounded, &httptrace.ClientTrace{
		GotConn:          func(c httptrace.GotConnInfo) { begun.Store(true); reused.Store(c.Reused) },
		WroteRequest:     func(w httptrace.WroteRequestInfo) { whole.Store(whole.Load() || w.Err == nil) },
		WroteHeaderField: func(string, []string) { begun.Store(true) },
	})
	request, err := g.request(bounded, m)
	if err != nil {
		return Outcome{Status: Permanent, Detail: err.Error()}, false
	}
	answer, err := g.client.Do(request)
	if err != nil {
		return lost(err, whole.Load()), reused.Load() && !whole.Load()
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, bodyMax+1))
	return g.read(answer, text, err == nil && len(text) <= bodyMax), false
}

// timeout is how long the service may take for an answer.
func (g *gateway) timeout() time.Duration {
	if g.settings.TimeoutSeconds > 0 {
		return time.Duration(g.settings.TimeoutSeconds) * time.Second
	}
	return gatewayTimeout
}

// request makes the request of a message; its errors are the message's fault.
func (g *gateway) request(ctx context.Context, m Message) (*http.Request, error) {
	values, err := g.values(m)
	if err != nil {
		return nil, err
	}
	return g.fill(ctx, &g.frames, values)
}

// fill makes a request of frames and values.
func (g *gateway) fill(ctx context.Context, f *gatewayFrames, values map[string]any) (*http.Request, error) {
	address, err := f.url.render(values)
	if err != nil {
		return nil, err
	}
	body, err := f.body.render(values)
	if err != nil {
		return nil, err
	}
	header := http.Header{"User-Agent": {"Beckon"}, "Accept": {"application/json, */*"}}
	for name, f := range f.headers {
		value, err := f.render(values)
		if err != nil {
			return nil, err
		}
		header.Set(name, value)
	}
	if body, err = g.sign(header, f.method, address, body); err != nil {
		return nil, err
	}
	if body != "" {
		header.Set("Content-Type", f.contentType)
	}
	once := io.MultiReader(strings.NewReader(body)) // of no type that net/http would know how to read again
	request, err := http.NewRequestWithContext(ctx, f.method, address, once)
	if err != nil {
		return nil, fmt.Errorf("the gateway's url is none with this message's values")
	}
	request.Header, request.ContentLength = header, int64(len(body))
	return request, nil
}

package channel

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
	"beckon/templates"
)

// a service is an HTTP service in the test's process that keeps what it is asked.
type service struct {
	*httptest.Server
	mu    sync.Mutex
	calls []call
}

type call struct {
	method, uri, body string
	header            http.Header
	form              url.Values
}

func newService(t *testing.T, answer func(w http.ResponseWriter, c call)) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c := call{r.Method, r.RequestURI, string(body), r.Header, nil}
		c.form, _ = url.ParseQuery(c.body)
		s.mu.Lock()
		s.calls = append(s.calls, c)
		s.mu.Unlock()
		answer(w, c)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) seen() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]call{}, s.calls...)
}

func fixedClock() time.Time { return time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC) }

func openTestGateway(t testing.TB, s campaigns.ChannelSettings) Sender {
	t.Helper()
	sender, err := Open(campaigns.Channel{ID: "gate", Name: "Gate", Kind: campaigns.KindGateway, Settings: s}, Options{Clock: fixedClock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sender.Close() })
	return sender
}

// described is a service that is no preset: JSON in, JSON out.
func described(address string) campaigns.ChannelSettings {
	return campaigns.ChannelSettings{GatewaySettings: campaigns.GatewaySettings{URL: address + "/send", AccessSecret: new("s3cret-key"),
		Headers: map[string]string{"Authorization": "Bearer {{ secret }}", "Idempotency-Key": "{{ message.id }}"},
		Body:    `{"to":"{{ message.to }}","text":{{ message.text }},"n":1}`,
		Answer:  &campaigns.GatewayAnswer{ID: "data.0.id", Error: "error.code", Detail: "error.words", Hard: []string{"no_such_number"}, Throttled: []string{"slow"}, Temporary: []string{"later"}, Down: []string{"account"}}}}
}

func textMessage(words string) Message {
	return Message{ID: "m-1", To: "+8613800138000", Parts: templates.Parts{"text": words}}
}

func TestADescribedGatewaySendsWhatItsSettingsSayAndReadsTheAnswer(t *testing.T) {
	s := newService(t, func(w http.ResponseWriter, _ call) { fmt.Fprint(w, `{"data":[{"id":987654321012345678}]}`) })
	o := openTestGateway(t, described(s.URL)).Send(t.Context(), textMessage("Hi \"Ann\"\n} {{ secret }}"))
	if o.Status != Sent || o.ProviderID != "987654321012345678" {
		t.Fatalf("outcome %+v", o)
	}
	got := s.seen()[0]
	var body struct {
		To, Text string
		N        int
	}
	if err := json.Unmarshal([]byte(got.body), &body); err != nil || body.To != "+8613800138000" || body.Text != "Hi \"Ann\"\n} {{ secret }}" || body.N != 1 {
		t.Errorf("body %s (%v)", got.body, err)
	}
	if got.method != "POST" || got.uri != "/send" || got.header.Get("Authorization") != "Bearer s3cret-key" || got.header.Get("Idempotency-Key") != "m-1" ||
		got.header.Get("Content-Type") != "application/json" {
		t.Errorf("call %+v", got)
	}
}

func TestEachAnswerHasAnOutcome(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		header map[string]string
		body   string
		want   Outcome
	}{
		{"accepted", 202, nil, `{"data":[{"id":"x"}]}`, Outcome{Status: Sent, ProviderID: "x"}},
		{"a page instead of an answer", 200, nil, `<html>Welcome</html>`, Outcome{Status: Unknown}},
		{"half an answer", 200, nil, `{"data":[{"id":"x"`, Outcome{Status: Unknown}},
		{"an answer of 100 KB", 200, nil, `{"data":[{"id":"x"}],"pad":"` + strings.Repeat("x", 100<<10) + `"}`, Outcome{Status: Unknown}},
		{"an id that is an object", 200, nil, `{"data":[{"id":{}}]}`, Outcome{Status: Unknown}},
		{"too many", 429, map[string]string{"Retry-After": "7"}, ``, Outcome{Status: Temporary, Throttled: true, RetryAfter: 7 * time.Second}},
		{"a date to come back at", 503, map[string]string{"Retry-After": "Sun, 22 Nov 2026 09:01:00 GMT"}, ``, Outcome{Status: Temporary, Unavailable: true, RetryAfter: time.Minute}},
		{"a fault of its own", 500, nil, `oops`, Outcome{Status: Temporary}},
		{"a proxy without its service", 502, nil, ``, Outcome{Status: Temporary, Unavailable: true}},
		{"a proxy whose service is silent", 504, nil, ``, Outcome{Status: Unknown}},
		{"a wrong key", 401, nil, ``, Outcome{Status: Temporary, Unavailable: true}},
		{"not allowed", 403, nil, ``, Outcome{Status: Temporary, Unavailable: true}},
		{"bad request", 400, nil, `{"error":{"code":"odd"}}`, Outcome{Status: Permanent}},
		{"no such number", 400, nil, `{"error":{"code":"no_such_number"}}`, Outcome{Status: Permanent, Hard: true}},
		{"throttled in words", 400, nil, `{"error":{"code":"slow"}}`, Outcome{Status: Temporary, Throttled: true}},
		{"later in words", 422, nil, `{"error":{"code":"later"}}`, Outcome{Status: Temporary}},
		{"an empty account", 400, nil, `{"error":{"code":"account"}}`, Outcome{Status: Temporary, Unavailable: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newService(t, func(w http.ResponseWriter, _ call) {
				for name, value := range c.header {
					w.Header().Set(name, value)
				}
				w.WriteHeader(c.status)
				fmt.Fprint(w, c.body)
			})
			o := openTestGateway(t, described(s.URL)).Send(t.Context(), textMessage("Hi"))
			if o.Detail == "" || len(o.Detail) > 2*detailMax {
				t.Errorf("detail %q", o.Detail)
			}
			if o.Detail = ""; fmt.Sprint(o) != fmt.Sprint(c.want) {
				t.Errorf("outcome %+v, want %+v", o, c.want)
			}
			if n := len(s.seen()); n != 1 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

func TestAnAcceptanceIsEnoughWhereNothingMoreIsAskedFor(t *testing.T) {
	s := newService(t, func(w http.ResponseWriter, _ call) { fmt.Fprint(w, `thank you`) })
	settings := described(s.URL)
	settings.Answer = &campaigns.GatewayAnswer{}
	if o := openTestGateway(t, settings).Send(t.Context(), textMessage("Hi")); o.Status != Sent || o.ProviderID != "" {
		t.Errorf("outcome %+v", o)
	}
}

func TestAServiceThatIsNotThereLosesNothingAndCountsAsDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + l.Addr().String()
	l.Close()
	for name, at := range map[string]string{"nobody listens": address, "no such host": "http://nowhere.invalid", "no TLS": "https://" + strings.TrimPrefix(newService(t, func(http.ResponseWriter, call) {}).URL, "http://")} {
		if o := openTestGateway(t, described(at)).Send(t.Context(), textMessage("Hi")); o.Status != Temporary || !o.Unavailable {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func TestAnAnswerThatNeverComesIsUnknownAndTheRequestIsNotRepeated(t *testing.T) {
	for _, method := range []string{"POST", "GET"} {
		t.Run(method, func(t *testing.T) {
			var n atomic.Int32
			s := newService(t, func(w http.ResponseWriter, c call) {
				if n.Add(1) == 1 {
					fmt.Fprint(w, `{"data":[{"id":"x"}]}`)
					return
				}
				connection, _, err := http.NewResponseController(w).Hijack() // the request was read whole; its answer is not sent
				if err == nil {
					connection.Close()
				}
			})
			settings := described(s.URL)
			if settings.Method = method; method == "GET" {
				settings.Body, settings.URL = "", s.URL+"/send?to={{ message.to }}&text={{ message.text }}"
			}
			sender := openTestGateway(t, settings)
			if o := sender.Send(t.Context(), textMessage("one")); o.Status != Sent {
				t.Fatalf("first %+v", o)
			}
			if o := sender.Send(t.Context(), textMessage("two & three")); o.Status != Unknown { // over the same connection, which net/http would try again
				t.Errorf("second %+v", o)
			}
			if got := s.seen(); len(got) != 2 || method == "GET" && !strings.HasSuffix(got[1].uri, "text=two+%26+three") {
				t.Errorf("requests %v", got)
			}
		})
	}
}

func TestASlowServiceLeavesItsMessageUnknown(t *testing.T) {
	release := make(chan struct{})
	s := newService(t, func(http.ResponseWriter, call) { <-release })
	defer close(release)
	settings := described(s.URL)
	settings.TimeoutSeconds = 1
	if o := openTestGateway(t, settings).Send(t.Context(), textMessage("Hi")); o.Status != Unknown {
		t.Errorf("outcome %+v", o)
	}
}

func TestAKeptConnectionThatEndedIsOpenedAnew(t *testing.T) {
	s := newService(t, func(w http.ResponseWriter, _ call) { fmt.Fprint(w, `{"data":[{"id":"x"}]}`) })
	sender := openTestGateway(t, described(s.URL))
	for i := range 5 {
		if o := sender.Send(t.Context(), textMessage("Hi")); o.Status != Sent {
			t.Fatalf("message %d: %+v", i, o)
		}
		s.CloseClientConnections()
	}
	if n := len(s.seen()); n != 5 {
		t.Errorf("%d requests", n)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	var led atomic.Int32
	other := newService(t, func(http.ResponseWriter, call) { led.Add(1) })
	for _, status := range []int{301, 302, 307, 308} {
		s := newService(t, func(w http.ResponseWriter, _ call) { w.Header().Set("Location", other.URL); w.WriteHeader(status) })
		if o := openTestGateway(t, described(s.URL)).Send(t.Context(), textMessage("Hi")); o.Status != Temporary || !o.Unavailable {
			t.Errorf("%d: %+v", status, o)
		}
	}
	if led.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestWhatIsWrongWithOneMessageIsItsOwn(t *testing.T) {
	s := newService(t, func(w http.ResponseWriter, _ call) { fmt.Fprint(w, `{"data":[{"id":"x"}]}`) })
	settings := described(s.URL)
	settings.Headers["X-Words"] = "{{ message.text }}"
	sender := openTestGateway(t, settings)
	for name, m := range map[string]Message{
		"a line break for a header": textMessage("a\r\nX-Evil: 1"),
		"invalid UTF-8":             textMessage("\xff\xfe"),
		"control characters":        textMessage("a\x01b"),
		"a mark of ours":            textMessage("\x02,\"evil\":\"\x01"),
		"JSON by itself":            textMessage("\x03{\"evil\":1}"),
		"1 MB":                      textMessage(strings.Repeat("x", 1<<20)),
		"no address":                {ID: "m", Parts: templates.Parts{"text": "Hi"}},
		"a display name":            {ID: "m", To: "Ann <+8613800138000>", Parts: templates.Parts{"text": "Hi"}},
		"a line break":              {ID: "m", To: "+86138\n", Parts: templates.Parts{"text": "Hi"}},
	} {
		if o := sender.Send(t.Context(), m); o.Status != Permanent || o.Detail == "" {
			t.Errorf("%s: %+v", name, o)
		}
	}
	if n := len(s.seen()); n != 0 {
		t.Errorf("%d requests", n)
	}
	if o := sender.Send(t.Context(), textMessage("Hi")); o.Status != Sent {
		t.Errorf("the next: %+v", o)
	}
}

// TestNoValueLeavesItsPlace is the promise of frames: whatever a customer's values are, what arrives holds them as values.
func TestNoValueLeavesItsPlace(t *testing.T) {
	s := newService(t, func(w http.ResponseWriter, _ call) { fmt.Fprint(w, `{}`) })
	settings := described(s.URL)
	settings.Answer, settings.Headers = &campaigns.GatewayAnswer{}, nil
	settings.URL = s.URL + "/p/{{ message.subject }}/send?q={{ message.text }}&last=1"
	settings.Body = `{"a":"<{{ message.text }}>","b":{{ message.text | append: "!" }},"c":{{ template.params }},"d":"{{ template.params }}","e":"{{ message.html | upcase | downcase }}"}`
	sender := openTestGateway(t, settings)
	form := settings
	form.ContentType, form.Body = "application/x-www-form-urlencoded", "a={{ message.text }}&b={{ template.params | url_encode }}&last=1"
	formed := openTestGateway(t, form)
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.StringOf(rapid.RuneFrom([]rune("ab\"\\/{}%&=+?# \n\t<>'|.é中😀,:[]0"))).Draw(t, "text")
		m := Message{ID: "m", To: "+8613800138000", Parts: templates.Parts{"text": words, "subject": words, "html": strings.ToLower(words)},
			Template: &Registered{Code: "c", Params: map[string]string{"k": words}}}
		for _, one := range []Sender{sender, formed} {
			if o := one.Send(context.Background(), m); o.Status != Sent {
				t.Fatalf("%q: %+v", words, o)
			}
		}
		calls := s.seen()
		first, second := calls[len(calls)-2], calls[len(calls)-1]
		u, err := url.ParseRequestURI(first.uri)
		if err != nil || u.Query().Get("q") != words || u.Query().Get("last") != "1" || len(u.Query()) != 2 || u.Path != "/p/"+words+"/send" {
			t.Fatalf("%q: address %s (%v)", words, first.uri, err)
		}
		var body struct {
			A, B, D, E string
			C          map[string]string
		}
		inner := map[string]string{}
		if err := json.Unmarshal([]byte(first.body), &body); err != nil || json.Unmarshal([]byte(body.D), &inner) != nil {
			t.Fatalf("%q: body %s (%v)", words, first.body, err)
		}
		if body.A != "<"+words+">" || body.B != words+"!" || body.C["k"] != words || inner["k"] != words || body.E != strings.ToLower(words) {
			t.Fatalf("%q: body %s", words, first.body)
		}
		if json.Unmarshal([]byte(second.form.Get("b")), &inner) != nil || second.form.Get("a") != words || inner["k"] != words || second.form.Get("last") != "1" || len(second.form) != 3 {
			t.Fatalf("%q: form %s", words, second.body)
		}
	})
}

func TestADescriptionThatCannotWorkIsRefusedWhenItIsSaved(t *testing.T) {
	for field, change := range map[string]func(s *campaigns.ChannelSettings){
		"settings.body":                  func(s *campaigns.ChannelSettings) { s.Body = `{"to":"{{ message.too }}"}` },
		"settings.url":                   func(s *campaigns.ChannelSettings) { s.URL = "http://{{ message.text }}.example.com/" },
		"settings.headers.X-Api-Key":     func(s *campaigns.ChannelSettings) { s.Headers["X-Api-Key"] = "abc" },
		"settings.headers.Host":          func(s *campaigns.ChannelSettings) { s.Headers["Host"] = "other" },
		"settings.answer.id":             func(s *campaigns.ChannelSettings) { s.Answer.ID = "data..id" },
		"settings.preset":                func(s *campaigns.ChannelSettings) { s.Preset = "telegraph" },
		"settings.receipts.status":       func(s *campaigns.ChannelSettings) { s.Receipts = &campaigns.GatewayReceipts{ID: "id"} },
		"settings.address":               func(s *campaigns.ChannelSettings) { s.Sends, s.Consent = "wechat", "wechat_consent" },
		"settings.sends":                 func(s *campaigns.ChannelSettings) { s.Sends, s.Address, s.Consent = "any", "a", "b" },
		"settings.headers.Authorization": func(s *campaigns.ChannelSettings) { s.Headers["Authorization"] = "{% if %}" },
	} {
		settings := described("http://127.0.0.1:1")
		change(&settings)
		err := Check(campaigns.Channel{ID: "g", Name: "G", Kind: campaigns.KindGateway, Settings: settings})
		if campaigns.CodeOf(err) != campaigns.CodeInvalid || !strings.HasPrefix(err.Error(), field+":") {
			t.Errorf("%s: %v", field, err)
		}
	}
	for name, body := range map[string]string{"no JSON": `{"to": {{ message.to }}`, "a capture": `{% capture x %}{{ message.to }}{% endcapture %}{"a":{{ x }}}`, "a loop": `{"a":"{% for i in (1..9) %}x{% endfor %}"}`, "a tag that is none": `{% frob %}`} {
		settings := described("http://127.0.0.1:1")
		settings.Body = body
		if err := Check(campaigns.Channel{ID: "g", Name: "G", Kind: campaigns.KindGateway, Settings: settings}); campaigns.CodeOf(err) != campaigns.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAMachinesMetadataIsNoGateway(t *testing.T) {
	for _, at := range []string{"http://169.254.169.254", "http://[fe80::1]", "http://[::ffff:169.254.169.254]"} {
		if o := openTestGateway(t, described(at)).Send(t.Context(), textMessage("Hi")); o.Status != Temporary || !o.Unavailable || !strings.Contains(o.Detail, "link-local") {
			t.Errorf("%s: %+v", at, o)
		}
	}
}

func TestARequestThatWasWrittenIsNotInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	s := newService(t, func(w http.ResponseWriter, _ call) {
		stop()
		fmt.Fprint(w, `{"data":[{"id":"x"}]}`)
	})
	sender := openTestGateway(t, described(s.URL))
	if o := sender.Send(ctx, textMessage("Hi")); o.Status != Sent {
		t.Errorf("stopped while it waits for the answer: %+v", o)
	}
	if o := sender.Send(ctx, textMessage("Hi")); o.Status != Temporary || len(s.seen()) != 1 {
		t.Errorf("stopped before: %+v", o)
	}
}

func BenchmarkGatewaySends(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write([]byte(`{"data":[{"id":"x"}]}`))
	}))
	defer s.Close()
	sender := openTestGateway(b, described(s.URL))
	b.SetParallelism(8) // times two cores: the window
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if o := sender.Send(context.Background(), textMessage("Hi Ann, see you at the shop")); o.Status != Sent {
				b.Errorf("outcome %+v", o)
			}
		}
	})
}

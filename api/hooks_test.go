package api_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"beckon/api"
	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
	"beckon/engine/channel"
)

// a posting is a site whose providers post to it, with a look into what it keeps.
type posting struct {
	*site
	sql *pgx.Conn
}

func posted(t *testing.T) *posting {
	t.Helper()
	at := storetest.URL(t)
	clock := storetest.NewClock(t, "2026-11-21T10:00:00Z")
	s, err := store.Open(t.Context(), at, clock.Now, store.Options{Connections: 12, Key: storetest.Key()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	for _, table := range []string{"audit", "messages", "idempotency"} {
		if err := s.EnsureMonths(t.Context(), table, clock.Now(), clock.Now().AddDate(0, 1, 0)); err != nil {
			t.Fatal(err)
		}
	}
	log := &journal{}
	e := engine.New(s, engine.Options{BaseURL: "http://beckon.test"})
	server := api.New(s, e, api.Options{Version: "test", Log: slog.New(slog.NewTextHandler(log, nil))})
	t.Cleanup(server.Close)
	p := &posting{site: &site{T: t, store: s, engine: e, api: server, clock: clock, log: log}}
	p.key = p.newKey("admin", campaigns.ScopeAdmin)
	if p.spec, err = readContract(server); err != nil {
		t.Fatal(err)
	}
	if p.sql, err = pgx.Connect(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.sql.Close(t.Context()) })
	return p
}

// hook posts as a provider does: without a key of ours.
func (p *posting) hook(path, kind, body string, headers ...string) *answer {
	p.Helper()
	r := httptest.NewRequestWithContext(p.Context(), "POST", path, strings.NewReader(body))
	r.Host = "10.0.0.7:8080"
	r.Header.Set("Content-Type", kind)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	p.api.ServeHTTP(w, r)
	p.spec.check(p.T, r, w)
	return &answer{t: p, Status: w.Code, Header: w.Result().Header, Text: w.Body.String()}
}

func (p *posting) receipts() (all []campaigns.Receipt) {
	p.Helper()
	rows, err := p.sql.Query(p.Context(), `SELECT receipt FROM receipts ORDER BY id`)
	if err != nil {
		p.Fatal(err)
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		p.Fatal(err)
	}
	for _, text := range texts {
		var r campaigns.Receipt
		if err := json.Unmarshal(text, &r); err != nil {
			p.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

func (p *posting) inbound() (all [][]string) {
	p.Helper()
	rows, err := p.sql.Query(p.Context(), `SELECT ARRAY[channel_id, provider_id, sender, recipient, text, at::text] FROM inbound ORDER BY seen_at, id`)
	if err != nil {
		p.Fatal(err)
	}
	if all, err = pgx.CollectRows(rows, pgx.RowTo[[]string]); err != nil {
		p.Fatal(err)
	}
	return all
}

const form = "application/x-www-form-urlencoded"

func TestTwilioPostsReceiptsAndTextsThatItSigned(t *testing.T) {
	p := posted(t)
	p.do("PATCH", "/v1/workspace", object{"public_url": "https://shop.example.com/"}).want(200)
	p.post("/v1/channels", object{"id": "tw", "name": "Twilio", "kind": "gateway", "settings": object{"preset": "twilio", "username": "AC1", "password": "auth-token", "from": "+15005550006"}}).want(201)
	sign := func(path string, values url.Values) string {
		return channel.TwilioSignature("auth-token", "https://shop.example.com"+path, values)
	}
	delivered := url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"delivered"}, "To": {"+14155552671"}}
	gone := url.Values{"MessageSid": {"SM2"}, "MessageStatus": {"undelivered"}, "ErrorCode": {"30005"}}
	moving := url.Values{"MessageSid": {"SM3"}, "MessageStatus": {"sent"}}
	for _, values := range []url.Values{delivered, gone, moving} {
		p.hook("/hooks/tw/receipts", form, values.Encode(), "X-Twilio-Signature", sign("/hooks/tw/receipts", values)).want(200)
	}
	got := p.receipts()
	if len(got) != 3 || got[0].ProviderID != "SM1" || got[0].Status != campaigns.MessageDelivered || got[1].Status != campaigns.MessageBounced || !got[1].Hard ||
		!strings.Contains(got[1].Detail, "30005") || got[2].Status != "" {
		t.Errorf("receipts %+v", got)
	}
	p.hook("/hooks/tw/receipts", form, delivered.Encode(), "X-Twilio-Signature", sign("/hooks/tw/receipts", gone)).want(403)
	p.hook("/hooks/tw/receipts", form, delivered.Encode(), "X-Twilio-Signature", sign("/hooks/tw/inbound", delivered)).want(403)
	p.hook("/hooks/tw/receipts", form, delivered.Encode()).want(403)

	stop := url.Values{"MessageSid": {"SM9"}, "From": {"+14155552671"}, "To": {"+15005550006"}, "Body": {"STOP"}}
	answer := p.hook("/hooks/tw/inbound", form, stop.Encode(), "X-Twilio-Signature", sign("/hooks/tw/inbound", stop)).want(200)
	if answer.Text != "<Response></Response>" || !strings.HasPrefix(answer.Header.Get("Content-Type"), "text/xml") {
		t.Errorf("Twilio would send %q (%s) to who wrote", answer.Text, answer.Header.Get("Content-Type"))
	}
	p.hook("/hooks/tw/inbound", form, stop.Encode(), "X-Twilio-Signature", sign("/hooks/tw/inbound", stop)).want(200)
	if in := p.inbound(); len(in) != 1 || in[0][1] != "SM9" || in[0][2] != "+14155552671" || in[0][4] != "STOP" {
		t.Errorf("inbound %v", in)
	}
}

func TestAliyunPostsListsAndHearsItsOwnAnswer(t *testing.T) {
	p := posted(t)
	p.post("/v1/channels", object{"id": "ali", "name": "Aliyun", "kind": "gateway", "settings": object{"preset": "aliyun", "access_key": "LTAI", "access_secret": "s", "hook_secret": "prove it", "from": "Brand"}}).want(201)
	reports := `[{"phone_number":"13800138000","send_time":"2026-11-21 17:00:00","report_time":"2026-11-21 17:00:05","success":true,"err_code":"DELIVERED","err_msg":"用户接收成功","sms_size":"1","biz_id":"9^0","out_id":"m"},
		{"phone_number":"13800138001","report_time":"2026-11-21 17:00:06","success":false,"err_code":"UNDELIV","err_msg":"空号","biz_id":"8^0"},
		{"phone_number":"13800138002","success":true}]`
	path := "/hooks/ali/receipts?secret=" + url.QueryEscape("prove it")
	answer := p.hook(path, "application/json;charset=UTF-8", reports).want(200)
	if answer.Text != `{"code":0,"msg":"成功"}` || answer.Header.Get("Content-Type") != "application/json" {
		t.Errorf("answered %q (%s)", answer.Text, answer.Header.Get("Content-Type"))
	}
	got := p.receipts()
	if len(got) != 2 || got[0].ProviderID != "9^0" || got[0].Status != campaigns.MessageDelivered || !got[0].At.Equal(time.Date(2026, 11, 21, 9, 0, 5, 0, time.UTC)) ||
		got[1].Status != campaigns.MessageFailed || !strings.Contains(got[1].Detail, "空号") {
		t.Errorf("receipts %+v", got)
	}
	p.hook("/hooks/ali/inbound", "application/json", `[{"phone_number":"13800138000","send_time":"2026-11-21 17:00:00","content":"TD","sign_name":"Brand","dest_code":"1069","sequence_id":1234567890}]`,
		"Authorization", "Bearer prove it").want(200)
	if in := p.inbound(); len(in) != 1 || in[0][1] != "1234567890" || in[0][2] != "13800138000" || in[0][4] != "TD" || !strings.HasPrefix(in[0][5], "2026-11-21 09:00:00") && !strings.HasPrefix(in[0][5], "2026-11-21 17:00:00") {
		t.Errorf("inbound %v", in)
	}
}

func TestAHookTakesNothingFromWhoDoesNotProveItselfAndSaysWhatIsWrong(t *testing.T) {
	p := posted(t)
	settings := object{"url": "https://api.example.com/send", "body": "{}", "hook_secret": "sesame",
		"receipts": object{"list": "data.items", "id": "ref", "status": "state", "delivered": []string{"ok"}, "failed": []string{"no"}, "code": "why", "hard": []string{"gone"}, "at": "when", "answer": "thanks"}}
	p.post("/v1/channels", object{"id": "gate", "name": "Gate", "kind": "gateway", "settings": settings}).want(201)
	p.post("/v1/channels", object{"id": "bare", "name": "Bare", "kind": "gateway", "settings": object{"url": "https://api.example.com/send", "body": "{}"}}).want(201)
	one := `{"data":{"items":[{"ref":"a","state":"no","why":"gone","when":1795255200}]}}`
	for name, c := range map[string]struct {
		path, body string
		want       int
	}{
		"no such channel":           {"/hooks/nobody/receipts?secret=sesame", one, 404},
		"no secret":                 {"/hooks/gate/receipts", one, 403},
		"a wrong secret":            {"/hooks/gate/receipts?secret=open", one, 403},
		"an empty secret":           {"/hooks/bare/receipts?secret=", one, 403},
		"no such hook":              {"/hooks/gate/opinions?secret=sesame", one, 404},
		"what is not described":     {"/hooks/gate/inbound?secret=sesame", one, 409},
		"broken JSON":               {"/hooks/gate/receipts?secret=sesame", `{"data":`, 422},
		"nothing":                   {"/hooks/gate/receipts?secret=sesame", ``, 422},
		"another shape":             {"/hooks/gate/receipts?secret=sesame", `{"data":{"items":"none"}}`, 422},
		"an empty list":             {"/hooks/gate/receipts?secret=sesame", `{"data":{"items":[]}}`, 422},
		"an id that is no text":     {"/hooks/gate/receipts?secret=sesame", `{"data":{"items":[{"ref":{},"state":"ok"}]}}`, 422},
		"more than 1 MB":            {"/hooks/gate/receipts?secret=sesame", one + strings.Repeat(" ", 1<<20), 413},
		"an address that is broken": {"/hooks/gate/receipts?secret=sesame&x=%zz", one, 403},
	} {
		if a := p.hook(c.path, "application/json", c.body); a.Status != c.want && !(name == "an address that is broken" && a.Status >= 400 && a.Status < 500) {
			t.Errorf("%s: %d %s", name, a.Status, a.Text)
		}
	}
	if n := len(p.receipts()); n != 0 {
		t.Errorf("%d receipts of nobody", n)
	}
	if a := p.hook("/hooks/gate/receipts?secret=sesame&campaign=1", "text/whatever", one).want(200); a.Text != "thanks" {
		t.Errorf("answered %q", a.Text)
	}
	p.hook("/hooks/gate/receipts", "application/json", "\x00\xff", "Authorization", "Bearer sesame").want(422)
	got := p.receipts()
	if len(got) != 1 || !got[0].Hard || got[0].Status != campaigns.MessageFailed || got[0].At.Unix() > p.clock.Now().Unix() {
		t.Errorf("receipts %+v", got)
	}
	if strings.Contains(p.log.String(), "sesame") {
		t.Errorf("the log holds the secret:\n%s", p.log)
	}
}

func TestATestMessageGoesThroughAGatewayOfAnyKind(t *testing.T) {
	p := posted(t)
	var bodies []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, 4096)
		n, _ := r.Body.Read(body)
		bodies = append(bodies, string(body[:n]))
		if r.Header.Get("X-Api-Key") != "top-secret" {
			w.WriteHeader(401)
		}
		_, _ = w.Write([]byte(r.Header.Get("X-Api-Key") + " says hello"))
	}))
	defer s.Close()
	settings := object{"url": s.URL + "/{{ secret }}", "body": `{"to":{{ message.to }},"title":"{{ message.parts.title }}","code":"{{ template.code }}"}`, "access_secret": "top-secret",
		"headers": object{"X-Api-Key": "{{ secret }}"}, "sends": "wechat", "address": "wechat_openid", "consent": "none", "parts": []string{"title"}}
	p.put("/v1/attributes/wechat_openid", object{"type": "text"}).want(200)
	p.post("/v1/channels", object{"id": "wx", "name": "WeChat", "kind": "gateway", "settings": settings}).want(201)
	a := p.post("/v1/channels/wx/test", object{"to": "oABC", "code": "T1", "params": object{"x": "y"}}).want(200)
	if len(bodies) != 1 || bodies[0] != `{"to":"oABC","title":"This channel works.","code":"T1"}` || strings.Contains(a.Text, "top-secret") {
		t.Errorf("sent %v, answered %s", bodies, a.Text)
	}
	settings["access_secret"] = "other-secret"
	p.put("/v1/channels/wx", object{"name": "WeChat", "kind": "gateway", "settings": settings}).want(200)
	if a = p.post("/v1/channels/wx/test", object{"to": "oABC", "code": "T1"}).want(409); strings.Contains(a.Text, "secret says") || strings.Contains(a.Text, "other-secret") {
		t.Errorf("a refusal tells the secret: %s", a.Text)
	}
	if strings.Contains(p.log.String(), "secret") || strings.Contains(p.get("/v1/channels/wx").Text, "other-secret") {
		t.Errorf("a secret is told:\n%s", p.log)
	}
}

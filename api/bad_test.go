package api_test

import (
	"net/http/httptest"
	"strings"
	"testing"
)

// a badInput is a request that cannot be right, and what its answer should be; status 0 is any but 500.
type badInput struct {
	what, method, path, body string
	status                   int
	field                    string
}

func badInputs() []badInput {
	line := `"lines":[{"sku":"a","qty":1,"amount":"1"}]`
	huge := strings.Repeat("x", 1<<20)
	return []badInput{
		{"a body over the limit", "PUT", "/v1/customers/u", `{"name":"` + huge + `"}`, 413, "body"},
		{"broken JSON", "PUT", "/v1/customers/u", `{"name":`, 400, "body"},
		{"JSON that is no object", "PUT", "/v1/customers/u", `[]`, 422, "body"},
		{"JSON after JSON", "PUT", "/v1/customers/u", `{} {}`, 400, "body"},
		{"an empty body", "POST", "/v1/purchases", ``, 400, ""},
		{"invalid UTF-8", "PUT", "/v1/customers/u", "{\"name\":\"\xff\"}", 400, "body"},
		{"a raw NUL", "PUT", "/v1/customers/u", "{\"name\":\"\x00\"}", 400, "body"},
		{"an unknown field", "PUT", "/v1/customers/u", `{"nmae":"x"}`, 422, "nmae"},
		{"an unknown inner field", "POST", "/v1/purchases", `{"order_id":"o","at":"2026-11-20T12:00:00Z","lines":[{"sku":"a","qty":1,"amount":"1","colour":"red"}]}`, 422, "lines[0].colour"},
		{"a NUL", "PUT", "/v1/customers/u", `{"name":"a\u0000b"}`, 422, "name"},
		{"a NUL in an event", "POST", "/v1/events", `{"event_id":"e","customer_id":"u","name":"n","at":"2026-11-20T12:00:00Z","props":{"a":"\u0000"}}`, 422, "body"},
		{"a NUL in a tag", "PUT", "/v1/customers/u", `{"tags":["\u0000"]}`, 422, "tags"},
		{"a date that does not exist", "PUT", "/v1/customers/u", `{"birthday":"2026-02-30"}`, 422, "birthday"},
		{"a day for a time", "POST", "/v1/purchases", `{"order_id":"o","at":"2026-11-20",` + line + `}`, 422, "at"},
		{"a time that does not exist", "POST", "/v1/purchases", `{"order_id":"o","at":"2026-02-30T10:00:00Z",` + line + `}`, 422, "at"},
		{"a phone that is none", "PUT", "/v1/customers/u", `{"phone":"12345"}`, 422, "phone"},
		{"an e-mail that is none", "PUT", "/v1/customers/u", `{"email":"ann"}`, 422, "email"},
		{"a zone that is none", "PUT", "/v1/customers/u", `{"timezone":"Mars"}`, 422, "timezone"},
		{"a number for a text", "PUT", "/v1/customers/u", `{"name":7}`, 422, "name"},
		{"a text for a word", "PUT", "/v1/customers/u", `{"sms_consent":"yes"}`, 422, "sms_consent"},
		{"a negative quantity", "POST", "/v1/purchases", `{"order_id":"o","at":"2026-11-20T12:00:00Z","lines":[{"sku":"a","qty":-1,"amount":"1"}]}`, 422, "lines[0].qty"},
		{"a quantity that is too large", "POST", "/v1/purchases", `{"order_id":"o","at":"2026-11-20T12:00:00Z","lines":[{"sku":"a","qty":3000000000,"amount":"1"}]}`, 422, "lines[0].qty"},
		{"half a unit", "POST", "/v1/purchases", `{"order_id":"o","at":"2026-11-20T12:00:00Z","lines":[{"sku":"a","qty":1.5,"amount":"1"}]}`, 422, "lines[0].qty"},
		{"no lines", "POST", "/v1/purchases", `{"order_id":"o","at":"2026-11-20T12:00:00Z"}`, 422, "lines"},
		{"another currency", "POST", "/v1/purchases", `{"order_id":"o","at":"2026-11-20T12:00:00Z","currency":"EUR",` + line + `}`, 422, "currency"},
		{"a purchase ahead of time", "POST", "/v1/purchases", `{"order_id":"o","at":"2030-11-20T12:00:00Z",` + line + `}`, 422, "at"},
		{"a 1 MB rule to check", "POST", "/v1/rules/check", `{"rule":"` + strings.Repeat("x", 1_000_000) + `"}`, 422, "rule"},
		{"a 1 MiB rule to count", "POST", "/v1/rules/count", `{"rule":"` + huge + `"}`, 413, "body"},
		{"a rule that does not compile", "POST", "/v1/rules/count", `{"rule":"citi == 1"}`, 422, "rule"},
		{"a zone of a count", "POST", "/v1/rules/count", `{"rule":"true","zone":"Mars"}`, 422, "zone"},
		{"a 1 MB rule of a campaign", "POST", "/v1/campaigns", `{"name":"x","kind":"once","rule":"` + strings.Repeat("x", 1_000_000) + `","holdout":0.1,"variants":[{"name":"A","weight":1,"channel_id":"catcher","template_id":"019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11"}]}`, 422, "rule"},
		{"a campaign without anything", "POST", "/v1/campaigns", `{"name":"x","kind":"once"}`, 422, "rule"},
		{"a kind that is none", "POST", "/v1/campaigns", `{"name":"x","kind":"twice"}`, 422, "kind"},
		{"a window that is none", "POST", "/v1/campaigns", `{"name":"x","kind":"once","goal":{"window":"soon"}}`, 422, "goal.window"},
		{"a window beyond all", "POST", "/v1/campaigns", `{"name":"x","kind":"once","goal":{"window":"99999999999d"}}`, 422, "goal.window"},
		{"an id that is none", "POST", "/v1/campaigns", `{"name":"x","kind":"once","offer_id":"7"}`, 422, "offer_id"},
		{"a limit beyond all", "POST", "/v1/offers", `{"name":"x","effect":{"kind":"percent_off","value":"10"},"limits":{"total":1e30}}`, 422, "limits.total"},
		{"a percentage that is none", "POST", "/v1/offers", `{"name":"x","effect":{"kind":"percent_off","value":"ten"}}`, 422, "effect.value"},
		{"an inexact percentage", "POST", "/v1/offers", `{"name":"x","effect":{"kind":"percent_off","value":1e1}}`, 422, "effect.value"},
		{"an offer of nothing", "POST", "/v1/offers", `{"name":"x","effect":{"kind":"percent_off","value":0}}`, 422, "effect.value"},
		{"a template with a variable that is none", "POST", "/v1/templates", `{"name":"x","channel":"sms","parts":{"text":"{{ customer.nme }}"}}`, 422, "parts.text"},
		{"a template with a NUL", "POST", "/v1/templates", `{"name":"x\u0000","channel":"sms","parts":{"text":"x"}}`, 422, "name"},
		{"a channel of a kind that is none", "POST", "/v1/channels", `{"name":"x","kind":"pigeon"}`, 422, "kind"},
		{"a channel without a host", "POST", "/v1/channels", `{"name":"x","kind":"smtp"}`, 422, "settings.host"},
		{"an event without a name", "POST", "/v1/events", `{"event_id":"e","customer_id":"u","at":"2026-11-20T12:00:00Z"}`, 422, "name"},
		{"an event as deep as the sea", "POST", "/v1/events", `{"event_id":"e","customer_id":"u","name":"n","at":"2026-11-20T12:00:00Z","props":{"a":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}}`, 0, ""},
		{"JSON without a floor", "POST", "/v1/events", strings.Repeat("[", 200_000), 400, "body"},
		{"a currency that is none", "PATCH", "/v1/workspace", `{"currency":"YUAN"}`, 422, "currency"},
		{"languages that are none", "PATCH", "/v1/workspace", `{"languages":[]}`, 422, "languages"},
		{"a redemption of nothing", "POST", "/v1/redemptions", `{"order_id":"o","lines":[]}`, 422, "lines"},
		{"a price below nothing", "POST", "/v1/redemptions", `{"order_id":"o","lines":[{"qty":1,"unit_price":"-1"}],"codes":["X"]}`, 422, "lines[0].unit_price"},
	}
}

// badSendings are campaigns and settings that cannot be sent under.
func badSendings() []badInput {
	campaign := func(rest string) string {
		return `{"name":"x","kind":"once","rule":"true","variants":[{"name":"A","weight":1,"channel_id":"catcher","template_id":"019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11"}],` + rest + `}`
	}
	return []badInput{
		{"a holdout by itself", "POST", "/v1/campaigns", campaign(`"holdout":"auto"`), 422, "holdout"},
		{"a holdout in words", "POST", "/v1/campaigns", campaign(`"holdout":"some"`), 422, "holdout"},
		{"a holdout that is no number", "POST", "/v1/campaigns", campaign(`"holdout":"NaN"`), 422, "holdout"},
		{"a holdout of everybody", "POST", "/v1/campaigns", campaign(`"holdout":1`), 422, "holdout"},
		{"a holdout of a list", "POST", "/v1/campaigns", campaign(`"holdout":[0.1]`), 422, "holdout"},
		{"a liability", "POST", "/v1/campaigns", campaign(`"holdout":0.1,"budget":{"liability":"5"}`), 422, "budget.liability"},
		{"no messages", "POST", "/v1/campaigns", campaign(`"holdout":0.1,"budget":{"messages":0}`), 422, "budget.messages"},
		{"a schedule of once", "POST", "/v1/campaigns", campaign(`"holdout":0.1,"schedule":{"cron":"0 9 * * *","zone":"UTC"}`), 422, "schedule"},
		{"a sample of all and more", "POST", "/v1/campaigns", campaign(`"holdout":0.1,"audience":{"sample":1.01}`), 422, "audience.sample"},
		{"a clock that is none", "POST", "/v1/campaigns", campaign(`"holdout":0.1,"quiet_hours":{"from":"9 pm","to":"09:00"}`), 422, "quiet_hours.from"},
		{"a window without a unit", "POST", "/v1/campaigns", campaign(`"holdout":0.1,"caps":[{"channel":"sms","max":1,"window":"24"}]`), 422, "caps[0].window"},
		{"a policy that is none", "POST", "/v1/campaigns", campaign(`"holdout":0.1,"late":{"policy":"never","grace":"2h"}`), 422, "late.policy"},
		{"a fallback without a channel", "POST", "/v1/campaigns", `{"name":"x","kind":"once","rule":"true","holdout":0.1,"variants":[{"name":"A","weight":1,"channel_id":"catcher","template_id":"019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11","fallback":[{"channel_id":"","template_id":"019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a12"}]}]}`, 422, "variants[0].fallback[0].channel_id"},
		{"a time that is over long ago", "POST", "/v1/campaigns", campaign(`"holdout":0.1,"until":"2020-01-01T00:00:00Z"`), 422, "until"},
		{"a version that is none", "GET", "/v1/campaigns/019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11/versions/x", ``, 422, "version"},
		{"a version of nothing", "GET", "/v1/campaigns/019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11/versions", ``, 404, ""},
		{"a rejection without a word", "POST", "/v1/campaigns/019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11/reject", `{"reason":""}`, 422, "reason"},
		{"a cap of nothing", "PATCH", "/v1/workspace", `{"caps":[{"channel":"sms","max":0,"window":"1d"}]}`, 422, "caps[0].max"},
		{"quiet hours without an end", "PATCH", "/v1/workspace", `{"quiet_hours":{"from":"21:00","to":"25:00"}}`, 422, "quiet_hours.to"},
		{"a holdout of all campaigns", "PATCH", "/v1/workspace", `{"global_holdout":0.5}`, 422, "global_holdout"},
		{"an excluded rule that does not compile", "PATCH", "/v1/workspace", `{"excluded":"citi == 1"}`, 422, "excluded"},
		{"a blackout that ends before it begins", "PATCH", "/v1/workspace", `{"blackouts":[{"from":"2026-02-10","to":"2026-02-09"}]}`, 422, "blackouts[0].to"},
		{"a blackout on no day", "PATCH", "/v1/workspace", `{"blackouts":[{"from":"2026-02-30","to":"2026-03-01"}]}`, 422, "blackouts[0].from"},
		{"a guard above all", "PATCH", "/v1/workspace", `{"guards":{"bounces":2}}`, 422, "guards.bounces"},
		{"a setting that is none", "PATCH", "/v1/workspace", `{"quiet":true}`, 422, "quiet"},
	}
}

func TestBadInputIsNamedAndChangesNothing(t *testing.T) {
	sv := serve(t)
	for _, c := range append(badInputs(), badSendings()...) {
		t.Run(c.what, func(t *testing.T) {
			a := sv.do(c.method, c.path, c.body)
			if c.status != 0 && a.Status != c.status || a.Status >= 500 {
				t.Errorf("status %d, want %d: %s", a.Status, c.status, a.Text)
			}
			if c.field != "" {
				a.names(c.field)
			}
			if len(a.Text) > 20_000 {
				t.Errorf("the answer is %d bytes long", len(a.Text))
			}
		})
	}
	sv.get("/v1/customers").want(200)
	for _, path := range []string{"/v1/purchases/o", "/v1/customers/u"} {
		if strings.Contains(sv.get(path).Text, `"lines"`) {
			t.Errorf("%s: something bad was kept", path)
		}
	}
	if sv.get("/v1/templates").at("items", 0) != nil || sv.get("/v1/campaigns").at("items", 0) != nil || sv.get("/v1/offers").at("items", 0) != nil {
		t.Error("something bad was kept")
	}
}

func TestAddressesAndMethodsThatDoNotExist(t *testing.T) {
	sv := serve(t)
	sv.get("/v1/nothing").want(404).is("/docs#not_found", "type")
	a := sv.do("PUT", "/v1/customers", object{}).want(405)
	if a.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(a.Header.Get("Allow"), "GET") {
		t.Errorf("headers %v", a.Header)
	}
	sv.get("/v1/campaigns/7").want(404)
	sv.get("/v1/campaigns/019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11").want(404)
	sv.do("POST", "/v1/purchases", "a=b", "Content-Type", "application/x-www-form-urlencoded").want(415)
	sv.do("POST", "/v1/purchases", "a,b", "Content-Type", "text/csv").want(415)
	if a := sv.get("/v1/workspace", "X-Request-Id", "mine-7").want(200); a.Header.Get("X-Request-Id") != "mine-7" || a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("headers %v", a.Header)
	}
	sv.get("/v1/nothing", "X-Request-Id", "mine-8").is("mine-8", "request_id")
}

func TestWithoutADatabaseTheAnswerIsToTryAgain(t *testing.T) {
	sv := serve(t)
	sv.get("/v1/workspace").want(200)
	sv.store.Close()
	a := sv.get("/v1/workspace").want(503)
	if a.Header.Get("Retry-After") == "" || strings.Contains(a.Text, "pool") {
		t.Errorf("%v %s", a.Header, a.Text)
	}
	sv.post("/v1/templates", template, "Idempotency-Key", "k").want(503)
	sv.get("/readyz").want(503)
	sv.get("/healthz").want(200)
}

func TestThePagesOfOperation(t *testing.T) {
	sv := serve(t)
	sv.get("/healthz", "Authorization", "").want(200)
	sv.get("/readyz", "Authorization", "").want(200)
	sv.get("/v1/workspace").want(200)
	if a := sv.get("/metrics", "Authorization", "").want(200); !strings.Contains(a.Text, `beckon_requests_total{method="GET",route="/v1/workspace",status="200"} 1`) || !strings.Contains(a.Text, "beckon_messages") {
		t.Errorf("metrics:\n%s", a.Text)
	}
	sv.put("/v1/customers/a", object{"city": "Wuhan"}).want(200)
	sv.post("/v1/rules/count", object{"rule": `city == "Wuhan"`}).want(200).is("vector", "executor").is("all of it runs over columns in memory", "why")
	held := sv.get("/metrics", "Authorization", "").want(200).Text
	for _, gauge := range []string{`bytes{column="city"}`, "customers 1", "rows 0", "changes 0", "catch_up_seconds", "caught_up_age_seconds", "horizon_age_seconds 0", "loading_seconds 0", "loading_rows 0", "load_seconds"} {
		if !strings.Contains(held, "\nbeckon_audience_"+gauge) {
			t.Errorf("metrics have no %s:\n%s", gauge, held)
		}
	}
	docs := sv.get("/docs", "Authorization", "").want(200)
	if !strings.Contains(docs.Text, "/v1/campaigns/{id}/launch") || strings.Contains(docs.Text, "<script") || strings.Contains(docs.Text, "https://") ||
		strings.Contains(docs.Header.Get("Content-Security-Policy"), "unsafe") {
		t.Error("the page is not what it should be")
	}
	w := httptest.NewRecorder()
	sv.api.ServeHTTP(w, httptest.NewRequest("GET", "/docs.css", nil))
	if w.Code != 200 {
		t.Errorf("the stylesheet answers %d", w.Code)
	}
}

func TestInventedMethodsAreCountedUnderOneName(t *testing.T) {
	sv := serve(t)
	for _, method := range []string{"BREW", "WHEN", "PROPFIND"} {
		for _, path := range []string{"/healthz", "/nothing/here"} {
			sv.api.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(method, path, nil))
		}
	}
	text := sv.get("/metrics", "Authorization", "").want(200).Text
	if strings.Contains(text, "BREW") || strings.Contains(text, "PROPFIND") || !strings.Contains(text, `beckon_requests_total{method="other"`) {
		t.Errorf("metrics:\n%s", text)
	}
}

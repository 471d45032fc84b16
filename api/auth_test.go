package api_test

import (
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
)

func TestWithoutAKeyNothingIsAnswered(t *testing.T) {
	sv := serve(t)
	for _, header := range []string{"", "Bearer", "Bearer nonsense", "Basic YTpi", sv.key} {
		a := sv.get("/v1/customers", "Authorization", header).want(401)
		if !strings.HasPrefix(a.Header.Get("WWW-Authenticate"), `Bearer realm="beckon"`) || a.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%q: headers %v", header, a.Header)
		}
	}
	sv.get("/v1/customers", "Authorization", "bearer "+sv.key).want(200)
}

func TestAKeyOpensWhatItsScopesSay(t *testing.T) {
	sv := serve(t)
	purchase := object{"order_id": "o", "at": "2026-11-20T12:00:00Z", "lines": list{object{"sku": "a", "qty": 1, "amount": "1"}}}
	for scope, want := range map[string]map[string]bool{
		campaigns.ScopeMarketer: {"GET /v1/customers": true, "POST /v1/rules/check": true, "POST /v1/purchases": false, "PATCH /v1/workspace": false, "GET /v1/keys": false, "PUT /v1/customers/u": true},
		campaigns.ScopePOS:      {"GET /v1/customers": false, "POST /v1/purchases": true, "POST /v1/redemptions": true, "POST /v1/rules/check": false, "PUT /v1/customers/u": false},
		campaigns.ScopeIngest:   {"PUT /v1/customers/u": true, "POST /v1/purchases": true, "POST /v1/redemptions": false, "GET /v1/campaigns": false, "POST /v1/keys": false},
		campaigns.ScopeRead:     {"GET /v1/customers": true, "GET /v1/campaigns": true, "GET /v1/keys": true, "POST /v1/purchases": false, "PUT /v1/customers/u": false, "POST /v1/rules/check": false},
		campaigns.ScopeApprover: {"GET /v1/campaigns": true, "POST /v1/campaigns": false, "PUT /v1/customers/u": false},
	} {
		key := sv.newKey(scope, scope)
		for route, open := range want {
			method, path, _ := strings.Cut(route, " ")
			var body any = object{}
			switch {
			case path == "/v1/purchases":
				body = purchase
			case method == "GET":
				body = nil
			}
			a := sv.do(method, path, body, "Authorization", "Bearer "+key)
			if (a.Status != 403) != open || a.Status == 401 {
				t.Errorf("%s with scope %s: %d %s", route, scope, a.Status, a.Text)
			}
			if a.Status == 403 && !strings.Contains(a.text("detail"), "admin") {
				t.Errorf("%s: the scope that is missing is not named: %s", route, a.Text)
			}
		}
	}
}

func TestAKeyIsShownOnceAndEnds(t *testing.T) {
	sv := serve(t)
	sv.post("/v1/keys", object{"name": " ", "scopes": list{"read"}}).want(422).names("name")
	sv.post("/v1/keys", object{"name": "x", "scopes": list{}}).want(422).names("scopes")
	sv.post("/v1/keys", object{"name": "x", "scopes": list{"root"}}).want(422).names("scopes[0]")
	sv.post("/v1/keys", object{"name": "x", "scopes": list{"read"}, "expires_at": "2020-01-01T00:00:00Z"}).want(422).names("expires_at")
	made := sv.post("/v1/keys", object{"name": "till 7", "scopes": list{"read"}, "expires_at": "2026-11-22T10:00:00Z"}).want(201)
	secret := made.text("secret")
	if list := sv.get("/v1/keys").want(200); strings.Contains(list.Text, secret) || strings.Contains(sv.get("/v1/audit").Text, secret) {
		t.Error("the secret is shown again")
	}
	sv.get("/v1/customers", "Authorization", "Bearer "+secret).want(200)
	if used := sv.get("/v1/keys").text("items", 0, "last_used_at"); used == "" {
		t.Error("the key's use is not noted")
	}
	sv.clock.Advance(25 * time.Hour)
	sv.get("/v1/customers", "Authorization", "Bearer "+secret).want(401)

	second := sv.post("/v1/keys", object{"name": "till 8", "scopes": list{"read"}}).want(201)
	sv.get("/v1/customers", "Authorization", "Bearer "+second.text("secret")).want(200)
	sv.do("DELETE", "/v1/keys/"+second.text("id"), nil).want(204)
	sv.get("/v1/customers", "Authorization", "Bearer "+second.text("secret")).want(401)
	sv.do("DELETE", "/v1/keys/"+second.text("id"), nil).want(404)
	sv.do("DELETE", "/v1/keys/none", nil).want(404)
}

func TestNoRequestLeavesPersonalDataInTheLog(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/customers/ann@example.com", object{"name": "Ann Private", "phone": "13800138000"}).want(200)
	sv.get("/v1/customers/ann@example.com?x=Private").want(422)
	sv.post("/v1/suppressions", object{"channel": "email", "address": "ann@example.com"}).want(201)
	sv.do("DELETE", "/v1/suppressions?channel=email&address=ann@example.com", nil).want(204)
	for _, personal := range []string{"ann@example.com", "Private", "13800138000", sv.key} {
		if strings.Contains(sv.log.String(), personal) {
			t.Errorf("%q is in the log", personal)
		}
	}
	if !strings.Contains(sv.log.String(), "route=/v1/customers/:id") {
		t.Errorf("the route is not in the log:\n%s", sv.log)
	}
}

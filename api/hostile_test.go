package api_test

import (
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// An operation of the document, as far as odd requests need to know it.
type operation struct {
	Parameters  []struct{ Name, In string }
	RequestBody *struct {
		Content map[string]struct{ Schema schema }
	}
}

type schema struct {
	Ref        string `json:"$ref"`
	Properties map[string]json.RawMessage
}

// TestNoOddRequestIsAnInternalError asks every route for odd things; do fails on a 500 and on an answer that the document
// does not describe.
func TestNoOddRequestIsAnInternalError(t *testing.T) {
	sv := serve(t)
	w := httptest.NewRecorder()
	sv.api.ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	var document struct {
		Paths      map[string]map[string]operation
		Components struct{ Schemas map[string]schema }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	for path, operations := range document.Paths {
		for method, op := range operations {
			for _, target := range oddTargets(path, op) {
				sv.do(strings.ToUpper(method), target, nil)
			}
			if op.RequestBody == nil {
				continue
			}
			of := op.RequestBody.Content["application/json"].Schema
			if name, is := strings.CutPrefix(of.Ref, "#/components/schemas/"); is {
				of = document.Components.Schemas[name]
			}
			for _, body := range oddBodies(of) {
				sv.do(strings.ToUpper(method), strings.NewReplacer("{id}", "x", "{name}", "x", "{order_id}", "x", "{token}", "x").Replace(path), body)
			}
		}
	}
}

// oddTargets fill a path and each parameter of a query with values that nobody means.
func oddTargets(path string, op operation) (targets []string) {
	odd := []string{"\x00", "\xff", "x", "-1", "019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11", "99999999999999999999", "a/../b", "%", strings.Repeat("x", 3000), "名"}
	fill := func(value string) string {
		for {
			from, to := strings.Index(path, "{"), strings.Index(path, "}")
			if from < 0 {
				return path
			}
			path = path[:from] + url.PathEscape(value) + path[to+1:]
		}
	}
	pattern := path
	for _, value := range odd {
		path = pattern
		targets = append(targets, fill(value))
		path = pattern
		for _, p := range op.Parameters {
			if p.In == "query" {
				targets = append(targets, fill("x")+"?"+p.Name+"="+url.QueryEscape(value))
			}
		}
		if !strings.Contains(pattern, "{") && len(op.Parameters) == 0 {
			break
		}
	}
	return targets
}

// oddBodies are bodies that are wrong as a whole, and the properties of the right one with values that nobody means.
func oddBodies(of schema) []string {
	bodies := []string{`null`, `[]`, `{}`, `"x"`, `7`, `{"":{}}`, `{"\u0000":1}`}
	for name := range of.Properties {
		for _, value := range []string{`null`, `-1`, `1e308`, `9223372036854775808`, `""`, `"\u0000"`, `"\ud800"`, `[]`, `{}`, `[{}]`, `[null]`, `{"x":{"y":[1]}}`, `true`,
			`"0000-01-01T00:00:00Z"`, `"9999-12-31T23:59:59.999999999Z"`, `"0000-01-01"`, `"` + strings.Repeat("x", 5000) + `"`} {
			bodies = append(bodies, `{"`+name+`":`+value+`}`)
		}
	}
	return bodies
}

// TestNoOddValueIsAnInternalError sends right bodies in which one value is odd, at any depth.
func TestNoOddValueIsAnInternalError(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/attributes/event.visit.n", object{"type": "int"}).want(200)
	sv.put("/v1/customers/u", object{"email": "u@example.com"}).want(200)
	templateID := sv.post("/v1/templates", object{"name": "Hi", "channel": "sms", "parts": object{"text": "Hi"}}).want(201).text("id")
	sv.post("/v1/purchases", object{"order_id": "o", "customer_id": "u", "at": "2026-11-20T12:00:00Z", "lines": list{object{"sku": "a", "qty": 100, "amount": "1"}}}).want(201)
	for route, body := range map[string]any{
		"POST /v1/purchases":            object{"order_id": "p", "customer_id": "u", "at": "2026-11-20T12:00:00Z", "store": "s", "lines": list{object{"sku": "a", "brand": "b", "category": "c", "qty": 1, "amount": "1"}}, "coupon_codes": list{"x"}},
		"POST /v1/events":               object{"event_id": "e", "customer_id": "u", "name": "visit", "at": "2026-11-20T12:00:00Z", "props": object{"n": 1, "m": object{"k": "v"}}},
		"POST /v1/purchases/o/refunds":  object{"refund_id": "r", "at": "2026-11-20T12:00:00Z", "lines": list{object{"sku": "a", "qty": 1}}},
		"POST /v1/redemptions":          object{"order_id": "r", "customer_id": "u", "at": "2026-11-20T12:00:00Z", "codes": list{"ABCD"}, "allow_partial": true, "lines": list{object{"sku": "a", "qty": 1, "unit_price": "1"}}},
		"POST /v1/offers":               object{"name": "x", "status": "live", "effect": object{"kind": "amount_off", "value": "5", "max": "3", "scope": "order"}, "from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z", "days_after_issue": 3, "limits": object{"total": 5, "per_code": 1}, "reach": "issued"},
		"POST /v1/templates":            object{"name": "x", "channel": "email", "parts": object{"subject": "x", "text": "{{ customer.name }}"}, "variables": object{"customer.name": object{"default": "d", "missing": "skip"}}},
		"POST /v1/campaigns":            object{"name": "x", "kind": "recurring", "rule": "true", "schedule": object{"cron": "0 9 * * *", "zone": "UTC"}, "goal": object{"metric": "purchase", "window": "14d"}, "holdout": 0.1, "entry": object{"once_per": "day"}, "valid_for": "3d", "metrics": list{object{"name": "m", "of": "event:visit", "kind": "rate"}}, "variants": list{object{"name": "A", "weight": 1, "channel_id": "catcher", "template_id": templateID}}},
		"POST /v1/channels":             object{"name": "x", "kind": "smtp", "settings": object{"host": "h", "port": 25, "tls": "none", "username": "u", "password": "p", "from": "a@example.com", "from_name": "A", "connections": 1, "rate_per_second": 1.5}},
		"POST /v1/keys":                 object{"name": "x", "scopes": list{"read"}, "expires_at": "2027-01-01T00:00:00Z"},
		"POST /v1/rules/count":          object{"rule": "true", "as_of": "2026-11-20T12:00:00Z", "zone": "UTC"},
		"POST /v1/customers/u/consents": object{"channel": "email", "topic": "t", "granted": true, "at": "2026-11-20T12:00:00Z", "source": "s", "proof": "p"},
		"POST /v1/suppressions":         object{"channel": "email", "address": "a@example.com", "reason": "r"},
	} {
		method, path, _ := strings.Cut(route, " ")
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		if a := sv.do(method, path, string(text)); a.Status >= 400 && a.Status != 409 && a.Status != 422 {
			t.Errorf("%s: the right body answers %d %s", route, a.Status, a.Text)
		}
		for _, odd := range oddBodies(schema{Properties: map[string]json.RawMessage{"v": nil}})[7:] {
			value := strings.TrimSuffix(strings.TrimPrefix(odd, `{"v":`), "}")
			for _, variant := range replaced(body, json.RawMessage(value)) {
				sv.do(method, path, variant)
			}
		}
	}
}

// replaced are copies of a value in each of which one inner value is another.
func replaced(value any, by json.RawMessage) (variants []any) {
	switch v := value.(type) {
	case object:
		for name := range v {
			for _, inner := range append(replaced(v[name], by), by) {
				changed := object{}
				for other := range v {
					changed[other] = v[other]
				}
				changed[name] = inner
				variants = append(variants, changed)
			}
		}
	case list:
		for i := range v {
			for _, inner := range append(replaced(v[i], by), by) {
				changed := append(list{}, v...)
				changed[i] = inner
				variants = append(variants, changed)
			}
		}
	}
	return variants
}

package api_test

import (
	"strings"
	"sync"
	"testing"
)

func TestTemplatesAreVersionedPreviewedAndDeleted(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/customers/u", object{"name": "安", "city": "上海"}).want(200)
	made := sv.post("/v1/templates", object{"name": "Hi", "channel": "sms", "parts": object{"text": "你好 {{ customer.name }}"}, "variables": object{"customer.name": object{"default": "friend"}}}).want(201).is(1, "revision")
	path := "/v1/templates/" + made.text("id")
	sv.post(path+"/preview", object{"customer_id": "u"}).want(200).is("你好 安", "parts", "text").is("ucs2", "sms", "encoding").is(1, "sms", "segments")
	sv.post(path+"/preview", object{"customer_id": "nobody"}).want(404)
	sv.put(path, object{"name": "Hi", "channel": "sms", "parts": object{"text": "Hello"}}, "If-Match", made.Header.Get("ETag")).want(200).is(2, "revision")
	sv.put(path, object{"name": "Hi", "channel": "sms", "parts": object{"text": "Hello"}}, "If-Match", made.Header.Get("ETag")).want(412)
	sv.do("DELETE", path, nil, "If-Match", made.Header.Get("ETag")).want(412)
	sv.do("DELETE", path, nil).want(204)
	sv.get(path).want(404)
	sv.do("DELETE", path, nil).want(404)
}

func TestAChannelsSecretsAreNeverReadBack(t *testing.T) {
	sv := serve(t)
	made := sv.post("/v1/channels", object{"name": "main", "kind": "smtp", "settings": object{"host": "127.0.0.1", "port": 9, "tls": "none", "username": "me",
		"password": "hunter2hunter2", "from": "shop@example.com"}}).want(201)
	path := "/v1/channels/" + made.text("id")
	sv.put(path, object{"name": "main", "kind": "smtp", "settings": object{"host": "127.0.0.1", "port": 10, "tls": "none", "username": "me", "from": "shop@example.com"}},
		"If-Match", made.Header.Get("ETag")).want(200).is(10, "settings", "port")
	sv.put(path, object{"name": "main", "kind": "catcher"}).want(422).names("kind")
	for _, text := range []string{made.Text, sv.get(path).want(200).Text, sv.get("/v1/channels").want(200).Text, sv.get("/v1/audit").want(200).Text} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("the password is shown: %s", text)
		}
	}
	sv.get("/v1/channels/catcher").want(200).is("catcher", "kind")
	sv.post("/v1/channels/catcher/test", object{"to": "me@example.com"}).want(200)
	sv.post("/v1/channels/nothing/test", object{"to": "me@example.com"}).want(404)
	sv.post("/v1/channels", object{"id": "catcher", "name": "x", "kind": "catcher"}).want(409)
	sv.walks("/v1/channels?limit=1", "id", 2)
}

func TestAnOfferIsVersionedAndGoesLive(t *testing.T) {
	sv := serve(t)
	made := sv.post("/v1/offers", object{"name": "Ten", "effect": object{"kind": "percent_off", "value": 10.5}}).want(201).is("draft", "status").is("10.5", "effect", "value")
	path := "/v1/offers/" + made.text("id")
	read := sv.get(path).want(200)
	sv.put(path, strings.Replace(read.Text, `"draft"`, `"live"`, 1), "If-Match", read.Header.Get("ETag")).want(200).is("live", "status").is(2, "revision")
	sv.put(path, object{"name": "Ten", "effect": object{"kind": "percent_off", "value": "11"}}).want(200).is("live", "status").is("11", "effect", "value")
	sv.put(path, object{"name": "Ten", "effect": object{"kind": "percent_off", "value": "101"}}).want(422).names("effect.value")
	sv.put(path, object{"name": "Ten", "status": "gone", "effect": object{"kind": "percent_off", "value": "11"}}).want(422).names("status")
	sv.do("PATCH", "/v1/workspace", object{"currency": "JPY"}).want(409)
	sv.walks("/v1/offers?limit=1", "id", 1)
}

func TestARuleIsCheckedAndCounted(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/customers/a", object{"city": "上海", "phone": "+8613800138000", "sms_consent": true}).want(200)
	sv.put("/v1/customers/b", object{"city": "上海", "email": "b@example.com", "email_consent": false}).want(200)
	sv.put("/v1/customers/c", object{"city": "北京"}).want(200)
	sv.post("/v1/rules/check", object{"rule": `city == "上海" && total_spend > 100`}).want(200).is(true, "valid").is("city", "attributes", 0)
	sv.post("/v1/rules/check", object{"rule": `citi == "上海"`}).want(200).is(false, "valid").is(1, "errors", 0, "line").is("rule", "errors", 0, "field")
	sv.post("/v1/rules/check", object{"rule": ``}).want(200).is(false, "valid")
	sv.post("/v1/rules/count", object{"rule": `city == "上海"`}).want(200).is(2, "count").is(3, "total").is(1, "reachable", "sms").is(0, "reachable", "email")
	sv.post("/v1/rules/count", object{"rule": `now < time("2020-01-01T00:00")`, "as_of": "2019-01-01T00:00:00Z", "zone": "UTC"}).want(200)
}

func TestEditsOfOneThingAtTheSameTimeAreAllMade(t *testing.T) {
	sv := serve(t)
	templateID, offerID := sv.shop(1, nil)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if a := sv.put("/v1/templates/"+templateID, object{"name": "Hi", "channel": "sms", "parts": object{"text": "Hello"}}); a.Status != 200 {
				t.Errorf("the template: %d %s", a.Status, a.Text)
			}
			if a := sv.put("/v1/offers/"+offerID, object{"name": "Ten", "effect": object{"kind": "amount_off", "value": 11}}); a.Status != 200 {
				t.Errorf("the offer: %d %s", a.Status, a.Text)
			}
		})
	}
	all.Wait()
	sv.get("/v1/templates/"+templateID).want(200).is(5, "revision")
	sv.get("/v1/offers/"+offerID).want(200).is(5, "revision")
}

package api_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const template = `{"name":"Hi","channel":"sms","parts":{"text":"Hello"}}`

func TestARepeatedRequestGetsTheFirstAnswer(t *testing.T) {
	sv := serve(t)
	first := sv.post("/v1/templates", template, "Idempotency-Key", "k1").want(201)
	again := sv.post("/v1/templates", template, "Idempotency-Key", "k1").want(201)
	if again.Text != first.Text || again.Header.Get("ETag") != first.Header.Get("ETag") || again.Header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("the second answer differs: %s\n%v", again.Text, again.Header)
	}
	sv.walks("/v1/templates?limit=5", "id", 1)
	sv.post("/v1/templates", strings.Replace(template, "Hi", "Ho", 1), "Idempotency-Key", "k1").want(422).names("Idempotency-Key")
	sv.post("/v1/rules/check", template, "Idempotency-Key", "k1").want(422).names("name")
	sv.post("/v1/templates", `{"name":"","channel":"sms","parts":{}}`, "Idempotency-Key", "k2").want(422).names("name")
	sv.post("/v1/templates", `{"name":"","channel":"sms","parts":{}}`, "Idempotency-Key", "k2").want(422).names("name")
	sv.post("/v1/templates", template, "Idempotency-Key", strings.Repeat("k", 300)).want(422).names("Idempotency-Key")
	sv.clock.Advance(25 * time.Hour)
	sv.post("/v1/templates", template, "Idempotency-Key", "k1").want(201)
	sv.walks("/v1/templates?limit=5", "id", 2)
}

func TestAnotherKeyHasItsOwnRepeats(t *testing.T) {
	sv := serve(t)
	other := sv.newKey("other", "marketer")
	first := sv.post("/v1/templates", template, "Idempotency-Key", "k1").want(201)
	second := sv.post("/v1/templates", template, "Idempotency-Key", "k1", "Authorization", "Bearer "+other).want(201)
	if first.text("id") == second.text("id") {
		t.Error("two keys got one answer")
	}
}

func TestARepeatedKeyIsTheSameSecretAndLiesNowhere(t *testing.T) {
	sv := serve(t)
	first := sv.post("/v1/keys", object{"name": "x", "scopes": list{"read"}}, "Idempotency-Key", "k").want(201)
	again := sv.post("/v1/keys", object{"name": "x", "scopes": list{"read"}}, "Idempotency-Key", "k").want(201)
	if first.text("secret") == "" || first.text("secret") != again.text("secret") {
		t.Error("the repeated answer has another secret")
	}
	sv.walks("/v1/keys?limit=1", "id", 2)
}

func TestOfManyAtOnceOneHappens(t *testing.T) {
	sv := serve(t)
	var waiting sync.WaitGroup
	answers := make([]*answer, 20)
	for i := range answers {
		waiting.Go(func() { answers[i] = sv.post("/v1/templates", template, "Idempotency-Key", "same") })
	}
	waiting.Wait()
	made := 0
	for _, a := range answers {
		switch a.Status {
		case http.StatusCreated:
			made++
		case http.StatusConflict:
			if a.Header.Get("Retry-After") == "" {
				t.Error("a conflict does not say when to ask again")
			}
		default:
			t.Errorf("status %d: %s", a.Status, a.Text)
		}
	}
	if made == 0 {
		t.Error("none was answered")
	}
	sv.walks("/v1/templates?limit=5", "id", 1)
}

func TestTwentyTillsPostOneOrder(t *testing.T) {
	sv := serve(t)
	var waiting sync.WaitGroup
	statuses := make([]int, 20)
	for i := range statuses {
		waiting.Go(func() {
			statuses[i] = sv.post("/v1/purchases", `{"order_id":"o","customer_id":"u","at":"2026-11-20T12:00:00Z","lines":[{"sku":"a","qty":1,"amount":"5"}]}`).Status
		})
	}
	waiting.Wait()
	made := 0
	for _, status := range statuses {
		if status == http.StatusCreated {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d were made: %v", made, statuses)
	}
	sv.get("/v1/customers/u").want(200).is(1, "purchase_count").is("5.00", "total_spend")
}

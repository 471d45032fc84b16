package api_test

import (
	"fmt"
	"testing"
)

func TestAPurchaseCountsOnceAndComesBack(t *testing.T) {
	sv := serve(t)
	order := object{"order_id": "o-1", "customer_id": "u-1", "at": "2026-11-20T12:00:00+08:00", "store": "s1", "currency": "CNY",
		"lines": list{object{"sku": "a", "brand": "B", "category": "tea", "qty": 3, "amount": "100.00"}, object{"sku": "fee", "qty": 0, "amount": 2.5}}}
	sv.post("/v1/purchases", order).want(201).is(true, "created").is("102.50", "amount").is("2.50", "lines", 1, "amount")
	sv.post("/v1/purchases", order).want(200).is(false, "created")
	sv.get("/v1/customers/u-1").want(200).is(1, "purchase_count").is("102.50", "total_spend").is("102.50", "avg_basket")
	refund := object{"refund_id": "r-1", "lines": list{object{"sku": "a", "qty": 1}}}
	sv.post("/v1/purchases/o-1/refunds", refund).want(201).is("33.33", "amount").is(true, "created")
	sv.post("/v1/purchases/o-1/refunds", refund).want(200).is("33.33", "amount").is(false, "created")
	sv.post("/v1/purchases/o-1/refunds", object{"refund_id": "r-2", "lines": list{object{"sku": "a", "qty": 9}}}).want(422).names("lines[0].qty")
	sv.get("/v1/purchases/o-1").want(200).is("33.33", "refunded").is("r-1", "refunds", 0, "refund_id")
	sv.post("/v1/purchases/o-1/refunds", object{"refund_id": "r-3"}).want(201).is("69.17", "amount")
	sv.get("/v1/purchases/o-1").want(200).is(true, "void")
	sv.get("/v1/customers/u-1").want(200).is(0, "purchase_count").is("0.00", "total_spend")
	sv.post("/v1/purchases/o-9/refunds", object{"refund_id": "r-4"}).want(404)
	sv.get("/v1/purchases/o-9").want(404)
}

func TestMoneyIsTheSameAsNumberAndString(t *testing.T) {
	sv := serve(t)
	for i, amount := range []string{`"33.33"`, `33.33`, `33.330`, `"33.33000"`} {
		body := fmt.Sprintf(`{"order_id":"m%d","at":"2026-11-20T12:00:00Z","lines":[{"sku":"a","qty":1,"amount":%s}]}`, i, amount)
		sv.post("/v1/purchases", body).want(201).is("33.33", "amount")
	}
	sv.post("/v1/purchases", `{"order_id":"big","at":"2026-11-20T12:00:00Z","lines":[{"sku":"a","qty":1,"amount":900719925474.93}]}`).want(201).is("900719925474.93", "amount")
	for _, amount := range []string{`33.333`, `"33.333"`, `1e2`, `"1e2"`, `"abc"`, `true`, `null`, `""`, `{}`, `[1]`, `99999999999999999999`, `1e400`} {
		body := fmt.Sprintf(`{"order_id":"bad","at":"2026-11-20T12:00:00Z","lines":[{"sku":"a","qty":1,"amount":%s}]}`, amount)
		a := sv.post("/v1/purchases", body)
		if amount == `1e400` {
			a.want(400)
			continue
		}
		a.want(422).names("lines[0].amount")
	}
	sv.get("/v1/purchases/bad").want(404)
}

func TestManyPurchasesAreKeptAllOrNone(t *testing.T) {
	sv := serve(t)
	one := func(id string, qty int) object {
		return object{"order_id": id, "customer_id": "u", "at": "2026-11-20T12:00:00Z", "lines": list{object{"sku": "a", "qty": qty, "amount": "1"}}}
	}
	sv.post("/v1/purchases", object{"items": list{one("a", 1), one("b", 2)}}).want(201).is(2, "written")
	sv.post("/v1/purchases", object{"items": list{one("b", 1), one("c", 2)}}).want(201).is(1, "written").is(false, "items", 0, "created")
	sv.post("/v1/purchases", object{"items": list{one("b", 1), one("c", 2)}}).want(200).is(0, "written")
	sv.post("/v1/purchases", object{"items": list{one("d", 1), one("e", -2)}}).want(422).names("items[1].lines[0].qty")
	sv.get("/v1/purchases/d").want(404)
	sv.post("/v1/purchases", object{"items": list{}}).want(422).names("items")
	sv.post("/v1/purchases", object{}).want(422).names("order_id").names("at").names("lines")
	sv.get("/v1/customers/u").want(200).is(3, "purchase_count")
}

func TestEventsCountOnce(t *testing.T) {
	sv := serve(t)
	event := object{"event_id": "e1", "customer_id": "u", "name": "visit", "at": "2026-11-20T12:00:00Z", "props": object{"page": "home", "n": 12345678901234567}}
	sv.post("/v1/events", event).want(201).is(true, "items", 0, "created")
	sv.post("/v1/events", event).want(200).is(false, "items", 0, "created")
	sv.post("/v1/events", object{"items": list{event, object{"event_id": "e2", "customer_id": "u", "name": "visit", "at": "1950-01-01T00:00:00Z"}}}).want(201).is(1, "written")
	sv.post("/v1/events", object{"items": list{object{"event_id": "e3", "customer_id": "u", "name": "", "at": "2026-11-20T12:00:00Z"}}}).want(422).names("items[0].name")
	sv.post("/v1/events", object{"event_id": "e4", "customer_id": "u", "name": "visit", "at": "2027-11-20T12:00:00Z"}).want(422).names("at")
	sv.post("/v1/rules/count", object{"rule": `any(events, .name == "visit")`}).want(200).is(1, "count")
}

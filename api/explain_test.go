package api_test

import "testing"

func TestARuleIsExplainedForACustomer(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/customers/a", object{"city": "上海", "tier": "gold", "birthday": "1990-11-24", "tags": list{"vip"}}).want(200)
	rule := `city == "上海" && ("vip" in tags || points > 10) && total_spend >= 200`
	a := sv.post("/v1/rules/explain", object{"rule": rule, "customer_id": "a"}).want(200).is(false, "matches").is(rule, "tree", "text")
	a.is("total_spend >= 200", "kept_out_by", 0).is(nil, "kept_out_by", 1)
	a.is(`"vip" in tags || points > 10`, "tree", "children", 1, "text").is(true, "tree", "children", 1, "matches")
	a.is("total_spend", "tree", "children", 2, "children", 0, "text").is("0.00", "tree", "children", 2, "children", 0, "value")
	a.is(nil, "tree", "children", 2, "children", 0, "matches")
	sv.post("/v1/rules/explain", object{"rule": `birthday_in(7)`, "customer_id": "a"}).want(200).is(true, "matches").is(nil, "kept_out_by", 0)
	sv.post("/v1/rules/explain", object{"rule": `days_since(last_purchase_at) > 9`, "customer_id": "a"}).want(200).
		is("missing", "tree", "children", 0, "value").is("days_since(last_purchase_at) > 9", "kept_out_by", 0)
	sv.post("/v1/rules/explain", object{"rule": `citi == "x"`, "customer_id": "a"}).want(422).names("rule")
	sv.post("/v1/rules/explain", object{"rule": `true`, "customer_id": "nobody"}).want(404)
	sv.post("/v1/rules/explain", object{"rule": `true`}).want(422)
}

func TestACountTellsEachClauseByItself(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/customers/a", object{"city": "上海", "tier": "gold"}).want(200)
	sv.put("/v1/customers/b", object{"city": "上海"}).want(200)
	sv.put("/v1/customers/c", object{"city": "北京", "tier": "gold"}).want(200)
	sv.post("/v1/rules/count", object{"rule": `city == "上海" and (tier == "gold" && name == nil)`}).want(200).is(1, "count").is(3, "total").
		is(`city == "上海"`, "clauses", 0, "text").is(2, "clauses", 0, "count").is(`tier == "gold"`, "clauses", 1, "text").is(2, "clauses", 1, "count").
		is(3, "clauses", 2, "count").is(nil, "clauses", 3)
	sv.post("/v1/rules/count", object{"rule": `city == "上海" || tier == "gold"`}).want(200).is(3, "count").is(3, "clauses", 0, "count").is(nil, "clauses", 1)
}

func TestAForecastFollowsTheCalendar(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/customers/a", object{"birthday": "1990-11-24"}).want(200)
	sv.put("/v1/customers/b", object{"birthday": "1990-11-23"}).want(200)
	sv.put("/v1/customers/c", object{}).want(200)
	a := sv.post("/v1/rules/forecast", object{"rule": `birthday_in(1)`, "days": 5}).want(200)
	for i, want := range []int{0, 1, 2, 1, 0} {
		a.is(want, "days", i, "count")
	}
	a.is("2026-11-21", "days", 0, "date").is("2026-11-25", "days", 4, "date").is(nil, "days", 5)
	if table := sv.post("/v1/rules/forecast?format=csv", object{"rule": `birthday_in(1)`, "days": 2}).want(200).Text; table != "date,count\n2026-11-21,0\n2026-11-22,1\n" {
		t.Errorf("the table is %q", table)
	}
	sv.post("/v1/rules/forecast", object{"rule": `true`, "days": 366}).want(200).is(3, "days", 365, "count").is("2027-11-21", "days", 365, "date")
	sv.post("/v1/rules/forecast", object{"rule": `true`, "days": 367}).want(422).names("days")
	sv.post("/v1/rules/forecast", object{"rule": `true`, "days": 0}).want(422).names("days")
	sv.post("/v1/rules/forecast", object{"rule": `citi`, "days": 1}).want(422).names("rule")
}

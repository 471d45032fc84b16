package api_test

import (
	"strings"
	"testing"
)

func TestAComputedAttributeIsUsedByItsName(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/attributes/visits", object{"type": "int"}).want(200)
	sv.put("/v1/customers/a", object{"tier": "gold", "attributes": object{"visits": 8}}).want(200)
	sv.put("/v1/customers/b", object{"attributes": object{"visits": 2}}).want(200)
	made := sv.put("/v1/attributes/value_score", object{"computed": `0.5 * visits + (tier == "gold" ? 10 : 0)`}).want(200).is("number", "type")
	sv.get("/v1/attributes/value_score").want(200).is(made.text("computed"), "computed")
	sv.post("/v1/rules/count", object{"rule": `value_score >= 14`}).want(200).is(1, "count")
	sv.post("/v1/rules/check", object{"rule": `value_score >= 14`}).want(200).is("value_score", "attributes", 0)
	sv.post("/v1/rules/check", object{"rule": `value_score == "x"`}).want(200).is(false, "valid")
	sv.post("/v1/rules/explain", object{"rule": `value_score >= 14`, "customer_id": "b"}).want(200).is("1", "tree", "children", 0, "value")
	sv.put("/v1/attributes/value_score", object{"computed": `0.5 * visits`}).want(200)
	sv.put("/v1/attributes/value_score", sv.get("/v1/attributes/value_score").Text).want(200)
	sv.post("/v1/rules/count", object{"rule": `value_score >= 14`}).want(200).is(0, "count")
	sv.post("/v1/segments", object{"name": "loyal", "rule": `value_score > 3`}).want(201)
	sv.post("/v1/rules/count", object{"rule": `segment("loyal")`}).want(200).is(1, "count")
	sv.put("/v1/customers/a", object{"attributes": object{"value_score": 7}}).want(422).names("attributes.value_score")
	sv.get("/v1/customers/a").want(200).is(nil, "attributes", "value_score")
	sv.walks("/v1/attributes?limit=1", "name", 2)
}

func TestAWrongComputedAttributeIsRefused(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/attributes/visits", object{"type": "int"}).want(200)
	sv.put("/v1/attributes/visits", object{"computed": "1 + 1"}).want(409)
	sv.put("/v1/attributes/total_spend", object{"computed": "1 + 1"}).want(422).names("name")
	sv.put("/v1/attributes/Bad", object{"computed": "1 + 1"}).want(422).names("name")
	sv.put("/v1/attributes/event.view.price", object{"computed": "1 + 1"}).want(422).names("computed")
	sv.put("/v1/attributes/one", object{"computed": "vists + 1"}).want(422).names("computed")
	sv.put("/v1/attributes/one", object{"computed": "tags"}).want(422).names("computed")
	sv.put("/v1/attributes/one", object{"computed": "visits + 1", "type": "text"}).want(422).names("type")
	sv.put("/v1/attributes/one", object{}).want(422).names("type")
	sv.put("/v1/attributes/one", object{"computed": "visits + 1", "type": "int"}).want(200)
	sv.put("/v1/attributes/one", object{"type": "int"}).want(409)
	sv.put("/v1/attributes/two", object{"computed": "one * 2"}).want(200)
	circle := sv.put("/v1/attributes/one", object{"computed": "two + 1"}).want(422).names("computed")
	if !strings.Contains(circle.Text, "one → two → one") {
		t.Errorf("the circle is not named: %s", circle.Text)
	}
}

func TestAChangeThatWouldBreakARuleInUseIsReported(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/attributes/score", object{"computed": "purchase_count * 2"}).want(200)
	sv.post("/v1/segments", object{"name": "keen", "rule": `score > 3`}).want(201)
	broken := sv.put("/v1/attributes/score", object{"computed": `tier ?? "none"`}).want(409)
	if !strings.Contains(broken.Text, `this change would break the segment \"keen\" (`) {
		t.Errorf("the problem does not say what would break: %s", broken.Text)
	}
	sv.post("/v1/segments", object{"name": "own", "rule": `let best = 3; purchase_count > best`}).want(201)
	taken := sv.put("/v1/attributes/best", object{"computed": `purchase_count`}).want(409)
	if !strings.Contains(taken.Text, "the name `best` is taken") {
		t.Errorf("the problem does not say what would break: %s", taken.Text)
	}
	sv.post("/v1/rules/count", object{"rule": `segment("keen")`}).want(200).is(0, "count")
}

package api_test

import (
	"strings"
	"testing"
)

func TestASegmentIsSavedUsedChangedAndDeleted(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/customers/a", object{"city": "上海", "tier": "gold"}).want(200)
	sv.put("/v1/customers/b", object{"city": "上海"}).want(200)
	made := sv.post("/v1/segments", object{"name": "gold ones", "rule": `tier == "gold"`}).want(201).is(1, "revision").is("gold ones", "name")
	path := "/v1/segments/" + made.text("id")
	sv.get("/v1/segments/gold%20ones").want(200).is(made.text("id"), "id")
	sv.post("/v1/rules/count", object{"rule": `segment("gold ones")`}).want(200).is(1, "count")
	sv.post("/v1/rules/count", object{"rule": `!segment("gold ones") && city == "上海"`}).want(200).is(1, "count").is(`!segment("gold ones")`, "clauses", 0, "text")
	sv.post("/v1/rules/explain", object{"rule": `segment("gold ones")`, "customer_id": "b"}).want(200).is(`segment("gold ones")`, "kept_out_by", 0).
		is(`tier == "gold"`, "tree", "children", 0, "text")
	sv.post("/v1/rules/check", object{"rule": `segment("gold one")`}).want(200).is(false, "valid").is("did you mean `gold ones`?", "errors", 0, "hint")

	changed := sv.put(path, object{"name": "gold ones", "rule": `tier == "gold" || city == "上海"`}, "If-Match", made.Header.Get("ETag")).want(200).is(2, "revision")
	sv.put(path, object{"name": "gold ones", "rule": `true`}, "If-Match", made.Header.Get("ETag")).want(412)
	sv.put(path, changed.Text).want(200)
	sv.post("/v1/rules/count", object{"rule": `segment("gold ones")`}).want(200).is(2, "count")
	sv.put(path, object{"name": "golden", "rule": `tier == "gold"`}).want(200).is("golden", "name")
	sv.do("DELETE", path, nil, "If-Match", made.Header.Get("ETag")).want(412)
	sv.do("DELETE", path, nil).want(204)
	sv.do("DELETE", path, nil).want(404)
	sv.get(path).want(404)
	audit := sv.get("/v1/audit").want(200).Text
	for _, action := range []string{`"create"`, `"edit"`, `"delete"`} {
		if !strings.Contains(audit, `"action":`+action+`,"subject":"segment"`) {
			t.Errorf("the log has no %s of a segment", action)
		}
	}
}

func TestAWrongSegmentIsRefused(t *testing.T) {
	sv := serve(t)
	sv.post("/v1/segments", object{"name": "one", "rule": `citi == "x"`}).want(422).names("rule")
	sv.post("/v1/segments", object{"name": "one", "rule": `segment("one")`}).want(422).names("rule")
	sv.post("/v1/segments", object{"name": "one/two", "rule": `true`}).want(422).names("name")
	sv.post("/v1/segments", object{"name": "019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11", "rule": `true`}).want(422).names("name")
	sv.post("/v1/segments", object{"name": "one", "rule": `tier == "gold"`}).want(201)
	sv.post("/v1/segments", object{"name": "one", "rule": `true`}).want(409)
	sv.post("/v1/segments", object{"name": "two", "rule": `segment("one") && city != nil`}).want(201)
	circle := sv.put("/v1/segments/one", object{"name": "one", "rule": `segment("two")`}).want(422).names("rule")
	if !strings.Contains(circle.Text, `segment(\"one\") → segment(\"two\") → segment(\"one\")`) {
		t.Errorf("the circle is not named: %s", circle.Text)
	}
	sv.walks("/v1/segments?limit=1", "id", 2)
	if lines := strings.Split(sv.get("/v1/segments?format=csv").want(200).Text, "\n"); lines[0] != "id,revision,created_at,changed_at,name,rule" || len(lines) != 4 {
		t.Errorf("the table is %q", lines)
	}
}

func TestASegmentInUseIsNeitherDeletedNorBroken(t *testing.T) {
	sv := serve(t)
	sv.post("/v1/segments", object{"name": "one", "rule": `any(purchases, .amount > 10)`}).want(201)
	sv.post("/v1/segments", object{"name": "two", "rule": `segment("one")`}).want(201)
	template := sv.post("/v1/templates", object{"name": "Hi", "channel": "sms", "parts": object{"text": "Hello"}}).want(201).text("id")
	draft := sv.post("/v1/campaigns", object{"name": "Spring", "kind": "once", "rule": `any(items, any(lots, segment("two")))`, "holdout": 0,
		"variants": list{object{"name": "A", "weight": 1, "channel_id": "catcher", "template_id": template}}}).want(201)
	used := sv.do("DELETE", "/v1/segments/one", nil).want(409)
	for _, name := range []string{`the segment \"two\"`, `the campaign \"Spring\"`} {
		if !strings.Contains(used.Text, name) {
			t.Errorf("the problem does not name %s: %s", name, used.Text)
		}
	}
	sv.put("/v1/segments/one", object{"name": "uno", "rule": `true`}).want(409)
	broken := sv.put("/v1/segments/one", object{"name": "one", "rule": `any(purchases, any(items, true))`}).want(409)
	if !strings.Contains(broken.Text, `this change would break the campaign \"Spring\" (closures`) {
		t.Errorf("the problem does not say what would break: %s", broken.Text)
	}
	sv.post("/v1/campaigns/"+draft.text("id")+"/cancel", nil).want(200)
	sv.do("DELETE", "/v1/segments/one", nil).want(409)
	sv.do("DELETE", "/v1/segments/two", nil).want(204)
	sv.do("DELETE", "/v1/segments/one", nil).want(204)
}

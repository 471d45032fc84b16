package api_test

import (
	"strings"
	"testing"
)

func TestARenamedAttributeKeepsItsValues(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/attributes/skin", object{"type": "text"}).want(200)
	sv.put("/v1/customers/a", object{"attributes": object{"skin": "dry"}}).want(200)
	sv.do("PATCH", "/v1/attributes/skin", object{"name": "skin_type"}).want(200).is("skin_type", "name").is("text", "type")
	sv.do("PATCH", "/v1/attributes/skin_type", object{"name": "skin_type"}).want(200)
	sv.get("/v1/attributes/skin").want(404)
	sv.get("/v1/customers/a").want(200).is("dry", "attributes", "skin_type")
	sv.post("/v1/rules/count", object{"rule": `skin_type == "dry"`}).want(200).is(1, "count")
	sv.post("/v1/rules/check", object{"rule": `skin == "dry"`}).want(200).is(false, "valid")
	sv.put("/v1/attributes/skin", object{"type": "int"}).want(200) // the old name is free, and another column
	sv.get("/v1/customers/a").want(200).is(nil, "attributes", "skin")
	sv.do("PATCH", "/v1/attributes/skin", object{"name": "skin_type"}).want(409)
	sv.do("PATCH", "/v1/attributes/skin", object{"name": "total_spend"}).want(422).names("name")
	sv.do("PATCH", "/v1/attributes/skin", object{"name": "Skin"}).want(422).names("name")
	sv.do("PATCH", "/v1/attributes/skin", object{"name": "event.view.skin"}).want(422).names("name")
	sv.do("PATCH", "/v1/attributes/skin", object{"name": ""}).want(422).names("name")
	sv.do("PATCH", "/v1/attributes/none", object{"name": "other"}).want(404)
}

func TestADeletedAttributeTakesItsValuesWithIt(t *testing.T) {
	sv := serve(t)
	for _, name := range []string{"one", "two", "three"} {
		sv.put("/v1/attributes/"+name, object{"type": "int"}).want(200)
	}
	sv.put("/v1/customers/a", object{"attributes": object{"one": 1, "two": 2, "three": 3}}).want(200)
	sv.do("DELETE", "/v1/attributes/one", nil).want(204)
	sv.do("DELETE", "/v1/attributes/one", nil).want(404)
	sv.get("/v1/customers/a").want(200).is(nil, "attributes", "one").is(3, "attributes", "three")
	sv.put("/v1/customers/a", object{"attributes": object{"one": 1}}).want(422).names("attributes.one")
	sv.put("/v1/attributes/one", object{"type": "text"}).want(200)
	sv.put("/v1/attributes/four", object{"type": "text"}).want(200)
	sv.get("/v1/customers/a").want(200).is(nil, "attributes", "one").is(2, "attributes", "two")
	sv.put("/v1/attributes/score", object{"computed": "two + three"}).want(200)
	sv.do("DELETE", "/v1/attributes/score", nil).want(204)
	sv.put("/v1/attributes/event.view.page", object{"type": "text"}).want(200)
	sv.do("DELETE", "/v1/attributes/event.view.page", nil).want(204)
	sv.post("/v1/rules/check", object{"rule": `any(events, .props.page == "x")`}).want(200).is(false, "valid")
	if audit := sv.get("/v1/audit?limit=100").want(200).Text; strings.Count(audit, `"action":"delete"`) != 3 {
		t.Errorf("the audit log has %s", audit)
	}
}

func TestAnAttributeInUseIsNeitherRenamedNorDeleted(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/attributes/visits", object{"type": "int"}).want(200)
	sv.put("/v1/attributes/event.view.page", object{"type": "text"}).want(200)
	sv.put("/v1/attributes/score", object{"computed": "visits * 2"}).want(200)
	sv.put("/v1/attributes/twice", object{"computed": "score * 2"}).want(200)
	sv.post("/v1/segments", object{"name": "often", "rule": "visits > 3"}).want(201)
	sv.post("/v1/segments", object{"name": "viewers", "rule": `any(events, .props.page == "home")`}).want(201)
	template := sv.post("/v1/templates", object{"name": "Hello", "channel": "email", "parts": object{"subject": "{{ customer.score | default: '0' }}", "text": "{{ customer.visits | default: '0' }} {{ links.unsubscribe }}"}}).want(201)
	for _, ask := range []func(string) *answer{
		func(name string) *answer { return sv.do("DELETE", "/v1/attributes/"+name, nil) },
		func(name string) *answer {
			other := "other"
			if strings.HasPrefix(name, "event.") {
				other = "event.view.other"
			}
			return sv.do("PATCH", "/v1/attributes/"+name, object{"name": other})
		},
	} {
		for name, users := range map[string][]string{
			"visits":          {`the segment \"often\"`, `the attribute \"score\"`, `the attribute \"twice\"`, `the template \"Hello\"`},
			"score":           {`the attribute \"twice\"`, `the template \"Hello\"`},
			"event.view.page": {`the segment \"viewers\"`},
		} {
			refused := ask(name).want(409)
			for _, user := range users {
				if !strings.Contains(refused.Text, user) {
					t.Errorf("%s is used by %s, which %s does not say", name, user, refused.Text)
				}
			}
		}
	}
	sv.get("/v1/attributes/visits").want(200)
	sv.put("/v1/attributes/event.buy.page", object{"type": "text"}).want(200) // rules read either by the same name
	sv.do("DELETE", "/v1/attributes/event.view.page", nil).want(204)
	sv.do("DELETE", "/v1/templates/"+template.text("id"), nil).want(204)
	sv.do("DELETE", "/v1/attributes/twice", nil).want(204)
	sv.do("DELETE", "/v1/attributes/score", nil).want(204)
}

func TestANewAttributeDoesNotBreakALetOfARule(t *testing.T) {
	sv := serve(t)
	sv.post("/v1/segments", object{"name": "own", "rule": `let best = 3; purchase_count > best`}).want(201)
	sv.put("/v1/attributes/best", object{"type": "int"}).want(409)
	sv.put("/v1/attributes/better", object{"type": "int"}).want(200)
	sv.do("PATCH", "/v1/attributes/better", object{"name": "best"}).want(409)
	sv.get("/v1/attributes/better").want(200)
	sv.post("/v1/rules/count", object{"rule": `segment("own")`}).want(200)
}

func TestAWordOfTheLanguageIsNoName(t *testing.T) {
	sv := serve(t)
	for _, word := range []string{"let", "true", "nil", "in", "matches"} {
		sv.put("/v1/attributes/"+word, object{"type": "int"}).want(422).names("name")
		sv.put("/v1/attributes/"+word, object{"computed": "purchase_count"}).want(422).names("name")
	}
	sv.put("/v1/attributes/age", object{"type": "int"}).want(200)
	sv.post("/v1/rules/count", object{"rule": "age > 3 || age(birthday) > 3"}).want(200)
	sv.post("/v1/segments", object{"name": " vip", "rule": "true"}).want(422).names("name")
	sv.post("/v1/segments", object{"name": "ลูกค้า", "rule": "true"}).want(201)
	sv.post("/v1/segments", object{"name": "冠军", "rule": `segment("ลูกค้า")`}).want(201)
	sv.post("/v1/rules/count", object{"rule": `segment("冠军") && !segment("ลูกค้า")`}).want(200).is(0, "count")
}

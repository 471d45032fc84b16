package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
)

func TestACustomerIsWrittenReadAndMerged(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/attributes/skin_type", object{"type": "text"}).want(200)
	sv.put("/v1/attributes/wallet", object{"type": "money"}).want(200)
	a := sv.put("/v1/customers/u-1", `{"name":"Ann","birthday":"1990-02-28","email":"Ann@Example.com","phone":"13800138000","city":"上海","tier":"gold",
		"sms_consent":true,"email_consent":false,"tags":["vip","tea"],"attributes":{"skin_type":"dry","wallet":12.5}}`).want(200)
	a.is("u-1", "id").is("ann@example.com", "email").is("+8613800138000", "phone").is("1990-02-28", "birthday").is("12.50", "attributes", "wallet")
	a.is(0, "purchase_count").is("0.00", "total_spend")
	tag := sv.get("/v1/customers/u-1").want(200).is(0, "points").is("上海", "city").Header.Get("ETag")
	merged := sv.do("PATCH", "/v1/customers/u-1", object{"city": nil, "attributes": object{"wallet": "7"}}, "If-Match", tag).want(200)
	merged.is(nil, "city").is("Ann", "name").is("7.00", "attributes", "wallet").is("dry", "attributes", "skin_type")
	sv.do("PATCH", "/v1/customers/u-1", object{"city": "北京"}, "If-Match", tag).want(412)
	again := sv.get("/v1/customers/u-1").want(200)
	sv.put("/v1/customers/u-1", again.Text).want(200).is("Ann", "name").is("7.00", "attributes", "wallet")
	sv.put("/v1/customers/u-1", object{"name": "Ann B"}).want(200).is(nil, "email").is(nil, "attributes", "wallet").is(nil, "birthday")
	sv.get("/v1/customers/u-2").want(404)
}

func TestACustomersIdMayHoldAnySignButControls(t *testing.T) {
	sv := serve(t)
	for _, id := range []string{"a/b", "会员 7", "a:b?c#d%", "..", "é"} {
		path := "/v1/customers/" + url.PathEscape(id)
		sv.put(path, object{"name": id}).want(200).is(id, "id")
		sv.get(path).want(200).is(id, "name")
	}
	sv.put("/v1/customers/a%00b", object{"name": "x"}).want(422).names("id")
	sv.put("/v1/customers/"+strings.Repeat("x", 201), object{"name": "x"}).want(422).names("id")
}

func TestListsOfCustomersWalkEverybodyOnce(t *testing.T) {
	sv := serve(t)
	for i := range 23 {
		sv.put(fmt.Sprintf("/v1/customers/c%d", i), object{"city": []string{"上海", "北京"}[i%2]}).want(200)
	}
	sv.walks("/v1/customers?limit=5", "id", 23)
	sv.walks("/v1/customers?limit=4&rule="+url.QueryEscape(`city == "上海"`), "id", 12)
	sv.get("/v1/customers?limit=0").want(422).names("limit")
	sv.get("/v1/customers?limit=1001").want(422).names("limit")
	sv.get("/v1/customers?cursor=%21").want(422).names("cursor")
	sv.get("/v1/customers?rule=citi+%3D%3D+1").want(422).names("rule")
	sv.get("/v1/customers?colour=red").want(422).names("colour")
}

// walks follows a list to its end and fails unless it shows so many different items.
func (sv *site) walks(path, id string, want int) {
	sv.Helper()
	seen, total := map[any]bool{}, 0
	for next, pages := "", 0; ; pages++ {
		a := sv.get(path + "&cursor=" + url.QueryEscape(next)).want(200)
		for i := range a.at("items").(list) {
			seen[a.at("items", i, id)] = true
			total++
		}
		if next = a.text("next"); next == "" || pages > want {
			break
		}
	}
	if len(seen) != want || total != want {
		sv.Errorf("%s walked %d items, %d of them different, want %d", path, total, len(seen), want)
	}
}

func TestListsAreCSVWhenAsked(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/attributes/skin_type", object{"type": "text"}).want(200)
	sv.put("/v1/customers/u-1", object{"name": "=1+1", "phone": "+8613800138000", "tags": list{"a", "b"}, "attributes": object{"skin_type": "dry, red"}}).want(200)
	for _, a := range []*answer{sv.get("/v1/customers?format=csv").want(200), sv.get("/v1/customers", "Accept", "text/csv").want(200)} {
		lines := strings.Split(a.Text, "\n")
		if !strings.HasPrefix(a.Header.Get("Content-Type"), "text/csv") || !strings.HasPrefix(lines[0], "id,name,gender,birthday") {
			t.Errorf("the header is %q", lines[0])
		}
		if !strings.Contains(lines[0], "skin_type") || !strings.Contains(lines[1], "u-1,'=1+1") || !strings.Contains(lines[1], `a|b`) || !strings.Contains(lines[1], `"dry, red"`) || !strings.Contains(lines[1], ",+8613800138000,") {
			t.Errorf("the row is %q", lines[1])
		}
	}
	sv.put("/v1/customers/u-2", object{"name": "without the attribute"}).want(200)
	first, second := sv.get("/v1/customers?format=csv&limit=1").want(200), sv.get("/v1/customers?rule=name%20%3D%3D%20%22without%20the%20attribute%22&format=csv").want(200)
	if a, b := strings.Split(first.Text, "\n")[0], strings.Split(second.Text, "\n")[0]; a != b {
		t.Errorf("two pages of one table have different columns:\n%s\n%s", a, b)
	}
	if a := sv.get("/v1/templates?format=csv").want(200); !strings.HasPrefix(a.Text, "id,revision") {
		t.Errorf("an empty table has no header: %q", a.Text)
	}
	sv.get("/v1/customers?format=xml").want(422).names("format")
	sv.get("/v1/customers?format=csv&limit=0").want(422).names("limit")
}

func TestAttributesKeepTheirType(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/attributes/score", object{"type": "int"}).want(200).is("int", "type")
	sv.put("/v1/attributes/score", object{"type": "int"}).want(200)
	sv.put("/v1/attributes/score", object{"type": "text"}).want(409)
	sv.put("/v1/attributes/total_spend", object{"type": "int"}).want(422).names("name")
	sv.put("/v1/attributes/purchases", object{"type": "int"}).want(422).names("name")
	sv.put("/v1/attributes/Bad", object{"type": "int"}).want(422).names("name")
	sv.put("/v1/attributes/x", object{"type": "blob"}).want(422).names("type")
	sv.put("/v1/attributes/event.view.price", object{"type": "money"}).want(200)
	sv.get("/v1/attributes/none").want(404)
	sv.walks("/v1/attributes?limit=1", "name", 2)
}

func TestEveryTypeOfAttributeIsChecked(t *testing.T) {
	sv := serve(t)
	for _, c := range []struct{ kind, good, bad string }{
		{"text", `"dry"`, `7`}, {"int", `7`, `7.5`}, {"int", `-9223372036854775808`, `9223372036854775808`}, {"number", `7.5`, `"7"`}, {"money", `"7.50"`, `7.505`},
		{"bool", `true`, `"true"`}, {"date", `"2026-02-28"`, `"2026-02-30"`}, {"time", `"2026-02-28T10:00:00+08:00"`, `"2026-02-28"`}, {"text_list", `["a","b"]`, `"a"`},
	} {
		name := "a_" + c.kind
		sv.put("/v1/attributes/"+name, object{"type": c.kind}).want(200)
		sv.put("/v1/customers/u", `{"attributes":{"`+name+`":`+c.good+`}}`).want(200)
		sv.put("/v1/customers/u", `{"attributes":{"`+name+`":`+c.bad+`}}`).want(422).names("attributes." + name)
		if sv.get("/v1/customers/u").at("attributes", name) == nil {
			t.Errorf("%s: a refused value changed something", c.kind)
		}
	}
	sv.put("/v1/customers/u", `{"attributes":{"nobody":1}}`).want(422).names("attributes.nobody")
}

func TestConsentsAndSuppressions(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/customers/u", object{"email": "u@example.com"}).want(200)
	sv.post("/v1/customers/u/consents", object{"channel": "email", "granted": true, "source": "form", "at": "2026-11-20T10:00:00Z"}).want(201)
	sv.get("/v1/customers/u").is(true, "email_consent")
	sv.post("/v1/customers/u/consents", object{"channel": "email", "granted": false, "source": "phone"}).want(201)
	sv.get("/v1/customers/u").is(false, "email_consent")
	sv.get("/v1/customers/u/consents").want(200).is(false, "items", 0, "granted").is(true, "items", 1, "granted")
	sv.walks("/v1/customers/u/consents?limit=1", "at", 2)
	sv.post("/v1/customers/nobody/consents", object{"channel": "email", "granted": true, "source": "form"}).want(404)
	sv.post("/v1/customers/u/consents", object{"channel": "fax", "granted": true, "source": "form"}).want(422).names("channel")

	for i := range 5 {
		sv.post("/v1/suppressions", object{"channel": "email", "address": fmt.Sprintf("S%d@Example.com", i)}).want(201).is(fmt.Sprintf("s%d@example.com", i), "address")
	}
	sv.post("/v1/suppressions", object{"channel": "sms", "address": "12"}).want(422).names("address")
	sv.walks("/v1/suppressions?limit=2", "address", 5)
	sv.get("/v1/suppressions?channel=sms").want(200).is(nil, "items", 0)
	sv.do("DELETE", "/v1/suppressions?channel=email&address=s1@example.com", nil).want(204)
	sv.do("DELETE", "/v1/suppressions", object{"channel": "email", "address": "s2@example.com"}).want(204)
	sv.do("DELETE", "/v1/suppressions?channel=email&address=s1@example.com", nil).want(404)
	sv.walks("/v1/suppressions?limit=2", "address", 3)
}

package api_test

import (
	"strings"
	"testing"
)

func TestATemplateIsPreviewedCheckedAndTestedInItsLanguages(t *testing.T) {
	sv := serve(t)
	sv.holdOutGlobally(0)
	for id, c := range map[string]object{"zh": {"name": "李明", "language": "zh-CN"}, "en": {"name": "Ann", "language": "en-GB"}, "no": {"language": "en"}} {
		c["phone"], c["sms_consent"], c["email"], c["email_consent"] = "+861380013800"+map[string]string{"zh": "1", "en": "2", "no": "3"}[id], true, id+"@example.com", true
		sv.put("/v1/customers/"+id, c).want(200)
	}
	words := object{"name": "Hi", "channel": "sms", "parts": object{"text": "{{ customer.name }}您好，{{ 199.9 | money }}"}, "languages": object{"en": object{"text": "Hello {{ customer.name }}, {{ '2026-11-22' | date }}"}}}
	bad := object{"name": "Hi", "channel": "sms", "parts": object{"text": "a"}, "languages": object{"en": object{"text": "a\n{{ customer.nmae }}"}}}
	if p := sv.post("/v1/templates", bad).want(422); p.at("errors", 0, "line") != 2.0 || p.text("errors", 0, "field") != "languages.en.text" {
		t.Errorf("%s", p.Text)
	}
	template := sv.post("/v1/templates", words).want(201).is("zh", "language").is("CNY", "currency").is(true, "inline_css")
	path := "/v1/templates/" + template.text("id")
	sv.put(path, words).want(200)
	sv.post(path+"/preview", object{"customer_id": "zh"}).want(200).is("李明您好，¥199.90", "parts", "text").is("ucs2", "sms", "encoding").is(1, "sms", "segments").is("", "language")
	sv.post(path+"/preview", object{"customer_id": "en"}).want(200).is("Hello Ann, 22 November 2026", "parts", "text").is("en", "language").is(27, "sms", "characters")
	sv.post(path+"/preview", object{"customer_id": "zh", "language": "en"}).want(200).is("Hello 李明, 22 November 2026", "parts", "text")
	sv.post(path+"/preview", object{"customer_id": "no"}).want(409)
	sv.post("/v1/templates/preview", object{"customer_id": "en", "template": words}).want(200).is("Hello Ann, 22 November 2026", "parts", "text")
	sv.post("/v1/templates/preview", object{"customer_id": "en", "template": bad}).want(422)
	sv.post(path+"/check", object{"rule": "true", "channel_id": "catcher"}).want(200).is(3, "customers").is(2, "rendered").is(1, "failed_count").is("no", "failed", 0, "customer_id").
		is("customer.name", "failed", 0, "variable").is(1, "by_language", "en").is(1, "by_language", "parts").is(2, "sms", "total_segments").is(2, "sms", "segments", "1")
	if table := sv.post(path+"/check?format=csv", object{"rule": "true"}).want(200); !strings.HasPrefix(table.Text, "customer_id,variable,message\nno,customer.name,") {
		t.Errorf("%s", table.Text)
	}
	sv.post(path+"/check", object{"rule": "nobody > 1"}).want(422).names("rule")
	sv.post(path+"/check", object{"rule": "true", "channel_id": "none"}).want(422).names("channel_id")
	sv.post(path+"/test", object{"to": []string{"+8613800138000"}, "channel_id": "catcher", "customer_id": "en"}).want(200).is("sent", "items", 0, "status").
		is("[Test] Hello Ann, 22 November 2026", "items", 0, "parts", "text").is(1, "items", 0, "sms", "segments")
	sv.post(path+"/test", object{"to": []string{"x"}, "channel_id": "catcher"}).want(422).names("to")
	none := 0.0
	campaign := sv.post("/v1/campaigns", object{"name": "C", "kind": "once", "rule": "true", "holdout": none, "variants": []object{{"name": "A", "weight": 1, "channel_id": "catcher", "template_id": template.text("id")}}}).want(201)
	sv.post("/v1/campaigns/"+campaign.text("id")+"/test", object{"to": []string{"+8613800138000"}, "customer_id": "zh"}).want(200).is("[Test] 李明您好，¥199.90", "items", 0, "parts", "text").is("A", "items", 0, "variant")
	sv.post("/v1/campaigns/"+campaign.text("id")+"/launch", nil).want(200)
	if err := sv.engine.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	run := sv.get("/v1/campaigns/"+campaign.text("id")+"/runs").want(200).text("items", 0, "id")
	got := sv.get("/v1/runs/"+run+"/audience?gate=template").want(200).is("no", "items", 0, "customer_id")
	if !strings.Contains(got.text("items", 0, "why"), "customer.name") {
		t.Errorf("%s", got.Text)
	}
	if all := sv.get("/v1/runs/" + run + "/audience?format=csv").want(200); !strings.Contains(all.Text, "no,template,,,\"there is no value for customer.name") {
		t.Errorf("%s", all.Text)
	}
}

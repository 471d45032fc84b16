package api_test

import (
	"strings"
	"testing"
)

func TestEveryReadyMadeCampaignIsListedAndMadeInEachLanguageAndChannel(t *testing.T) {
	sv := serve(t)
	items := sv.get("/v1/ready-made?language=en").want(200).at("items").(list)
	if len(items) != 14 {
		t.Errorf("%d ready-made campaigns", len(items))
	}
	for _, item := range items {
		ready := item.(object)
		name, purpose := ready["name"].(string), ready["campaign"].(object)["purpose"]
		for _, language := range []string{"zh", "en", "both"} {
			for _, channel := range []string{"email", "sms"} {
				made := sv.post("/v1/ready-made/"+name, object{"channel": channel, "language": language}).want(201)
				made.is("draft", "campaign", "status").is(purpose, "campaign", "purpose").is(channel, "templates", 0, "channel")
				sv.get("/v1/campaigns/"+made.text("campaign", "id")).want(200).is(made.text("templates", 0, "id"), "variants", 0, "template_id")
			}
		}
	}
	sv.get("/v1/ready-made?language=fr").want(422)
	if title := titled(items, "points_expiring_1"); title != "Points about to expire in 1 day" {
		t.Errorf("one day is %q", title)
	}
	if text := sv.get("/v1/ready-made").want(200).Text; !strings.Contains(text, "生日快乐") {
		t.Error("the list is not Chinese unless it is asked for in English")
	}
}

func TestAReadyMadeCampaignIsMadeAsItIsChosen(t *testing.T) {
	sv := serve(t)
	made := sv.post("/v1/ready-made/points_expiring_30", object{"channel": "email", "language": "en", "minimum": 500, "spread_days": 4, "title": "Mine"}).want(201)
	made.is("Mine", "campaign", "name").is("4d", "campaign", "pace", "spread_over").is("points_lapse_on_34", "attributes", 0, "name").is("points_lapsing_34", "attributes", 1, "name")
	if rule := made.text("campaign", "rule"); !strings.Contains(rule, "== 34") || !strings.Contains(rule, ">= 500") {
		t.Errorf("the rule is %s", rule)
	}
	again := sv.post("/v1/ready-made/points_expiring_30", object{"channel": "sms", "language": "zh", "spread_days": 4}).want(201)
	if again.text("campaign", "id") == made.text("campaign", "id") || len(again.at("attributes").(list)) != 0 {
		t.Errorf("made again: %s", again.Text)
	}
	offer := sv.post("/v1/offers", object{"name": "Ten off", "status": "live", "effect": object{"kind": "amount_off", "value": 10}}).want(201).text("id")
	with := sv.post("/v1/ready-made/birthday", object{"channel": "sms", "language": "both", "offer_id": offer, "holdout": 0.2}).want(201).is(0.2, "campaign", "holdout")
	if text := with.text("templates", 0, "parts", "text"); !strings.Contains(text, "{{ code }}") || !strings.Contains(text, `customer.language contains "en"`) {
		t.Errorf("the words are %s", text)
	}
	sv.post("/v1/ready-made/lapsed_90", object{"channel": "sms", "language": "zh"}).want(201).is(0.1, "campaign", "holdout")
	for field, body := range map[string]object{"offer_id": {"offer_id": offer}, "minimum": {"minimum": 0}, "spread_days": {"spread_days": 40}, "channel": {"channel": "fax"}, "language": {"language": "fr"}, "channel_id": {"channel_id": "none"}} {
		for name, value := range map[string]any{"channel": "sms", "language": "zh"} {
			if body[name] == nil {
				body[name] = value
			}
		}
		if a := sv.post("/v1/ready-made/points_expiring_7", body).want(422); !strings.Contains(a.Text, field) {
			t.Errorf("%s: %s", field, a.Text)
		}
	}
	sv.post("/v1/ready-made/birthday", object{"channel": "sms", "language": "zh", "minimum": 5}).want(422).names("minimum")
	sv.post("/v1/ready-made/birthday", object{"channel": "sms", "language": "zh", "spread_days": 5}).want(422).names("spread_days")
	sv.post("/v1/ready-made/birthday", object{"channel": "sms", "language": "zh", "channel_id": "none"}).want(422).names("channel_id")
	sv.post("/v1/ready-made/birthday", object{"channel": "sms", "language": "zh", "offer_id": "019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11"}).want(422).names("offer_id")
	if text := sv.get("/v1/ready-made?format=csv").want(200).Text; !strings.HasPrefix(text, "name,title,does,needs,") || strings.Count(text, "\nbirthday,") != 1 {
		t.Errorf("as a table: %.300s", text)
	}
	sv.post("/v1/ready-made/nonsense", object{"channel": "sms", "language": "zh"}).want(404)
	sv.put("/v1/attributes/coupon_lapses_in_3", object{"type": "time"}).want(200)
	sv.post("/v1/ready-made/coupon_about_to_lapse", object{"channel": "sms", "language": "zh"}).want(409)
}

// titled is the title of a ready-made campaign in a list.
func titled(items list, name string) string {
	for _, item := range items {
		if ready := item.(object); ready["name"] == name {
			return ready["title"].(string)
		}
	}
	return ""
}

package api_test

import (
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
)

// as asks with another key.
func as(key string) []string { return []string{"Authorization", "Bearer " + key} }

func TestSomebodyElseApprovesExactlyWhatIsLaunched(t *testing.T) {
	sv := serve(t)
	templateID, offerID := sv.shop(8, nil)
	sv.do("PATCH", "/v1/workspace", object{"approvals": true}).want(200).is(true, "approvals")
	ann, bob, twin := sv.newKey("ann", campaigns.ScopeMarketer), sv.newKey("bob", campaigns.ScopeApprover), sv.newKey("ann", campaigns.ScopeApprover)
	made := sv.post("/v1/campaigns", draft(templateID, offerID), as(ann)...).want(201).is("draft", "review", "state")
	path := "/v1/campaigns/" + made.text("id")
	if a := sv.post(path+"/launch", nil, as(ann)...).want(409); !strings.Contains(a.Text, "version 1 is not approved: submit it") {
		t.Error(a.Text)
	}
	sv.post(path+"/submit", nil, as(bob)...).want(403)
	sv.post(path+"/approve", nil, as(bob)...).want(409)
	submitted := sv.post(path+"/submit", nil, append(as(ann), "If-Match", `"1"`)...).want(200).is("in_review", "status").is("in_review", "review", "state").is(8, "review", "audience").is("ann", "review", "submitted_by")
	sv.post(path+"/approve", nil, as(ann)...).want(403)
	sv.post(path+"/reject", object{"reason": "a better subject"}, as(bob)...).want(200).is("draft", "status").is("a better subject", "review", "note")
	edited := sv.put(path, sv.get(path).want(200).Text, as(ann)...).want(200).is(2, "version")
	sv.post(path+"/submit", nil, as(ann)...).want(200)
	sv.post(path+"/approve", object{"version": 1}, as(bob)...).want(412)
	sv.post(path+"/approve", object{"hash": strings.Repeat("0", 64)}, as(bob)...).want(412)
	sv.post(path+"/approve", nil, append(as(twin), "If-Match", edited.Header.Get("ETag"))...).want(200).is("approved", "review", "state").is("ann", "review", "reviewed_by").is("in_review", "status")
	if submitted.text("review", "hash") != sv.get(path).text("review", "hash") {
		t.Error("the same content has another hash")
	}
	sv.put(path, sv.get(path).want(200).Text, as(ann)...).want(200).is(3, "version").is("draft", "status")
	if a := sv.post(path+"/launch", nil, as(ann)...).want(409); !strings.Contains(a.Text, "version 3 was changed after version 2 was approved: submit it") {
		t.Error(a.Text)
	}
	sv.post(path+"/submit", nil, as(ann)...).want(200)
	if a := sv.post(path+"/launch", nil, as(ann)...).want(409); !strings.Contains(a.Text, "waits for its review") {
		t.Error(a.Text)
	}
	sv.post(path+"/approve", nil, as(bob)...).want(200)
	sv.clock.Advance(time.Second)
	sv.post(path+"/launch", nil, as(ann)...).want(200).is("scheduled", "status").is(3, "live_version")
	versions := sv.get(path+"/versions").want(200).is(3, "items", 0, "version").is(true, "items", 0, "live").is("bob", "items", 0, "review", "reviewed_by").is("approved", "items", 1, "review", "state").is(false, "items", 1, "live").is("ann", "items", 2, "created_by")
	if len(versions.text("items", 0, "review", "hash")) != 64 || versions.at("items", 0, "launched_at") == nil {
		t.Errorf("versions %s", versions.Text)
	}
	if a := sv.get(path + "/versions?format=csv").want(200); strings.Count(a.Text, "\n") != 4 || !strings.HasPrefix(a.Text, "version,live,created_by,created_at,launched_at,review.state") {
		t.Errorf("as CSV:\n%s", a.Text)
	}
	sv.walks(path+"/versions?limit=1", "version", 3)
	one := sv.get(path+"/versions/3").want(200).is("Win back", "definition", "name").is(3, "version")
	if len(one.text("hashes", "rule")) != 64 || len(one.text("hashes", "offer "+offerID)) != 64 || len(one.text("hashes", "channel catcher")) != 64 {
		t.Errorf("hashes %s", one.Text)
	}
	sv.get(path + "/versions/4").want(404)
	sv.get("/v1/audit").want(200).is("launch", "items", 0, "action").is("in_review", "items", 0, "before", "status").is("scheduled", "items", 0, "after", "status").is(3, "items", 0, "after", "live_version")
}

func TestAnAdminMayNotApproveWhatItWrote(t *testing.T) {
	sv := serve(t)
	templateID, offerID := sv.shop(2, nil)
	path := "/v1/campaigns/" + sv.post("/v1/campaigns", draft(templateID, offerID)).want(201).text("id")
	sv.post(path+"/submit", nil).want(200)
	sv.post(path+"/approve", nil).want(403)
	sv.post(path+"/approve", nil, as(sv.newKey("other", campaigns.ScopeAdmin))...).want(200)
	sv.post(path+"/launch", nil).want(200)
}

func TestALiveCampaignIsEditedBesideWhatRuns(t *testing.T) {
	sv := serve(t)
	templateID, offerID := sv.shop(3, nil)
	body := draft(templateID, offerID)
	body["kind"], body["schedule"] = "recurring", object{"cron": "0 9 * * *", "zone": "Asia/Shanghai"}
	path := "/v1/campaigns/" + sv.post("/v1/campaigns", body).want(201).text("id")
	sv.do("DELETE", path, nil, "If-Match", `"7"`).want(412)
	sv.post(path+"/launch", nil).want(200).is(1, "live_version")
	sv.post(path+"/launch", nil).want(409)
	sv.post(path+"/submit", nil).want(409)
	read := sv.get(path).want(200)
	sv.put(path, strings.Replace(read.Text, `"Win back"`, `"Come back"`, 1), "If-Match", read.Header.Get("ETag")).want(200).is(2, "version").is(1, "live_version").is("scheduled", "status").is("draft", "review", "state")
	sv.put(path, strings.Replace(read.Text, `"recurring"`, `"once"`, 1)).want(422)
	sv.post(path+"/launch", nil).want(200).is(2, "live_version").is("scheduled", "status")
	changed := sv.put("/v1/templates/"+templateID, object{"name": "Hi", "channel": "sms", "parts": object{"text": "Hello {{ code }}"}}).want(200).
		is(sv.get(path).text("id"), "used_by", 0, "id").is("Come back", "used_by", 0, "name").is("scheduled", "used_by", 0, "status")
	sv.put("/v1/templates/"+templateID, changed.Text).want(200)
	sv.get(path).want(200).is(3, "version").is(2, "live_version")
	sv.put("/v1/offers/"+offerID, object{"name": "Ten", "effect": object{"kind": "amount_off", "value": 11}}).want(200).is(sv.get(path).text("id"), "used_by", 0, "id")
	sv.get(path).want(200).is(3, "version")
	sv.do("DELETE", path, nil).want(409)
	copied := sv.post(path+"/copy", nil).want(201).is("Come back (copy)", "name").is("draft", "status").is(1, "version")
	sv.post(path+"/copy", object{"name": "Mine"}).want(201).is("Mine", "name")
	sv.do("DELETE", "/v1/campaigns/"+copied.text("id"), nil).want(204)
	sv.get("/v1/campaigns/" + copied.text("id")).want(404)
}

func TestAllSettingsAreReadAndChanged(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/attributes/staff", object{"type": "bool"}).want(200)
	fresh := sv.get("/v1/workspace").want(200).is("21:00", "quiet_hours", "from").is(0.02, "global_holdout").is("once", "late", "policy").is(3, "guards", "growth").is("sms", "caps", 0, "channel").is(false, "approvals")
	sv.do("PATCH", "/v1/workspace", object{"quiet_hours": nil, "excluded": "staff == true", "late": object{"policy": "each", "grace": "1h"}, "guards": object{"growth": 5},
		"caps": list{}, "global_holdout": 0.1, "blackouts": list{object{"from": "2027-02-05", "to": "2027-02-06", "name": "New Year"}}}, "If-Match", fresh.Header.Get("ETag")).want(200)
	sv.do("PATCH", "/v1/workspace", object{"name": "Tea"}).want(200)
	w := sv.get("/v1/workspace").want(200).is(nil, "quiet_hours").is("staff == true", "excluded").is("each", "late", "policy").is(5, "guards", "growth").is(0.1, "guards", "failures").is(0.1, "global_holdout").is("New Year", "blackouts", 0, "name")
	if caps, is := w.at("caps").(list); !is || len(caps) != 0 {
		t.Errorf("caps %v", w.at("caps"))
	}
	a := sv.do("DELETE", "/v1/attributes/staff", nil).want(409)
	if !strings.Contains(a.Text, "the workspace's rule of who is excluded") {
		t.Error(a.Text)
	}
	sv.get("/v1/audit").want(200)
}

func TestTheCampaignsOwnOfferIsNamedAsItWasWrittenAndOnce(t *testing.T) {
	sv := serve(t)
	templateID, _ := sv.shop(1, nil)
	body := draft(templateID, "019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11")
	variant := body["variants"].(list)[0].(object)
	second := object{"name": "Second", "weight": 1, "channel_id": variant["channel_id"], "template_id": variant["template_id"]}
	body["variants"] = list{variant, second}
	if a := sv.post("/v1/campaigns", body).want(422).names("offer_id"); len(a.at("errors").(list)) != 1 {
		t.Error(a.Text)
	}
	body["offer_id"] = sv.post("/v1/offers", object{"name": "Later", "effect": object{"kind": "percent_off", "value": "10"}}).want(201).text("id")
	id := sv.post("/v1/campaigns", body).want(201).text("id")
	if a := sv.post("/v1/campaigns/"+id+"/launch", nil).want(422).names("offer_id"); len(a.at("errors").(list)) != 1 || !strings.Contains(a.Text, "make it live first") {
		t.Error(a.Text)
	}
	body["variants"] = list{variant, object{"name": "Second", "weight": 1, "channel_id": variant["channel_id"], "template_id": variant["template_id"], "offer_id": "019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11"}}
	sv.post("/v1/campaigns", body).want(422).names("variants[1].offer_id")
}

func TestTheWordAutoIsAnsweredInWords(t *testing.T) {
	sv := serve(t)
	templateID, offerID := sv.shop(1, nil)
	body := draft(templateID, offerID)
	body["holdout"] = "some"
	if a := sv.post("/v1/campaigns", body).want(422).names("holdout"); !strings.Contains(a.Text, "name a share such as 0.1") {
		t.Errorf("a holdout in words: %s", a.Text)
	}
	body["holdout"] = "auto"
	if a := sv.post("/v1/campaigns", body).want(422).names("holdout"); !strings.Contains(a.Text, "name a share such as 0.1; “auto” is not available yet") {
		t.Error(a.Text)
	}
	body["kind"], body["holdout"], body["trigger"] = "triggered", 0.1, object{"event": "tier.changed"}
	if a := sv.post("/v1/campaigns", body).want(422).names("trigger.event"); !strings.Contains(a.Text, "not available yet") {
		t.Error(a.Text)
	}
}

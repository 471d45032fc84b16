package api_test

import (
	"strings"
	"testing"
)

func TestSendingIsStoppedWithoutAReason(t *testing.T) {
	sv := serve(t)
	sv.post("/v1/workspace/stop", nil).want(200).is("admin", "stopped", "by")
}

func TestSendingIsStoppedAndGoesOnToExactlyTheRemainder(t *testing.T) {
	sv := serve(t)
	templateID, offerID := sv.shop(10, nil)
	sv.get("/v1/workspace").want(200).is(nil, "stopped")
	sv.post("/v1/workspace/resume", nil).want(409)
	sv.post("/v1/workspace/stop", object{"reason": "a wrong price"}).want(200).is("a wrong price", "stopped", "reason").is("admin", "stopped", "by")
	sv.post("/v1/workspace/stop", object{"reason": strings.Repeat("x", 1001)}).want(422).names("reason")
	sv.get("/v1/workspace").want(200).is("a wrong price", "stopped", "reason")
	sv.do("PATCH", "/v1/workspace", object{"name": "Tea"}).want(200).is("a wrong price", "stopped", "reason")
	campaign := sv.post("/v1/campaigns", draft(templateID, offerID)).want(201).text("id")
	sv.post("/v1/campaigns/"+campaign+"/run", nil).want(409)
	sv.post("/v1/campaigns/"+campaign+"/launch", nil).want(200)
	if err := sv.engine.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	run := "/v1/runs/" + sv.get("/v1/campaigns/"+campaign+"/runs").want(200).is("sending", "items", 0, "status").is(0, "items", 0, "messages", "sent").text("items", 0, "id")
	queued := sv.get(run).want(200).at("messages", "queued")
	sv.post(run+"/resume", nil).want(409)
	sv.post(run+"/resend", nil).want(409)
	sv.post("/v1/workspace/resume", nil).want(200).is(nil, "stopped")
	if err := sv.engine.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	sv.get(run).want(200).is("done", "status").is(queued, "messages", "sent")
	sv.post(run+"/stop", nil).want(409)
	sv.post(run+"/resend", object{"statuses": list{"sent"}}).want(422).names("statuses")
	sv.post(run+"/resend", object{"gates": list{"consent"}}).want(422).names("gates")
	sv.post(run+"/resend", nil).want(201).is("resend", "kind")
	for _, path := range []string{"/v1/runs/x/resume", "/v1/runs/x/resend", "/v1/campaigns/x/run"} {
		sv.post(path, nil).want(404)
	}
	if a := sv.get("/v1/audit").want(200); !strings.Contains(a.Text, `"stop"`) || !strings.Contains(a.Text, `"resend"`) {
		t.Errorf("the audit log says %s", a.Text)
	}
}

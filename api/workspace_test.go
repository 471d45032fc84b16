package api_test

import (
	"strings"
	"testing"
)

func TestTheWorkspaceIsReadAndChanged(t *testing.T) {
	sv := serve(t)
	a := sv.get("/v1/workspace").want(200).is("CNY", "currency")
	tag := a.Header.Get("ETag")
	sv.do("PATCH", "/v1/workspace", object{"name": "Tea & more"}, "If-Match", tag).want(200).is("Tea & more", "name").is("CNY", "currency")
	sv.do("PATCH", "/v1/workspace", object{"name": "Late"}, "If-Match", tag).want(412)
	sv.do("PATCH", "/v1/workspace", object{"zone": "Mars/Base"}).want(422).names("zone")
	sv.get("/v1/audit").want(200).is("workspace", "items", 0, "subject").is("admin", "items", 0, "actor")
}

func TestQuietHoursInWordsAreRefusedLegibly(t *testing.T) {
	sv := serve(t)
	if a := sv.do("PATCH", "/v1/workspace", object{"quiet_hours": "none"}).want(422).names("quiet_hours"); strings.Contains(a.Text, `\u0000`) {
		t.Error(a.Text)
	}
}

func TestALatePolicyOfSkipNeedsNoGrace(t *testing.T) {
	sv := serve(t)
	sv.do("PATCH", "/v1/workspace", object{"late": object{"policy": "skip"}}).want(200).is("skip", "late", "policy").is("0s", "late", "grace")
	if a := sv.do("PATCH", "/v1/workspace", object{"late": object{"policy": "once"}}).want(422).names("late.grace"); !strings.Contains(a.Text, "such as 2h") {
		t.Errorf("it does not say what a grace is: %s", a.Text)
	}
}

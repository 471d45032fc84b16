package api_test

import (
	"encoding/csv"
	"fmt"
	"strings"
	"testing"
)

func TestWhoGotItAndWhoDidNotIsOneTableToTheEnd(t *testing.T) {
	sv := serve(t)
	templateID, offerID := sv.shop(230, nil)
	sv.holdOutGlobally(0.1)
	sv.put("/v1/customers/c7", object{"phone": "+8613800130007", "sms_consent": true}).want(200) // without a name
	body := draft(templateID, offerID)
	body["rule"] = `email != "c9@example.com"`
	path := "/v1/campaigns/" + sv.post("/v1/campaigns", body).want(201).text("id")
	tried := sv.post(path+"/dry-run", nil).want(200).is(1, "version").is(229, "audience").is(1, "gates", "consent")
	if table := sv.post(path+"/dry-run?format=csv", nil).want(200); !strings.Contains(table.Text, "\ngate,consent,1\n") || !strings.HasPrefix(table.Text, "of,name,customers\naudience,,229\n") {
		t.Errorf("a dry run as CSV:\n%s", table.Text)
	}
	sv.post(path+"/dry-run?version=2", nil).want(404)
	sv.post(path+"/launch", nil).want(200)
	if err := sv.engine.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	run := sv.get(path + "/runs").want(200)
	for gate, n := range tried.at("gates").(map[string]any) {
		run.is(n, "items", 0, "gates", gate)
	}
	all := sv.get("/v1/runs/" + run.text("items", 0, "id") + "/audience?format=csv").want(200)
	rows, err := csv.NewReader(strings.NewReader(all.Text)).ReadAll()
	if err != nil || len(rows) != 230 || all.Header.Get("X-Next-Cursor") != "" {
		t.Fatalf("%d rows, next %q (%v)", len(rows), all.Header.Get("X-Next-Cursor"), err)
	}
	seen, count := map[string]bool{}, map[string]int{}
	for _, row := range rows[1:] {
		seen[row[0]] = true
		count[row[1]]++
		if (row[1] == "passed") != (row[3] == "sent") || (row[1] == "holdout") != (row[2] != "") {
			t.Errorf("a row %q", row)
		}
	}
	for gate, n := range tried.at("gates").(map[string]any) {
		if float64(count[gate]) != n {
			t.Errorf("%d rows at %s, want %v", count[gate], gate, n)
		}
	}
	if len(seen) != 229 || seen["c9"] || count["template"] != 1 && count["holdout"] == 0 {
		t.Errorf("%d customers: %v", len(seen), count)
	}
	sv.get("/v1/runs/"+run.text("items", 0, "id")+"/audience?customer_id=c9").want(200).is("rule", "items", 0, "gate")
	sv.walks("/v1/runs/"+run.text("items", 0, "id")+"/audience?limit=50", "customer_id", 229)
	sv.post("/v1/rules/explain", object{"rule": "true", "customer_id": "c7"}).want(200).is("consent", "gates", 0, "gate").is("email", "gates", 0, "channel")
	quarters := sv.get("/v1/workspace/global-holdout").want(200).is("2026Q4", "items", 0, "quarter").is(0.1, "items", 0, "share").is(230, "items", 0, "population")
	sv.get("/v1/workspace/global-holdout?cursor=%21").want(422).names("cursor")
	if table := sv.get("/v1/workspace/global-holdout?format=csv").want(200); !strings.Contains(table.Text, fmt.Sprintf("2026Q4,0.1,2026-09-30T16:00:00Z,2026-12-31T16:00:00Z,%s", quarters.text("items", 0, "drawn_at"))) {
		t.Errorf("quarters as CSV:\n%s", table.Text)
	}
}

package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"beckon/campaigns/store"
)

// shop fills a service with customers, a template that prints a code, and a live offer. Nobody is held out globally.
func (sv *site) shop(customers int, limits object) (templateID, offerID string) {
	sv.Helper()
	sv.holdOutGlobally(0)
	for i := range customers {
		sv.put(fmt.Sprintf("/v1/customers/c%d", i), object{"name": fmt.Sprintf("Name %d", i), "phone": fmt.Sprintf("+861380013%04d", i), "sms_consent": i != 0,
			"email": fmt.Sprintf("c%d@example.com", i), "email_consent": true}).want(200)
	}
	templateID = sv.post("/v1/templates", object{"name": "Hi", "channel": "sms", "parts": object{"text": "Hi {{ customer.name }}: {{ code }}"}}).want(201).text("id")
	offerID = sv.post("/v1/offers", object{"name": "Ten off", "status": "live", "effect": object{"kind": "amount_off", "value": 10}, "limits": limits}).want(201).text("id")
	return templateID, offerID
}

// holdOutGlobally changes the share of customers whom no marketing reaches.
func (sv *site) holdOutGlobally(share float64) {
	sv.Helper()
	err := sv.store.Update(sv.Context(), func(tx *store.Tx) error {
		w, err := tx.LockWorkspace(sv.Context())
		if err != nil {
			return err
		}
		w.GlobalHoldout = share
		return tx.SaveWorkspace(sv.Context(), w)
	})
	if err != nil {
		sv.Fatal(err)
	}
}

func draft(templateID, offerID string) object {
	return object{"name": "Win back", "kind": "once", "rule": "true", "holdout": 0.2, "goal": object{"metric": "purchase", "window": "14d"}, "offer_id": offerID,
		"variants": list{object{"name": "A", "weight": 1, "channel_id": "catcher", "template_id": templateID}}}
}

func TestACampaignIsWrittenLaunchedSentAndReported(t *testing.T) {
	sv := serve(t)
	templateID, offerID := sv.shop(40, nil)
	made := sv.post("/v1/campaigns", draft(templateID, offerID)).want(201).is("draft", "status").is(1, "version")
	path := "/v1/campaigns/" + made.text("id")
	read := sv.get(path).want(200)
	edited := sv.put(path, read.Text, "If-Match", read.Header.Get("ETag")).want(200).is(2, "version")
	sv.put(path, read.Text, "If-Match", read.Header.Get("ETag")).want(412)
	sv.put(path, read.Text, "If-Match", `"nonsense"`).want(412)
	sv.post(path+"/launch", nil, "If-Match", edited.Header.Get("ETag")).want(200).is("scheduled", "status")
	sv.post(path+"/launch", nil).want(409)
	if err := sv.engine.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	sv.get(path).want(200).is("completed", "status")
	sv.put(path, read.Text).want(409)
	run := sv.get(path+"/runs").want(200).is("done", "items", 0, "status").is(40, "items", 0, "audience")
	runID := run.text("items", 0, "id")
	sv.get("/v1/runs").want(200).is(runID, "items", 0, "id")
	counts := sv.get("/v1/runs/"+runID).want(200).is(1, "gates", "consent")
	sv.walks("/v1/runs/"+runID+"/audience?limit=7", "customer_id", 40)
	sv.walks("/v1/runs/"+runID+"/audience?gate=consent&limit=7", "customer_id", 1)
	sv.walks("/v1/runs/"+runID+"/audience?gate=holdout&limit=3", "customer_id", int(counts.at("gates", "holdout").(float64)))
	sv.walks("/v1/runs/"+runID+"/audience?status=ghost&limit=3", "customer_id", int(counts.at("gates", "holdout").(float64)))
	sv.walks("/v1/runs/"+runID+"/audience?status=sent&limit=7", "customer_id", int(counts.at("messages", "sent").(float64)))
	sv.walks("/v1/runs/"+runID+"/audience?status=sent&gate=holdout", "customer_id", 0)
	sv.get("/v1/runs/" + runID + "/audience?status=lost").want(422).names("status")
	sv.get("/v1/runs/" + runID + "/audience?status=sent&customer_id=c0").want(422).names("status")
	sv.get("/v1/runs/" + runID + "/audience?gate=garden").want(422).names("gate")
	sv.get("/v1/runs/"+runID+"/audience?customer_id=c0").want(200).is("consent", "items", 0, "gate")
	sv.get("/v1/runs/" + runID + "/audience?customer_id=nobody").want(404)
	if a := sv.get("/v1/runs/" + runID + "/audience?format=csv&limit=1000").want(200); strings.Count(a.Text, "\n") != 41 || !strings.HasPrefix(a.Text, "customer_id,gate") {
		t.Errorf("the audience as CSV:\n%s", a.Text)
	}
	sv.walks("/v1/messages?limit=6&run_id="+runID, "id", 39)
	messages := sv.get("/v1/messages?campaign_id=" + made.text("id") + "&status=sent").want(200)
	message := sv.get("/v1/messages/"+messages.text("items", 0, "id")).want(200).is("sent", "status")
	if text := message.text("parts", "text"); !strings.Contains(text, "Hi Name") || !strings.Contains(text, message.text("code")) && message.text("code") == "" {
		t.Errorf("the content is %q", text)
	}
	sv.get("/v1/messages?customer_id=c0").want(200).is(nil, "items", 0)
	report := sv.get(path+"/report").want(200).is("conversion", "metrics", 0, "name").is("holdout", "metrics", 0, "arms", 0, "name")
	if report.at("data_cut_off") == nil {
		t.Error("the report has no cut-off")
	}
	if a := sv.get(path + "/report?format=csv").want(200); !strings.HasPrefix(a.Text, "metric,primary,arm,assigned") || !strings.Contains(a.Text, "conversion,true,holdout") {
		t.Errorf("the report as CSV:\n%s", a.Text)
	}
	sv.post(path+"/archive", nil).want(200).is("archived", "status")
	sv.walks("/v1/audit?limit=9", "id", 46)
}

func TestACampaignPausesResumesAndEnds(t *testing.T) {
	sv := serve(t)
	templateID, offerID := sv.shop(3, nil)
	body := draft(templateID, offerID)
	body["kind"], body["schedule"] = "recurring", object{"cron": "0 9 * * *", "zone": "Asia/Shanghai"}
	path := "/v1/campaigns/" + sv.post("/v1/campaigns", body).want(201).text("id")
	for _, move := range [][2]string{{"launch", "scheduled"}, {"pause", "paused"}, {"resume", "active"}, {"cancel", "cancelled"}, {"archive", "archived"}} {
		sv.post(path+"/"+move[0], nil).want(200).is(move[1], "status")
	}
	sv.post(path+"/resume", nil).want(409)
	sv.walks("/v1/campaigns?limit=1", "id", 1)
}

func TestLeavingAChannelTakesAClick(t *testing.T) {
	sv := serve(t)
	sv.put("/v1/customers/u", object{"name": "Ann", "email": "ann@example.com", "email_consent": true}).want(200)
	id := sv.post("/v1/templates", object{"name": "Hi", "channel": "email", "parts": object{"subject": "Hi", "text": "{{ links.unsubscribe }}"}}).want(201).text("id")
	preview := sv.post("/v1/templates/"+id+"/preview", object{"customer_id": "u"}).want(200)
	link, err := url.Parse(strings.TrimSpace(preview.text("parts", "text")))
	if err != nil {
		t.Fatal(err)
	}
	page := sv.get(link.Path, "Authorization", "").want(200)
	if !strings.Contains(page.Text, `<form method="post">`) || !strings.HasPrefix(page.Header.Get("Content-Type"), "text/html") || strings.Contains(page.Header.Get("Content-Security-Policy"), "unsafe") {
		t.Errorf("the page: %v\n%s", page.Header, page.Text)
	}
	sv.get("/v1/customers/u").want(200).is(true, "email_consent")
	sv.post(link.Path, "List-Unsubscribe=One-Click", "Content-Type", "application/x-www-form-urlencoded", "Authorization", "").want(200)
	sv.get("/v1/customers/u").want(200).is(false, "email_consent")
	if a := sv.get(link.Path, "Authorization", "", "Accept-Language", "zh-CN").want(200); !strings.Contains(a.Text, "退订") {
		t.Error("the page does not speak Chinese")
	}
	if a := sv.get("/u/nonsense", "Authorization", "").want(404); !strings.Contains(a.Text, "<html") {
		t.Error("a link that does not work has no page")
	}
	sv.post("/u/nonsense", "", "Authorization", "").want(404)
}

func TestACodeIsLookedUpAndRedeemedOnce(t *testing.T) {
	sv := serve(t)
	templateID, offerID := sv.shop(6, nil)
	body := draft(templateID, offerID)
	body["holdout"] = 0
	id := sv.post("/v1/campaigns", body).want(201).text("id")
	sv.post("/v1/campaigns/"+id+"/launch", nil).want(200)
	if err := sv.engine.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	message := sv.get("/v1/messages?status=sent").want(200)
	code, customer := message.text("items", 0, "code"), message.text("items", 0, "customer_id")
	other := message.text("items", 1, "code")
	sv.get("/v1/codes/"+strings.ToLower(code)).want(200).is(true, "usable").is(customer, "customer_id").is("open", "state")
	sv.get("/v1/codes/NONE-NONE-NONE").want(404)
	basket := object{"order_id": "o1", "customer_id": customer, "codes": list{code}, "lines": list{object{"sku": "a", "qty": 3, "unit_price": "33.33"}, object{"sku": "b", "qty": 1, "unit_price": 0.01}}}
	first := sv.post("/v1/redemptions", basket).want(201).is("100.00", "subtotal").is("10.00", "discount").is("90.00", "total").is("o1", "order_id")
	again := sv.post("/v1/redemptions", basket).want(200)
	if first.Text != again.Text {
		t.Errorf("the repeat answers\n%s\nand not\n%s", again.Text, first.Text)
	}
	basket["order_id"] = "o2"
	sv.post("/v1/redemptions", basket).want(409).is("per_code", "limit")
	basket["codes"] = list{other}
	sv.post("/v1/redemptions", basket).want(409)
	sv.get("/v1/codes/"+code).want(200).is(false, "usable").is("used", "state").is("used up", "why")
	sv.post("/v1/redemptions", object{"order_id": "o3", "customer_id": "nobody", "codes": list{other}, "lines": basket["lines"]}).want(422).names("customer_id")
}

func TestTheLastUseIsHadOnce(t *testing.T) {
	sv := serve(t)
	templateID, offerID := sv.shop(50, object{"total": 1})
	body := draft(templateID, offerID)
	body["holdout"], body["guards"] = 0, object{"codes": false} // more coupons than uses is what is tried here
	id := sv.post("/v1/campaigns", body).want(201).text("id")
	sv.post("/v1/campaigns/"+id+"/launch", nil).want(200)
	if err := sv.engine.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	messages := sv.get("/v1/messages?status=sent&limit=100").want(200)
	codes := messages.at("items").(list)
	var waiting sync.WaitGroup
	answers := make([]*answer, len(codes))
	for i := range codes {
		waiting.Go(func() {
			answers[i] = sv.post("/v1/redemptions", object{"order_id": fmt.Sprintf("o%d", i), "codes": list{messages.text("items", i, "code")},
				"lines": list{object{"sku": "a", "qty": 1, "unit_price": "50"}}})
		})
	}
	waiting.Wait()
	had := 0
	for _, a := range answers {
		switch {
		case a.Status == http.StatusCreated:
			had++
		case a.Status != http.StatusConflict || a.text("limit") != "total":
			t.Errorf("%d %s", a.Status, a.Text)
		}
	}
	if had != 1 {
		t.Errorf("the last use was had %d times", had)
	}
}

package main

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestARestoredBackupSendsNothingUntilSomebodySaysSo(t *testing.T) {
	addr, data := freeAddress(t), t.TempDir()
	p := serve(t, addr, data)
	p.call(http.MethodPut, "/v1/customers/c1", "application/json", `{"name":"Ann","email":"ann@example.com","email_consent":true}`, http.StatusOK)
	template := p.post("/v1/templates", `{"name":"t","channel":"email","parts":{"subject":"Hi","text":"Hello"}}`, http.StatusCreated)["id"].(string)
	p.post("/v1/workspace/stop", `{"reason":"so that something is queued when the backup is made"}`, http.StatusOK)
	campaign := p.post("/v1/campaigns", `{"name":"Receipts","kind":"once","rule":"true","purpose":"transactional","late":{"policy":"each","grace":"10d"},
		"variants":[{"name":"A","weight":1,"channel_id":"catcher","template_id":"`+template+`"}]}`, http.StatusCreated)["id"].(string)
	p.post("/v1/campaigns/"+campaign+"/launch", "", http.StatusOK)
	run := func() map[string]any {
		runs := p.get("/v1/campaigns/" + campaign + "/runs")["items"].([]any)
		if len(runs) == 0 {
			return map[string]any{}
		}
		return runs[0].(map[string]any)
	}
	count := func(status string) any { return run()["messages"].(map[string]any)[status] }
	p.until(30*time.Second, "the run to be queued", func() bool { return run()["status"] == "sending" })
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.wait(30 * time.Second); err != nil {
		t.Fatalf("the service ended with %v", err)
	}
	marking := command(t, nil, "restore", "--data", data).start()
	if err := marking.wait(60 * time.Second); err != nil || !strings.Contains(marking.output(), "1 runs wait") {
		t.Fatalf("beckon restore: %v: %s", err, marking.output())
	}
	p = serve(t, addr, data)
	p.post("/v1/workspace/resume", "", http.StatusOK)
	if held := run(); held["held"] != "gap" || !strings.Contains(held["reason"].(string), "restored from a backup") || count("queued") != 1.0 {
		t.Fatalf("the run is %v", held)
	}
	p.post("/v1/runs/"+run()["id"].(string)+"/resume", "", http.StatusOK)
	p.until(30*time.Second, "the message to be sent", func() bool { return count("sent") == 1.0 })
}

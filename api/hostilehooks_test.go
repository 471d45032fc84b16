package api_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestWhatAProviderPostsIsKeptHoweverAbsurdItsTimesAndWordsAre(t *testing.T) {
	p := posted(t)
	settings := object{"url": "https://api.example.com/send", "body": "{}", "hook_secret": "sesame",
		"receipts": object{"id": "id", "status": "state", "delivered": []string{"ok"}, "at": "when", "detail": "why"},
		"inbound":  object{"id": "id", "from": "from", "text": "text", "at": "when"}}
	p.post("/v1/channels", object{"id": "gate", "name": "Gate", "kind": "gateway", "settings": settings}).want(201)
	times := []string{"-999999999999", "9999999999999", "99999999999", "-1", "0", "0000-01-01T00:00:00Z", "0001-01-01 00:00:00", "9999-12-31T23:59:59-23:59", "00000101000000", "\\u0000", "٣"}
	for i, at := range times {
		receipt := fmt.Sprintf(`{"id":"r%d\u0000","state":"ok","when":"%s","why":"a\u0000\u202eb\r\nlevel=ERROR\ud800"}`, i, at)
		p.hook("/hooks/gate/receipts?secret=sesame", "application/json", receipt).want(200)
		text := fmt.Sprintf(`{"id":"t%d","from":"+1415555\u0000%d","when":"%s","text":"STOP\u0000\ud800\u202e"}`, i, 2670+i, at)
		p.hook("/hooks/gate/inbound?secret=sesame", "application/json", text).want(200)
	}
	p.hook("/hooks/gate/receipts?secret=sesame", form, "id=%ff%00z&state=ok&when=%ff").want(200)
	p.hook("/hooks/gate/inbound?secret=sesame", form, "id=%ff%00z&from=%ff1&text=%ff%00").want(200)
	if got := p.receipts(); len(got) != len(times)+1 {
		t.Errorf("%d receipts of %d", len(got), len(times)+1)
	} else {
		for _, r := range got {
			if r.At.Year() < 1970 || r.At.After(p.clock.Now()) {
				t.Errorf("at %s", r.At)
			}
		}
	}
	if in := p.inbound(); len(in) != len(times)+1 {
		t.Errorf("%d texts of %d", len(in), len(times)+1)
	}
	if _, err := p.engine.Answer(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := p.engine.Receipts(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestANoticeOfAMillionRecipientsTakesNoTime(t *testing.T) {
	p := posted(t)
	p.post("/v1/channels", object{"id": "mail", "name": "Mail", "kind": "smtp", "settings": object{"host": "127.0.0.1", "port": 9, "tls": "none", "from": "shop@example.com", "hook_secret": "sesame"}}).want(201)
	began := time.Now()
	many := `{"notificationType":"Bounce","mail":{"messageId":"m"},"bounce":{"bounceType":"Permanent","bouncedRecipients":[{}` + strings.Repeat(",{}", 340_000) + `]}}`
	p.hook("/hooks/mail/bounces?secret=sesame", "application/json", many).want(200)
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
	deep := strings.Repeat(`{"Message":`, 90_000)
	p.hook("/hooks/mail/bounces?secret=sesame", "application/json", deep).want(422)
	p.hook("/hooks/mail/bounces?secret=sesame", "application/json", strings.Repeat("[", 1<<20-1)).want(422)
}

// TestSecretsOfChannelsAreInNoTableLogOrAnswer looks into each row of the database.
func TestSecretsOfChannelsAreInNoTableLogOrAnswer(t *testing.T) {
	p := posted(t)
	bodies := map[string]object{
		"mail": {"id": "mail", "name": "Mail", "kind": "smtp", "settings": object{"host": "127.0.0.1", "port": 9, "tls": "none", "from": "shop@example.com",
			"username": "me", "password": "s3cr3t-a", "hook_secret": "s3cr3t-b", "inbox_host": "127.0.0.1", "inbox_username": "me", "inbox_password": "s3cr3t-c"}},
		"gate": {"id": "gate", "name": "Gate", "kind": "gateway", "settings": object{"username": "me", "url": "http://127.0.0.1:9/send?key={{ secret }}", "body": `{"p":"{{ password }}"}`, "password": "s3cr3t-d",
			"access_key": "k", "access_secret": "s3cr3t-e", "hook_secret": "s3cr3t-f", "headers": object{"X-Api-Key": "{{ secret }}"},
			"receipts": object{"id": "id", "status": "state", "delivered": []string{"ok"}}}},
		"smsc": {"id": "smsc", "name": "SMSC", "kind": "smpp", "settings": object{"host": "127.0.0.1", "port": 9, "username": "me", "password": "s3cr3t-g"}},
	}
	said := ""
	for id, body := range bodies {
		said += p.do("POST", "/v1/channels", body, "Idempotency-Key", "make-"+id).want(201).Text
		said += p.do("POST", "/v1/channels", body, "Idempotency-Key", "make-"+id).Text
		read := p.get("/v1/channels/" + id).want(200)
		body["name"] = "Another"
		said += read.Text + p.do("PUT", "/v1/channels/"+id, body, "Idempotency-Key", "change-"+id).want(200).Text
		to := map[string]string{"mail": "ann@example.com"}[id]
		if to == "" {
			to = "+14155552671"
		}
		said += p.do("POST", "/v1/channels/"+id+"/test", object{"to": to}).Text
	}
	for _, what := range []string{"receipts", "inbound", "bounces"} {
		said += p.hook("/hooks/gate/"+what+"?secret=s3cr3t-f&id=1&state=ok", form, url.Values{"secret": {"s3cr3t-f"}, "id": {"2"}, "state": {"ok"}}.Encode()).Text
		said += p.hook("/hooks/mail/"+what+"?secret=s3cr3t-b", form, "x").Text
	}
	said += p.get("/v1/audit").want(200).Text + p.get("/v1/channels").want(200).Text + p.get("/metrics").Text + p.get("/openapi.json").Text + p.log.String()
	if at := strings.Index(said, "s3cr3t"); at >= 0 {
		t.Errorf("a secret is told: %s", said[max(0, at-200):min(len(said), at+50)])
	}
	var tables []string
	if err := p.sql.QueryRow(t.Context(), `SELECT array_agg(quote_ident(tablename)) FROM pg_tables WHERE schemaname = 'public'`).Scan(&tables); err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		var n int
		if err := p.sql.QueryRow(t.Context(), `SELECT count(*) FROM `+table+` r WHERE r::text LIKE '%s3cr3t%' OR r::text LIKE '%'||encode('s3cr3t', 'hex')||'%'`).Scan(&n); err != nil || n > 0 {
			t.Errorf("%s: %d rows with a secret, %v", table, n, err)
		}
	}
}

package api_test

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"beckon/campaigns"
)

// sentTo launches a campaign of one template to everybody, settles, and gives the parts of its one message as the API shows
// them.
func (sv *site) sentTo(template, campaign object) (path string, parts map[string]any) {
	sv.Helper()
	template["name"] = "t"
	id := sv.post("/v1/templates", template).want(201).text("id")
	body := object{"name": "c", "kind": "once", "rule": "true", "holdout": 0, "variants": []object{{"name": "A", "weight": 1, "channel_id": "catcher", "template_id": id}}}
	for field, value := range campaign {
		body[field] = value
	}
	made := sv.post("/v1/campaigns", body).want(201).text("id")
	sv.post("/v1/campaigns/"+made+"/launch", nil).want(200)
	if err := sv.engine.Settle(sv.Context()); err != nil {
		sv.Fatal(err)
	}
	path = "/v1/messages/" + sv.get("/v1/messages?campaign_id="+made).want(200).text("items", 0, "id")
	parts, _ = sv.get(path).want(200).body["parts"].(map[string]any)
	return path, parts
}

// linkIn is the path of the first link of a kind in a text.
func linkIn(t *testing.T, text, kind string) string {
	t.Helper()
	link := regexp.MustCompile(`https?://[^/]+(/` + kind + `/[A-Za-z0-9_-]+)`).FindStringSubmatch(text)
	if link == nil {
		t.Fatalf("there is no /%s/ in %s", kind, text)
	}
	return link[1]
}

const person = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"

func TestPreferencesAreChosenByTopic(t *testing.T) {
	sv := serve(t)
	sv.do("PATCH", "/v1/workspace", object{"topics": []object{{"name": "News!"}}}).want(422).names("topics[0].name")
	sv.do("PATCH", "/v1/workspace", object{"quiet_hours": nil, "global_holdout": 0, "topics": []object{{"name": "news", "title": object{"en": "The <b>letter", "zh": "会员通讯"}}, {"name": "deals"}}}).want(200)
	sv.put("/v1/customers/u", object{"name": "Ann", "email": "ann@example.com", "email_consent": true}).want(200)
	message, parts := sv.sentTo(object{"channel": "email", "parts": object{"subject": "Hi", "text": "{{ links.unsubscribe }}"}}, object{"topic": "news"})
	link := linkIn(t, parts["text"].(string), "u")
	post := func(values url.Values) *answer {
		return sv.post(link, values.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Authorization", "", "User-Agent", person).want(200)
	}
	word := func(topic string) (said string) {
		t.Helper()
		items, _ := sv.get("/v1/customers/u/consents").want(200).body["items"].([]any)
		said = "none"
		for i := len(items) - 1; i >= 0; i-- {
			if item := items[i].(map[string]any); item["topic"] == topic || topic == "" && item["topic"] == nil {
				said = map[bool]string{true: "yes", false: "no"}[item["granted"].(bool)]
			}
		}
		return said
	}
	for range 2 {
		shown := sv.get(link+"?utm_source=x", "Authorization", "", "Accept-Language", "en").want(200).Text
		sv.do("HEAD", link, nil, "Authorization", "").want(200)
		if strings.Count(shown, " checked") != 3 || !strings.Contains(shown, "The &lt;b&gt;letter") {
			t.Errorf("the page shows %s", shown)
		}
	}
	if shown := sv.get(link, "Accept-Language", "zh").want(200).Text; !strings.Contains(shown, "会员通讯") {
		t.Errorf("the page shows %s", shown)
	}
	sv.clock.Advance(1e9)
	post(url.Values{"save": {"1"}, "channel": {"1"}, "topic": {"deals", "unknown"}})
	if word("news") != "no" || word("deals") != "none" || word("") != "yes" || word("unknown") != "none" {
		t.Errorf("without news: %s, %s, %s", word("news"), word("deals"), word(""))
	}
	first := sv.get("/v1/customers/u/consents").want(200).is("preferences page", "items", 0, "source")
	if proof := first.text("items", 0, "proof"); !strings.Contains(proof, strings.TrimPrefix(message, "/v1/messages/")) || !strings.Contains(proof, "Firefox") {
		t.Errorf("the proof %q", proof)
	}
	sv.clock.Advance(1e9)
	if left := post(url.Values{"List-Unsubscribe": {"One-Click"}}); !strings.Contains(left.Text, "You are unsubscribed") || strings.Contains(left.Text, " checked") || word("") != "no" {
		t.Errorf("after one click: %s\n%s", word(""), left.Text)
	}
	sv.clock.Advance(1e9)
	post(url.Values{"save": {"1"}, "topic": {"news"}})
	if word("") != "no" || word("news") != "no" {
		t.Error("a topic brought the channel back")
	}
	post(url.Values{"save": {"1"}, "channel": {"1"}, "topic": {"news"}})
	if word("") != "yes" || word("news") != "yes" || word("deals") != "no" {
		t.Errorf("back: %s, news %s, deals %s", word(""), word("news"), word("deals"))
	}
	run := sv.get(message).want(200).text("run_id")
	sv.get("/v1/runs/"+run).want(200).is(1, "tracking", "unsubscribed")
	sv.get("/v1/customers/u/consents?format=csv").want(200)
	sv.post("/v1/campaigns", object{"name": "c", "kind": "once", "rule": "true", "holdout": 0, "topic": "nothing",
		"variants": []object{{"name": "A", "weight": 1, "channel_id": "catcher", "template_id": sv.get(message).text("template_id")}}}).want(422).names("topic")
}

func TestALinkLeadsOnAndIsCounted(t *testing.T) {
	sv := serve(t)
	sv.do("PATCH", "/v1/workspace", object{"quiet_hours": nil, "global_holdout": 0}).want(200)
	sv.put("/v1/customers/u", object{"name": "Ann", "email": "ann@example.com", "email_consent": true}).want(200)
	path, parts := sv.sentTo(object{"channel": "email", "parts": object{"subject": "Hi", "html": `<a href="https://a.test/ü?x=1#y">go</a>{{ links.unsubscribe }}`, "text": "x"}}, nil)
	html := parts["html"].(string)
	click, open := linkIn(t, html, "t"), linkIn(t, html, "o")
	sv.clock.Advance(60e9)
	for range 2 {
		if a := sv.do("HEAD", click, nil, "Authorization", "", "User-Agent", person).want(302); a.Header.Get("Location") != "https://a.test/%C3%BC?x=1#y" {
			t.Errorf("the link leads to %q", a.Header.Get("Location"))
		}
	}
	sv.get(open, "Authorization", "", "User-Agent", person, "Purpose", "prefetch").want(200)
	sv.get(path).want(200).is(nil, "opened_at").is(nil, "clicked_at")
	sv.clock.Advance(1e9)
	if a := sv.get(open+"?x=1", "Authorization", "", "User-Agent", person).want(200); a.Header.Get("Content-Type") != "image/gif" || !strings.HasPrefix(a.Text, "GIF89a") ||
		a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Cross-Origin-Resource-Policy") != "cross-origin" {
		t.Errorf("the picture %v", a.Header)
	}
	sv.clock.Advance(1e9)
	sv.get(click, "Authorization", "", "User-Agent", person).want(302)
	m := sv.get(path).want(200).is("2026-11-21T10:01:01Z", "opened_at").is("2026-11-21T10:01:02Z", "clicked_at")
	m.is("opened", "history", 4, "status").is("clicked", "history", 5, "status").is("https://a.test/ü?x=1#y", "history", 5, "detail")
	sv.get("/v1/runs/"+m.text("run_id")).want(200).is(1, "tracking", "opened").is(1, "tracking", "clicked")
	for _, broken := range []string{click + "x", strings.Replace(open, "/o/", "/t/", 1), "/t/x", "/o/x", "/s/abcdefghij", "/s/x"} {
		if a := sv.get(broken, "Authorization", "").want(404); !strings.Contains(a.Text, "<html") || a.Header.Get("Location") != "" {
			t.Errorf("%s: %v\n%s", broken, a.Header, a.Text)
		}
	}
}

func TestAShortLinkWorksOnItsOwnHost(t *testing.T) {
	sv := serve(t)
	sv.do("PATCH", "/v1/workspace", object{"short_domain": "https://s.test/"}).want(422).names("short_domain")
	sv.do("PATCH", "/v1/workspace", object{"quiet_hours": nil, "global_holdout": 0, "short_domain": "s.test"}).want(200)
	sv.put("/v1/customers/u", object{"name": "Ann", "phone": "13800138000", "sms_consent": true}).want(200)
	path, parts := sv.sentTo(object{"channel": "sms", "parts": object{"text": "https://a.test/x"}}, nil)
	code, is := strings.CutPrefix(parts["text"].(string), "https://s.test/")
	if !is || len(code) != 10 {
		t.Fatalf("the text %q", parts["text"])
	}
	sv.do("HEAD", "http://s.test/"+code, nil, "Authorization", "").want(302)
	sv.get(path).want(200).is(nil, "clicked_at")
	if a := sv.get("http://s.test/"+code, "Authorization", "", "User-Agent", person).want(302); a.Header.Get("Location") != "https://a.test/x" {
		t.Errorf("it leads to %q", a.Header.Get("Location"))
	}
	sv.get(path).want(200).is("https://a.test/x", "history", 3, "detail")
	sv.get("http://beckon.test/"+code, "Authorization", "").want(404)
	sv.get("/s/"+code, "Authorization", "", "User-Agent", person).want(302)
}

func TestTheSuppressionListTakesManyAndFindsOne(t *testing.T) {
	sv := serve(t)
	sv.get("/v1/suppressions?address=ann@example.com").want(200).is(nil, "items", 0)
	sv.post("/v1/suppressions", object{"items": []object{{"channel": "email", "address": "Ann@example.com", "reason": "old list"}, {"channel": "sms", "address": "13800138000"}}}).want(201).is("ann@example.com", "items", 0, "address")
	sv.post("/v1/suppressions", object{"items": []object{{"channel": "email", "address": "bob@example.com"}, {"channel": "sms", "address": "123"}}}).want(422).names("items[1].address")
	sv.post("/v1/suppressions", object{"channel": "email"}).want(422).names("address")
	sv.get("/v1/suppressions?address=ANN@example.com").want(200).is("old list", "items", 0, "reason").is(nil, "items", 1)
	sv.get("/v1/suppressions?address=%2B8613800138000").want(200).is("manual", "items", 0, "reason")
	sv.get("/v1/suppressions?address=bob@example.com").want(200).is(nil, "items", 0)
	if a := sv.get("/v1/suppressions?format=csv").want(200); !strings.Contains(a.Text, "ann@example.com") {
		t.Errorf("the table %s", a.Text)
	}
}

func TestTextsThatPeopleSendAreListed(t *testing.T) {
	sv := serve(t)
	for i, text := range []string{"hello", "=1+1", "TD"} {
		at := sv.clock.Now()
		if err := sv.engine.Hear(sv.Context(), campaigns.Catcher, []campaigns.Inbound{{ProviderID: text, From: "13800138000", To: "1069", Text: text, At: at}}); err != nil {
			t.Fatal(i, err)
		}
		sv.clock.Advance(1e9)
	}
	if err := sv.engine.Settle(sv.Context()); err != nil {
		t.Fatal(err)
	}
	sv.get("/v1/inbound").want(200).is("TD", "items", 0, "text").is("stop", "items", 0, "word").is("sent", "items", 0, "reply", "status").is("hello", "items", 2, "text")
	sv.get("/v1/inbound?word=stop&channel_id=catcher&from=%2B8613800138000").want(200).is("TD", "items", 0, "text").is(nil, "items", 1)
	sv.get("/v1/inbound?channel_id=other").want(200).is(nil, "items", 0)
	sv.walks("/v1/inbound?limit=1", "id", 3)
	if a := sv.get("/v1/inbound?format=csv").want(200); !strings.Contains(a.Text, "'=1+1") {
		t.Errorf("the table %s", a.Text)
	}
}

func TestTheSuppressedAddressesAreATableAsAWhole(t *testing.T) {
	sv := serve(t)
	for batch := range 2 {
		items := make([]object, 600)
		for i := range items {
			items[i] = object{"channel": "email", "address": fmt.Sprintf("s%d@example.com", batch*600+i), "reason": "=cmd"}
		}
		sv.post("/v1/suppressions", object{"items": items}).want(201)
	}
	sv.post("/v1/suppressions", object{"channel": "sms", "address": "13800138000"}).want(201)
	lines := func(query string) []string {
		t.Helper()
		return strings.Split(strings.TrimSpace(sv.get("/v1/suppressions?format=csv"+query).want(200).Text), "\n")
	}
	all := lines("")
	if len(all) != 1+1201 || all[0] != "channel,address,reason,at,hash" || !strings.Contains(strings.Join(all, "\n"), ",'=cmd,") {
		t.Errorf("%d lines, the first %s", len(all), all[0])
	}
	if n := len(lines("&channel=email")); n != 1+1200 {
		t.Errorf("%d lines of e-mail", n)
	}
	page := sv.get("/v1/suppressions?format=csv&limit=1000").want(200)
	if n := strings.Count(page.Text, "\n"); n != 1+1000 || page.Header.Get("X-Next-Cursor") == "" {
		t.Errorf("%d lines of a page", n)
	}
	if rest := lines("&cursor=" + page.Header.Get("X-Next-Cursor")); len(rest) != 1+201 {
		t.Errorf("%d lines of the rest", len(rest))
	}
	if n := len(sv.get("/v1/suppressions").want(200).body["items"].([]any)); n != 100 {
		t.Errorf("%d items as JSON", n)
	}
}

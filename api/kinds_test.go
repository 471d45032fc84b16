package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// weChat is a service that a shop describes by configuration alone: what it was asked, by address.
type weChat struct {
	*httptest.Server
	mu  sync.Mutex
	got map[string]map[string]string
}

func newWeChat(t *testing.T) *weChat {
	t.Helper()
	w := &weChat{got: map[string]map[string]string{}}
	w.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		var asked map[string]string
		text, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(text, &asked); err != nil {
			t.Errorf("asked %s: %v", text, err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		if w.got[asked["touser"]] != nil {
			t.Errorf("%s got two", asked["touser"])
		}
		w.got[asked["touser"]] = asked
		fmt.Fprintf(out, `{"errcode":0,"msgid":%d}`, 100+len(w.got))
	}))
	t.Cleanup(w.Close)
	return w
}

func (w *weChat) received() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for to := range w.got {
		all = append(all, to)
	}
	slices.Sort(all)
	return all
}

func (w *weChat) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.got)
}

func weChatGateway(at string) object {
	return object{"id": "wx", "name": "WeChat", "kind": "gateway", "settings": object{"url": at + "/send?access_token={{ secret }}", "access_secret": "t",
		"body":  `{"touser":{{ message.to }},"title":{{ message.parts.title }},"text":{{ message.parts.text }}}`,
		"sends": "wechat", "address": "wechat_openid", "consent": "wechat_consent", "parts": []string{"title", "text"},
		"answer":   object{"ok_when": object{"path": "errcode", "equals": "0"}, "id": "msgid", "error": "errcode"},
		"receipts": object{"id": "msgid", "status": "state", "delivered": []string{"success"}}, "hook_secret": "x"}}
}

// weChatShop makes attributes, gateway, template and customers; of c0 to c7 c0 to c3 can be written to.
func weChatShop(sv *posting, at string) (template string) {
	sv.put("/v1/attributes/wechat_openid", object{"type": "text"}).want(200)
	sv.put("/v1/attributes/wechat_consent", object{"type": "bool"}).want(200)
	settings := object{"public_url": "https://shop.example.com", "caps": []object{{"channel": "wechat", "max": 2, "window": "24h"}}, "quiet_hours": nil, "global_holdout": 0}
	sv.do("PATCH", "/v1/workspace", settings).want(422).names("caps[0].channel")
	sv.post("/v1/channels", weChatGateway(at)).want(201)
	sv.do("PATCH", "/v1/workspace", settings).want(200)
	sv.do("DELETE", "/v1/attributes/wechat_openid", nil).want(409)
	sv.do("PATCH", "/v1/attributes/wechat_consent", object{"name": "other"}).want(409)
	template = sv.post("/v1/templates", object{"name": "Hi", "channel": "wechat", "parts": object{"title": "Dear {{ customer.name }}", "text": "Leave: {{ links.unsubscribe }}"}}).want(201).text("id")
	for i := range 8 {
		attributes := object{"wechat_openid": fmt.Sprintf("o%d", i), "wechat_consent": true}
		switch i {
		case 4:
			delete(attributes, "wechat_consent")
		case 5:
			attributes["wechat_consent"] = false
		case 6:
			delete(attributes, "wechat_openid")
		}
		sv.put(fmt.Sprintf("/v1/customers/c%d", i), object{"name": fmt.Sprintf(`Ann "%d"`, i), "attributes": attributes})
	}
	sv.post("/v1/suppressions", object{"channel": "wechat", "address": " o7 ", "reason": "asked"}).want(201)
	sv.get("/v1/suppressions?address=o7").want(200).is("wechat", "items", 0, "channel")
	sv.get("/v1/suppressions?address=o7&channel=wechat").want(200).is("asked", "items", 0, "reason")
	sv.get("/v1/suppressions?address=o7&channel=email").want(200).is(nil, "items", 0)
	return template
}

// launched makes and launches a campaign through the gateway, settles, and gives its run.
func (p *posting) launched(template string, change func(c object)) *answer {
	p.Helper()
	c := object{"name": "Hello", "kind": "once", "rule": "true", "holdout": 0, "goal": object{"metric": "purchase", "window": "7d"},
		"variants": []object{{"name": "A", "weight": 1, "channel_id": "wx", "template_id": template}}}
	if change != nil {
		change(c)
	}
	id := p.post("/v1/campaigns", c).want(201).text("id")
	p.post("/v1/campaigns/"+id+"/launch", nil).want(200)
	if err := p.engine.Settle(p.Context()); err != nil {
		p.Fatal(err)
	}
	run := p.get("/v1/campaigns/"+id+"/runs").want(200).text("items", 0, "id")
	return p.get("/v1/runs/" + run).want(200)
}

func TestWeChatNeedsConfigurationOnly(t *testing.T) {
	p := posted(t)
	service := newWeChat(t)
	template := weChatShop(p, service.URL)
	run := p.launched(template, nil)
	run.is(8.0, "audience").is(2.0, "gates", "consent").is(1.0, "gates", "address").is(1.0, "gates", "suppressed").is(4.0, "gates", "passed").is(4.0, "messages", "sent")
	if got := service.received(); !slices.Equal(got, []string{"o0", "o1", "o2", "o3"}) || service.got["o1"]["title"] != `Dear Ann "1"` {
		t.Fatalf("received %v %v", got, service.got)
	}
	message := p.get("/v1/messages?customer_id=c1").want(200)
	message.is("o1", "items", 0, "address").is("sent", "items", 0, "status")
	p.get("/v1/messages/"+message.text("items", 0, "id")).want(200).is(`Dear Ann "1"`, "parts", "title")

	// Its page for leaving withdraws exactly that consent: the next message is not sent, c2's still is.
	link := strings.TrimPrefix(service.got["o1"]["text"], "Leave: https://shop.example.com")
	if page := p.get(link).want(200).Text; strings.Count(page, " checked") != 1 {
		t.Errorf("who gets it is shown %s", page)
	}
	p.get("/v1/customers/c1").want(200).is(true, "attributes", "wechat_consent")
	p.hook(link, form, url.Values{"List-Unsubscribe": {"One-Click"}}.Encode()).want(200)
	p.get("/v1/customers/c1").want(200).is(false, "attributes", "wechat_consent")
	p.get("/v1/customers/c1/consents").want(200).is("wechat", "items", 0, "channel").is(false, "items", 0, "granted")
	service.forget()
	p.launched(template, nil).is(3.0, "gates", "consent").is(3.0, "messages", "sent")

	// Caps count it under its own name: the third on one day is one too many. Somebody comes back by a consent.
	p.post("/v1/customers/c5/consents", object{"channel": "wechat", "granted": true, "source": "counter"}).want(201)
	service.forget()
	p.launched(template, nil).is(3.0, "gates", "cap").is(1.0, "messages", "sent")
	if got := service.received(); !slices.Equal(got, []string{"o5"}) {
		t.Errorf("received %v", got)
	}
}

func TestThePageOfAnOwnKindIsSaved(t *testing.T) {
	p := posted(t)
	service := newWeChat(t)
	p.do("PATCH", "/v1/workspace", object{"topics": []object{{"name": "news"}}}).want(200)
	p.launched(weChatShop(p, service.URL), nil)
	link := strings.TrimPrefix(service.got["o2"]["text"], "Leave: https://shop.example.com")
	if left := p.hook(link, form, "save=1").want(200); !strings.Contains(left.Text, "You are unsubscribed") || strings.Contains(left.Text, " checked") {
		t.Errorf("who left is shown %s", left.Text)
	}
	p.get("/v1/customers/c2").want(200).is(false, "attributes", "wechat_consent")
	if still := p.hook(link, form, "save=1&topic=news").want(200).Text; !strings.Contains(still, "You are unsubscribed") {
		t.Errorf("a topic without the channel is shown %s", still)
	}
	p.clock.Advance(1e9)
	if back := p.hook(link, form, "save=1&channel=1&topic=news").want(200).Text; strings.Count(back, " checked") != 2 || !strings.Contains(back, "Your choice is saved") {
		t.Errorf("who came back is shown %s", back)
	}
	p.get("/v1/customers/c2").want(200).is(true, "attributes", "wechat_consent")
}

func TestSTOPWithdrawsTheConsentToAnOwnKind(t *testing.T) {
	p := posted(t)
	service := newWeChat(t)
	weChatShop(p, service.URL)
	gateway := weChatGateway(service.URL)
	gateway["settings"].(object)["inbound"] = object{"from": "from", "text": "text"}
	p.put("/v1/channels/wx", gateway).want(200)
	p.do("PATCH", "/v1/customers/c0", object{"phone": "+8613800138000", "sms_consent": true}).want(200)
	hears := func(from, text string) {
		t.Helper()
		p.clock.Advance(1e9)
		p.hook("/hooks/wx/inbound?secret=x", "application/json", fmt.Sprintf(`{"from":%q,"text":%q}`, from, text)).want(200)
		if err := p.engine.Settle(p.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		hears("o0", "退订")
	}
	hears("o1", "hello")
	hears("o99", "STOP")
	p.get("/v1/customers/c0").want(200).is(false, "attributes", "wechat_consent").is(true, "sms_consent")
	p.get("/v1/customers/c0/consents").want(200).is("inbound wechat", "items", 0, "source").is("退订", "items", 0, "proof").is("sms", "items", 1, "channel")
	p.get("/v1/customers/c1").want(200).is(true, "attributes", "wechat_consent")
	p.get("/v1/suppressions?address=o99").want(200).is("stop word", "items", 0, "reason")
	p.get("/v1/inbound").want(200).is("stop", "items", 2, "word").is(1, "items", 2, "customers").is("o0", "items", 2, "from")
	if got := service.received(); len(got) != 0 {
		t.Errorf("parts that a confirmation does not have were asked for: %v", got)
	}
	hears("o0", "START")
	hears("o99", "START")
	p.get("/v1/customers/c0").want(200).is(true, "attributes", "wechat_consent")
	p.get("/v1/suppressions?address=o99").want(200).is(nil, "items", 0)
	p.do("PATCH", "/v1/customers/c0", object{"attributes": object{"wechat_consent": false}}).want(200)
	p.do("PATCH", "/v1/customers/c0", object{"attributes": object{"wechat_consent": true}}).want(200)
	hears("o0", "STOP")
	p.get("/v1/customers/c0").want(200).is(false, "attributes", "wechat_consent")
}

func TestAGatewayThatLacksWhatItsServiceAsksForIsRefused(t *testing.T) {
	p := posted(t)
	gateway := func(settings object) object {
		return object{"id": "g", "name": "G", "kind": "gateway", "settings": settings}
	}
	p.post("/v1/channels", gateway(object{"preset": "twilio"})).want(422).names("settings.username").names("settings.from")
	p.post("/v1/channels", gateway(object{"preset": "twilio", "username": "AC1", "from": "+15005550006"})).want(422).names("settings.username")
	p.post("/v1/channels", gateway(object{"preset": "aliyun", "access_key": "a", "from": "Brand"})).want(422).names("settings.access_secret")
	p.post("/v1/channels", gateway(object{"preset": "twilio", "username": "AC1", "password": "p", "from": "+15005550006"})).want(201)
	p.put("/v1/channels/g", gateway(object{"preset": "twilio", "username": "AC1", "from": "+15005550007"})).want(200)
}

func TestWhoWithdrawsOrIsSuppressedAfterQueueingGetsNothingByAnOwnKindEither(t *testing.T) {
	p := posted(t)
	service := newWeChat(t)
	template := weChatShop(p, service.URL)
	c := p.post("/v1/campaigns", object{"name": "Hello", "kind": "once", "rule": "true", "holdout": 0, "goal": object{"metric": "purchase", "window": "7d"},
		"variants": []object{{"name": "A", "weight": 1, "channel_id": "wx", "template_id": template}}}).want(201).text("id")
	p.post("/v1/campaigns/"+c+"/launch", nil).want(200)
	for _, step := range []string{"tick", "select", "queue"} {
		var err error
		switch step {
		case "tick":
			_, err = p.engine.Tick(p.Context())
		case "select":
			_, err = p.engine.Select(p.Context())
		case "queue":
			_, err = p.engine.Queue(p.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	p.do("PATCH", "/v1/customers/c0", object{"attributes": object{"wechat_consent": false}}).want(200)
	p.post("/v1/suppressions", object{"channel": "wechat", "address": "o1"}).want(201)
	if err := p.engine.Settle(p.Context()); err != nil {
		t.Fatal(err)
	}
	if got := service.received(); !slices.Equal(got, []string{"o2", "o3"}) {
		t.Errorf("received %v", got)
	}
}

func TestAnOwnKindIsAWayBesideOthers(t *testing.T) {
	p := posted(t)
	service := newWeChat(t)
	template := weChatShop(p, service.URL)
	sms := p.post("/v1/templates", object{"name": "SMS", "channel": "sms", "parts": object{"text": "Hi"}}).want(201).text("id")
	p.do("PATCH", "/v1/customers/c4", object{"phone": "+8613800138004", "sms_consent": true}).want(200)
	p.do("PATCH", "/v1/customers/c3", object{"attributes": object{"wechat_openid": "o2"}}).want(200)
	p.launched(template, func(c object) {
		c["variants"] = []object{{"name": "A", "weight": 1, "channel_id": "wx", "template_id": template, "fallback": []object{{"channel_id": "catcher", "template_id": sms}}}}
	}).is(1.0, "gates", "duplicate_address").is(4.0, "messages", "sent")
	if got := service.received(); !slices.Equal(got, []string{"o0", "o1", "o2"}) {
		t.Errorf("received %v", got)
	}
	p.get("/v1/messages?customer_id=c4").want(200).is("+8613800138004", "items", 0, "address")
}

func TestAKindThatNobodyDescribesIsRefusedByName(t *testing.T) {
	p := posted(t)
	p.post("/v1/templates", object{"name": "x", "channel": "pigeon", "parts": object{"text": "x"}}).want(422).names("channel")
	p.post("/v1/suppressions", object{"channel": "pigeon", "address": "x"}).want(422).names("channel")
	p.put("/v1/customers/c0", object{"name": "Ann"})
	p.post("/v1/customers/c0/consents", object{"channel": "pigeon", "granted": true, "source": "x"}).want(422).names("channel")
	p.post("/v1/channels", weChatGateway("http://127.0.0.1:1")).want(422).names("settings.address")
	p.put("/v1/attributes/wechat_openid", object{"type": "text"}).want(200)
	p.put("/v1/attributes/wechat_consent", object{"type": "text"}).want(200)
	p.post("/v1/channels", weChatGateway("http://127.0.0.1:1")).want(422).names("settings.consent")
	gateway := weChatGateway("http://127.0.0.1:1")
	gateway["settings"].(object)["consent"] = "none"
	p.post("/v1/channels", gateway).want(201)
	p.post("/v1/templates", object{"name": "x", "channel": "wechat", "parts": object{"title": "x"}}).want(422).names("parts.text")
	p.post("/v1/templates", object{"name": "x", "channel": "wechat", "parts": object{"title": "x", "text": "y", "html": "z"}}).want(422).names("parts.html")
	edited := weChatGateway("http://127.0.0.1:1")
	edited["settings"].(object)["sends"] = "push"
	p.put("/v1/channels/wx", edited).want(422).names("settings.sends")
	other := weChatGateway("http://127.0.0.1:1")
	other["id"] = "wx2"
	theirs := other["settings"].(object)
	theirs["consent"], theirs["parts"], theirs["body"] = "none", []string{"text"}, "{}"
	p.post("/v1/channels", other).want(422).names("settings.sends")
}

package channel

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/linxGnu/gosmpp/data"

	"beckon/campaigns"
	"beckon/engine/channel/smsctest"
)

func TestAnSMSCIsAskedAndWhatItKnowsIsAReceipt(t *testing.T) {
	c := newSMSC(t)
	states := map[string]smsctest.State{"1": {State: data.SM_STATE_DELIVERED}, "2": {State: data.SM_STATE_EN_ROUTE}, "3": {State: data.SM_STATE_UNDELIVERABLE, Error: 1},
		"4": {State: data.SM_STATE_REJECTED}, "5": {State: data.SM_STATE_INVALID}, "6": {Refuse: data.ESME_RQUERYFAIL}, "7": {Refuse: data.ESME_RINVMSGID}, "8": {State: 0}, "9": {Refuse: data.ESME_RTHROTTLED}}
	c.Order(smsctest.Orders{Query: func(id string) *smsctest.State { s := states[id]; return &s }})
	s := texter(t, c, nil, nil)
	want := map[string]campaigns.MessageStatus{"1": campaigns.MessageDelivered, "2": "", "3": campaigns.MessageFailed, "4": campaigns.MessageFailed}
	for id := range states {
		receipts, err := s.Ask(t.Context(), Question{ID: "ours", ProviderIDs: []string{id}})
		status, known := want[id]
		switch {
		case (err != nil) != (id == "9"):
			t.Errorf("%s: %v", id, err)
		case known && (len(receipts) != 1 || receipts[0].Status != status || receipts[0].ProviderID != id || !receipts[0].At.Equal(noon()) || receipts[0].Hard):
			t.Errorf("%s: %+v", id, receipts)
		case !known && len(receipts) != 0:
			t.Errorf("%s says nothing, and %+v is read", id, receipts)
		}
	}
	if receipts, err := s.Ask(t.Context(), Question{ID: "ours"}); err != nil || len(receipts) != 0 {
		t.Errorf("a message without a name: %+v, %v", receipts, err)
	}
	if receipts, err := s.Ask(t.Context(), Question{ProviderIDs: []string{"1", "5", "3"}}); err != nil || len(receipts) != 2 || receipts[1].ProviderID != "3" {
		t.Errorf("segments: %+v, %v", receipts, err)
	}
	if len(c.Queries()) != len(states)+3 || c.Binds() != 1 {
		t.Errorf("%v over %d sessions", c.Queries(), c.Binds())
	}
}

func TestAnSMSCThatGaveHexadecimalNamesIsAskedByThem(t *testing.T) {
	c := newSMSC(t)
	c.Order(smsctest.Orders{ID: func(int64) (string, string) { return "AB", "171" }, Query: func(id string) *smsctest.State {
		if id == "AB" {
			return &smsctest.State{State: data.SM_STATE_DELIVERED}
		}
		return &smsctest.State{Refuse: data.ESME_RINVMSGID}
	}})
	s := texter(t, c, nil, func(s *campaigns.ChannelSettings) { s.ReceiptIDs = campaigns.ReceiptIDsDecimal })
	sent := s.Send(t.Context(), text("hello"))
	receipts, err := s.Ask(t.Context(), Question{ProviderIDs: []string{sent.ProviderID}})
	if err != nil || len(receipts) != 1 || receipts[0].ProviderID != sent.ProviderID || sent.ProviderID != "171" {
		t.Errorf("%+v: %+v, %v", sent, receipts, err)
	}
}

func TestAnSMSCThatLeavesQuestionsUnansweredLosesNothingByThem(t *testing.T) {
	c := newSMSC(t)
	s := texter(t, c, nil, func(s *campaigns.ChannelSettings) { s.Window = 1 })
	bound(t, s)
	session := sessionOf(s)
	session.patience.answer = time.Second // of questions alone: nothing is sent meanwhile
	for range 3 {
		if receipts, err := s.Ask(t.Context(), Question{ProviderIDs: []string{"1", "2"}}); err != nil || len(receipts) != 0 {
			t.Errorf("%+v, %v", receipts, err)
		}
	}
	session.patience.answer = usualPatience().answer
	bound(t, s)
	if len(c.Queries()) != 1 || c.Binds() != 1 {
		t.Errorf("%v over %d sessions: it is asked once, and the session goes on", c.Queries(), c.Binds())
	}
}

func querying(address string, q campaigns.GatewayQuery) campaigns.ChannelSettings {
	return campaigns.ChannelSettings{Username: "u", Password: new("hidden-7"), GatewaySettings: campaigns.GatewaySettings{URL: address + "/send", Body: "{}", Query: &q,
		Headers: map[string]string{"X-Key": "{{ password }}"}}}
}

func TestAServiceIsAskedAsItsSettingsSay(t *testing.T) {
	id := "00000000-0000-7000-8000-000000000001"
	answer := ""
	status := 200
	s := newService(t, func(w http.ResponseWriter, _ call) {
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	})
	settings := querying(s.URL, campaigns.GatewayQuery{URL: "/status/{{ message.id }}?to={{ message.to }}&day={{ message.sent_on }}", List: "messages", OwnID: "ref", Status: "state", Accepted: []string{"on its way"},
		Delivered: []string{"there"}, Failed: []string{"lost"}, Bounced: []string{"refused"}, Code: "code", Hard: []string{"404"}, Detail: "why", At: "at", Zone: "Asia/Shanghai"})
	g := opened(t, settings)
	ask := func() ([]campaigns.Receipt, error) {
		return g.(Asker).Ask(t.Context(), Question{ID: id, To: "+8613800138000", SentAt: time.Date(2026, 11, 21, 17, 0, 0, 0, time.UTC)})
	}
	for text, want := range map[string]campaigns.Receipt{
		`{"messages":[{"ref":"another","state":"lost"},{"ref":"` + id + `","state":"there","at":"2026-11-22 01:02:03"}]}`: {Status: campaigns.MessageDelivered, At: time.Date(2026, 11, 21, 17, 2, 3, 0, time.UTC), Detail: "the provider was asked: there"},
		`{"messages":[{"ref":"` + id + `","state":"on its way"}]}`:                                                        {At: fixedClock(), Detail: "the provider was asked: on its way"},
		`{"messages":{"ref":"` + id + `","state":"refused","code":404,"why":"nobody hidden-7"}}`:                          {Status: campaigns.MessageBounced, Hard: true, At: fixedClock(), Detail: "the provider was asked: refused 404 nobody •••"},
	} {
		answer = text
		if got, err := ask(); err != nil || len(got) != 1 || got[0].Status != want.Status || got[0].Hard != want.Hard || !got[0].At.Equal(want.At) || got[0].Detail != want.Detail {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{``, `<html>`, `[]`, `{"messages":[]}`, `{"messages":[{"ref":"another","state":"there"}]}`, `{"messages":[{"ref":"` + id + `","state":"no such message"}]}`, `{"messages":[{"ref":"` + id + `"}]}`} {
		answer = text
		if got, err := ask(); err != nil || len(got) != 0 {
			t.Errorf("%q says nothing, and %+v is read (%v)", text, got, err)
		}
	}
	for code, away := range map[int]bool{404: false, 400: false, 302: false, 429: true, 500: true, 503: true, 401: true} {
		status, answer = code, `{"messages":[{"ref":"`+id+`","state":"there"}]}`
		if got, err := ask(); (err != nil) != away || len(got) != 0 {
			t.Errorf("%d: %+v, %v", code, got, err)
		}
	}
	c := s.seen()[0]
	if c.method != "GET" || c.uri != "/status/"+id+"?to=%2B8613800138000&day=20261122" || c.header.Get("X-Key") != "hidden-7" || c.body != "" {
		t.Errorf("%+v", c)
	}
}

func TestAMessageWithoutTheServicesNameIsNotAskedAboutByIt(t *testing.T) {
	s := newService(t, func(w http.ResponseWriter, _ call) { fmt.Fprint(w, `{"id":"p1","state":"there"}`) })
	g := opened(t, querying(s.URL, campaigns.GatewayQuery{URL: s.URL + "/status/{{ message.provider_id }}", ID: "id", Status: "state", Delivered: []string{"there"}}))
	if got, err := g.(Asker).Ask(t.Context(), Question{ID: "x", To: "+8613800138000"}); err != nil || len(got) != 0 || len(s.seen()) != 0 {
		t.Errorf("%+v, %v, %d requests", got, err, len(s.seen()))
	}
	for name, known := range map[string]int{"p1": 1, "p2": 0} {
		if got, err := g.(Asker).Ask(t.Context(), Question{ID: "x", To: "+8613800138000", ProviderIDs: []string{name}}); err != nil || len(got) != known {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestQuestionsThatCannotBeAskedAreRefusedWhenTheyAreWritten(t *testing.T) {
	good := campaigns.GatewayQuery{URL: "/q/{{ message.id }}", Status: "s", Delivered: []string{"d"}}
	for field, change := range map[string]func(q *campaigns.GatewayQuery){
		"settings.query.url":          func(q *campaigns.GatewayQuery) { q.URL = "https://{{ message.to }}/" },
		"settings.query.url:":         func(q *campaigns.GatewayQuery) { q.URL = "/q/{% bad %}" },
		"settings.query.method":       func(q *campaigns.GatewayQuery) { q.Method = "DELETE" },
		"settings.query.body":         func(q *campaigns.GatewayQuery) { q.Body = "{}" },
		"settings.query.status":       func(q *campaigns.GatewayQuery) { q.Status = "" },
		"settings.query.delivered":    func(q *campaigns.GatewayQuery) { q.Delivered = nil },
		"settings.query.zone":         func(q *campaigns.GatewayQuery) { q.Zone = "Mars" },
		"settings.query.own_id":       func(q *campaigns.GatewayQuery) { q.OwnID = "a..b" },
		"settings.query.headers.Host": func(q *campaigns.GatewayQuery) { q.Headers = map[string]string{"Host": "x"} },
	} {
		q := good
		change(&q)
		err := Check(campaigns.Channel{ID: "g", Name: "G", Kind: campaigns.KindGateway, Settings: querying("https://api.example.com", q)})
		if campaigns.CodeOf(err) != campaigns.CodeInvalid || !strings.HasPrefix(err.Error(), strings.TrimSuffix(field, ":")) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := Check(campaigns.Channel{ID: "g", Name: "G", Kind: campaigns.KindGateway, Settings: querying("https://api.example.com", good)}); err != nil {
		t.Error(err)
	}
}

func TestTwilioAndAliyunAreAskedInTheirOwnWords(t *testing.T) {
	twilio := newService(t, func(w http.ResponseWriter, c call) {
		fmt.Fprint(w, `{"sid":"SM1","status":"undelivered","error_code":30005,"error_message":null,"num_segments":"1"}`)
	})
	got, err := opened(t, twilioSettings(twilio.URL)).(Asker).Ask(t.Context(), Question{ID: "x", To: "+15005550006", ProviderIDs: []string{"SM1"}})
	login, token, _ := (&http.Request{Header: twilio.seen()[0].header}).BasicAuth()
	if err != nil || len(got) != 1 || got[0].Status != campaigns.MessageBounced || !got[0].Hard || twilio.seen()[0].uri != "/2010-04-01/Accounts/AC123/Messages/SM1.json" || login != "AC123" || token != "auth-token" {
		t.Errorf("Twilio: %+v, %v, %+v", got, err, twilio.seen())
	}
	aliyun := newService(t, func(w http.ResponseWriter, c call) {
		fmt.Fprint(w, `{"Code":"OK","TotalCount":"2","SmsSendDetailDTOs":{"SmsSendDetailDTO":[{"OutId":"other","SendStatus":2,"ErrCode":"X"},{"OutId":"x","SendStatus":3,"ErrCode":"DELIVERED","ReceiveDate":"2026-11-22 12:00:00"}]}}`)
	})
	s := campaigns.ChannelSettings{EmailSettings: campaigns.EmailSettings{From: "晨光"}, GatewaySettings: campaigns.GatewaySettings{Preset: "aliyun", URL: aliyun.URL + "/", AccessKey: "testId", AccessSecret: new("testSecret")}}
	got, err = opened(t, s).(Asker).Ask(t.Context(), Question{ID: "x", To: "+8613800138000", SentAt: time.Date(2026, 11, 21, 17, 0, 0, 0, time.UTC)})
	form := aliyun.seen()[0].form
	if err != nil || len(got) != 1 || got[0].Status != campaigns.MessageDelivered || !got[0].At.Equal(time.Date(2026, 11, 22, 4, 0, 0, 0, time.UTC)) ||
		form.Get("Action") != "QuerySendDetails" || form.Get("PhoneNumber") != "8613800138000" || form.Get("SendDate") != "20261122" ||
		form.Get("Signature") != aliyunSignature("testSecret", "POST", form) {
		t.Errorf("Aliyun: %+v, %v, %v", got, err, form)
	}
}

// opened is a gateway's sender.
func opened(t *testing.T, s campaigns.ChannelSettings) Sender {
	t.Helper()
	g, err := Open(campaigns.Channel{ID: "g", Name: "G", Kind: campaigns.KindGateway, Settings: s}, Options{Clock: fixedClock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

func TestANumberOfSegmentsThatNoTextHasIsNotBelieved(t *testing.T) {
	answer := ""
	s := newService(t, func(w http.ResponseWriter, _ call) { fmt.Fprint(w, answer) })
	g := opened(t, campaigns.ChannelSettings{GatewaySettings: campaigns.GatewaySettings{URL: s.URL + "/send", Body: "{}", Answer: &campaigns.GatewayAnswer{ID: "id", Segments: "segments"}}})
	for told, want := range map[string]int{`3`: 3, `"2"`: 2, `255`: 255, `256`: 0, `-4`: 0, `0`: 0, `65537`: 0, `9223372036854775807`: 0, `99999999999999999999`: 0, `"many"`: 0, `null`: 0} {
		answer = `{"id":"p1","segments":` + told + `}`
		if o := g.Send(t.Context(), text("hello")); o.Status != Sent || o.Segments != want {
			t.Errorf("%s: %+v", told, o)
		}
	}
}

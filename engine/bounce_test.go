package engine_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/campaigns/store/storetest"
	"beckon/engine"
)

// A returning world sent a campaign through a channel whose bounces come back.
type returning struct {
	*world
	url      string
	in       *inbox
	campaign campaigns.ID
}

const hookSecret = "a secret of the provider's"

// newReturning sends one message to each of n customers, and has heard of none yet.
func newReturning(t *testing.T, n int, change func(s *campaigns.ChannelSettings)) *returning {
	t.Helper()
	link, clock := storetest.URL(t), storetest.NewClock(t, "2026-11-21T10:00:00+08:00")
	s, err := store.Open(t.Context(), link, clock.Now, store.Options{Key: storetest.Key()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	w := &world{t, t.Context(), clock, s, engine.New(s, engine.Options{BaseURL: "http://127.0.0.1:8080"})}
	w.settings(func(s *campaigns.Workspace) { s.GlobalHoldout, s.Caps, s.QuietHours = 0, nil, nil })
	_, err = w.engine.House(w.ctx)
	w.must(err)
	r := &returning{w, link, newInbox(t), campaigns.ID{}}
	channel := w.smtpChannel(r.in)
	r.channel(func(s *campaigns.ChannelSettings) {
		s.ReturnPath, s.HookSecret = "bounces@mail.example.com", new(hookSecret)
		if change != nil {
			change(s)
		}
	})
	w.customers(n, nil)
	r.campaign = w.campaign(func(d *campaigns.Definition) { d.Variants[0].ChannelID = channel }).ID
	w.queued()
	sent, err := w.engine.Send(w.ctx)
	w.must(err)
	if sent != n {
		t.Fatalf("%d messages were sent", sent)
	}
	return r
}

// channel changes the settings of the channel.
func (r *returning) channel(change func(s *campaigns.ChannelSettings)) {
	r.Helper()
	r.update(func(tx *store.Tx) error {
		c, err := tx.LockChannel(r.ctx, "mail")
		if err != nil {
			return err
		}
		change(&c.Settings)
		if err := r.engine.CheckChannel(r.ctx, tx, &c); err != nil {
			return err
		}
		return tx.SaveChannel(r.ctx, &c)
	})
}

// message is that of the i-th customer.
func (r *returning) message(i int) campaigns.Message {
	r.Helper()
	for _, m := range r.messages(store.MessageFilter{Campaign: r.campaign}) {
		if m.CustomerID == fmt.Sprintf("c%d", i) {
			return m
		}
	}
	r.Fatalf("there is no message for customer %d", i)
	return campaigns.Message{}
}

// kept are the receipts that wait to be dealt with.
func (r *returning) kept() (receipts []campaigns.Receipt) {
	r.Helper()
	r.must(json.Unmarshal([]byte(ask(r.T, r.url, `SELECT coalesce(json_agg(receipt ORDER BY id), '[]') FROM receipts`)), &receipts))
	return receipts
}

// hook posts to the channel's hook for bounces with its secret.
func (r *returning) hook(body string) error {
	h := engine.Hook{Method: "POST", Query: url.Values{}, Header: http.Header{"Authorization": {"Bearer " + hookSecret}}, Body: []byte(body)}
	return r.engine.Hook(r.ctx, "mail", engine.HookBounces, h)
}

// dsn is a delivery status for a return path.
func dsn(to, recipient, status, returned string) string {
	return strings.ReplaceAll(`From: MAILER-DAEMON@mx.example.com
To: `+to+`
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

Sorry.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.com

Final-Recipient: rfc822; `+recipient+`
Action: failed
Status: `+status+`
Diagnostic-Code: smtp; 550 `+status+` no

--b
Content-Type: text/rfc822-headers

`+returned+`
--b--
`, "\n", "\r\n")
}

func TestABounceNamesItsMessageByItsReturnPath(t *testing.T) {
	r := newReturning(t, 3, nil)
	m, back := r.message(1), r.in.letter("c1@example.com").from
	if !strings.HasPrefix(back, "bounces+") || !strings.HasSuffix(back, "@mail.example.com") || back == r.in.letter("c2@example.com").from {
		t.Fatalf("the return path is %s", back)
	}
	r.must(r.hook(dsn(strings.ToUpper(back), "C1@Example.com", "5.1.1", "Subject: x")))
	got := r.kept()
	if len(got) != 1 || got[0].MessageID != m.ID || got[0].No != m.No || !got[0].Hard || got[0].Status != campaigns.MessageBounced || got[0].Address != "" || got[0].At.IsZero() {
		t.Errorf("%+v", got)
	}
}

// The token stands in the message's header too: a complaint returns nothing else that names it.
func TestAComplaintNamesItsMessageByItsHeader(t *testing.T) {
	r := newReturning(t, 2, nil)
	header, _, _ := strings.Cut(r.in.letter("c1@example.com").content, "\r\n\r\n")
	report := "From: fbl@example.org\r\nTo: abuse@example.com\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n" +
		"Feedback-Type: abuse\r\nVersion: 1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n" + strings.Replace(header, "c1@example.com", "redacted", 1) + "\r\n\r\nx\r\n--b--\r\n"
	r.must(r.hook(report))
	if got := r.kept(); len(got) != 1 || got[0].MessageID != r.message(1).ID || !got[0].Complaint || got[0].Status != "" {
		t.Errorf("%+v", got)
	}
}

func TestAForgedReportIsNotBelieved(t *testing.T) {
	r := newReturning(t, 3, nil)
	one, two := r.message(1), r.message(2)
	back := r.in.letter("c1@example.com").from
	ours := "Message-ID: <" + one.ID.String() + "@example.com>"
	forged := []byte(back)
	forged[len("bounces+")+3] ^= 1
	cases := map[string]struct {
		report   string
		believed campaigns.ID
		hard     bool
	}{
		"nothing that is ours":             {dsn("bounces@mail.example.com", "c1@example.com", "5.1.1", "Subject: x"), campaigns.ID{}, false},
		"a token that was changed":         {dsn(string(forged), "c1@example.com", "5.1.1", "Subject: x"), campaigns.ID{}, false},
		"a token that was made up":         {dsn("bounces+"+strings.Repeat("a", 40)+"@mail.example.com", "c1@example.com", "5.1.1", "Subject: x"), campaigns.ID{}, false},
		"an id, and another's address":     {dsn("bounces@mail.example.com", "c2@example.com", "5.1.1", ours), campaigns.ID{}, false},
		"an id that was made up":           {dsn("bounces@mail.example.com", "c1@example.com", "5.1.1", "Message-ID: <"+campaigns.NewID(r.clock.Now()).String()+"@example.com>"), campaigns.ID{}, false},
		"an id and the address it went to": {dsn("bounces@mail.example.com", "c1@example.com", "5.1.1", ours), one.ID, true},
		"a token and another's address":    {dsn(back, "c2@example.com", "5.1.1", ours), one.ID, false},
		"a token and another's id":         {dsn(back, "c1@example.com", "5.1.1", "Message-ID: <"+two.ID.String()+"@example.com>"), one.ID, true},
		"a full mailbox":                   {dsn(back, "c1@example.com", "5.2.2", ours), one.ID, false},
	}
	before := 0
	for name, c := range cases {
		if err := r.hook(c.report); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := r.kept()[before:]
		before += len(got)
		switch {
		case c.believed == campaigns.ID{}:
			if len(got) != 0 {
				t.Errorf("%s: believed %+v", name, got)
			}
		case len(got) != 1 || got[0].MessageID != c.believed || got[0].Hard != c.hard || got[0].Address != "":
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestAProvidersNoticesAreTaken(t *testing.T) {
	r := newReturning(t, 2, nil)
	m := r.message(1)
	at := time.Date(2026, 11, 21, 1, 0, 0, 0, time.UTC)
	ses := func(kind, rest string) string {
		return `{"notificationType":"` + kind + `","mail":{"messageId":"0102018f-000"},` + rest + `}`
	}
	sns := func(inner string) string {
		text, err := json.Marshal(inner)
		r.must(err)
		return `{"Type":"Notification","MessageId":"22b80b92","TopicArn":"arn:aws:sns:x","Message":` + string(text) + `,"Timestamp":"2026-11-21T01:00:00.000Z"}`
	}
	permanent := ses("Bounce", `"bounce":{"bounceType":"Permanent","bounceSubType":"NoEmail","timestamp":"2026-11-21T01:00:00.000Z","bouncedRecipients":[{"emailAddress":"c1@example.com","status":"5.1.1","diagnosticCode":"smtp; 550 no"}]}`)
	hard := campaigns.Receipt{Status: campaigns.MessageBounced, Hard: true}
	cases := map[string]struct {
		body string
		want []campaigns.Receipt // without Detail
	}{
		"by our id": {`{"type":"bounce","message_id":"` + m.ID.String() + `","hard":true,"at":"2026-11-21T01:00:00Z","detail":"no"}`,
			[]campaigns.Receipt{{MessageID: m.ID, No: m.No, Status: hard.Status, Hard: true, At: at}}},
		"by our Message-ID":     {`{"type":"delivered","message_id":"<` + m.ID.String() + `@example.com>","at":"2026-11-21T01:00:00Z"}`, []campaigns.Receipt{{MessageID: m.ID, No: m.No, Status: campaigns.MessageDelivered, At: at}}},
		"by theirs, not hard":   {`[{"type":"bounce","provider_id":"p1"}]`, []campaigns.Receipt{{ProviderID: "p1", Status: campaigns.MessageBounced}}},
		"by address":            {`{"type":"complaint","email":" Ann@Example.org "}`, []campaigns.Receipt{{Address: "ann@example.org", Complaint: true}}},
		"another's":             {`{"type":"bounce","message_id":"019aa5c0-7b1e-7c3a-9d52-0c8f1f7f3a11"}`, nil},
		"two":                   {`[{"type":"bounce","provider_id":"p1"},{"type":"delivered","provider_id":"p2"}]`, []campaigns.Receipt{{ProviderID: "p1", Status: campaigns.MessageBounced}, {ProviderID: "p2", Status: campaigns.MessageDelivered}}},
		"Amazon's":              {permanent, []campaigns.Receipt{{ProviderID: "0102018f-000", Status: hard.Status, Hard: true, At: at}}},
		"Amazon's through SNS":  {sns(permanent), []campaigns.Receipt{{ProviderID: "0102018f-000", Status: hard.Status, Hard: true, At: at}}},
		"Amazon's, transient":   {ses("Bounce", `"bounce":{"bounceType":"Transient","bounceSubType":"MailboxFull"}`), []campaigns.Receipt{{ProviderID: "0102018f-000", Status: hard.Status}}},
		"Amazon's complaint":    {ses("Complaint", `"complaint":{"complaintFeedbackType":"abuse"}`), []campaigns.Receipt{{ProviderID: "0102018f-000", Complaint: true}}},
		"Amazon's not spam":     {ses("Complaint", `"complaint":{"complaintFeedbackType":"not-spam"}`), nil},
		"Amazon's delivery":     {ses("Delivery", `"delivery":{"smtpResponse":"250 ok"}`), []campaigns.Receipt{{ProviderID: "0102018f-000", Status: campaigns.MessageDelivered}}},
		"Amazon's events":       {`{"eventType":"Open","mail":{"messageId":"x"}}`, nil},
		"Amazon asks for a yes": {`{"Type":"SubscriptionConfirmation","SubscribeURL":"https://sns.example/"}`, nil},
	}
	before := 0
	for name, c := range cases {
		if err := r.hook(c.body); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got := r.kept()[before:]
		before += len(got)
		if len(got) != len(c.want) {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		for i := range got {
			if c.want[i].At.IsZero() {
				c.want[i].At = r.clock.Now().UTC()
			}
			got[i].Detail, got[i].At = "", got[i].At.UTC()
			if got[i] != c.want[i] {
				t.Errorf("%s: %+v, want %+v", name, got[i], c.want[i])
			}
		}
	}
}

func TestABodyThatIsNoReportIsRefusedByField(t *testing.T) {
	r := newReturning(t, 1, nil)
	cases := map[string]string{
		"": "body", "hello": "body", "{": "body", `[1]`: "body", `{"type":"opened","provider_id":"p"}`: "[0].type", `{"type":"bounce"}`: "[0].message_id",
		`{"type":"bounce","message_id":"7"}`: "[0].message_id", `[{"type":"bounce","provider_id":"p"},{"type":"bounce","email":"ann"}]`: "[1].email",
		`{"Type":"Notification","Message":"hello"}`: "Message", "\x00\xff": "body", `{"type":"bounce","provider_id":"p","at":"soon"}`: "body",
		"[" + strings.Repeat(`{"type":"bounce","provider_id":"p"},`, 1000) + `{}]`: "body",
	}
	for body, field := range cases {
		var e *campaigns.Error
		if err := r.hook(body); !asError(err, &e) || e.Problems[0].Field != field {
			t.Errorf("%.60q: %v, want a problem with %s", body, err, field)
		}
	}
	if got := r.kept(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestOnlyTheProviderMayCallAHook(t *testing.T) {
	r := newReturning(t, 1, nil)
	body := []byte(`{"type":"complaint","email":"ann@example.org"}`)
	call := func(query, authorization string) error {
		values, err := url.ParseQuery(query)
		r.must(err)
		return r.engine.Hook(r.ctx, "mail", engine.HookBounces, engine.Hook{Method: "POST", Query: values, Header: http.Header{"Authorization": {authorization}}, Body: body})
	}
	escaped := url.QueryEscape(hookSecret)
	for _, refused := range [][2]string{{"", ""}, {"secret=", ""}, {"secret=no", ""}, {"", "Bearer no"}, {"", "Basic " + hookSecret}, {"secret=" + escaped, "Bearer no"}, {"secret=" + escaped + "x", ""}} {
		if err := call(refused[0], refused[1]); campaigns.CodeOf(err) != campaigns.CodeForbidden || strings.Contains(err.Error(), hookSecret) {
			t.Errorf("%v: %v", refused, err)
		}
	}
	for _, let := range [][2]string{{"secret=" + escaped, ""}, {"", "Bearer " + hookSecret}, {"", "bearer " + hookSecret}} {
		r.must(call(let[0], let[1]))
	}
	if got := len(r.kept()); got != 3 {
		t.Errorf("%d receipts", got)
	}
	r.channel(func(s *campaigns.ChannelSettings) { s.HookSecret = new("") })
	for _, refused := range [][2]string{{"", ""}, {"secret=", ""}, {"", "Bearer "}} {
		if err := call(refused[0], refused[1]); campaigns.CodeOf(err) != campaigns.CodeForbidden || !strings.Contains(err.Error(), "hook_secret") {
			t.Errorf("without a secret %v: %v", refused, err)
		}
	}
	if err := r.engine.Hook(r.ctx, "none", engine.HookBounces, engine.Hook{}); campaigns.CodeOf(err) != campaigns.CodeNotFound {
		t.Error(err)
	}
	if err := r.engine.Hook(r.ctx, campaigns.Catcher, engine.HookBounces, engine.Hook{}); campaigns.CodeOf(err) != campaigns.CodeForbidden {
		t.Error(err)
	}
}

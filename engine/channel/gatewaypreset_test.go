package channel

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"beckon/campaigns"
	"beckon/templates"
)

func TestSignaturesAreThoseOfTheServicesOwnExamples(t *testing.T) {
	aliyun := url.Values{"SignatureMethod": {"HMAC-SHA1"}, "SignatureNonce": {"45e25e9b-0a6f-4070-8c85-2956eda1b466"}, "AccessKeyId": {"testId"},
		"SignatureVersion": {"1.0"}, "Timestamp": {"2017-07-12T02:42:19Z"}, "Format": {"XML"}, "Action": {"SendSms"}, "Version": {"2017-05-25"},
		"RegionId": {"cn-hangzhou"}, "PhoneNumbers": {"15300000001"}, "SignName": {"阿里云短信测试专用"}, "TemplateParam": {`{"customer":"test"}`},
		"TemplateCode": {"SMS_71390007"}, "OutId": {"123"}}
	if got := aliyunSignature("testSecret", "GET", aliyun); got != "zJDF+Lrzhj/ThnlvIToysFRq6t4=" {
		t.Errorf("Aliyun's example is signed %s", got)
	}
	twilio := url.Values{"CallSid": {"CA1234567890ABCDE"}, "Caller": {"+14158675309"}, "Digits": {"1234"}, "From": {"+14158675309"}, "To": {"+18005551212"}}
	repeated := url.Values{"Sid": {"CA123"}, "SidAccount": {"AC123"}, "Digits": {"5678", "1234", "1234"}}
	if got := TwilioSignature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", repeated); got != "IK+Dwps556ElfBT0I3Rgjkr1wJU=" {
		t.Errorf("an example with a repeated name is signed %s", got)
	}
	if got := TwilioSignature("12345", "https://mycompany.com/myapp.php?foo=1&bar=2", twilio); got != "RSOYDt4T1cUTdK1PDd93/VVr8B8=" {
		t.Errorf("Twilio's example is signed %s", got)
	}
}

func twilioSettings(address string) campaigns.ChannelSettings {
	s := campaigns.ChannelSettings{Username: "AC123", Password: new("auth-token"), EmailSettings: campaigns.EmailSettings{From: "+15005550006"}, GatewaySettings: campaigns.GatewaySettings{Preset: "twilio"}}
	s.URL = address + "/2010-04-01/Accounts/{{ username }}/Messages.json"
	return s
}

func TestTwilioTakesAMessageAndRefusesInItsOwnWords(t *testing.T) {
	s := newService(t, func(w http.ResponseWriter, c call) {
		w.Header().Set("Content-Type", "application/json")
		fail := func(status, code int) {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"code":%d,"message":"refused","more_info":"https://www.twilio.com/docs/errors/%d","status":%d}`, code, code, status)
		}
		login, token, _ := (&http.Request{Header: c.header}).BasicAuth()
		switch to := c.form.Get("To"); {
		case login != "AC123" || token != "auth-token":
			fail(401, 20003)
		case to == "+15005550001":
			fail(400, 21211)
		case to == "+15005550009":
			fail(400, 21614)
		case to == "+15005550002":
			fail(429, 20429)
		case to == "+15005550004":
			fail(400, 21610)
		default:
			w.WriteHeader(201)
			fmt.Fprintf(w, `{"sid":"SM%032d","status":"queued","to":%q,"num_segments":"2","error_code":null}`, 1, to)
		}
	})
	sender := openTestGateway(t, twilioSettings(s.URL))
	send := func(to string) Outcome {
		return sender.Send(t.Context(), Message{ID: "m", To: to, Parts: templates.Parts{"text": "Hi Ann & Bob 你好"}})
	}
	if o := send("+14155552671"); o.Status != Sent || o.ProviderID != "SM"+strings.Repeat("0", 31)+"1" || o.Segments != 2 {
		t.Errorf("accepted: %+v", o)
	}
	got := s.seen()[0]
	if got.uri != "/2010-04-01/Accounts/AC123/Messages.json" || got.form.Get("Body") != "Hi Ann & Bob 你好" || got.form.Get("From") != "+15005550006" || got.form.Has("StatusCallback") {
		t.Errorf("asked %+v", got)
	}
	for to, want := range map[string]Outcome{"+15005550001": {Status: Permanent, Hard: true}, "+15005550009": {Status: Permanent, Hard: true},
		"+15005550002": {Status: Temporary, Throttled: true}, "+15005550004": {Status: Permanent}} {
		o := send(to)
		if !strings.Contains(o.Detail, "refused") {
			t.Errorf("%s: detail %q", to, o.Detail)
		}
		if o.Detail = ""; fmt.Sprint(o) != fmt.Sprint(want) {
			t.Errorf("%s: %+v", to, o)
		}
	}
	wrong := twilioSettings(s.URL)
	wrong.Password = new("wrong")
	if o := openTestGateway(t, wrong).Send(t.Context(), textMessage("Hi")); o.Status != Temporary || !o.Unavailable {
		t.Errorf("a wrong token: %+v", o)
	}
}

func TestTwilioIsToldWhereReceiptsGo(t *testing.T) {
	s := newService(t, func(w http.ResponseWriter, _ call) { w.WriteHeader(201); fmt.Fprint(w, `{"sid":"SM1"}`) })
	sender, err := Open(campaigns.Channel{ID: "t", Name: "T", Kind: campaigns.KindGateway, Settings: twilioSettings(s.URL)}, Options{Clock: fixedClock, Hooks: "https://shop.example.com/hooks/t"})
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	if o := sender.Send(t.Context(), textMessage("Hi")); o.Status != Sent || s.seen()[0].form.Get("StatusCallback") != "https://shop.example.com/hooks/t/receipts" {
		t.Errorf("%+v, asked %v", o, s.seen())
	}
}

// aliyunSigned verifies a request as Aliyun's documentation describes it, written apart from the code that signs.
func aliyunSigned(secret string, form url.Values) bool {
	encode := func(s string) string {
		var out strings.Builder
		for _, b := range []byte(s) {
			if b >= 'A' && b <= 'Z' || b >= 'a' && b <= 'z' || b >= '0' && b <= '9' || strings.IndexByte("-_.~", b) >= 0 {
				out.WriteByte(b)
			} else {
				fmt.Fprintf(&out, "%%%02X", b)
			}
		}
		return out.String()
	}
	var names []string
	for name := range form {
		if name != "Signature" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	query := ""
	for i, name := range names {
		if i > 0 {
			query += "&"
		}
		query += encode(name) + "=" + encode(form.Get(name))
	}
	mac := hmac.New(sha1.New, []byte(secret+"&"))
	mac.Write([]byte("POST&%2F&" + encode(query)))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil)) == form.Get("Signature")
}

func TestAliyunTakesARegisteredTemplateThatIsSigned(t *testing.T) {
	nonces := map[string]bool{}
	s := newService(t, func(w http.ResponseWriter, c call) {
		answer := func(status int, code, message string) {
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(map[string]string{"Code": code, "Message": message, "RequestId": "R", "BizId": map[bool]string{true: "900619746936498440^0"}[code == "OK"]})
		}
		f := c.form
		at, err := time.Parse("2006-01-02T15:04:05Z", f.Get("Timestamp"))
		switch {
		case f.Get("AccessKeyId") != "LTAI" || f.Get("SignatureMethod") != "HMAC-SHA1" || f.Get("SignatureVersion") != "1.0" || err != nil || !at.Equal(fixedClock()):
			answer(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")
		case !aliyunSigned("aliyun-secret", f):
			answer(400, "SignatureDoesNotMatch", "Specified signature is not matched with our calculation.")
		case nonces[f.Get("SignatureNonce")]:
			answer(400, "SignatureNonceUsed", "Specified signature nonce was used already.")
		case f.Get("PhoneNumbers") == "8613800138001":
			answer(200, "isv.MOBILE_NUMBER_ILLEGAL", "手机号码格式错误")
		case f.Get("PhoneNumbers") == "8613800138002":
			answer(200, "isv.BUSINESS_LIMIT_CONTROL", "触发小时级流控Permits:5")
		case f.Get("PhoneNumbers") == "8613800138003":
			answer(200, "isv.AMOUNT_NOT_ENOUGH", "余额不足")
		default:
			answer(200, "OK", "OK")
		}
		nonces[f.Get("SignatureNonce")] = true
	})
	settings := campaigns.ChannelSettings{EmailSettings: campaigns.EmailSettings{From: "阿里云短信*测试 ~"},
		GatewaySettings: campaigns.GatewaySettings{Preset: "aliyun", URL: s.URL, AccessKey: "LTAI", AccessSecret: new("aliyun-secret")}}
	sender := openTestGateway(t, settings)
	send := func(to string) Outcome {
		return sender.Send(t.Context(), Message{ID: "m-1", To: to, Parts: templates.Parts{"text": "x"}, Template: &Registered{Code: "SMS_1", Params: map[string]string{"name": "安 \"A\" +*~&", "code": "1234"}}})
	}
	for to, want := range map[string]Outcome{"+8613800138000": {Status: Sent, ProviderID: "900619746936498440^0"}, "+8613800138001": {Status: Permanent, Hard: true},
		"+8613800138002": {Status: Temporary}, "+8613800138003": {Status: Temporary, Unavailable: true}} {
		o := send(to)
		if o.Detail = ""; fmt.Sprint(o) != fmt.Sprint(want) {
			t.Errorf("%s: %+v", to, o)
		}
	}
	f := s.seen()[0].form
	var params map[string]string
	if err := json.Unmarshal([]byte(f.Get("TemplateParam")), &params); err != nil || params["name"] != "安 \"A\" +*~&" || f.Get("TemplateCode") != "SMS_1" || f.Get("SignName") != "阿里云短信*测试 ~" || f.Get("OutId") != "m-1" {
		t.Errorf("form %v (%v)", f, err)
	}
	if o := sender.Send(t.Context(), textMessage("words")); o.Status != Permanent || !strings.Contains(o.Detail, "provider_template") {
		t.Errorf("words without a registered template: %+v", o)
	}
	wrong := settings
	wrong.AccessSecret = new("wrong")
	if o := openTestGateway(t, wrong).Send(t.Context(), Message{ID: "m", To: "+8613800138000", Template: &Registered{Code: "c"}}); o.Status != Temporary || !o.Unavailable {
		t.Errorf("a wrong secret: %+v", o)
	}
}

func TestSecretsAreInNothingThatIsTold(t *testing.T) {
	s := newService(t, func(w http.ResponseWriter, c call) {
		w.WriteHeader(400)
		fmt.Fprint(w, c.header.Get("Authorization"), " ", c.uri, " ", c.body)
	})
	settings := described(s.URL)
	settings.AccessSecret = new("to/p s3cret&")
	settings.URL += "?key={{ secret }}"
	settings.Body = `{"key":"{{ access_secret }}"}`
	for name, at := range map[string]string{"an answer that repeats it": settings.URL, "a service that is gone": "http://127.0.0.1:1/send?key={{ secret }}", "a path": "http://127.0.0.1:1/{{ secret }}/send"} {
		settings.URL = at
		o := openTestGateway(t, settings).Send(t.Context(), textMessage("Hi"))
		if o.Detail == "" || strings.Contains(o.Detail, "s3cret") || strings.Contains(o.Detail, "key=") && name != "an answer that repeats it" {
			t.Errorf("%s: %q", name, o.Detail)
		}
	}
}

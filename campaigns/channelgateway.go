package campaigns

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// GatewaySettings describe an HTTP service that takes messages, so that a new one needs no code. URL, headers and body are
// Liquid; each value is escaped for the place where it stands, whoever wrote the description. What a preset says and the
// settings leave out is the preset's.
type GatewaySettings struct {
	Preset       string  `json:"preset,omitempty" enum:"twilio,aliyun" doc:"gateway: the shape of a known service; what is set beside it wins"`
	URL          string  `json:"url,omitempty" maxLength:"2000" doc:"Liquid after the host: {{ message.id }} .to .text .subject .html .from .parts.NAME, {{ template.code }} .params, {{ username }}, {{ password }}, {{ access_key }}, {{ access_secret }}, {{ secret }} (either of the two), {{ hooks }} (where this service takes what the provider says); redirects are not followed"`
	AccessKey    string  `json:"access_key,omitempty" doc:"gateway: who asks, where that is no username"`
	AccessSecret *string `json:"access_secret,omitempty" doc:"written, and never read back"`
	Sends        string  `json:"sends,omitempty" doc:"gateway: the kind of address that it carries: sms if left out, email, or a name of your own such as wechat"`

	Method         string            `json:"method,omitempty" enum:"POST,PUT,GET" doc:"POST if left out"`
	Headers        map[string]string `json:"headers,omitempty" doc:"Liquid by name, such as Idempotency-Key: {{ message.id }}; secrets stand there as {{ secret }} alone"`
	ContentType    string            `json:"content_type,omitempty" doc:"of the body: application/json if left out, application/x-www-form-urlencoded, one with xml, or text/plain"`
	Body           string            `json:"body,omitempty" maxLength:"20000" doc:"Liquid; in JSON a value that stands outside of quotes brings its own"`
	Sign           string            `json:"sign,omitempty" enum:"none,basic,aliyun_rpc" doc:"how a request proves who sends it: basic takes username and password, aliyun_rpc access_key and access_secret"`
	TimeoutSeconds int               `json:"timeout_seconds,omitempty" doc:"until the answer, 30 if left out; a message whose answer does not come is unknown"`

	Answer   *GatewayAnswer   `json:"answer,omitempty" doc:"how to read what the service answers"`
	Receipts *GatewayReceipts `json:"receipts,omitempty" doc:"how to read what it posts to /hooks/{channel}/receipts"`
	Inbound  *GatewayInbound  `json:"inbound,omitempty" doc:"how to read what it posts to /hooks/{channel}/inbound"`
	Query    *GatewayQuery    `json:"query,omitempty" doc:"how to ask what became of a message whose outcome is unknown; without it nobody asks"`

	Address string   `json:"address,omitempty" doc:"of a kind of your own: the text attribute that holds the address"`
	Consent string   `json:"consent,omitempty" doc:"of a kind of your own: the bool attribute that holds the consent; none: for transactional messages only"`
	Parts   []string `json:"parts,omitempty" doc:"of a kind of your own: the parts of its templates; text alone if left out"`
}

// GatewayAnswer says how an answer is read. Paths name fields of a JSON answer, with dots and, in lists, numbers: data.0.id.
// Codes are what stands at Error, or the status of the answer where that is not there.
type GatewayAnswer struct {
	OKStatus string            `json:"ok_status,omitempty" doc:"the statuses of acceptance, such as 200,202; 2xx if left out"`
	OKWhen   *GatewayCondition `json:"ok_when,omitempty" doc:"what besides must be true of an acceptance"`
	ID       string            `json:"id,omitempty" doc:"path of the provider's id; an acceptance without it cannot be read, and the message is unknown"`
	Segments string            `json:"segments,omitempty" doc:"path of how many segments a text took"`
	Error    string            `json:"error,omitempty" doc:"path of the code of an error"`
	Detail   string            `json:"detail,omitempty" doc:"path of an error's words"`

	Temporary []string `json:"temporary,omitempty" doc:"codes of refusals that are tried again"`
	Throttled []string `json:"throttled,omitempty" doc:"codes that mean too many messages at once: sending slows down"`
	Down      []string `json:"down,omitempty" doc:"codes that say nothing of the message: a wrong key, an empty account; it waits, and the channel is as good as down"`
	Permanent []string `json:"permanent,omitempty" doc:"codes of refusals that are final although the status says otherwise"`
	Hard      []string `json:"hard,omitempty" doc:"codes of addresses that do not exist: they are never tried again"`
}

// GatewayCondition is true where a path of the answer holds a text.
type GatewayCondition struct {
	Path   string `json:"path"`
	Equals string `json:"equals"`
}

// GatewayReceipts say how receipts are read: from JSON, a form or parameters. The names are paths, List that of the list of
// receipts, empty where the whole body is one receipt or a list of them.
type GatewayReceipts struct {
	List      string   `json:"list,omitempty" doc:"path of the list; the whole body if left out"`
	ID        string   `json:"id" doc:"the provider's id of the message"`
	Status    string   `json:"status" doc:"path of what became of it"`
	Delivered []string `json:"delivered" doc:"the statuses that mean it arrived; a status in none of the lists means that it is on its way"`
	Failed    []string `json:"failed,omitempty" doc:"the statuses that mean that it did not arrive"`
	Bounced   []string `json:"bounced,omitempty" doc:"the statuses that mean that the network refused it"`
	Code      string   `json:"code,omitempty" doc:"the reason of a failure"`
	Hard      []string `json:"hard,omitempty" doc:"reasons that mean that the address does not exist: it is suppressed"`
	Detail    string   `json:"detail,omitempty" doc:"path of the words about a failure"`
	At        string   `json:"at,omitempty" doc:"when: RFC 3339, 2026-11-22 09:00:00 or Unix seconds; the time of arrival if left out"`
	Zone      string   `json:"zone,omitempty" doc:"of a time that names none; UTC if left out"`
	Answer    string   `json:"answer,omitempty" maxLength:"2000" doc:"what the provider wants to hear; an empty body if left out"`
}

// GatewayInbound says how texts of people are read, as GatewayReceipts does.
type GatewayInbound struct {
	List   string `json:"list,omitempty" doc:"path of the list; the whole body if left out"`
	ID     string `json:"id,omitempty" doc:"what makes a text known that is delivered twice"`
	From   string `json:"from" doc:"path of the sender's address"`
	To     string `json:"to,omitempty" doc:"path of our number"`
	Text   string `json:"text" doc:"path of the words"`
	At     string `json:"at,omitempty" doc:"when it was sent, as in receipts"`
	Zone   string `json:"zone,omitempty" doc:"of a time that names none; UTC if left out"`
	Answer string `json:"answer,omitempty" maxLength:"2000" doc:"what the provider wants to hear; an empty body if left out"`
}

// The ways in which a gateway's requests are signed.
const (
	SignNone   = "none"
	SignBasic  = "basic"
	SignAliyun = "aliyun_rpc"
)

// Carries is the kind of address that a gateway sends to.
func (s *GatewaySettings) Carries() string {
	if s.Sends == "" {
		return SMS
	}
	return s.Sends
}

// OwnKind says whether the gateway carries a kind of address that the shop named itself.
func (s *GatewaySettings) OwnKind() bool { return s.Carries() != SMS && s.Carries() != Email }

// check looks at the settings as their preset completes them.
func (s *GatewaySettings) check() error {
	var checks Checks
	checks.Require(s.Preset == "" || slices.Contains(GatewayPresets(), s.Preset), "preset", "there is no preset %q: use %s, or describe the service", shorten(s.Preset), strings.Join(GatewayPresets(), ", "))
	full := s.Complete()
	checks.Require(regexp.MustCompile(`^https?://[^/?#{}@\s\\]+([/?].*)?$`).MatchString(full.URL) && isOneLine(full.URL), "url",
		"begin with https:// or http:// and a host without variables or a login, such as https://api.example.com/send")
	checks.Require(slices.Contains([]string{"POST", "PUT", "GET"}, full.Method), "method", "use POST, PUT or GET")
	checks.Require(full.Method != "GET" || full.Body == "", "body", "is left out with GET: write the values into url")
	checks.Require(len(full.Headers) <= 30, "headers", "there are up to 30")
	for name, value := range full.Headers {
		checks.Add(checkGatewayHeader(name, value))
	}
	checks.Require(isOneLine(full.ContentType), "content_type", "it holds control characters")
	checks.Require(slices.Contains([]string{SignNone, SignBasic, SignAliyun}, full.Sign), "sign", "use none, basic or aliyun_rpc")
	checks.Require(full.Sign != SignAliyun || full.AccessKey != "" && isForm(full.ContentType), "access_key", "aliyun_rpc needs access_key and access_secret, and a body of application/x-www-form-urlencoded")
	checks.Require(full.TimeoutSeconds >= 0 && full.TimeoutSeconds <= 60, "timeout_seconds", "should be at most 60")
	checks.Require(isOneLine(full.AccessKey), "access_key", "it holds control characters")
	checks.Require(isOneLine(Text(full.AccessSecret)), "access_secret", "it holds control characters")
	checks.Under("answer.", full.Answer.check())
	checks.Under("receipts.", full.Receipts.check())
	checks.Under("inbound.", full.Inbound.check())
	checks.Under("query.", full.Query.check())
	full.checkKind(&checks)
	return checks.Err()
}

// CheckNeeds looks for what a gateway's request, with what its preset says, cannot do without: the provider would refuse each
// message of a channel that lacks it. It is asked when a channel is written: one that was kept before goes on as it did.
func (c *Channel) CheckNeeds() error {
	if c.Kind != KindGateway {
		return nil
	}
	var checks Checks
	s, full := &c.Settings, c.Settings.GatewaySettings.Complete()
	checks.Require(full.Sign != SignBasic || s.Username != "" && Text(s.Password) != "", "settings.username", "is missing, or its password: the service is asked with both (sign: basic)")
	checks.Require(full.Sign != SignAliyun || Text(full.AccessSecret) != "", "settings.access_secret", "is missing: aliyun_rpc signs with it")
	checks.Require(s.Preset == "" || !strings.Contains(full.Body, "message.from") || s.From != "", "settings.from",
		"is missing: the number, name or registered signature that the service sends from")
	return checks.Err()
}

func isForm(contentType string) bool {
	return strings.HasPrefix(strings.ToLower(contentType), "application/x-www-form-urlencoded")
}

// checkGatewayHeader keeps secrets out of what the API shows: those in headers come from the settings that are sealed.
func checkGatewayHeader(name, value string) error {
	field, lower := "headers."+name, strings.ToLower(name)
	secret := slices.ContainsFunc([]string{"authorization", "cookie", "key", "token", "secret"}, func(word string) bool { return strings.Contains(lower, word) })
	switch {
	case !regexp.MustCompile(`^[A-Za-z0-9-]{1,60}$`).MatchString(name):
		return Invalid("headers", "%q is not the name of a header: use letters, digits and -", shorten(name))
	case slices.Contains([]string{"host", "content-length", "content-type", "transfer-encoding", "connection", "trailer", "upgrade"}, lower):
		return Invalid(field, "is written by the sender itself")
	case !isOneLine(value):
		return Invalid(field, "it holds control characters")
	case secret && !strings.Contains(value, "{{"):
		return Invalid(field, "would be shown to everybody who reads the channel: write the secret into access_secret, and {{ secret }} here")
	}
	return nil
}

// isPath says whether a text names a field: names and numbers with dots between them.
func isPath(path string) bool {
	return len(path) <= 200 && !slices.Contains(strings.Split(path, "."), "") && isOneLine(path)
}

// checkPaths adds a problem for each path, given as field and path in turn, that is none; one that is left out is none to check.
func (c *Checks) checkPaths(pairs ...string) {
	for i := 0; i < len(pairs); i += 2 {
		c.Require(pairs[i+1] == "" || isPath(pairs[i+1]), pairs[i], "%q is not a path such as data.0.id", shorten(pairs[i+1]))
	}
}

func (a *GatewayAnswer) check() error {
	if a == nil {
		return nil
	}
	var checks Checks
	checks.Require(regexp.MustCompile(`^(|[1-5](\d\d|xx)(,[1-5](\d\d|xx))*)$`).MatchString(a.OKStatus), "ok_status", "should be statuses such as 2xx or 200,202")
	checks.checkPaths("id", a.ID, "segments", a.Segments, "error", a.Error, "detail", a.Detail)
	checks.Require(a.OKWhen == nil || isPath(a.OKWhen.Path), "ok_when.path", "should be a path such as Code")
	return checks.Err()
}

func (r *GatewayReceipts) check() error {
	if r == nil {
		return nil
	}
	var checks Checks
	checks.checkPaths("list", r.List, "id", r.ID, "status", r.Status, "code", r.Code, "detail", r.Detail, "at", r.At)
	checks.Require(r.ID != "", "id", "is missing: say where the provider's id of the message stands")
	checks.Require(r.Status != "", "status", "is missing: say where it stands")
	checks.Require(len(r.Delivered)+len(r.Failed)+len(r.Bounced) > 0, "delivered", "is missing: say which statuses mean that a message arrived")
	checks.checkZone(r.Zone)
	return checks.Err()
}

func (in *GatewayInbound) check() error {
	if in == nil {
		return nil
	}
	var checks Checks
	checks.checkPaths("list", in.List, "id", in.ID, "from", in.From, "to", in.To, "text", in.Text, "at", in.At)
	checks.Require(in.From != "" && in.Text != "", "from", "from and text say where the number and the words stand; one is missing")
	checks.checkZone(in.Zone)
	return checks.Err()
}

func (c *Checks) checkZone(zone string) {
	_, err := time.LoadLocation(zone)
	c.Require(err == nil && zone != "Local", "zone", "%q is not an IANA time zone such as Asia/Shanghai", shorten(zone))
}

// checkKind looks at a kind of address of the shop's own.
func (s *GatewaySettings) checkKind(checks *Checks) {
	if !s.OwnKind() {
		checks.Require(s.Address == "" && s.Consent == "" && len(s.Parts) == 0, "sends", "address, consent and parts belong to a kind of address of your own: name it")
		return
	}
	checks.Add(CheckKindName("sends", s.Sends))
	checks.Require(s.Address != "", "address", "is missing: name the text attribute that holds the address, such as wechat_openid")
	checks.Require(s.Consent != "", "consent", "is missing: name the bool attribute that holds the consent, or none for transactional messages only")
	checks.Require(len(s.Parts) <= 20, "parts", "there are up to 20")
	for _, part := range s.Parts {
		checks.Require(regexp.MustCompile(`^[a-z][a-z0-9_]{0,39}$`).MatchString(part), "parts", "%q should be a name of lower-case letters, digits and _", shorten(part))
	}
}

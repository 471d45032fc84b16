package campaigns

import (
	"regexp"
	"slices"
)

// GatewayQuery describes the request that asks a service what became of a message whose outcome is unknown, and how its answer
// is read. It is signed as messages are. The message is asked about with a pause between until its useful time is over, and
// what the service says settles it as a receipt would.
type GatewayQuery struct {
	URL         string            `json:"url" maxLength:"2000" doc:"Liquid, whole or from its path on where that is of the same service: {{ message.id }} .to .from .provider_id (what the service called it: without it messages cannot be asked about whose answer was lost) .sent_at .sent_on (20261122), and the account's as in url"`
	Method      string            `json:"method,omitempty" enum:"POST,PUT,GET" doc:"GET if left out"`
	Headers     map[string]string `json:"headers,omitempty" doc:"as in headers of the channel, which it has if left out"`
	ContentType string            `json:"content_type,omitempty" doc:"of the body: application/json if left out"`
	Body        string            `json:"body,omitempty" maxLength:"20000" doc:"Liquid; none with GET"`

	List      string   `json:"list,omitempty" doc:"path of a list of messages in the answer; the whole answer if left out"`
	OwnID     string   `json:"own_id,omitempty" doc:"path of our id of the message: what has another is not meant"`
	ID        string   `json:"id,omitempty" doc:"path of the provider's id of it: likewise"`
	Status    string   `json:"status" doc:"path of what became of it"`
	Accepted  []string `json:"accepted,omitempty" doc:"the statuses that mean that it was taken and is on its way: it counts as sent; a status in none of the lists says nothing"`
	Delivered []string `json:"delivered,omitempty" doc:"the statuses that mean it arrived"`
	Failed    []string `json:"failed,omitempty" doc:"the statuses that mean that it did not arrive"`
	Bounced   []string `json:"bounced,omitempty" doc:"the statuses that mean that the network refused it"`
	Code      string   `json:"code,omitempty" doc:"path of the reason of a failure"`
	Hard      []string `json:"hard,omitempty" doc:"reasons that mean that the address does not exist: it is suppressed"`
	Detail    string   `json:"detail,omitempty" doc:"path of the words about a failure"`
	At        string   `json:"at,omitempty" doc:"path of when, as in receipts; the time of asking if left out"`
	Zone      string   `json:"zone,omitempty" doc:"of a time that names none, and of message.sent_on; UTC if left out"`
}

// complete is the description with what it leaves out.
func (q *GatewayQuery) complete() *GatewayQuery {
	if q == nil {
		return nil
	}
	full := *q
	if full.Method == "" {
		full.Method = "GET"
	}
	if full.ContentType == "" {
		full.ContentType = "application/json"
	}
	return &full
}

func (q *GatewayQuery) check() error {
	if q == nil {
		return nil
	}
	var checks Checks
	checks.Require(regexp.MustCompile(`^(/|https?://[^/?#{}@\s\\]+([/?].*)?$)`).MatchString(q.URL) && isOneLine(q.URL), "url",
		"begin with https:// or http:// and a host without variables or a login, or with / for the same service")
	checks.Require(slices.Contains([]string{"POST", "PUT", "GET"}, q.Method), "method", "use POST, PUT or GET")
	checks.Require(q.Method != "GET" || q.Body == "", "body", "is left out with GET: write the values into url")
	checks.Require(isOneLine(q.ContentType), "content_type", "it holds control characters")
	checks.Require(len(q.Headers) <= 30, "headers", "there are up to 30")
	for name, value := range q.Headers {
		checks.Add(checkGatewayHeader(name, value))
	}
	checks.checkPaths("list", q.List, "own_id", q.OwnID, "id", q.ID, "status", q.Status, "code", q.Code, "detail", q.Detail, "at", q.At)
	checks.Require(q.Status != "", "status", "is missing: say where it stands")
	checks.Require(len(q.Accepted)+len(q.Delivered)+len(q.Failed)+len(q.Bounced) > 0, "delivered", "is missing: say which statuses mean that a message arrived")
	checks.checkZone(q.Zone)
	return checks.Err()
}

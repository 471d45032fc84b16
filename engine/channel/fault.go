package channel

import (
	"errors"
	"fmt"
	"net/textproto"
	"slices"
	"strconv"
	"strings"

	"github.com/wneessen/go-mail"
)

// A fault is why a message did not leave: at which step, and the server's code, 0 when the connection failed. Over says
// that the session cannot go on.
type fault struct {
	step   mail.SendErrReason
	code   int
	detail string
	over   bool
}

func faultOf(step mail.SendErrReason, err error) *fault {
	f := &fault{step: step, detail: fmt.Sprintf("%s: %v", step, err)}
	var refused *textproto.Error
	if errors.As(err, &refused) {
		f.code = refused.Code
	}
	f.detail = unquoted(f.code, f.detail)
	return f
}

// unquoted takes out the quotation marks that textproto puts around what a server said after its code.
func unquoted(code int, detail string) string {
	before, after, found := strings.Cut(detail, strconv.Itoa(code)+` "`)
	if !found {
		return detail
	}
	quoted, err := strconv.QuotedPrefix(`"` + after)
	if err != nil {
		return detail
	}
	said, err := strconv.Unquote(quoted)
	if err != nil {
		return detail
	}
	return before + strconv.Itoa(code) + " " + said + after[len(quoted)-1:]
}

// classify reads a fault: what is known of the message, whether the session can go on, and whether it was already over
// before the content.
//
//	what the server did                                    Status     and            the session
//	no connection, no greeting, no TLS, no login, 421 or   Temporary  Unavailable    none
//	  554 as greeting (unreachable)
//	421, 503, 530, 534, 535, 538 at MAIL                   Temporary  Unavailable    ends (421: tried once on a new one)
//	503, 530, 534, 535, 538 later                          Temporary                 ends
//	421 at RCPT, DATA or after the content                 Temporary                 ends
//	4xx that speaks of a rate (throttled), at any step     Temporary  Throttled      as the code says
//	other 4xx                                              Temporary                 goes on
//	5xx at RCPT or later: no such mailbox (isNobody)       Permanent  Hard           goes on
//	other 5xx: policy, content, size                       Permanent                 goes on
//	silence or a broken connection before the content      Temporary                 ends (a used one: tried once on a new one)
//	… within the content                                   Temporary                 is cut: its end must not follow
//	… after the content                                    Unknown                   ends
//
// After a refused DATA nobody says RSET, and the transaction would still be open: that session ends too.
func classify(f *fault) (o Outcome, keep, dead bool) {
	o.Detail, o.Status = f.detail, Temporary
	atMail := f.step == mail.ErrSMTPMailFrom
	switch {
	case f.code == 0 && f.step == mail.ErrSMTPDataClose:
		o.Status = Unknown
		return o, false, false
	case f.code == 0:
		before := f.step == mail.ErrConnCheck || atMail || f.step == mail.ErrSMTPRcptTo || f.step == mail.ErrSMTPData
		return o, false, before
	case sessionFault(f.code):
		o.Unavailable = atMail
		o.Throttled = throttled(f.code, f.detail)
		return o, false, atMail && f.code == 421
	case f.code >= 500:
		o.Status = Permanent
		o.Hard = !atMail && isNobody(f.code, f.detail)
	default:
		o.Throttled = throttled(f.code, f.detail)
	}
	return o, f.step != mail.ErrSMTPData && !f.over, false
}

// sessionFault is said of refusals that blame the session and not the message: the server is leaving (421), a wrong
// sequence (503), and everything about authentication. As Permanent they would burn a whole campaign on one wrong password.
func sessionFault(code int) bool {
	return slices.Contains([]int{421, 503, 530, 534, 535, 538}, code)
}

// unreachable is why there is no session.
func unreachable(err error) Outcome {
	f := faultOf(mail.ErrConnCheck, err)
	return Outcome{Status: Temporary, Unavailable: true, Throttled: throttled(f.code, f.detail), Detail: "connecting: " + unquoted(f.code, err.Error())}
}

// enhanced is the enhanced status code that follows a reply's code (RFC 3463), such as 5, 1, 1; zeros where there is none.
func enhanced(code int, detail string) (status [3]int) {
	_, after, found := strings.Cut(detail, strconv.Itoa(code))
	if !found {
		return status
	}
	word, _, _ := strings.Cut(strings.TrimLeft(after, " -"), " ")
	status, _ = parseStatus(word)
	return status
}

// parseStatus reads 5.1.1.
func parseStatus(text string) (status [3]int, ok bool) {
	numbers := strings.Split(strings.TrimSpace(text), ".")
	if len(numbers) != 3 || len(numbers[0]) != 1 {
		return status, false
	}
	for i, number := range numbers {
		n, err := strconv.Atoi(number)
		if err != nil || n < 0 || n > 999 {
			return [3]int{}, false
		}
		status[i] = n
	}
	return status, status[0] == 2 || status[0] == 4 || status[0] == 5
}

// throttled is said of temporary refusals that mean how fast or how much is sent, and not this message: 4.7.28 (Gmail) and
// the 4.7.5xx and 4.7.6xx of Exchange Online, or words for it. A greylist (4.7.1) and a full mailbox (4.2.2) are no such.
func throttled(code int, detail string) bool {
	if code < 400 || code >= 500 {
		return false
	}
	status := enhanced(code, detail)
	switch {
	case status == [3]int{4, 2, 2}:
		return false
	case status[0] == 4 && status[1] == 7 && (status[2] == 28 || status[2] >= 500 && status[2] < 700):
		return true
	}
	return speaksOf(detail, "rate limit", "ratelimit", "unusual rate", "sending rate", "rate of", "rate exceeded", "rate has been", "too many", "too much mail",
		"too fast", "throttl", "slow down", "quota exceeded", "limit exceeded", "exceeded the limit")
}

// isNobody is said of final refusals that mean that there is no such mailbox or no such domain, now and for ever: 550, 551
// or 553 with 5.1.x of the recipient, or without an enhanced code and in words. Policy (5.7.x), contents and full
// mailboxes are no such.
func isNobody(code int, detail string) bool {
	if code != 550 && code != 551 && code != 553 {
		return false
	}
	if status := enhanced(code, detail); status[0] == 5 {
		return isHard(status) && status[1] == 1
	}
	return speaksOf(detail, "no such", "user unknown", "unknown user", "unknown recipient", "unknown local", "does not exist", "doesn't exist", "not found",
		"no mailbox", "invalid recipient", "invalid mailbox", "unrouteable address", "address rejected: user")
}

// isHard is said of a status that means that the address will never work.
//
//	5.0.0          nothing but final
//	5.1.0 - 5.1.6  bad destination: mailbox, domain, syntax, ambiguous; moved and left no address. Not 5.1.5, which is "valid"
//	5.1.10         the domain takes no mail (RFC 7505)
//	5.2.1          the mailbox is disabled
//	5.4.4          the domain leads nowhere
//
// Not hard: 5.1.7 and 5.1.8 (our own address), 5.2.2 (full), 5.2.3, 5.3.x (the system), the other 5.4.x (routing), 5.5.x
// (protocol), 5.6.x (content), 5.7.x (policy).
func isHard(status [3]int) bool {
	hard := [][3]int{{5, 0, 0}, {5, 1, 0}, {5, 1, 1}, {5, 1, 2}, {5, 1, 3}, {5, 1, 4}, {5, 1, 6}, {5, 1, 10}, {5, 2, 1}, {5, 4, 4}}
	return slices.Contains(hard, status)
}

func speaksOf(text string, phrases ...string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(phrases, func(phrase string) bool { return strings.Contains(text, phrase) })
}

package campaigns

import (
	"fmt"
	"slices"
	"strings"
)

// EmailSettings are those of channels of kind smtp.
type EmailSettings struct {
	From     string `json:"from,omitempty" doc:"smtp: a bare address; smpp and gateways: the sender's number or name"`
	FromName string `json:"from_name,omitempty" doc:"smtp: the name beside the address"`

	ReturnPath   string  `json:"return_path,omitempty" doc:"smtp: where bounces go, a bare address; each message adds +token before its @"`
	DKIMDomain   string  `json:"dkim_domain,omitempty" doc:"smtp: signs for this domain"`
	DKIMSelector string  `json:"dkim_selector,omitempty" doc:"the name of the key under the domain, such as 2026a"`
	DKIMKey      *string `json:"dkim_key,omitempty" doc:"an RSA (2048 bits are recommended) or Ed25519 private key as PEM; written, and never read back"`
	DKIMRecord   string  `json:"dkim_record,omitempty" readOnly:"true" doc:"the DNS record to publish for the key"`

	InboxHost     string  `json:"inbox_host,omitempty" doc:"smtp: an IMAP mailbox where bounces and complaints arrive"`
	InboxPort     int     `json:"inbox_port,omitempty" doc:"993 if left out, 143 without TLS"`
	InboxTLS      string  `json:"inbox_tls,omitempty" enum:"none,tls" doc:"tls if left out"`
	InboxUsername string  `json:"inbox_username,omitempty" doc:"of the mailbox"`
	InboxPassword *string `json:"inbox_password,omitempty" doc:"written, and never read back"`
}

// BounceTagMax is the most bytes that a message's token takes in the local part of its return path, which has 64 in all
// (RFC 5321, 4.5.3.1.1).
const BounceTagMax = 45

const returnLocalMax = 64 - 1 - BounceTagMax

func (s *EmailSettings) check() error {
	var checks Checks
	err := CheckBareAddress(s.From)
	checks.Require(err == nil, "from", "%v", fmt.Sprint(err))
	checks.Require(isOneLine(s.FromName), "from_name", "it holds control characters")
	s.checkReturnPath(&checks)
	s.checkDKIM(&checks)
	s.checkInbox(&checks)
	return checks.Err()
}

func (s *EmailSettings) checkReturnPath(checks *Checks) {
	if s.ReturnPath == "" {
		return
	}
	err := CheckBareAddress(s.ReturnPath)
	checks.Require(err == nil, "return_path", "%v", fmt.Sprint(err))
	local, _, _ := strings.Cut(s.ReturnPath, "@")
	checks.Require(!strings.Contains(local, "+"), "return_path", "leave out the +: each message adds its own")
	checks.Require(len(local) <= returnLocalMax, "return_path", "what stands before its @ may have up to %d bytes: each message adds up to %d, and servers take 64", returnLocalMax, BounceTagMax+1)
}

func (s *EmailSettings) checkInbox(checks *Checks) {
	if s.InboxHost == "" {
		checks.Require(s.InboxUsername == "" && Text(s.InboxPassword) == "", "inbox_host", "the name or address of the mailbox's server is missing")
		return
	}
	checks.Require(isOneWord(s.InboxHost), "inbox_host", "it holds spaces")
	checks.Require(s.InboxPort >= 0 && s.InboxPort <= 65535, "inbox_port", "a port lies between 1 and 65535")
	checks.Require(slices.Contains([]string{"", "none", "tls"}, s.InboxTLS), "inbox_tls", "use none or tls")
	checks.Require(s.InboxUsername != "" && isOneLine(s.InboxUsername), "inbox_username", "it is missing or holds control characters")
	checks.Require(Text(s.InboxPassword) != "" && isOneLine(Text(s.InboxPassword)), "inbox_password", "it is missing or holds control characters")
}

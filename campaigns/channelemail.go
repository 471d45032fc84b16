package campaigns

import "fmt"

// EmailSettings are those of channels of kind smtp.
type EmailSettings struct {
	From     string `json:"from,omitempty" doc:"smtp: a bare address; smpp and gateways: the sender's number or name"`
	FromName string `json:"from_name,omitempty"`

	ReturnPath   string  `json:"return_path,omitempty" doc:"smtp: where bounces go, a bare address; each message adds +token before its @"`
	DKIMDomain   string  `json:"dkim_domain,omitempty" doc:"smtp: signs for this domain"`
	DKIMSelector string  `json:"dkim_selector,omitempty"`
	DKIMKey      *string `json:"dkim_key,omitempty" doc:"an RSA or Ed25519 private key as PEM; written, and never read back"`

	InboxHost     string  `json:"inbox_host,omitempty" doc:"smtp: an IMAP mailbox where bounces and complaints arrive"`
	InboxPort     int     `json:"inbox_port,omitempty" doc:"993 if left out"`
	InboxTLS      string  `json:"inbox_tls,omitempty" enum:"none,tls" doc:"tls if left out"`
	InboxUsername string  `json:"inbox_username,omitempty"`
	InboxPassword *string `json:"inbox_password,omitempty" doc:"written, and never read back"`
}

func (s *EmailSettings) check() error {
	var checks Checks
	err := CheckBareAddress(s.From)
	checks.Require(err == nil, "from", "%v", fmt.Sprint(err))
	checks.Require(isOneLine(s.FromName), "from_name", "it holds control characters")
	return checks.Err()
}

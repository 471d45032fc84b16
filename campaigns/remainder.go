package campaigns

import "slices"

// A Remainder says to whom of a run its messages are sent again: those whose message ended with one of the statuses, and
// those who ended at one of the gates.
type Remainder struct {
	Statuses []MessageStatus `json:"statuses,omitempty" doc:"failed, cancelled and expired if left out; unknown only when it is named, for it may have arrived"`
	Gates    []Gate          `json:"gates,omitempty" doc:"cap, budget, template, code; eligible for those whom a run that was stopped had not come to, who are taken in when nothing is named"`
}

// Defaults fills what was left out: what surely was not sent, and whom a run that was stopped had not come to.
func (r *Remainder) Defaults() {
	if r.Statuses != nil {
		return
	}
	r.Statuses = []MessageStatus{MessageFailed, MessageCancelled, MessageExpired}
	if r.Gates == nil {
		r.Gates = []Gate{GateEligible}
	}
}

// Check says what cannot be sent again: what was sent, and whom a fact about themselves keeps from it.
func (r *Remainder) Check() error {
	var checks Checks
	for _, status := range r.Statuses {
		checks.Require(slices.Contains([]MessageStatus{MessageFailed, MessageCancelled, MessageExpired, MessageUnknown}, status), "statuses",
			"%q should be failed, cancelled, expired or, for messages that may have arrived, unknown", shorten(string(status)))
	}
	for _, gate := range r.Gates {
		checks.Require(slices.Contains([]Gate{GateCap, GateBudget, GateTemplate, GateCode, GateEligible}, gate), "gates",
			"%q should be cap, budget, template, code or, for those whom a stopped run had not come to, eligible", shorten(string(gate)))
	}
	checks.Require(len(r.Statuses)+len(r.Gates) > 0, "statuses", "is empty: name what is sent again, or leave it out for failed, cancelled and expired")
	return checks.Err()
}

package campaigns

import (
	"strings"
	"time"
)

// A Run is one occurrence of a campaign. Its identity is (campaign, occurrence): whoever inserts it first, on any node,
// has made it, and it cannot be made twice.
type Run struct {
	ID         ID               `json:"id"`
	CampaignID ID               `json:"campaign_id"`
	Version    int              `json:"version"`
	Occurrence time.Time        `json:"occurrence"`
	Status     RunStatus        `json:"status"`
	Paused     bool             `json:"paused"`
	Executor   string           `json:"executor,omitempty"`
	SelectMS   int64            `json:"select_ms,omitempty" doc:"how long the rule took over all customers"`
	Scanned    int64            `json:"scanned" doc:"customers looked at so far while selecting"`
	Customers  int64            `json:"customers" doc:"customers there are to look at"`
	Audience   int64            `json:"audience" doc:"customers who match the rule; the sum of the gates"`
	Gates      map[string]int64 `json:"gates"`
	GhostGates map[string]int64 `json:"ghost_gates,omitempty" doc:"later gates of those held out"`
	Messages   map[string]int64 `json:"messages"`
	StartedAt  *time.Time       `json:"started_at,omitempty"`
	SelectedAt *time.Time       `json:"selected_at,omitempty"`
	QueuedAt   *time.Time       `json:"queued_at,omitempty"`
	FinishedAt *time.Time       `json:"finished_at,omitempty"`
	Reason     string           `json:"reason,omitempty"`
}

// RunStatus is where a run is: planned → selecting → queueing → sending → done, or stopped with a reason.
type RunStatus string

const (
	Planned   RunStatus = "planned"
	Selecting RunStatus = "selecting"
	Queueing  RunStatus = "queueing"
	Sending   RunStatus = "sending"
	Done      RunStatus = "done"
	Stopped   RunStatus = "stopped"
)

// A Gate is where a customer who matches the rule can be stopped, in the order in which the gates are walked.
type Gate string

const (
	GateRule       Gate = "rule" // does not match: recorded nowhere, every customer without another gate
	GateEntry      Gate = "entry"
	GateConsent    Gate = "consent"
	GateSuppressed Gate = "suppressed"
	GateAddress    Gate = "address"
	GateReach      Gate = "not_all_variants"
	GateDuplicate  Gate = "duplicate_address"
	GateHoldout    Gate = "holdout"
	GateCode       Gate = "code"
	GateTemplate   Gate = "template"
	GatePassed     Gate = "passed"

	// Eligible marks those who passed the gates before the arms and wait to be queued; it is nobody's last gate once the
	// run has queued.
	GateEligible Gate = "eligible"
)

// Gates are those at which a customer's way can end, in order.
func Gates() []Gate {
	return []Gate{GateEntry, GateConsent, GateSuppressed, GateAddress, GateReach, GateDuplicate, GateHoldout, GateCode, GateTemplate, GatePassed}
}

// GhostGate is the name under which a later gate of a held-out customer is kept.
func GhostGate(g Gate) Gate { return "ghost:" + g }

// IsGhost says whether the gate is one of a held-out customer's later gates.
func (g Gate) IsGhost() bool { return strings.HasPrefix(string(g), "ghost:") }

// Open says whether the run still has something to do.
func (r *Run) Open() bool { return r.Status != Done && r.Status != Stopped }

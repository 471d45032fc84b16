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
	Kind       string           `json:"kind" enum:"tick,manual,resend,trigger"`
	Priority   int              `json:"priority,omitempty"`
	ResendOf   *ID              `json:"resend_of,omitempty" doc:"the run whose remainder this one sends to"`
	Paused     bool             `json:"paused"`
	Held       string           `json:"held,omitempty" doc:"a guard or a gap that holds it until somebody resumes it; reason says more" enum:"audience,failures,bounces,complaints,template,codes,gap"`
	OpenUntil  *time.Time       `json:"open_until,omitempty" doc:"of a triggered campaign's run: until when events enter it"`
	Eligible   int64            `json:"eligible" doc:"customers who passed the gates before the arms"`
	Executor   string           `json:"executor,omitempty"`
	SelectMS   int64            `json:"select_ms,omitempty" doc:"how long the rule took over all customers"`
	Scanned    int64            `json:"scanned" doc:"customers looked at so far while selecting"`
	Customers  int64            `json:"customers" doc:"customers there are to look at"`
	Audience   int64            `json:"audience" doc:"customers who match the rule; the sum of the gates"`
	Gates      map[string]int64 `json:"gates"`
	GhostGates map[string]int64 `json:"ghost_gates,omitempty" doc:"later gates of those held out"`
	Messages   map[string]int64 `json:"messages"`
	Tracking   Tracking         `json:"tracking" doc:"messages that people opened, clicked in or left by, each once"`
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

// The kinds of run: at a tick of the schedule, by hand, to the remainder of another, and a day of a triggered campaign.
const (
	RunTick    = "tick"
	RunManual  = "manual"
	RunResend  = "resend"
	RunTrigger = "trigger"
)

// What can hold a run until somebody resumes it.
const (
	HeldAudience   = "audience"
	HeldFailures   = "failures"
	HeldBounces    = "bounces"
	HeldComplaints = "complaints"
	HeldTemplate   = "template"
	HeldCodes      = "codes"
	HeldGap        = "gap"
)

// A Gate is where a customer who matches the rule can be stopped, in the order in which the gates are walked.
type Gate string

const (
	GateRule       Gate = "rule"     // does not match: recorded nowhere, every customer without another gate
	GateExcluded   Gate = "excluded" // the workspace's own rule: staff, blocked, an open complaint
	GateEntry      Gate = "entry"
	GateConsent    Gate = "consent"
	GateSuppressed Gate = "suppressed"
	GateAddress    Gate = "address"
	GateReach      Gate = "not_all_variants"
	GateDuplicate  Gate = "duplicate_address"
	GateLimit      Gate = "limit"
	GateGlobal     Gate = "global_holdout"
	GateHoldout    Gate = "holdout"
	GateCap        Gate = "cap"
	GateBudget     Gate = "budget"
	GateCode       Gate = "code"
	GateTemplate   Gate = "template"
	GatePassed     Gate = "passed"

	// Eligible marks those who passed the gates before the arms and wait to be queued; it is nobody's last gate once the
	// run has queued.
	GateEligible Gate = "eligible"
)

// Gates are those at which a customer's way can end, in order.
func Gates() []Gate {
	return []Gate{GateExcluded, GateEntry, GateConsent, GateSuppressed, GateAddress, GateReach, GateDuplicate, GateLimit, GateGlobal, GateHoldout,
		GateCap, GateBudget, GateCode, GateTemplate, GatePassed}
}

// GhostGate is the name under which a later gate of a held-out customer is kept.
func GhostGate(g Gate) Gate { return "ghost:" + g }

// IsGhost says whether the gate is one of a held-out customer's later gates.
func (g Gate) IsGhost() bool { return strings.HasPrefix(string(g), "ghost:") }

// Open says whether the run still has something to do.
func (r *Run) Open() bool { return r.Status != Done && r.Status != Stopped }

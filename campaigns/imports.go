package campaigns

import (
	"slices"
	"strings"
	"time"
)

// An Import brings rows in from a file. The same file again changes nothing; bad rows are listed and the others written.
type Import struct {
	ID             ID            `json:"id"`
	Kind           string        `json:"kind"`
	Status         string        `json:"status" enum:"running,done,failed"`
	Phase          string        `json:"phase" doc:"reading, merging or done: what a running import is at"`
	DryRun         bool          `json:"dry_run"`
	Options        ImportOptions `json:"options"`
	IgnoredColumns []string      `json:"ignored_columns,omitempty"`
	RowsRead       int64         `json:"rows_read"`
	RowsWritten    int64         `json:"rows_written"`
	RowsUnchanged  int64         `json:"rows_unchanged" doc:"rows that were there already"`
	RowsRejected   int64         `json:"rows_rejected"`
	Rejected       []Reject      `json:"rejected,omitempty" doc:"the first 1,000; all of them at rejected.csv"`
	Error          string        `json:"error,omitempty"`
	StartedAt      time.Time     `json:"started_at"`
	FinishedAt     *time.Time    `json:"finished_at,omitempty"`
}

// ImportOptions say how a file is read.
type ImportOptions struct {
	Kind       string            `json:"kind"`
	Format     string            `json:"format" enum:"csv,ndjson"`
	Map        map[string]string `json:"map,omitempty" doc:"file column → field; - leaves a column out"`
	CampaignID *ID               `json:"campaign_id,omitempty" doc:"assignments: the campaign they belong to"`
	DryRun     bool              `json:"dry_run,omitempty"`
}

// A Reject is a row that could not be kept, counted from 1 after the header, and why.
type Reject struct {
	Row     int64  `json:"row"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

// The kinds of import.
const (
	ImportCustomers    = "customers"
	ImportPurchases    = "purchases"
	ImportEvents       = "events"
	ImportPoints       = "points"
	ImportAssignments  = "assignments"
	ImportSuppressions = "suppressions"
)

// ImportKinds are all of them.
func ImportKinds() []string {
	return []string{ImportCustomers, ImportPurchases, ImportEvents, ImportPoints, ImportAssignments, ImportSuppressions}
}

// Check says what is wrong with the options.
func (o *ImportOptions) Check() error {
	var checks Checks
	checks.Require(slices.Contains(ImportKinds(), o.Kind), "kind", "%q should be one of %s", o.Kind, strings.Join(ImportKinds(), ", "))
	checks.Require(o.Format == "csv" || o.Format == "ndjson", "format", "%q should be csv or ndjson", o.Format)
	checks.Require(o.Kind != ImportAssignments || o.CampaignID != nil, "campaign_id", "is missing: assignments belong to an imported campaign, so name it")
	checks.Require(o.Kind == ImportAssignments || o.CampaignID == nil, "campaign_id", "belongs to assignments alone: leave it out for %s", o.Kind)
	return checks.Err()
}

package campaigns

import "time"

// An Inbox is what was found in the mailbox where a channel's bounces and complaints arrive. Error is why it cannot be read
// at present, empty when it can.
type Inbox struct {
	LookedAt *time.Time `json:"looked_at,omitempty"`
	Reports  int64      `json:"reports" doc:"bounces, complaints and other reports about messages of ours"`
	Others   int64      `json:"others" doc:"what was no report, or none about a message of ours"`
	Error    string     `json:"error,omitempty"`
}

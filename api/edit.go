package api

import (
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"beckon/campaigns"
	"beckon/engine"
)

// Match is the condition of an edit: it is made only if nobody changed the thing since.
type Match struct {
	IfMatch string `header:"If-Match" doc:"the ETag that was read: the edit fails with 412 when it no longer holds"`
}

// version is the version that the caller saw: 0 for whichever it is, -1 for one that cannot be.
func (m Match) version() int64 {
	tag := strings.TrimSpace(m.IfMatch)
	if tag == "" || tag == "*" {
		return 0
	}
	n, err := strconv.ParseInt(strings.Trim(strings.TrimPrefix(tag, "W/"), `"`), 10, 64)
	if err != nil || n <= 0 {
		return -1
	}
	return n
}

// check says whether the edit may be made to what has this version; what names it.
func (m Match) check(what string, version int64) error {
	if want := m.version(); want != 0 && want != version {
		return campaigns.Stale(what)
	}
	return nil
}

// etag is a version as a header.
func etag[N int | int64](version N) string { return `"` + strconv.FormatInt(int64(version), 10) + `"` }

// one is an answer with a single thing and its version.
type one[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

// some is an answer with a single thing that has no versions.
type some[T any] struct{ Body T }

// Seen are the fields that an answer has and an edit may repeat: they are read only and change nothing.
type Seen struct {
	ID         any        `json:"id,omitempty" readOnly:"true"`
	Version    any        `json:"version,omitempty" readOnly:"true"`
	Revision   any        `json:"revision,omitempty" readOnly:"true"`
	NextRunAt  *time.Time `json:"next_run_at,omitempty" readOnly:"true"`
	CreatedAt  *time.Time `json:"created_at,omitempty" readOnly:"true"`
	ChangedAt  *time.Time `json:"changed_at,omitempty" readOnly:"true"`
	LaunchedAt *time.Time `json:"launched_at,omitempty" readOnly:"true"`
	UsedBy     any        `json:"used_by,omitempty" readOnly:"true"`
}

// optional is a field that may be absent, null or a value: an edit that merges treats the three differently.
type optional[T any] struct {
	Given bool
	Value *T
}

// UnmarshalJSON is called for what is given, null included.
func (o *optional[T]) UnmarshalJSON(data []byte) error {
	o.Given = true
	return decode(data, &o.Value)
}

// Schema is the value's, with null.
func (o optional[T]) Schema(r huma.Registry) *huma.Schema {
	return nullable[T](r)
}

// put writes the field over a value: what is absent stays when merging and is missing otherwise.
func (o optional[T]) put(to **T, merge bool) {
	if o.Given || !merge {
		*to = o.Value
	}
}

// Used is what the answer to an edit says besides: the campaigns that use what was edited. What was approved or runs keeps
// its own; those that were launched have a new draft.
type Used struct {
	UsedBy []engine.CampaignUse `json:"used_by" nullable:"false" doc:"campaigns that are not over and use it: those that were launched keep what they had and have a new version, a draft, with what is new"`
}

func usedBy(uses []engine.CampaignUse) Used {
	if uses == nil {
		uses = []engine.CampaignUse{}
	}
	return Used{uses}
}

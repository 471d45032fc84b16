package campaigns

import (
	"strings"
	"time"

	"github.com/google/uuid"
)

// A Segment is a rule saved under a name, which other rules call as segment("name"). What was launched keeps the rule
// that the segment had then.
type Segment struct {
	ID        ID        `json:"id"`
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
	SegmentDefinition
}

// SegmentDefinition is what a marketer writes.
type SegmentDefinition struct {
	Name string `json:"name" minLength:"1" maxLength:"60"`
	Rule string `json:"rule" minLength:"1" maxLength:"10000" doc:"who: an expr rule over a customer"`
}

// SegmentsMax is the most segments that a workspace may have.
const SegmentsMax = 2000

// Check says what is wrong with a definition by itself; whether its rule is right is asked where names are known.
func (d *SegmentDefinition) Check() error {
	var checks Checks
	checks.Require(goodName(d.Name), "name", "should be 1 to 60 letters, digits, spaces, _, - or apostrophes")
	checks.Require(d.Name == strings.TrimSpace(d.Name), "name", "should neither begin nor end with a space")
	checks.Require(uuid.Validate(d.Name) != nil, "name", "should not look like an id")
	checks.Require(strings.TrimSpace(d.Rule) != "", "rule", "is missing")
	return checks.Err()
}

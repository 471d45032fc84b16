package campaigns

import (
	"slices"
	"strings"
	"time"
)

// An Actor is who does something: the id of a key and its name. The id tells two keys of one name apart; it is empty
// where no key is used, such as on the command line.
type Actor struct {
	ID   string
	Name string
}

// is says whether the actor is the one who was written down. Where either has no id, the name decides.
func (a Actor) is(id, name string) bool {
	if a.ID == "" || id == "" {
		return a.Name == name
	}
	return a.ID == id
}

// ReviewState is how far a version is on its way to be approved.
type ReviewState string

// draft → in_review → approved; rejected, it is a draft again.
const (
	ReviewDraft    ReviewState = "draft"
	ReviewWaiting  ReviewState = "in_review"
	ReviewApproved ReviewState = "approved"
)

// A Review is what was said about one version. Approval is bound to the version and to the hash of all that it uses.
type Review struct {
	State       ReviewState `json:"state" enum:"draft,in_review,approved"`
	SubmittedBy string      `json:"submitted_by,omitempty"`
	SubmittedAt *time.Time  `json:"submitted_at,omitempty"`
	ReviewedBy  string      `json:"reviewed_by,omitempty"`
	ReviewedAt  *time.Time  `json:"reviewed_at,omitempty"`
	Note        string      `json:"note,omitempty" doc:"why it was rejected"`
	Audience    *int64      `json:"audience,omitempty" doc:"customers who matched its rule when it was submitted"`
	Hash        string      `json:"hash,omitempty" doc:"SHA-256 over the rule, templates, offers, channels and holdout that it froze"`
	Submitter   string      `json:"-"` // the id of the key that submitted it
}

// mayReview says whether the newest version may go on from one of the states.
func (c *Campaign) mayReview(version int, doing string, from ...ReviewState) error {
	switch {
	case c.Kind == Imported:
		return Conflict("an imported campaign was sent elsewhere: there is nothing to review")
	case version != 0 && version != c.Version:
		return Stale("campaign")
	case c.IsOver():
		return Conflict("a campaign that is %s is not reviewed: copy it into a new one", c.Status)
	case c.Version == c.LiveVersion:
		return Conflict("version %d is in effect already: edit the campaign, and submit the version that this makes", c.Version)
	case slices.Contains(from, c.Review.State):
		return nil
	case c.Review.State == ReviewDraft:
		return Conflict("version %d is a draft: submit it before you %s it", c.Version, doing)
	case c.Review.State == ReviewWaiting:
		return Conflict("version %d is in review already: approve or reject it", c.Version)
	}
	return Conflict("version %d is approved already: launch it", c.Version)
}

// Submit gives the newest version to review. version is the one that the caller saw, 0 for whichever it is; audience is how
// many customers match its rule. What it uses must be frozen.
func (c *Campaign) Submit(by Actor, version int, audience int64, now time.Time) error {
	if err := c.mayReview(version, "submit", ReviewDraft); err != nil {
		return err
	}
	if c.LiveVersion == 0 {
		if err := c.Move(Submit); err != nil {
			return err
		}
	}
	c.Review = Review{State: ReviewWaiting, SubmittedBy: by.Name, Submitter: by.ID, SubmittedAt: &now, Audience: &audience, Hash: c.Frozen.Hash}
	return nil
}

// Approve lets the newest version be launched. It takes somebody who neither wrote nor submitted it. hash is that of the
// content which the reviewer saw, empty for whichever it is.
func (c *Campaign) Approve(by Actor, version int, hash string, now time.Time) error {
	if err := c.mayReview(version, "approve", ReviewWaiting); err != nil {
		return err
	}
	if hash != "" && hash != c.Review.Hash {
		return Stale("campaign")
	}
	if by.is(c.Author, c.CreatedBy) {
		return Forbidden("you wrote version %d: somebody else has to approve it", c.Version)
	}
	if by.is(c.Review.Submitter, c.Review.SubmittedBy) {
		return Forbidden("you submitted version %d: somebody else has to approve it", c.Version)
	}
	c.Review.State, c.Review.ReviewedBy, c.Review.ReviewedAt = ReviewApproved, by.Name, &now
	return nil
}

// Reject makes the newest version a draft again, with the reason; also an approved one that was not launched yet. What it
// froze is let go.
func (c *Campaign) Reject(by Actor, version int, reason string, now time.Time) error {
	if err := c.mayReview(version, "reject", ReviewWaiting, ReviewApproved); err != nil {
		return err
	}
	var checks Checks
	checks.Require(strings.TrimSpace(reason) != "", "reason", "is missing: say what should be changed")
	checks.Add(CheckText("reason", reason))
	if err := checks.Err(); err != nil {
		return err
	}
	if c.LiveVersion == 0 {
		if err := c.Move(SendBack); err != nil {
			return err
		}
	}
	c.Review.State, c.Review.ReviewedBy, c.Review.ReviewedAt, c.Review.Note = ReviewDraft, by.Name, &now, reason
	c.Frozen = Frozen{}
	return nil
}

// MayLaunch says whether the newest version may be put in effect as far as its review goes. approvals is the workspace's
// setting; approved is the latest version that was approved, 0 for none.
func (c *Campaign) MayLaunch(approvals bool, approved int) error {
	switch {
	case c.IsOver():
		return Conflict("a campaign that is %s cannot be launched: copy it into a new one", c.Status)
	case c.Version == c.LiveVersion:
		return Conflict("version %d is in effect already: edit the campaign, and launch the version that this makes", c.Version)
	case c.Review.State == ReviewApproved:
		return nil
	case c.Review.State == ReviewWaiting:
		return Conflict("version %d waits for its review: approve or reject it first", c.Version)
	case !approvals:
		return nil
	case approved > c.LiveVersion:
		return Conflict("version %d was changed after version %d was approved: submit it", c.Version, approved)
	}
	return Conflict("version %d is not approved: submit it, and let somebody who did not write it approve it", c.Version)
}

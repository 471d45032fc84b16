package campaigns_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"beckon/campaigns"
)

func noon(day int) time.Time { return time.Date(2026, 11, day, 12, 0, 0, 0, time.UTC) }

func TestEachMoveLeadsFromTheStatusesItMayAndFromNoOther(t *testing.T) {
	const draft, review, scheduled, active, paused = campaigns.Draft, campaigns.InReview, campaigns.Scheduled, campaigns.Active, campaigns.Paused
	const completed, cancelled, archived = campaigns.Completed, campaigns.Cancelled, campaigns.Archived
	table := map[campaigns.Move]map[campaigns.Status]campaigns.Status{
		campaigns.Submit:   {draft: review},
		campaigns.SendBack: {review: draft},
		campaigns.Launch:   {draft: scheduled, review: scheduled},
		campaigns.Pause:    {scheduled: paused, active: paused},
		campaigns.Resume:   {paused: active},
		campaigns.Cancel:   {draft: cancelled, review: cancelled, scheduled: cancelled, active: cancelled, paused: cancelled},
		campaigns.Archive:  {draft: archived, completed: archived, cancelled: archived},
		campaigns.Start:    {scheduled: active, active: active},
		campaigns.Complete: {scheduled: completed, active: completed},
	}
	for move, allowed := range table {
		for _, from := range []campaigns.Status{draft, review, scheduled, active, paused, completed, cancelled, archived} {
			c := campaigns.Campaign{Status: from, Definition: sound("once")}
			err := c.Move(move)
			to, may := allowed[from]
			if may && (err != nil || c.Status != to) {
				t.Errorf("%s from %s: %s, %v", move, from, c.Status, err)
			}
			if !may && (campaigns.CodeOf(err) != campaigns.CodeConflict || c.Status != from) {
				t.Errorf("%s from %s is allowed: %s, %v", move, from, c.Status, err)
			}
		}
	}
}

// written is a campaign of Ann's whose newest version is a draft.
func written(kind string) campaigns.Campaign {
	d := sound(kind)
	d.Author, d.CreatedBy = "key-ann", "ann"
	return campaigns.Campaign{Status: campaigns.Draft, Version: 1, Definition: d, Review: campaigns.Review{State: campaigns.ReviewDraft},
		Frozen: campaigns.Frozen{Zone: "UTC", Hash: "h1"}}
}

func TestNobodyApprovesWhatTheyWroteOrSubmitted(t *testing.T) {
	ann, bob, cleo := campaigns.Actor{ID: "key-ann", Name: "ann"}, campaigns.Actor{ID: "key-bob", Name: "bob"}, campaigns.Actor{ID: "key-cleo", Name: "cleo"}
	for _, who := range []campaigns.Actor{ann, bob, {Name: "ann"}, {Name: "bob"}} {
		c := written("once")
		if err := c.Submit(bob, 0, 7, noon(1)); err != nil {
			t.Fatal(err)
		}
		if err := c.Approve(who, 0, "", noon(2)); campaigns.CodeOf(err) != campaigns.CodeForbidden || c.Review.State != campaigns.ReviewWaiting {
			t.Errorf("%v approves: %v", who, err)
		}
		if err := c.Approve(cleo, 0, "", noon(2)); err != nil || c.Review.State != campaigns.ReviewApproved {
			t.Errorf("cleo cannot approve: %v", err)
		}
	}
	c := written("once")
	if err := c.Submit(ann, 0, 7, noon(1)); err != nil {
		t.Fatal(err)
	}
	if err := c.Approve(campaigns.Actor{ID: "key-other", Name: "ann"}, 0, "", noon(2)); err != nil {
		t.Errorf("another key of the same name counts as one person: %v", err)
	}
}

func TestAnApprovalIsBoundToTheVersionAndItsContent(t *testing.T) {
	ann, bob := campaigns.Actor{ID: "key-ann", Name: "ann"}, campaigns.Actor{ID: "key-bob", Name: "bob"}
	c := written("recurring")
	if err := c.MayLaunch(true, 0); err == nil || !strings.Contains(err.Error(), "version 1 is not approved") {
		t.Errorf("launch without approval: %v", err)
	}
	if err := c.Approve(bob, 0, "", noon(1)); err == nil || !strings.Contains(err.Error(), "submit it") {
		t.Errorf("a draft is approved: %v", err)
	}
	if err := c.Submit(ann, 0, 7, noon(1)); err != nil || c.Status != campaigns.InReview {
		t.Fatal(err)
	}
	if err := c.MayLaunch(true, 0); campaigns.CodeOf(err) != campaigns.CodeConflict {
		t.Errorf("what is in review launches: %v", err)
	}
	if err := c.Approve(bob, 2, "", noon(2)); campaigns.CodeOf(err) != campaigns.CodeStale {
		t.Errorf("another version is approved: %v", err)
	}
	if err := c.Approve(bob, 1, "h0", noon(2)); campaigns.CodeOf(err) != campaigns.CodeStale {
		t.Errorf("another content is approved: %v", err)
	}
	if err := c.Approve(bob, 1, "h1", noon(2)); err != nil || c.MayLaunch(true, 1) != nil {
		t.Fatalf("%v, %v", err, c.MayLaunch(true, 1))
	}
	if err := c.Edit(c.Definition); err != nil || c.Status != campaigns.Draft || c.Review.State != campaigns.ReviewDraft || c.Frozen.Is() {
		t.Fatalf("after an edit: %+v, %v", c.Review, err)
	}
	c.Version = 2
	if err := c.MayLaunch(true, 1); err == nil || err.Error() != "version 2 was changed after version 1 was approved: submit it" {
		t.Errorf("what was changed after its approval launches: %v", err)
	}
	if c.MayLaunch(false, 1) != nil {
		t.Error("without approvals a draft launches")
	}
}

func TestARejectedVersionIsADraftAgainWithTheReason(t *testing.T) {
	ann, bob := campaigns.Actor{ID: "key-ann", Name: "ann"}, campaigns.Actor{ID: "key-bob", Name: "bob"}
	c := written("once")
	if err := c.Submit(ann, 0, 7, noon(1)); err != nil {
		t.Fatal(err)
	}
	if found := fieldsOf(c.Reject(bob, 0, " ", noon(2))); found["reason"] == "" {
		t.Errorf("no reason is asked for: %v", found)
	}
	if err := c.Reject(bob, 0, "the subject", noon(2)); err != nil || c.Status != campaigns.Draft || c.Review.Note != "the subject" || c.Review.State != campaigns.ReviewDraft {
		t.Errorf("%+v, %v", c.Review, err)
	}
	if err := c.Submit(ann, 0, 7, noon(3)); err != nil || c.Review.Note != "" {
		t.Errorf("submitted again: %+v, %v", c.Review, err)
	}
}

func TestARelaunchKeepsTheStatusAndRepeatsNoOccurrence(t *testing.T) {
	daily := func() campaigns.Campaign {
		c := written("recurring")
		c.Schedule = &campaigns.Schedule{Cron: "0 9 * * *", Zone: "UTC"}
		c.Status, c.Version, c.LiveVersion = campaigns.Active, 2, 1
		return c
	}
	nine := noon(2).Add(-3 * time.Hour)
	for _, c := range []struct {
		what            string
		next, last, now time.Time
		cron            string
		want            time.Time
	}{
		{"the schedule is read anew from now", noon(3).Add(-3 * time.Hour), nine, noon(2), "0 15 * * *", noon(2).Add(3 * time.Hour)},
		{"what was made is not made again", noon(3).Add(-3 * time.Hour), nine, nine, "0 9 * * *", noon(3).Add(-3 * time.Hour)},
		{"a clock that went back repeats nothing", noon(3).Add(-3 * time.Hour), nine, nine.Add(-time.Minute), "0 9 * * *", noon(3).Add(-3 * time.Hour)},
		{"what is due already is still made", nine, nine.AddDate(0, 0, -1), nine.Add(time.Second), "0 15 * * *", nine},
	} {
		r := daily()
		r.NextRunAt, r.Schedule.Cron = &c.next, c.cron
		if err := r.Relaunch(c.now, &c.last); err != nil || !r.NextRunAt.Equal(c.want) || r.Status != campaigns.Active || r.LiveVersion != 2 {
			t.Errorf("%s: next %v, want %v (%v)", c.what, r.NextRunAt, c.want, err)
		}
	}
	once := written("once")
	once.Status, once.Version, once.LiveVersion = campaigns.Active, 2, 1
	if found := fieldsOf(once.Relaunch(noon(2), &nine)); found["at"] == "" {
		t.Errorf("a run that was made is made again: %v", found)
	}
	once.At = ptr(noon(5))
	if err := once.Relaunch(noon(2), &nine); err != nil || !once.NextRunAt.Equal(noon(5)) {
		t.Errorf("a later time: %v, %v", once.NextRunAt, err)
	}
}

func TestARecurringCampaignEndsAtItsEnd(t *testing.T) {
	c := written("recurring")
	c.Schedule, c.Until = &campaigns.Schedule{Cron: "0 9 * * *", Zone: "UTC"}, ptr(noon(3))
	if err := c.Launch(noon(1)); err != nil || !c.NextRunAt.Equal(noon(2).Add(-3*time.Hour)) {
		t.Fatalf("%v, %v", c.NextRunAt, err)
	}
	if next, err := c.NextTick(noon(2)); err != nil || next == nil {
		t.Errorf("the last day: %v, %v", next, err)
	}
	if next, err := c.NextTick(noon(3)); err != nil || next != nil {
		t.Errorf("beyond the end: %v, %v", next, err)
	}
	late := written("recurring")
	late.Until = ptr(noon(1))
	if found := fieldsOf(late.Launch(noon(2))); found["until"] == "" {
		t.Errorf("an end before the start: %v", found)
	}
	triggered := written("triggered")
	triggered.Until = ptr(noon(1))
	if found := fieldsOf(triggered.Launch(noon(2))); found["until"] == "" {
		t.Errorf("a trigger that is over: %v", found)
	}
}

func TestOtherSharesOfTheArmsBeginAPeriodOfTheirOwn(t *testing.T) {
	live, next := written("recurring"), written("recurring")
	if next.DrawsAnew(&live) {
		t.Error("the same shares draw anew")
	}
	next.Holdout = ptr(0.2)
	if !next.DrawsAnew(&live) {
		t.Error("another holdout keeps the arms")
	}
	next = written("recurring")
	next.Variants = append(slices.Clone(next.Variants), campaigns.Variant{Name: "B", Weight: 1})
	if !next.DrawsAnew(&live) {
		t.Error("another variant keeps the arms")
	}
	period := next.Period(noon(1))
	if next.Frozen.Draw = 1; next.Period(noon(1)) == period {
		t.Error("the period is the same")
	}
	next.Kind = campaigns.Once
	if next.Period(noon(1)) != "#2" {
		t.Errorf("of kind once it is %q", next.Period(noon(1)))
	}
}

// TestNoWayLeadsToALaunchThatWasNotApproved walks at random: whatever is written, submitted, approved, rejected and edited
// in whatever order, what launches under approvals was approved as it is, by somebody else.
func TestNoWayLeadsToALaunchThatWasNotApproved(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		people := []campaigns.Actor{{ID: "a", Name: "ann"}, {ID: "b", Name: "bob"}, {ID: "c", Name: "ann"}}
		c := written("recurring")
		c.Author, c.CreatedBy = "a", "ann"
		approvedBy, approved := map[int]string{}, 0
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			who := rapid.SampledFrom(people).Draw(t, "who")
			switch rapid.SampledFrom([]string{"edit", "submit", "approve", "reject", "launch"}).Draw(t, "step") {
			case "edit":
				d := c.Definition
				d.Author, d.CreatedBy = who.ID, who.Name
				if c.Edit(d) == nil {
					c.Version++
				}
			case "submit":
				_ = c.Submit(who, 0, 1, noon(1))
			case "approve":
				if c.Approve(who, 0, "", noon(1)) == nil {
					if who.ID == c.Author || who.ID == c.Review.Submitter {
						t.Fatalf("%v approved their own", who)
					}
					approvedBy[c.Version], approved = who.ID, c.Version
				}
			case "reject":
				if c.Reject(who, 0, "no", noon(1)) == nil {
					delete(approvedBy, c.Version)
				}
			case "launch":
				if c.MayLaunch(true, approved) != nil {
					continue
				}
				if approvedBy[c.Version] == "" {
					t.Fatalf("version %d was launched without approval", c.Version)
				}
				if c.LiveVersion == 0 {
					_ = c.Launch(noon(1))
				} else {
					_ = c.Relaunch(noon(1), nil)
				}
			}
		}
	})
}

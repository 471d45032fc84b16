package audience

import (
	"context"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// Names of the executors, as the API says them.
const (
	ByReference = "reference"
	ByVector    = "vector"
	ByPushdown  = "pushdown"
)

// Asked is a rule as of an instant.
type Asked struct {
	Rule *rules.Rule
	At   rules.Instant
}

// A Question is asked over all customers in one snapshot. The first condition is the one that Members and Reach are about;
// no instant of the conditions is before that of the one ahead of it.
// Progress, unless it is nil, is called now and then with the number of customers looked at so far; its error ends the
// search.
type Question struct {
	Conditions []Asked
	Members    bool
	Reach      bool
	Progress   func(scanned int64) error
}

// An Answer has a count for each condition of a question.
type Answer struct {
	Counts    []int64
	Total     int64             // all customers
	Members   *roaring64.Bitmap // by no; nil unless asked for
	Reachable map[string]int64  // by kind of address: of the members, those with consent and an address; nil unless asked for
	Left      int64             // customers that the executor left over to the reference
	Executor  string
	Why       string        // why this executor answered, and what it left over; in the words of Choose
	Took      time.Duration // by the store's clock
	Scan      time.Duration // of Took: evaluating the columns once they stood at the snapshot; 0 by other executors
}

// An Executor answers questions over all customers. All give the same answers.
type Executor interface {
	// Name is one of the By… constants.
	Name() string
	// Find opens a snapshot of its own after everything that was committed before it was called.
	Find(ctx context.Context, s *store.Store, q Question) (*Answer, error)
}

// reachColumns say who can be reached: by kind of address, the consent and whether there is an address.
func reachColumns() map[string][2]string {
	return map[string][2]string{campaigns.Email: {"email_consent", "has_email"}, campaigns.SMS: {"sms_consent", "has_phone"}}
}

func newAnswer(q Question, executor string) *Answer {
	a := &Answer{Counts: make([]int64, len(q.Conditions)), Executor: executor}
	if q.Members {
		a.Members = roaring64.New()
	}
	if q.Reach {
		a.Reachable = map[string]int64{}
		for kind := range reachColumns() {
			a.Reachable[kind] = 0
		}
	}
	return a
}

// Reference is the executor that asks expr's VM about each customer.
type Reference struct{}

// Name is "reference".
func (Reference) Name() string { return ByReference }

// Find reads all customers in spans.
func (Reference) Find(ctx context.Context, s *store.Store, q Question) (*Answer, error) {
	started := s.Now()
	a := newAnswer(q, ByReference)
	err := s.View(ctx, func(tx *store.Tx) error {
		q, err := q.rankedByReference(ctx, tx)
		if err != nil {
			return err
		}
		return All(ctx, tx, q.needs(), q.Conditions[0].At, func(no int64, record rules.Record) error {
			a.Total++
			return a.add(ctx, q, no, record)
		}, q.Progress)
	})
	a.Took = s.Now().Sub(started)
	return a, err
}

// needs are what the reference reads to answer a question.
func (q Question) needs() Needs {
	var needs Needs
	for _, c := range q.Conditions {
		needs = needs.With(c.Rule.Columns(), c.Rule.Histories())
	}
	if q.Reach {
		for _, names := range reachColumns() {
			needs = needs.With(names[:], nil)
		}
	}
	return needs
}

// add counts a customer by the reference.
func (a *Answer) add(ctx context.Context, q Question, no int64, record rules.Record) error {
	for i, c := range q.Conditions {
		if i > 0 && !c.At.Now.Equal(q.Conditions[i-1].At.Now) {
			Lapse(record, c.At.Now)
		}
		is, err := c.Rule.Decide(ctx, record, c.At)
		if err != nil {
			return err
		}
		if !is {
			continue
		}
		a.Counts[i]++
		if i == 0 {
			a.join(no, record)
		}
	}
	return ctx.Err()
}

func (a *Answer) join(no int64, record rules.Record) {
	if a.Members != nil {
		a.Members.Add(uint64(no))
	}
	for kind := range a.Reachable {
		names := reachColumns()[kind]
		if record[names[0]] == true && record[names[1]] == true {
			a.Reachable[kind]++
		}
	}
}

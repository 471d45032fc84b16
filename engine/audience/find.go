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

// Asked is a rule as of an instant, for those of whom the stored bool columns of Where are true, too.
type Asked struct {
	Rule  *rules.Rule
	At    rules.Instant
	Where []string
}

// bind makes the rule ready for an executor of whole audiences.
func (a Asked) bind() *rules.Bound {
	bound := a.Rule.Bind(a.At)
	if len(a.Where) > 0 {
		bound = bound.Where(a.Where...)
	}
	return bound
}

// decide asks the reference about one customer.
func (a Asked) decide(ctx context.Context, record rules.Record) (bool, error) {
	for _, column := range a.Where {
		if record[column] != true {
			return false, nil
		}
	}
	return a.Rule.Decide(ctx, record, a.At)
}

// A Question is asked over all customers in one snapshot. The first condition is the one that Members and Reach are about;
// no instant of the conditions is before that of the one ahead of it.
// Sets asks for the members of every condition.
// Progress, unless it is nil, is called now and then with the number of customers looked at so far; its error ends the
// search.
type Question struct {
	Conditions []Asked
	Members    bool
	Sets       bool
	Reach      bool
	Progress   func(scanned int64) error
}

// An Answer has a count for each condition of a question.
type Answer struct {
	Counts    []int64
	Total     int64               // all customers
	Members   *roaring64.Bitmap   // by no; nil unless asked for
	Sets      []*roaring64.Bitmap // likewise of each condition; nil unless asked for
	Reachable map[string]int64    // by kind of address: of the members, those with consent and an address; nil unless asked for
	Left      int64               // customers that the executor left over to the reference
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

// ReachColumns say who can be reached: by kind of address, the consent and whether there is an address.
func ReachColumns() map[string][2]string {
	return map[string][2]string{campaigns.Email: {"email_consent", "has_email"}, campaigns.SMS: {"sms_consent", "has_phone"}}
}

func newAnswer(q Question, executor string) *Answer {
	a := &Answer{Counts: make([]int64, len(q.Conditions)), Executor: executor}
	if q.Members {
		a.Members = roaring64.New()
	}
	if q.Sets {
		for range q.Conditions {
			a.Sets = append(a.Sets, roaring64.New())
		}
	}
	if q.Reach {
		a.Reachable = map[string]int64{}
		for kind := range ReachColumns() {
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
		needs = needs.With(c.Rule.Columns(), c.Rule.Histories()).With(c.Where, nil)
	}
	if q.Reach {
		for _, names := range ReachColumns() {
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
		is, err := c.decide(ctx, record)
		if err != nil {
			return err
		}
		if is {
			a.join(i, no, record)
		}
	}
	return ctx.Err()
}

// join counts a customer for a condition.
func (a *Answer) join(i int, no int64, record rules.Record) {
	a.Counts[i]++
	if a.Sets != nil {
		a.Sets[i].Add(uint64(no))
	}
	if i > 0 {
		return
	}
	if a.Members != nil {
		a.Members.Add(uint64(no))
	}
	for kind := range a.Reachable {
		names := ReachColumns()[kind]
		if record[names[0]] == true && record[names[1]] == true {
			a.Reachable[kind]++
		}
	}
}

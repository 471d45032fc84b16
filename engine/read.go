package engine

import (
	"bytes"
	"context"
	"errors"
	"time"

	"beckon/campaigns"
	"beckon/campaigns/store"
	"beckon/engine/audience"
	"beckon/engine/rules"
	"beckon/templates"
)

// CheckRule compiles a rule in this workspace; what is wrong with it is a campaigns.Error about the field rule.
func (e *Engine) CheckRule(ctx context.Context, source string) (*rules.Rule, error) {
	var rule *rules.Rule
	err := e.store.View(ctx, func(tx *store.Tx) error {
		s, err := schema(ctx, tx)
		if err != nil {
			return err
		}
		rule, err = rules.Compile(s, source)
		return problems("rule", err)
	})
	return rule, err
}

// A Count is how many customers match a rule as of an instant, and how it was found out.
type Count struct {
	Matching, Total int64
	Clauses         []Clause
	Reachable       map[string]int64 // by kind of address: consent given and an address known
	Took            time.Duration
	Executor, Why   string // as Choose says them
}

// A Clause is one of the conditions that a rule joins with && at its top, and how many customers meet it by itself.
type Clause struct {
	Text  string
	Count int64
}

// CountRule counts exactly. A zero asOf is now; an empty zone the workspace's.
func (e *Engine) CountRule(ctx context.Context, source string, asOf time.Time, zone string) (*Count, error) {
	rule, at, err := e.prepareRule(ctx, source, asOf, zone)
	if err != nil {
		return nil, err
	}
	clauses, err := rule.Conjuncts()
	if err != nil {
		return nil, err
	}
	q := audience.Question{Conditions: []audience.Asked{{Rule: rule, At: at}}, Reach: true}
	for _, part := range clauses {
		if len(clauses) > 1 { // else it is the rule
			q.Conditions = append(q.Conditions, audience.Asked{Rule: part, At: at})
		}
	}
	found, err := e.findSoon(ctx, q)
	if err != nil {
		return nil, err
	}
	count := &Count{Matching: found.Counts[0], Total: found.Total, Reachable: found.Reachable, Took: found.Took, Executor: found.Executor, Why: found.Why}
	for i, part := range clauses {
		count.Clauses = append(count.Clauses, Clause{Text: part.Source(), Count: found.Counts[min(i+1, len(found.Counts)-1)]})
	}
	return count, nil
}

// prepareRule compiles a rule and fixes the instant at which it is asked.
func (e *Engine) prepareRule(ctx context.Context, source string, asOf time.Time, zone string) (rule *rules.Rule, at rules.Instant, err error) {
	err = e.store.View(ctx, func(tx *store.Tx) error {
		s, err := schema(ctx, tx)
		if err != nil {
			return err
		}
		if rule, err = rules.Compile(s, source); err != nil {
			return problems("rule", err)
		}
		at, err = instant(ctx, tx, asOf, zone)
		return err
	})
	return rule, at, err
}

// find asks the executor. A rule that takes too long for a customer is what is wrong with the rule.
func (e *Engine) find(ctx context.Context, q audience.Question) (*audience.Answer, error) {
	found, err := e.finder.Find(ctx, e.store, q)
	return found, tooLong(err)
}

// typing is how long somebody who types a rule waits for customers to be loaded into memory.
const typing = 2 * time.Second

// findSoon asks the executor that answers soonest.
func (e *Engine) findSoon(ctx context.Context, q audience.Question) (*audience.Answer, error) {
	found, err := e.finder.Waiting(typing).Find(ctx, e.store, q)
	return found, tooLong(err)
}

// ChooseExecutor says which executor a rule is asked of, and why.
func (e *Engine) ChooseExecutor(ctx context.Context, rule *rules.Rule) (audience.Choice, error) {
	var at rules.Instant
	err := e.store.View(ctx, func(tx *store.Tx) (err error) {
		at, err = instant(ctx, tx, time.Time{}, "")
		return err
	})
	if err != nil {
		return audience.Choice{}, err
	}
	return e.finder.Choose(ctx, e.store, audience.Asked{Rule: rule, At: at})
}

// tooLong says that a rule takes too long for a customer as what is wrong with the rule; other errors it leaves as they are.
func tooLong(err error) error {
	if errors.Is(err, rules.ErrTooLong) {
		return campaigns.Invalid("rule", "%v", err)
	}
	if errors.Is(err, audience.ErrTooSlow) {
		return campaigns.Invalid("rule", "takes PostgreSQL longer than %.0f s: ask for less, or let audiences take more memory (--audience-memory), where this is faster",
			audience.SlowestAnswer.Seconds())
	}
	return err
}

func instant(ctx context.Context, tx *store.Tx, asOf time.Time, zone string) (rules.Instant, error) {
	w, err := tx.Workspace(ctx)
	if err != nil {
		return rules.Instant{}, err
	}
	at := rules.Instant{Now: tx.Now, Zone: w.Location()}
	if !asOf.IsZero() {
		at.Now = asOf
	}
	at.Now = at.Now.Truncate(time.Second) // rules know whole seconds
	if zone != "" {
		if at.Zone, err = time.LoadLocation(zone); err != nil || zone == "Local" {
			return at, campaigns.Invalid("zone", "%q is not an IANA time zone such as Asia/Shanghai", zone)
		}
	}
	return at, nil
}

// Matching lists customers who match a rule now, ascending by number, beginning after one.
func (e *Engine) Matching(ctx context.Context, source string, after int64, limit int) ([]int64, error) {
	rule, at, err := e.prepareRule(ctx, source, time.Time{}, "")
	if err != nil {
		return nil, err
	}
	found, err := e.find(ctx, audience.Question{Conditions: []audience.Asked{{Rule: rule, At: at}}, Members: true})
	if err != nil {
		return nil, err
	}
	var nos []int64
	it := found.Members.Iterator()
	it.AdvanceIfNeeded(uint64(after + 1))
	for it.HasNext() && len(nos) < limit {
		nos = append(nos, int64(it.Next()))
	}
	return nos, nil
}

// MessageContent is what a message said: kept content, else made again from its template's revision and its variables,
// and checked against the hash of what was sent. It is nil for a ghost.
func (e *Engine) MessageContent(ctx context.Context, m *campaigns.Message) (templates.Parts, error) {
	if m.Content != nil || m.Ghost {
		return m.Content, nil
	}
	parts, err := e.content(ctx, m)
	if isMissing(err) {
		return nil, campaigns.Conflict("the content can no longer be made again: %v", err)
	}
	if err != nil {
		return nil, err
	}
	if m.ContentHash != nil && !bytes.Equal(m.ContentHash, contentHash(parts)) {
		return nil, campaigns.Conflict("the content can no longer be made again as it was sent")
	}
	return parts, nil
}

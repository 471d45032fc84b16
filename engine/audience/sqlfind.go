package audience

import (
	"context"
	"fmt"
	"strings"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// A Question is what is asked about all customers at once.
type Question struct {
	Rule    *rules.Rule
	Clauses []*rules.Rule // each counted by itself
	// Flags are counted among those who match: each is stored columns that all have to be known, and true where they are
	// bools.
	Flags   [][]string
	Members bool // whether the numbers of those who match are wanted
}

// An Answer is exact.
type Answer struct {
	Total    int64 // all customers
	Matching int64
	Clauses  []int64
	Flags    []int64
	Members  *roaring64.Bitmap // by customers.no; nil unless asked for
	// Finished is how many customers the reference had to look at, and Left why: what of the rule and its clauses has no SQL
	// form. Customers are finished, too, where a calculation comes near the ends of floating point.
	Finished int64
	Left     []string
}

// Pushdown has PostgreSQL answer a question, in the snapshot of a transaction. What PostgreSQL cannot tell is finished with
// the reference.
func Pushdown(ctx context.Context, tx *store.Tx, q Question, at rules.Instant) (*Answer, error) {
	t, err := newTranslator(ctx, tx)
	if err != nil {
		return nil, err
	}
	p := &pushdown{tx: tx, question: q, at: at, answer: &Answer{Clauses: make([]int64, len(q.Clauses)), Flags: make([]int64, len(q.Flags))}}
	if q.Members {
		p.answer.Members = roaring64.New()
	}
	for _, rule := range append([]*rules.Rule{q.Rule}, q.Clauses...) {
		c, err := t.condition(rule.Bind(at))
		if err != nil {
			return nil, err
		}
		p.parts = append(p.parts, part{rule: rule, Condition: c})
		p.answer.Left = append(p.answer.Left, c.Left...)
		p.figures = p.figures || c.Figures
	}
	p.args = t.args
	for _, names := range q.Flags {
		flag, err := t.flag(names)
		if err != nil {
			return nil, err
		}
		p.flags = append(p.flags, flag)
	}
	p.figures = p.figures || t.needs
	for _, step := range []func(context.Context) error{p.countAll, p.match, p.gatherOpen, p.finish} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return p.answer, nil
}

// flag is SQL for columns that are all known, and true where they are bools.
func (t *translator) flag(names []string) (string, error) {
	var parts []string
	for _, name := range names {
		place, known := t.places[name]
		if !known {
			return "", fmt.Errorf("counting a flag: there is no column %q", name)
		}
		t.needs = t.needs || strings.Contains(place.SQL, "f.")
		if place.Type == "bool" {
			parts = append(parts, place.SQL)
		} else {
			parts = append(parts, place.SQL+" IS NOT NULL")
		}
	}
	return strings.Join(parts, " AND "), nil
}

// pushdown is one question on its way.
type pushdown struct {
	tx       *store.Tx
	question Question
	at       rules.Instant
	parts    []part // the rule, then the clauses
	flags    []string
	args     []any
	figures  bool
	answer   *Answer
}

// part is a rule of a question, and the customers of whom the reference has to say whether they match.
type part struct {
	*Condition
	rule *rules.Rule
	open *roaring64.Bitmap // nil: none
}

func (p *pushdown) where(sql string) store.Condition {
	return store.Condition{SQL: sql, Args: p.args, Figures: p.figures}
}

// countAll counts all customers and, in the same scan, those of each clause that is whole.
func (p *pushdown) countAll(ctx context.Context) error {
	conditions := []string{""}
	var clauses []int
	for i, clause := range p.parts[1:] {
		if clause.IsWhole() {
			conditions, clauses = append(conditions, clause.SQL), append(clauses, i)
		}
	}
	counts, err := p.tx.CountWhere(ctx, p.where(""), conditions)
	if err != nil {
		return err
	}
	p.answer.Total = counts[0]
	for i, clause := range clauses {
		p.answer.Clauses[clause] = counts[i+1]
	}
	return nil
}

// match counts, or lists, those who surely match, when the condition is the whole rule.
func (p *pushdown) match(ctx context.Context) error {
	whole := p.parts[0]
	if !whole.IsWhole() {
		return nil
	}
	counts, err := p.tx.CountWhere(ctx, p.where(whole.SQL), append([]string{""}, p.flags...))
	if err != nil {
		return err
	}
	p.answer.Matching = counts[0]
	copy(p.answer.Flags, counts[1:])
	if !p.question.Members {
		return nil
	}
	return p.tx.EachWhere(ctx, p.where(whole.SQL), false, func(no int64, _ bool) error {
		p.answer.Members.Add(uint64(no))
		return nil
	})
}

// gatherOpen lists the customers whom the reference has to look at: those whom a narrowing leaves, or of whom a condition
// cannot tell.
func (p *pushdown) gatherOpen(ctx context.Context) error {
	for i := range p.parts {
		one := &p.parts[i]
		where := p.where(one.SQL)
		switch {
		case one.IsWhole() && !one.Unsure:
			continue
		case one.IsWhole():
			where.SQL = "(" + one.SQL + ") IS NULL"
		}
		one.open = roaring64.New()
		err := p.tx.EachWhere(ctx, where, one.Unsure && !one.IsWhole(), func(no int64, _ bool) error {
			one.open.Add(uint64(no))
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// finish asks the reference about each open customer once.
func (p *pushdown) finish(ctx context.Context) error {
	all, needs := roaring64.New(), Needs{}
	for _, one := range p.parts {
		if one.open != nil {
			all.Or(one.open)
			needs = needs.With(one.rule.Columns(), one.rule.Histories())
		}
	}
	for _, names := range p.question.Flags {
		needs = needs.With(names, nil)
	}
	p.answer.Finished = int64(all.GetCardinality())
	nos := make([]int64, 0, SpanSize)
	for it := all.Iterator(); it.HasNext(); {
		nos = append(nos, int64(it.Next()))
		if len(nos) < SpanSize && it.HasNext() {
			continue
		}
		if err := Each(ctx, p.tx, store.Span{Nos: nos}, needs, p.at, p.finishOne); err != nil {
			return err
		}
		nos = nos[:0]
	}
	return nil
}

func (p *pushdown) finishOne(no int64, record rules.Record) error {
	for i, one := range p.parts {
		if one.open == nil || !one.open.Contains(uint64(no)) || !one.rule.Matches(record, p.at) {
			continue
		}
		if i > 0 {
			p.answer.Clauses[i-1]++
			continue
		}
		p.answer.Matching++
		if p.answer.Members != nil {
			p.answer.Members.Add(uint64(no))
		}
		for j, names := range p.question.Flags {
			if isFlagged(record, names) {
				p.answer.Flags[j]++
			}
		}
	}
	return nil
}

func isFlagged(record rules.Record, names []string) bool {
	for _, name := range names {
		if v := record[name]; v == nil || v == false {
			return false
		}
	}
	return true
}

package audience

import (
	"context"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"beckon/campaigns/store"
	"beckon/engine/rules"
)

// Pushdown is the executor that has PostgreSQL, one or distributed, look at the customers. Those about whom a condition
// cannot tell are finished with the reference, in the same snapshot.
type Pushdown struct{}

// Name is "pushdown".
func (Pushdown) Name() string { return ByPushdown }

// Find runs each condition as SQL.
func (Pushdown) Find(ctx context.Context, s *store.Store, q Question) (*Answer, error) {
	started := s.Now()
	p := &pushdown{question: q, answer: newAnswer(q, ByPushdown)}
	err := s.View(ctx, func(tx *store.Tx) error {
		p.tx = tx
		var err error
		if p.question, err = q.rankedByReference(ctx, tx); err != nil {
			return err
		}
		for _, step := range []func(context.Context) error{p.translate, p.count, p.list, p.match, p.gatherOpen, p.finish} {
			if err := step(ctx); err != nil {
				return err
			}
		}
		return nil
	})
	if len(p.parts) > 0 {
		p.answer.Why = p.parts[0].whyLeft()
	}
	p.answer.Took = s.Now().Sub(started)
	return p.answer, err
}

// ConditionOf is a rule as SQL, and what of it has no SQL form. It may read the distinct texts of columns.
func ConditionOf(ctx context.Context, tx *store.Tx, asked Asked) (*Condition, error) {
	t, err := newTranslator(ctx, tx)
	if err != nil {
		return nil, err
	}
	return t.condition(asked.bind())
}

// pushdown is one question on its way.
type pushdown struct {
	tx       *store.Tx
	question Question
	parts    []part // a condition each
	reach    []string
	kinds    []string // of address: reach[i] is whether customers can be reached by kinds[i]
	args     []any
	joins    []string
	figures  bool
	answer   *Answer
}

// part is a condition of a question, and the customers of whom the reference has to say whether they match.
type part struct {
	*Condition
	open *roaring64.Bitmap // nil: none
}

func (p *pushdown) translate(ctx context.Context) error {
	t, err := newTranslator(ctx, p.tx)
	if err != nil {
		return err
	}
	for _, asked := range p.question.Conditions {
		c, err := t.condition(asked.bind())
		if err != nil {
			return err
		}
		p.parts, p.figures = append(p.parts, part{Condition: c}), p.figures || c.Figures
	}
	p.args, p.joins = t.args, t.joins
	for kind := range p.answer.Reachable {
		names := ReachColumns()[kind]
		p.kinds = append(p.kinds, kind)
		p.reach = append(p.reach, t.places[names[0]].SQL+" AND "+t.places[names[1]].SQL)
	}
	return nil
}

func (p *pushdown) where(sql string) store.Condition {
	return store.Condition{SQL: sql, Args: p.args, Figures: p.figures, Joins: p.joins}
}

// countedMax is how many conditions one scan counts: a forecast has one for each day.
const countedMax = 16

// count counts all customers and, in as few scans, those of each condition but the first. NULL counts for nobody.
func (p *pushdown) count(ctx context.Context) error {
	conditions, counted := []string{""}, []int{}
	flush := func() error {
		counts, err := p.tx.CountWhere(ctx, p.where(""), conditions)
		if err != nil {
			return err
		}
		p.answer.Total = counts[0]
		for i, condition := range counted {
			p.answer.Counts[condition] = counts[i+1]
		}
		conditions, counted = conditions[:1], counted[:0]
		return p.progress(p.answer.Total)
	}
	for i, one := range p.parts {
		if i == 0 || !one.IsWhole() || p.answer.Sets != nil {
			continue
		}
		conditions, counted = append(conditions, one.SQL), append(counted, i)
		if len(counted) == countedMax {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if len(counted) == 0 && p.answer.Total > 0 {
		return nil
	}
	return flush()
}

func (p *pushdown) progress(scanned int64) error {
	if p.question.Progress == nil {
		return nil
	}
	return p.question.Progress(scanned)
}

// list lists those for whom each condition is true that is the whole rule.
func (p *pushdown) list(ctx context.Context) error {
	for i, one := range p.parts {
		if p.answer.Sets == nil || !one.IsWhole() {
			continue
		}
		set := p.answer.Sets[i]
		if err := p.tx.EachWhere(ctx, p.where(one.SQL), func(no int64) error { set.Add(uint64(no)); return nil }); err != nil {
			return err
		}
		p.answer.Counts[i] = int64(set.GetCardinality())
	}
	return nil
}

// match counts, or lists, those for whom the first condition is true, when that is the whole rule.
func (p *pushdown) match(ctx context.Context) error {
	whole := p.parts[0]
	if !whole.IsWhole() {
		return nil
	}
	if members := p.answer.Members; members != nil && len(p.reach) == 0 {
		err := p.tx.EachWhere(ctx, p.where(whole.SQL), func(no int64) error { members.Add(uint64(no)); return nil })
		p.answer.Counts[0] = int64(members.GetCardinality())
		return err
	}
	counts, err := p.tx.CountWhere(ctx, p.where(whole.SQL), append([]string{""}, p.reach...))
	if err != nil {
		return err
	}
	p.answer.Counts[0] = counts[0]
	for i, kind := range p.kinds {
		p.answer.Reachable[kind] = counts[i+1]
	}
	if members := p.answer.Members; members != nil {
		return p.tx.EachWhere(ctx, p.where(whole.SQL), func(no int64) error { members.Add(uint64(no)); return nil })
	}
	return nil
}

// gatherOpen lists the customers whom the reference has to look at: those whom a narrowing leaves, or of whom a condition
// cannot tell.
func (p *pushdown) gatherOpen(ctx context.Context) error {
	for i := range p.parts {
		one := &p.parts[i]
		sql := one.SQL
		switch {
		case one.IsWhole() && !one.Unsure:
			continue
		case one.IsWhole():
			sql = "(" + sql + ") IS NULL"
		case one.Unsure:
			sql = "(" + sql + ") IS NOT FALSE"
		}
		one.open = roaring64.New()
		err := p.tx.EachWhere(ctx, p.where(sql), func(no int64) error { one.open.Add(uint64(no)); return nil })
		if err != nil {
			return err
		}
	}
	return nil
}

// finish asks the reference about each open customer once.
func (p *pushdown) finish(ctx context.Context) error {
	all := roaring64.New()
	for _, one := range p.parts {
		if one.open != nil {
			all.Or(one.open)
		}
	}
	p.answer.Left = int64(all.GetCardinality())
	needs := p.question.needs()
	nos := make([]int64, 0, SpanSize)
	for it := all.Iterator(); it.HasNext(); {
		nos = append(nos, int64(it.Next()))
		if len(nos) < SpanSize && it.HasNext() {
			continue
		}
		err := Each(ctx, p.tx, store.Span{Nos: nos}, needs, p.question.Conditions[0].At, func(no int64, record rules.Record) error {
			return p.finishOne(ctx, no, record)
		})
		if err != nil {
			return err
		}
		nos = nos[:0]
		if err := p.progress(p.answer.Total); err != nil {
			return err
		}
	}
	return nil
}

// finishOne counts a customer for the conditions that are open about them, as the reference does for all.
func (p *pushdown) finishOne(ctx context.Context, no int64, record rules.Record) error {
	for i, c := range p.question.Conditions {
		if i > 0 && !c.At.Now.Equal(p.question.Conditions[i-1].At.Now) {
			Lapse(record, c.At.Now)
		}
		if open := p.parts[i].open; open == nil || !open.Contains(uint64(no)) {
			continue
		}
		is, err := c.decide(ctx, record)
		if err != nil {
			return err
		}
		if is {
			p.answer.join(i, no, record)
		}
	}
	return nil
}
